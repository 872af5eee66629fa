"""ONNX Runtime on the CPU, with all its graph optimizations."""

from __future__ import annotations

from torch import Tensor, nn

from metanas.devices.runtimes import Run
from metanas.devices.runtimes._graph import INPUT
from metanas.devices.runtimes._onnx import quantized, to_onnx
from metanas.extras import require

PRECISIONS = ("fp32", "int8")


def version() -> str:
    """Return ONNX Runtime's version."""
    return f"onnxruntime {require('onnxruntime', 'devices', 'This runtime').__version__}"


def prepare(network: nn.Module, example: Tensor, threads: int, precision: str) -> Run:
    """Return a function that runs the network once."""
    runtime = require("onnxruntime", "devices", "This runtime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Networks take turns: idle threads of one must not spin while the next one runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    model = to_onnx(network, example)
    if precision == "int8":
        model = quantized(model, example)
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {INPUT: example.numpy()}
    return lambda: session.run(None, feed)
