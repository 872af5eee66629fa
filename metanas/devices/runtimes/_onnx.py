"""A network as an ONNX model, for the runtimes that read it."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from metanas.devices.runtimes._graph import INPUT, OUTPUT, can_write, write_onnx
from metanas.extras import require


def to_onnx(network: nn.Module, example: Tensor) -> bytes:
    """Return the network as ONNX, for inputs of the example's shape.

    The standard network is written node by node (milliseconds), any other is exported by PyTorch (about a second).

    Raises:
        MetanasError: the package onnx is not installed.
    """
    require("onnx", "devices", "Measuring by ONNX Runtime or OpenVINO")
    if can_write(network):
        return write_onnx(network, tuple(example.shape))
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # the exporter by TorchScript is deprecated; the other needs one more package
        path = Path(folder) / "network.onnx"
        torch.onnx.export(network, (example,), path, dynamo=False, input_names=[INPUT], output_names=[OUTPUT])
        return path.read_bytes()


def quantized(model: bytes, example: Tensor, draws: int = 4) -> bytes:
    """Return an ONNX model with weights and activations in 8 bits, calibrated on normal draws of the example's shape.

    Static quantization of ONNX Runtime (quantize and dequantize pairs, per channel), after normalizations were folded
    into convolutions: else they would stay between the pairs, in 32 bits. It says how fast the network runs in 8 bits,
    not how accurate it is.
    """
    runtime = require("onnxruntime", "devices", "8-bit inference")
    quantization = require("onnxruntime.quantization", "devices", "8-bit inference")

    class Draws(quantization.CalibrationDataReader):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            generator = torch.Generator().manual_seed(0)
            self._left = [torch.randn(example.shape, generator=generator).numpy() for _ in range(draws)]

        def get_next(self) -> dict[str, object] | None:
            return {INPUT: self._left.pop()} if self._left else None

    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(plain)
        runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])  # writes what it made of it
        quantization.quantize_static(plain, small, Draws(), per_channel=True)
        return small.read_bytes()
