"""Scores of architectures on a task."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metanas.errors import InvalidValueError
from metanas.protocol import load_protocol
from metanas.proxies import Batch, load_proxy, scores, scoring_batch
from metanas.proxies.block import Block
from metanas.spaces import load_space
from metanas.tasks import Task, load_task

NAMES = ("synflow", "naswot", "grad_norm", "zen", "az_expressivity")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("optdigits")


def test_the_batch_is_of_training_rows_as_the_protocol_resizes_them(task: Task) -> None:
    protocol = load_protocol("small-v1")
    batch = scoring_batch(task, protocol, seed=1, examples=20)
    assert batch.x.shape == (20, *protocol.skeleton(task.shape, task.n_classes).input_shape)
    again, other = (scoring_batch(task, protocol, seed=seed, examples=20) for seed in (1, 2))
    assert torch.equal(again.x, batch.x)
    assert not torch.equal(other.x, batch.x)
    resized = task.resized(protocol.network.resolution)
    training = {row.tobytes() for row in np.round(resized.x[task.split["training"]], 4)}
    assert all(row.tobytes() in training for row in np.round(batch.x.numpy(), 4))
    with pytest.raises(InvalidValueError, match="2 <= examples"):
        scoring_batch(task, protocol, examples=10**6)


def test_scores_do_not_depend_on_the_blocks(task: Task) -> None:
    protocol = load_protocol("small-v1")
    space = load_space("nb201-conv")
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(7)]
    done: list[int] = []
    small = protocol.model_copy(update={"block_size": 3})
    found = scores(archs, task, small, seed=4, names=NAMES, examples=16, report=done.append)
    assert done == [3, 6, 7]
    whole = scores(archs, task, protocol, seed=4, names=NAMES, examples=16)
    batch = scoring_batch(task, protocol, seed=4, examples=16)
    skeleton = protocol.skeleton(task.shape, task.n_classes)
    for name in NAMES:
        assert found.values[name].shape == found.seconds[name].shape == (7,)
        np.testing.assert_allclose(found.values[name], whole.values[name], rtol=1e-4)
        assert (found.seconds[name] >= 0).all()
        (network,) = Block([space.cell(archs[2])], skeleton, batch, seed=4).networks()
        assert load_proxy(name)(network, batch) == pytest.approx(found.values[name][2], rel=1e-4)
    assert isinstance(batch, Batch)
    other = scores(archs, task, protocol, seed=5, names=("grad_norm",), examples=16)
    assert (other.values["grad_norm"] != found.values["grad_norm"]).all()
