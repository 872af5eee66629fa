from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from metanas.checkpoint import Journal
from metanas.checks import LandscapeOracle
from metanas.errors import StrategyError
from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.oracles import Answer
from metanas.problem import Budget, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy

SPACE = load_space("nb201-conv")
ACCURACY = Objective("validation/accuracy")
HEAD = {"board": "made-v1", "seed": 0}


class Costly(LandscapeOracle):
    """Counts its trainings, and is interrupted before one of them."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__(SPACE, ACCURACY, costs=("latency/made_up",))
        self.trained = 0
        self._fails_at = fails_at

    def answer(self, index: int, epochs: int) -> Answer:
        if self.trained == self._fails_at:
            raise KeyboardInterrupt
        self.trained += 1
        return super().answer(index, epochs)


def run(oracle: Costly, path: Path | None, name: str = "regularized_evolution", seed: int = 0) -> Trace:
    rules = Rules(Budget(trainings=40), workers=3)
    through = oracle if path is None else Journal(oracle, path, HEAD)
    strategy = find_strategy(name).build(make_problem(oracle, ACCURACY, rules), generator("journal", seed))
    return search(strategy, through, ACCURACY, rules)


def same(first: Trace, second: Trace) -> bool:
    fields = ("index", "epochs", "charged", "finished", "value", "told")
    return all(np.array_equal(getattr(first, field), getattr(second, field)) for field in fields)


@pytest.mark.parametrize("fails_at", [1, 13, 39])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(fails_at: int, tmp_path: Path) -> None:
    whole = run(Costly(), None)
    path = tmp_path / "runs" / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(Costly(fails_at), path)
    again = Costly()
    assert same(run(again, path), whole)
    assert again.trained == 40 - fails_at  # no training is made twice
    last = Costly()
    assert same(run(last, path), whole)
    assert last.trained == 0


def test_a_line_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = run(Costly(), path)
    content = path.read_bytes()
    for length in range(len(content) - 1, len(content) - 400, -37):
        path.write_bytes(content[:length])
        again = Costly()
        assert same(run(again, path), whole)
        assert again.trained <= 3
        assert path.read_bytes() == content


def test_the_journal_of_another_run_is_discarded(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(Costly(), path)
    oracle = Costly()
    other = Journal(oracle, path, {**HEAD, "seed": 1})
    assert other.resumed == 0
    other.remove()
    assert not path.exists()


def test_a_strategy_that_does_not_derive_from_its_seed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(Costly(), path)
    with pytest.raises(StrategyError, match=r"Trial 1 was architecture \d+ for 4 epochs before the interruption"):
        run(Costly(), path, seed=1)


def test_answers_come_back_bit_for_bit(tmp_path: Path) -> None:
    oracle = Costly()
    asked = list(itertools.product(SPACE.indices[::500].tolist(), oracle.epochs))
    journal = Journal(oracle, tmp_path / "journal.jsonl", HEAD)
    for index, epochs in asked:
        journal.answer(index, epochs)
        journal.seconds(index, epochs)
    journal.flush()
    back = Journal(Costly(0), tmp_path / "journal.jsonl", HEAD)
    assert back.resumed == len(asked)
    for index, epochs in asked:
        expected, found = oracle.answer(index, epochs), back.answer(index, epochs)
        assert dict(found.values) == dict(expected.values)
        assert np.array_equal(found.curve, expected.curve)
        assert back.seconds(index, epochs) == oracle.seconds(index, epochs)


def test_what_was_not_measured_stays_so(tmp_path: Path) -> None:
    class Untimed(Costly):
        def seconds(self, index: int, epochs: int) -> float:
            return float("nan")

    journal = Journal(Untimed(), tmp_path / "journal.jsonl", HEAD)
    assert np.isnan(journal.seconds(0, 1))
    journal.flush()
    assert np.isnan(Journal(Untimed(), tmp_path / "journal.jsonl", HEAD).seconds(0, 1))


def test_writing_can_be_put_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(Costly(), path, HEAD, every=1e9)
    journal.answer(int(SPACE.indices[0]), 1)
    assert path.stat().st_size == 0
    journal.flush()
    assert Journal(Costly(), path, HEAD).resumed == 1
