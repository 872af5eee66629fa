from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.checks import LandscapeOracle
from metanas.errors import InvalidValueError, StrategyError
from metanas.harness import Replay, Rules, Trace, generator, make_problem, search
from metanas.oracles import Answer, TableOracle, Values
from metanas.problem import Budget, Constraint, Objective, Observation, Trial
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.tables import Table

SPACE = load_space("nb201")
ACCURACY = Objective("validation/accuracy")
A, B, C, D = (int(index) for index in SPACE.indices[:4])


class ScriptedOracle:
    """Answers with known values and times: the value is the index plus a tenth of the epochs."""

    def __init__(self, seconds: dict[int, float] | None, epochs: tuple[int, ...] = (1, 2, 4)) -> None:
        self.space = SPACE
        self.epochs = epochs
        self.timed = seconds is not None
        self._by_epoch = seconds or {}

    def index(self, arch: Arch) -> int:
        hash(arch)  # as every oracle that looks it up
        return SPACE.index(arch)

    def answer(self, index: int, epochs: int) -> Answer:
        return Answer(Values({"validation/accuracy": index + epochs / 10}), None)

    def seconds(self, index: int, epochs: int) -> float:
        return self._by_epoch.get(index, 1.0) * epochs if self.timed else float("nan")


class Scripted:
    """Asks for a list of trials and notes what happens, in order."""

    def __init__(self, trials: Sequence[tuple[int, int]]) -> None:
        self._trials = iter(trials)
        self.log: list[str] = []
        self.told: list[Observation] = []

    def ask(self) -> Trial:
        index, epochs = next(self._trials)
        self.log.append(f"ask {index}")
        return Trial(SPACE.arch(index), epochs)

    def tell(self, observation: Observation) -> None:
        self.log.append(f"tell {SPACE.index(observation.trial.arch)}")
        self.told.append(observation)


def run(
    script: Sequence[tuple[int, int]], seconds: dict[int, float] | None = None, **rules: object
) -> tuple[Trace, Scripted]:
    strategy = Scripted(script)
    budget = rules.pop("budget", Budget(trainings=len(script)))
    return search(strategy, ScriptedOracle(seconds), ACCURACY, Rules(budget, **rules)), strategy  # type: ignore[arg-type]


def test_one_worker_asks_and_is_told_in_turn() -> None:
    trace, strategy = run([(A, 4), (B, 4), (C, 4)])
    assert strategy.log == [f"{verb} {index}" for index in (A, B, C) for verb in ("ask", "tell")]
    assert trace.index.tolist() == [A, B, C]
    assert trace.value.tolist() == [index + 0.4 for index in (A, B, C)]
    assert trace.charged.tolist() == [4, 4, 4]
    assert np.isnan(trace.finished).all()


def test_workers_are_told_in_the_order_in_which_trainings_end() -> None:
    trace, strategy = run([(A, 4), (B, 4), (C, 4), (D, 4)], {A: 3.0, B: 1.0, C: 1.0, D: 5.0}, workers=2)
    assert strategy.log == [
        *(f"ask {A}", f"ask {B}"),  # at 0
        *(f"tell {B}", f"ask {C}"),  # at 4
        *(f"tell {C}", f"ask {D}"),  # at 8
        f"tell {A}",  # at 12
        f"tell {D}",  # at 28
    ]
    assert trace.finished.tolist() == [12.0, 4.0, 8.0, 28.0]
    assert trace.told.tolist() == [1, 2, 0, 3]


def test_trainings_that_end_at_one_instant_are_all_told_first_in_the_order_of_asking() -> None:
    _, strategy = run([(A, 4), (B, 4), (C, 4), (D, 4)], {}, workers=2)
    assert strategy.log == [
        *(f"ask {A}", f"ask {B}", f"tell {A}", f"tell {B}"),
        *(f"ask {C}", f"ask {D}", f"tell {C}", f"tell {D}"),
    ]


def test_a_training_that_ends_after_the_time_limit_does_not_count() -> None:
    script = [(A, 4)] * 10
    trace, strategy = run(script, {}, budget=Budget(seconds=10.0))
    assert trace.finished.tolist() == [4.0, 8.0, 12.0]
    assert trace.told.tolist() == [0, 1]
    assert strategy.log[-1] == f"ask {A}"
    trace, _ = run(script, {}, budget=Budget(seconds=8.0))  # exactly
    assert trace.told.tolist() == [0, 1]
    assert len(trace.index) == 2
    trace, _ = run(script, {}, budget=Budget(trainings=1, seconds=8.0))  # what ends first
    assert trace.told.tolist() == [0]


def test_a_repeat_is_charged_unless_the_rules_say_otherwise() -> None:
    trace, _ = run([(A, 4), (A, 4), (B, 4)], {})
    assert trace.charged.tolist() == [4, 4, 4]
    assert trace.finished.tolist() == [4.0, 8.0, 12.0]
    trace, strategy = run([(A, 4), (A, 4), (B, 4), (B, 4), (C, 4)], {}, repeats="free", budget=Budget(trainings=3))
    assert trace.charged.tolist() == [4, 0, 4, 0, 4]
    assert trace.finished.tolist() == [4.0, 4.0, 8.0, 8.0, 12.0]
    assert [observation.seconds for observation in strategy.told] == [4.0, 0.0, 4.0, 0.0, 4.0]
    assert strategy.told[1].values == strategy.told[0].values


def test_a_repeat_of_a_training_under_way_is_a_training_of_its_own() -> None:
    trace, _ = run([(A, 4), (A, 4)], {}, repeats="free", workers=2)
    assert trace.charged.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("continuation", "charged", "ends"),
    [("continue", [1, 1, 2, 4], [1.0, 2.0, 4.0, 8.0]), ("restart", [1, 2, 4, 4], [1.0, 3.0, 7.0, 11.0])],
)
def test_more_epochs_are_charged_by_the_rules(continuation: str, charged: list[int], ends: list[float]) -> None:
    script = [(A, 1), (A, 2), (A, 4), (B, 4)]
    budget = Budget(trainings=3)
    trace, _ = run(script + [(C, 1)] * 4, {}, continuation=continuation, fidelity="any", budget=budget)
    assert trace.charged.tolist()[:4] == charged
    assert trace.finished.tolist()[:4] == ends
    assert trace.charged.sum() == 12


def test_fewer_epochs_than_before_are_a_repeat() -> None:
    trace, _ = run([(A, 4), (A, 2), (B, 4)], {}, repeats="free", fidelity="any", budget=Budget(trainings=2))
    assert trace.charged.tolist() == [4, 0, 4]
    assert trace.value[1] == A + 0.2  # the value after 2 epochs, not after 4


def test_a_budget_in_trainings_counts_parts() -> None:
    trace, _ = run([(A, 1), (B, 2), (C, 1), (D, 4)], {}, fidelity="any", budget=Budget(trainings=2))
    assert len(trace.index) == 4


def test_a_training_that_costs_more_than_is_left_is_the_last_and_does_not_count() -> None:
    trace, strategy = run([(A, 1), (B, 4), (C, 1)], {}, fidelity="any", budget=Budget(trainings=1))
    assert trace.index.tolist() == [A, B]
    assert trace.told.tolist() == [0]
    assert strategy.log == [f"ask {A}", f"tell {A}", f"ask {B}"]
    trace, strategy = run([(A, 2), (B, 4), (C, 1)], {}, fidelity="any", budget=Budget(trainings=1), workers=3)
    assert trace.told.tolist() == [0]  # what was under way is told
    again = search(
        Replay([Trial(SPACE.arch(index), epochs) for index, epochs in ((A, 2), (B, 4))]),
        ScriptedOracle({}), ACCURACY, Rules(Budget(trainings=1), fidelity="any", workers=3),
    )  # fmt: skip
    assert again.told.tolist() == [0]


def test_a_problem_says_which_epochs_may_be_asked_for() -> None:
    oracle, budget = ScriptedOracle({}), Budget(trainings=1)
    assert make_problem(oracle, ACCURACY, Rules(budget)).epochs == (4,)
    assert make_problem(oracle, ACCURACY, Rules(budget, fidelity="any")).epochs == (1, 2, 4)


def test_a_problem_holds_objectives_constraints_and_scores_that_no_one_can_change() -> None:
    scores = {"proxy/nwot": np.arange(5.0)}
    both = (ACCURACY, Objective("cost/macs", "minimize"))
    limits = (Constraint("cost/macs", 3.0),)
    made = make_problem(ScriptedOracle({}), both, Rules(Budget(trainings=1)), constraints=limits, scores=scores)
    assert (made.objectives, made.constraints) == (both, limits)
    with pytest.raises(ValueError, match="read-only"):
        made.scores["proxy/nwot"][0] = 7
    with pytest.raises(TypeError):
        made.scores["proxy/other"] = np.zeros(5)  # type: ignore[index]
    scores["proxy/nwot"][0] = 7  # who made them still can


def test_free_repeats_for_ever_are_an_error() -> None:
    with pytest.raises(StrategyError, match=r"trial 10,?002.*known trials.*in a row"):
        search(Scripted([(A, 4)] * 20_000), ScriptedOracle({}), ACCURACY, Rules(Budget(trainings=2), repeats="free"))


def test_time_needs_a_table_with_times() -> None:
    for rules in (Rules(Budget(trainings=2), workers=2), Rules(Budget(seconds=2.0))):
        with pytest.raises(InvalidValueError, match="cost/seconds"):
            search(Scripted([]), ScriptedOracle(None), ACCURACY, rules)


def test_there_is_a_worker() -> None:
    with pytest.raises(InvalidValueError, match="workers >= 1, but got 0"):
        Rules(Budget(trainings=1), workers=0)


class Hostile:
    """Asks for something else as its third trial."""

    def __init__(self, third: Callable[[], object]) -> None:
        self._third = third
        self._asked = 0

    def ask(self) -> Trial:
        self._asked += 1
        return self._third() if self._asked == 3 else Trial(SPACE.arch(A), 4)  # type: ignore[return-value]

    def tell(self, observation: Observation) -> None:
        if self._asked == 3:
            observation.values["test/accuracy"]


def raising(error: BaseException) -> Callable[[], object]:
    def ask() -> object:
        raise error

    return ask


class Strange:
    def __iter__(self) -> object:
        msg = "strange"
        raise LookupError(msg)


GARBAGE = [
    (lambda: None, r"must return a metanas.problem.Trial\(arch, epochs\), but got NoneType: None"),
    (lambda: "ab", "but got str: 'ab'"),
    (lambda: (SPACE.arch(A), 4), "but got tuple"),
    (lambda: [1, 2, 3], r"but got list: \[1, 2, 3\]"),
    (lambda: Strange(), "but got Strange"),
    (lambda: "x" * 1000, "x…"),
    (lambda: Trial(SPACE.format(SPACE.arch(A)), 4), "outside 'nb201': An architecture must be a metanas.Arch"),
    (lambda: Trial(tuple(SPACE.arch(A)), 4), "must be a metanas.Arch, but got tuple"),
    (lambda: Trial(Arch("nb201", (0, 0, 0, 0, 0, 7)), 4), "outside 'nb201'"),
    (lambda: Trial(Arch("nb101", (0,) * 6), 4), "outside 'nb201'.*'nb101'"),
    (lambda: Trial(Arch("nb201", [0] * 6), 4), "malformed: TypeError: unhashable"),
    (lambda: Trial(Arch("nb201", 5), 4), "malformed"),
    (lambda: Trial(SPACE.arch(A), "4"), "malformed: TypeError"),
    (lambda: Trial(SPACE.arch(A), 4.0), "malformed: TypeError"),
    (lambda: Trial(SPACE.arch(A), None), "malformed"),
    (lambda: Trial(SPACE.arch(A), 0), "epochs=0|for 0 epochs"),
    (lambda: Trial(SPACE.arch(A), 5), "asks for 5 epochs, but every trial here is a full training: epochs=4"),
    (lambda: Trial(SPACE.arch(A), 2), "asks for 2 epochs, but every trial here is a full training: epochs=4"),
    (
        raising(ZeroDivisionError("by nought")),
        r"ask\(\) raised ZeroDivisionError: by nought \(test_harness.py, line \d+\)",
    ),
    (raising(SystemExit(1)), r"ask\(\) raised SystemExit: 1"),
    (lambda: Trial(SPACE.arch(A), 4), r"tell\(\) raised A strategy sees validation metrics only: validation/accuracy"),
]


@pytest.mark.parametrize(("third", "expected"), GARBAGE)
def test_what_a_strategy_does_wrong_is_said_with_its_name_and_the_trial(
    third: Callable[[], object], expected: str
) -> None:
    rules = Rules(Budget(trainings=5))
    with pytest.raises(StrategyError, match=rf"(?s)^Strategy 'mine', trial 3: .*({expected})"):
        search(Hostile(third), ScriptedOracle({}), ACCURACY, rules, name="mine")


@pytest.mark.parametrize(
    ("epochs", "expected"), [(0, "1 <= epochs <= 4"), (5, "1 <= epochs <= 4"), (3, r"\(1, 2, 4\) epochs only")]
)
def test_epochs_must_be_among_those_measured(epochs: int, expected: str) -> None:
    with pytest.raises(StrategyError, match=expected):
        run([(A, epochs)], {}, fidelity="any")


def test_numpy_integers_are_epochs() -> None:
    strategy = Hostile(lambda: Trial(SPACE.arch(A), np.int64(4)))
    strategy.tell = lambda observation: None  # type: ignore[method-assign]
    trace = search(strategy, ScriptedOracle({}), ACCURACY, Rules(Budget(trainings=3)))
    assert trace.epochs.tolist() == [4, 4, 4]


def test_interrupting_is_not_the_strategys_failure() -> None:
    with pytest.raises(KeyboardInterrupt):
        search(Hostile(raising(KeyboardInterrupt())), ScriptedOracle({}), ACCURACY, Rules(Budget(trainings=3)))


def test_seeds_come_from_names_and_are_the_same_everywhere() -> None:
    assert generator("anytime-v1", "fashion_mnist-v1", "random_search", 0).integers(10**12) == 132070572013
    words = list(itertools.product(("a", "ab"), ("b", "bc"), (0, 1)))
    drawn = {int(generator(*entry).integers(10**15)) for entry in [*words, ("ab", "c", 0), ("a", "bc0")]}
    assert len(drawn) == len(words) + 2


def test_seeds_do_not_depend_on_the_processs_hash_seed() -> None:
    code = "from metanas.harness import generator; print(generator('b', 't', 's', 1).integers(10**12))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert outputs == {f"{generator('b', 't', 's', 1).integers(10**12)}\n"}


def test_a_run_on_a_table_is_what_the_table_says(search_table_path: Path) -> None:
    table = Table.open(search_table_path)
    oracle, rules = TableOracle(table, ACCURACY), Rules(Budget(trainings=50))
    strategy = find_strategy("random_search").build(make_problem(oracle, ACCURACY, rules), generator("x"))
    trace = search(strategy, oracle, ACCURACY, rules)
    assert len(set(trace.index.tolist())) == 50
    assert np.array_equal(trace.value, table.query(trace.index, "validation/accuracy"))
    assert np.array_equal(trace.finished, np.cumsum(table.query(trace.index, "cost/seconds")))
    assert trace.cpu_seconds > 0


@given(
    name=st.sampled_from(["random_search", "local_search", "regularized_evolution"]),
    seed=st.integers(0, 1000),
    workers=st.integers(1, 9),
    trainings=st.integers(1, 40),
)
def test_a_replay_gives_the_same_trace(name: str, seed: int, workers: int, trainings: int) -> None:
    oracle = LandscapeOracle(SPACE, ACCURACY)
    rules = Rules(Budget(trainings=trainings), workers=workers)
    strategy = find_strategy(name).build(make_problem(oracle, ACCURACY, rules), generator(name, seed))
    trace = search(strategy, oracle, ACCURACY, rules)
    trials = [
        Trial(SPACE.arch(index), epochs)
        for index, epochs in zip(trace.index.tolist(), trace.epochs.tolist(), strict=True)
    ]
    again = search(Replay(trials), oracle, ACCURACY, rules)
    for field in ("index", "epochs", "charged", "finished", "value", "told"):
        assert np.array_equal(getattr(trace, field), getattr(again, field)), field
    assert len(trace.index) == trainings
    assert np.array_equal(trace.finished[trace.told], np.sort(trace.finished))
    starts = trace.finished - np.array([oracle.seconds(index, 4) for index in trace.index.tolist()])
    under_way = [((starts < at) & (trace.finished > at)).sum() for at in starts + 1e-6]
    assert max(under_way) == min(workers, trainings)


def test_a_replay_of_too_few_trials_says_so() -> None:
    with pytest.raises(StrategyError, match="fewer trials than its budget buys"):
        search(Replay([Trial(SPACE.arch(A), 4)]), ScriptedOracle({}), ACCURACY, Rules(Budget(trainings=2)))
