"""What holds for every zero-cost score."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.nets.nb201_standard import standard_network
from metanas.proxies import Batch, Block, load_proxy, proxy_names
from metanas.spaces import Cell, load_space

BATCHED = [name for name in proxy_names() if load_proxy(name).many is not None]


def test_the_names() -> None:
    promised = "params flops grad_norm snip grasp fisher synflow jacov naswot zen plain l2_norm epe_nas zico"
    parts = "az_expressivity az_progressivity az_trainability"
    assert set(proxy_names()) == set(promised.split()) | set(parts.split())
    assert set(proxy_names()) - set(BATCHED) == {"grasp"}
    with pytest.raises(UnknownNameError, match="naswot"):
        load_proxy("nasvot")


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 16)], ids=str)
def test_batched_is_one_by_one(
    name: str, shape: tuple[int, ...], make_block: Callable[..., Block], some_cells: Callable[[int], list[Cell]]
) -> None:
    block = make_block(some_cells(6), shape, copies=2 if len(shape) == 2 else 1)
    proxy = load_proxy(name)
    together = proxy.of_block(block)
    alone = [proxy(network, block.batch) for network in block.networks()]
    scale = 1e-3 if name == "plain" else 0.0  # sums that cancel
    np.testing.assert_allclose(together, alone, rtol=1e-7, atol=1e-9 * scale)
    assert np.isfinite(together[2:]).any()


@pytest.mark.parametrize("name", proxy_names())
def test_a_network_is_left_as_it_is(
    name: str,
    make_batch: Callable[..., Batch],
    make_block: Callable[..., Block],
    some_cells: Callable[[int], list[Cell]],
) -> None:
    (network,) = make_block(some_cells(1)[2:]).networks()
    batch = make_batch((2, 8, 8))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state, mode = torch.random.get_rng_state(), network.training
    first = load_proxy(name)(network, batch)
    assert math.isfinite(first)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert network.training == mode
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert load_proxy(name)(network, batch) == first


@pytest.mark.parametrize("name", proxy_names())
def test_what_a_score_needs(
    name: str,
    make_batch: Callable[..., Batch],
    make_block: Callable[..., Block],
    some_cells: Callable[[int], list[Cell]],
) -> None:
    """A score that needs no labels ignores them, one that needs nothing ignores the inputs; one that needs them not."""
    (network,) = make_block(some_cells(1)[2:]).networks()
    proxy, batch = load_proxy(name), make_batch((2, 8, 8))
    value = proxy(network, batch)
    other_labels = Batch(batch.x, batch.y.sort().values, batch.seed)
    other_inputs = Batch(batch.x.flip(0) * 0.7 + batch.x.roll(1, 2), batch.y, batch.seed)
    assert (proxy(network, other_labels) != value) == (proxy.needs == "labels")
    assert (proxy(network, other_inputs) != value) == (proxy.needs in ("inputs", "labels"))


@pytest.mark.parametrize("name", sorted(set(proxy_names()) - {"grasp", "fisher"}))
def test_the_standard_network_can_be_scored(name: str, make_batch: Callable[..., Batch]) -> None:
    space = load_space("nb201")
    network = standard_network(
        space.parse("|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|skip_connect~2|")
    )
    batch = make_batch((3, 32, 32), 4)
    assert math.isfinite(load_proxy(name)(network, batch))


def test_errors_say_what_is_wrong(make_batch: Callable[..., Batch]) -> None:
    with pytest.raises(InvalidValueError, match="at least two examples"):
        Batch(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(InvalidValueError, match=r"no steps\(\) and final\(\)"):
        load_proxy("zen")(network, make_batch((2, 8, 8)))
