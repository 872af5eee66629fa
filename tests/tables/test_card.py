from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_tables import Content, make_content

from metanas.errors import NotMeasuredError
from metanas.tables import Table, noise
from metanas.tables.card import card, histogram_lines
from metanas.tables.truth import Truth


def rows_under(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the Markdown table under a heading, without its head."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].replace("\\|", "")
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_what_it_is_and_how_it_was_made(table: Table) -> None:
    text = card(table)
    assert text.startswith("# nb201/example-v1\n\n50 architectures of the space `nb201-conv`")
    assert "seeds 0, 1, 2, values after 1 to 4 epochs" in text
    assert "Nothing is missing." in text
    assert "- core seconds: 1.5" in text
    assert f"- protocol sha256: {table.protocol_sha256}" in text
    assert "```toml\nepochs = 4\n```" in text


def test_the_noise_is_that_of_the_values(table: Table) -> None:
    rows = {row[0]: row[1:] for row in rows_under(card(table), "Noise")}
    assert list(rows) == [
        "validation/accuracy (percent)",
        "validation/cross_entropy (nats)",
        "test/accuracy (percent)",
        "test/cross_entropy (nats)",
    ]
    loss = table.values("test/cross_entropy")[..., -1].astype(np.float64)
    tau = noise.tau_between_seeds(loss, "minimize")
    better = noise.tau_between_seeds(loss, "minimize", 0.5)
    assert rows["test/cross_entropy (nats)"][:2] == [f"{tau:.3f}", f"{better:.3f}"]
    truth = Truth.fit(loss, "minimize").tau(3, np.random.default_rng(0), 0.5)
    assert rows["test/cross_entropy (nats)"][6:8] == [f"{truth:.3f}", f"{noise.deviation(loss):.4g}"]


def test_the_best_are_chosen_by_validation_with_test_beside(table: Table) -> None:
    rows = rows_under(card(table), "The 10 best by validation")
    validation, test = table.column("validation/accuracy"), table.column("test/accuracy")
    order = np.argsort(-validation)[:10]
    assert [int(row[0]) for row in rows] == table.archs[order].tolist()
    assert [row[2] for row in rows] == [f"{value:.2f}" for value in validation[order]]
    assert [row[3] for row in rows] == [f"{value:.2f}" for value in test[order]]
    assert [int(row[4]) for row in rows] == [1 + int((test > test[row]).sum()) for row in order]


def test_gaps_are_counted(content: Content, make_table: Callable[[Content], Table]) -> None:
    content["metrics"]["validation/accuracy"][1][:7, 2] = np.nan
    assert "Not measured: 7 with seed 2." in card(make_table(content))


def test_one_seed_states_no_noise(make_table: Callable[[Content], Table]) -> None:
    text = card(make_table(make_content(seeds=(4,))))
    assert "One seed: no noise can be stated." in text
    assert "seeds 4, values" in text


def test_every_cell_is_in_the_histogram(table: Table) -> None:
    block = card(table).split("```text\n")[1].split("\n```")[0].splitlines()
    assert len(block) == 20
    assert sum(int(line.split("%")[1].split()[0]) for line in block) == 50
    lines = list(histogram_lines(np.array([0, 4, 2]), np.array([10.0, 20, 30, 40])))
    assert [line.count("█") for line in lines] == [0, 40, 20]


def test_a_table_without_accuracy_has_no_card(content: Content, make_table: Callable[[Content], Table]) -> None:
    del content["metrics"]["validation/accuracy"]
    with pytest.raises(NotMeasuredError, match="needs 'validation/accuracy'"):
        card(make_table(content))
