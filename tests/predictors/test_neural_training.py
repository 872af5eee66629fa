from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from metanas.encodings.graphs import Graphs, class_graphs
from metanas.errors import InvalidValueError
from metanas.predictors._neural_layers import Batch, Sizes
from metanas.predictors._neural_training import Training, _in_one, _loss, folds
from metanas.predictors.gnn import _Network as Gnn
from metanas.predictors.transformer import _Network as Transformer
from metanas.spaces import load_space

NETWORKS = [
    (Gnn, {"layers": 2, "width": 8, "backward": True, "gates": True}),
    (Transformer, {"layers": 2, "width": 8, "heads": 2}),
]


def loss(out: list[list[float]], z: list[float], weights: list[list[float]], **settings: Any) -> float:
    return float(_loss(torch.tensor(out), torch.tensor(z), torch.tensor(weights), Training(**settings)))


def test_the_squared_error_by_hand() -> None:
    """Member 0 leaves out the last example, which stands for three; member 1 sees all."""
    found = loss([[1, 2, 9], [0, 0, 0]], [0, 0, 1], [[1, 1, 0], [1, 1, 3]], rank=0, error=2)
    assert found == pytest.approx(2 * ((1 + 4) / 2 + 3 / 5))


def test_the_rank_loss_by_hand() -> None:
    """Three pairs are to be ranked, the equal one is not; a pair weighs as both its examples."""
    out, z, weights = [0.5, -1.0, 2.0], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]
    pairs = [(2, 0, 3.0), (2, 1, 6.0)]
    expected = sum(w * np.log1p(np.exp(out[low] - out[high])) for high, low, w in pairs) / 9
    assert loss([out], z, [weights], rank=1, error=0) == pytest.approx(expected)


def test_without_pairs_the_rank_loss_is_nothing() -> None:
    assert loss([[1.0, 2.0]], [3.0, 3.0], [[1.0, 1.0]], rank=1, error=0) == 0


def test_every_member_leaves_out_its_fold_and_all_are_left_out_once() -> None:
    left_out = folds(8, 83, 0.125, np.random.default_rng(0))
    assert (left_out.sum(axis=0) == 1).all()
    assert set(left_out.sum(axis=1).tolist()) == {10, 11}
    assert not folds(8, 83, 0, np.random.default_rng(0)).any()
    assert (folds(8, 4, 0.125, np.random.default_rng(0)).sum(axis=1) == 1).all()  # no more folds than examples


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"steps": 0}, "steps > 0"),
        ({"rate": float("nan")}, "rate > 0"),
        ({"rank": -1}, "rank >= 0"),
        ({"rank": 0, "error": 0}, "without a loss"),
        ({"leave_out": 0.9}, "leave_out <= 0.5"),
        ({"batch": 1}, "batch >= 2"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        Training(**settings)  # type: ignore[arg-type]


def graphs_of(texts: list[str]) -> Graphs:
    space = load_space("nb201-conv")
    graphs, rows = class_graphs(space, [space.parse(text) for text in texts])
    return graphs.take(rows)


def said(network: Any, graphs: Graphs) -> torch.Tensor:
    out: torch.Tensor = network(Batch(network.prepare(graphs), np.zeros((len(graphs), 0), dtype=np.float32)))
    return out


@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_members_do_not_touch_each_other(network: Any, settings: dict[str, Any]) -> None:
    made = network(Sizes(3, 4, 0), torch.Generator().manual_seed(0), **settings)
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    out = said(made, graphs_of([text]))
    assert len(set(out[:, 0].tolist())) == 3
    out[1].sum().backward()
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name
        touched = weight.grad.abs().flatten(1).sum(dim=1) > 0
        assert not touched[[0, 2]].any(), name


@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_members_say_what_they_say_alone(network: Any, settings: dict[str, Any]) -> None:
    graphs = class_graphs(load_space("nb201"), [])[0].take(np.array([7, 5000, 7, 2310]))
    together = network(Sizes(3, 5, 0), torch.Generator().manual_seed(0), **settings)
    with torch.no_grad():
        for member, expected in enumerate(said(together, graphs)):
            alone = network(Sizes(1, 5, 0), torch.Generator().manual_seed(1), **settings)
            for weight, of_all in zip(alone.parameters(), together.parameters(), strict=True):
                weight.copy_(of_all[member : member + 1])
            torch.testing.assert_close(said(alone, graphs)[0], expected)


@pytest.mark.parametrize("backward", [True, False])
def test_a_layer_by_hand(backward: bool) -> None:
    """Every vertex adds what each of its edges brings; see the module for the gates."""
    made = Gnn(Sizes(1, 5, 0), torch.Generator().manual_seed(0), layers=1, width=8, backward=backward, gates=True)
    graphs = class_graphs(load_space("nb201"), [])[0].take(np.array([5000, 2310]))
    seen: list[Any] = []
    made.layers[0].register_forward_hook(lambda _, inputs, out: seen.append((inputs, out)))
    with torch.no_grad():
        said(made, graphs)
        ((h, _, _, op_gate), out) = seen[0]
        kept, *sent = made.layers[0].linear(h)[0].split(8, dim=-1)
        flow = torch.zeros_like(kept)
        columns = (graphs.sources, graphs.targets, graphs.pools, graphs.counts)
        for source, target, pools, count in zip(*(column.tolist() for column in columns), strict=True):
            features = torch.tensor([[[np.log2(count), pools, float(pools > 0)]]])
            gate = count * torch.sigmoid(1 + made.edge_gate(features.float()))[0, 0]
            flow[target] += gate * sent[0][source]
            if backward:
                flow[source] += gate * sent[1][target]
        new = torch.nn.functional.layer_norm(kept + flow * op_gate[0], (8,))
        torch.testing.assert_close(out[0], h[0] + torch.nn.functional.silu(new))
    assert len(sent) == 1 + backward


@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_the_order_of_vertices_does_not_matter(network: Any, settings: dict[str, Any]) -> None:
    """Two convolutions side by side may be numbered either way, and padding of others in the batch changes nothing."""
    made = network(Sizes(2, 4, 0), torch.Generator().manual_seed(0), **settings)
    side = "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    large = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    alone, beside = graphs_of([side]), graphs_of([large, side])
    ops = alone.ops.tolist()
    assert len(ops) == 4
    assert ops[1] != ops[2]
    alone.ops[[1, 2]] = [ops[2], ops[1]]  # the copy that take() made
    with torch.no_grad():
        torch.testing.assert_close(said(made, alone)[:, 0], said(made, beside)[:, 1])


@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_rows_of_what_was_laid_out_are_what_is_laid_out_of_rows(network: Any, settings: dict[str, Any]) -> None:
    made = network(Sizes(2, 4, 0), torch.Generator().manual_seed(0), **settings)
    space, rows = load_space("nb201-conv"), np.array([5, 900, 33])
    graphs, _ = class_graphs(space, [])
    laid = Batch(made.prepare(graphs), np.zeros((len(graphs), 0), dtype=np.float32))
    with torch.no_grad():
        torch.testing.assert_close(made(laid.take(rows)), said(made, graphs.take(rows)))


def test_weights_in_one_vector_are_trained_as_they_are_one_by_one() -> None:
    networks = [Gnn(Sizes(2, 4, 0), torch.Generator().manual_seed(0), **NETWORKS[0][1]) for _ in range(2)]
    together = _in_one(networks[0])
    one, many = ([together], list(networks[1].parameters()))
    optimizers = [torch.optim.AdamW(weights, lr=0.1, weight_decay=0.1) for weights in (one, many)]
    graphs = class_graphs(load_space("nb201-conv"), [])[0].take(np.arange(40))
    for _ in range(3):
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad(set_to_none=False)
            said(network, graphs).square().sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    for first, second in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(first, second)
