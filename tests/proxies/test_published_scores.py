"""The published tables of scores: whose they are, and that they can be had again."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.errors import UnknownNameError
from metanas.protocol import load_protocol
from metanas.proxies import load_scores, proxy_names, scored_tasks, scores
from metanas.proxies.store import networks_text
from metanas.tables.lint import lint
from metanas.tables.sample import drawn_classes
from metanas.tables.shards import representatives
from metanas.tasks import load_task

AGAIN = ("params", "flops", "l2_norm", "synflow", "naswot", "grad_norm", "az_expressivity")


@pytest.mark.parametrize("name", scored_tasks())
def test_a_published_table_of_scores(name: str) -> None:
    table, task = load_scores(name), load_task(name)
    assert (table.name, table.task) == (f"scores/{name}", name)
    assert table.provenance["task_sha256"] == task.sha256
    protocol = load_protocol("small-v1")
    assert table.protocol == networks_text(protocol, table.provenance["examples"])
    space = table.space
    assert set(table.archs.tolist()) == {*representatives("nb201-conv"), *drawn_classes(600)}
    assert {f"proxy/{score}" for score in proxy_names()} <= set(table.metrics)
    assert not [finding for finding in lint(table.path) if finding.severity == "error"]
    chosen = np.random.default_rng(0).choice(table.archs, 2, replace=False)
    archs = [space.arch(int(index)) for index in chosen]
    seed, examples = table.seeds[0], table.provenance["examples"]
    again = scores(archs, task, protocol, seed=seed, names=AGAIN, examples=examples)
    for score in AGAIN:
        axes = table.metrics[f"proxy/{score}"].axes
        kept = table.query(chosen, f"proxy/{score}", seed=seed if "seed" in axes else None, missing="nan")
        np.testing.assert_allclose(again.values[score], kept, rtol=1e-3)


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(UnknownNameError, match="fashion_mnist-v1"):
        load_scores("fashion_mnist")
