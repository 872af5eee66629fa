"""The standard network, or a part of it, written as an ONNX graph node by node: no tracing, no export.

Exporting by PyTorch traces and checks a network for about a second; writing down what it is takes milliseconds. Nothing
is folded or fused here: that is the runtime's business, and a part of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from metanas.devices.networks import SelfSum
from metanas.extras import require
from metanas.nets.nb201_standard import Pool, ReluConvNorm, ResidualReduction, StandardNetwork, WrittenCell, Zero
from metanas.spaces.nb201 import EDGES

INPUT, OUTPUT = "x", "y"
_OPSET = 17
_IR_VERSION = 8  # what goes with that operator set, so that older runtimes read it too


class _Graph:
    """Nodes and weights of a graph that is being written; a value is known by its name."""

    def __init__(self) -> None:
        self._helper = require("onnx.helper", "devices", "Writing ONNX graphs")
        self._kinds = require("onnx", "devices", "Writing ONNX graphs").TensorProto
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        """Add a node; return the name of its value."""
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def weight(self, values: Tensor | np.ndarray[Any, np.dtype[np.float32]]) -> str:
        """Add a constant; return its name."""
        array = np.ascontiguousarray(values.detach().numpy() if isinstance(values, Tensor) else values)
        name = f"weight{len(self.weights)}"
        kind = self._kinds.FLOAT
        self.weights.append(self._helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
        return name

    def model(self, result: str, shape: tuple[int, ...], out: tuple[int | None, ...]) -> bytes:
        """Return the finished model: float32 input ``x`` of a shape, output ``y``."""
        helper, kind = self._helper, self._kinds.FLOAT
        self.nodes.append(helper.make_node("Identity", [result], [OUTPUT]))
        ends = [helper.make_tensor_value_info(name, kind, size) for name, size in ((INPUT, shape), (OUTPUT, out))]
        graph = helper.make_graph(self.nodes, "network", ends[:1], ends[1:], initializer=self.weights)
        opset = helper.make_opsetid("", _OPSET)
        written: bytes = helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="metanas"
        ).SerializeToString()
        return written


def can_write(module: nn.Module) -> bool:
    """Return whether every part of the module is one that can be written."""
    if isinstance(module, nn.Sequential):
        return all(can_write(part) for part in module)
    return type(module) in _WRITERS


def write_onnx(module: nn.Module, shape: tuple[int, ...]) -> bytes:
    """Return the module as an ONNX model in evaluation mode.

    Args:
        module: the standard network, a cell, an operation of a cell, or a sequence of such (:func:`can_write`).
        shape: of its input, ``(batch, C, H, W)``.

    Raises:
        MetanasError: the package onnx is not installed.
    """
    graph = _Graph()
    result = _write(graph, module, INPUT)
    out: tuple[int | None, ...] = (shape[0], None, None, None)
    if isinstance(module, StandardNetwork):
        out = (shape[0], module.classifier.out_features)
    return graph.model(result, shape, out)


def _write(graph: _Graph, module: nn.Module, x: str) -> str:
    return _WRITERS[type(module)](graph, module, x)


def _sequential(graph: _Graph, module: Any, x: str) -> str:
    for part in module:
        x = _write(graph, part, x)
    return x


def _conv(graph: _Graph, module: Any, x: str) -> str:
    pads = [*module.padding, *module.padding]
    sizes = {"kernel_shape": list(module.kernel_size), "strides": list(module.stride), "pads": pads}
    return graph.add("Conv", x, graph.weight(module.weight), **sizes)


def _norm(graph: _Graph, module: Any, x: str) -> str:
    values = (module.weight, module.bias, module.running_mean, module.running_var)
    return graph.add("BatchNormalization", x, *map(graph.weight, values), epsilon=module.eps)


def _relu_conv_norm(graph: _Graph, module: Any, x: str) -> str:
    return _norm(graph, module.norm, _conv(graph, module.conv, graph.add("Relu", x)))


def _zero(graph: _Graph, module: Any, x: str) -> str:
    return graph.add("Mul", x, graph.weight(np.zeros((), dtype=np.float32)))


def _pool(graph: _Graph, module: Any, x: str) -> str:
    return graph.add("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=0)


def _self_sum(graph: _Graph, module: Any, x: str) -> str:
    return graph.add("Add", x, x)


def _identity(graph: _Graph, module: Any, x: str) -> str:
    return x


def _cell(graph: _Graph, module: Any, x: str) -> str:
    nodes = [x]
    for target in range(1, 1 + max(node for node, _ in EDGES)):
        incoming = zip(EDGES, module.edges, strict=True)
        first, *rest = [_write(graph, edge, nodes[source]) for (node, source), edge in incoming if node == target]
        for value in rest:
            first = graph.add("Add", first, value)
        nodes.append(first)
    return nodes[-1]


def _reduction(graph: _Graph, module: Any, x: str) -> str:
    residual = _relu_conv_norm(graph, module.second, _relu_conv_norm(graph, module.first, x))
    pooled = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return graph.add("Add", residual, _conv(graph, module.shortcut, pooled))


def _network(graph: _Graph, module: Any, x: str) -> str:
    for step in module.steps():
        x = _write(graph, step, x)
    x = graph.add("Relu", _norm(graph, module.norm, x))
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    last = module.classifier
    return graph.add("Gemm", flat, graph.weight(last.weight), graph.weight(last.bias), transB=1)


_WRITERS: dict[type[nn.Module], Callable[[_Graph, Any, str], str]] = {
    nn.Sequential: _sequential,
    nn.Conv2d: _conv,
    nn.BatchNorm2d: _norm,
    nn.Identity: _identity,
    ReluConvNorm: _relu_conv_norm,
    Zero: _zero,
    SelfSum: _self_sum,
    Pool: _pool,
    WrittenCell: _cell,
    ResidualReduction: _reduction,
    StandardNetwork: _network,
}
