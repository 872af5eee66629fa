"""OpenVINO on the CPU, tuned for latency."""

from __future__ import annotations

from torch import Tensor, nn

from metanas.devices.runtimes import Run
from metanas.devices.runtimes._onnx import quantized, to_onnx
from metanas.extras import require

PRECISIONS = ("fp32", "bf16", "int8")
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # an 8-bit model carries its own precision


def version() -> str:
    """Return OpenVINO's version."""
    return f"openvino {require('openvino', 'devices', 'This runtime').__version__}"


def prepare(network: nn.Module, example: Tensor, threads: int, precision: str) -> Run:
    """Return a function that runs the network once."""
    core = require("openvino", "devices", "This runtime").Core()
    model = to_onnx(network, example)
    if precision == "int8":
        model = quantized(model, example)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    feed = {0: example.numpy()}
    return lambda: request.infer(feed)
