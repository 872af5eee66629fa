from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, StrategyError, UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Requirements, Strategy, Trial
from metanas.spaces import load_space
from metanas.strategies import find_strategy, strategy_names
from metanas.strategies.adapters import Adapted, from_ask_tell, from_optuna, from_pymoo

optuna = pytest.importorskip("optuna")
pytest.importorskip("pymoo")

from pymoo.algorithms.moo.nsga2 import NSGA2  # noqa: E402
from pymoo.algorithms.soo.nonconvex.ga import GA  # noqa: E402
from pymoo.operators.crossover.sbx import SBX  # noqa: E402
from pymoo.operators.mutation.pm import PM  # noqa: E402
from pymoo.operators.repair.rounding import RoundingRepair  # noqa: E402
from pymoo.operators.sampling.rnd import IntegerRandomSampling  # noqa: E402

ACCURACY, COST = Objective("validation/accuracy"), Objective("cost/seconds", "minimize")
REPEATS = Requirements(repeats=True, space=("decisions",))


def problem_of(*objectives: Objective, space: str = "nb201", limit: float | None = None) -> Problem:
    limits = (Constraint("latency/device", limit),) if limit else ()
    return Problem(load_space(space), objectives or (ACCURACY,), 4, Budget(trainings=1000), constraints=limits)


def integers(**more: object) -> dict[str, object]:
    repair = RoundingRepair()
    return {
        "pop_size": 10,
        "sampling": IntegerRandomSampling(),
        "crossover": SBX(repair=repair),
        "mutation": PM(repair=repair),
        "eliminate_duplicates": True,
        **more,
    }


def pymoo_ga(problem: Problem, rng: np.random.Generator) -> Adapted:
    return from_pymoo(problem, rng, GA(**integers()))


def optuna_random(problem: Problem, rng: np.random.Generator) -> Adapted:
    return from_optuna(problem, rng, optuna.samplers.RandomSampler(seed=int(rng.integers(2**31))))


class Climber:
    """An optimizer that asks and tells: changes one variable of the best row."""

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator) -> None:
        self.sizes, self.rng, self.told = sizes, rng, []
        self.best: tuple[float, list[int]] = (math.inf, [int(rng.integers(size)) for size in sizes])

    def ask(self) -> list[int]:
        row = list(self.best[1])
        at = int(self.rng.integers(len(row)))
        row[at] = int(self.rng.integers(self.sizes[at]))
        return row

    def tell(self, row: list[int], loss: float) -> None:
        self.told.append((row, loss))
        if not self.best or loss <= self.best[0]:
            self.best = (loss, row)


def climber(problem: Problem, rng: np.random.Generator) -> Adapted:
    return from_ask_tell(problem, rng, Climber(problem.space.decisions, rng), choices=list)  # type: ignore[attr-defined]


for _builder in (pymoo_ga, optuna_random, climber):
    _builder.REQUIRES = REPEATS  # type: ignore[attr-defined]


def run(strategy: Strategy, trainings: int) -> list[Arch]:
    """Search for many 3x3 convolutions, which are slow."""
    asked = []
    for _ in range(trainings):
        trial = strategy.ask()
        asked.append(trial.arch)
        strategy.tell(observed(trial))
    return asked


def observed(trial: Trial) -> Observation:
    many = float(trial.arch.code.count(3))
    values = {"validation/accuracy": 10 * many, "cost/seconds": many, "latency/device": 1 + many}
    return Observation(trial, values, None, 1.0)


@pytest.mark.parametrize("space", ["nb201-conv", "nb101", "nbgraph"])
@pytest.mark.parametrize("build", [pymoo_ga, optuna_random, climber])
def test_what_is_adapted_keeps_the_contract(build: object, space: str) -> None:
    check_strategy(build, spaces=(space,), trainings=24, seeds=(0,))  # type: ignore[arg-type]


@pytest.mark.parametrize("build", [pymoo_ga, climber])
def test_what_is_told_is_learned_from(build: type) -> None:
    asked = run(build(problem_of(), np.random.default_rng(0)), 150)
    convolutions = [arch.code.count(3) for arch in asked]
    assert np.mean(convolutions[-30:]) > np.mean(convolutions[:10]) + 1


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_an_optimizer_that_minimizes_is_told_losses(direction: str) -> None:
    objective = Objective("validation/accuracy", direction)  # type: ignore[arg-type]
    optimizer = Climber((5,) * 6, np.random.default_rng(0))
    strategy = from_ask_tell(problem_of(objective), np.random.default_rng(0), optimizer, choices=list)
    trial = strategy.ask()
    strategy.tell(Observation(trial, {"validation/accuracy": 30.0}, None, 1.0))
    assert optimizer.told == [(list(trial.arch.code), -30.0 if direction == "maximize" else 30.0)]


def test_several_objectives_are_told_as_a_list() -> None:
    optimizer = Climber((5,) * 6, np.random.default_rng(0))
    optimizer.best = (math.inf, [3, 3, 3, 0, 0, 0])
    strategy = from_ask_tell(problem_of(ACCURACY, COST), np.random.default_rng(0), optimizer, choices=list)
    trial = strategy.ask()
    optimizer.tell = lambda row, loss: optimizer.told.append((row, loss))  # type: ignore[method-assign]
    strategy.tell(observed(trial))
    many = trial.arch.code.count(3)
    assert optimizer.told[-1][1] == [-10.0 * many, many]


def test_candidates_carry_their_choices_as_nevergrads_do() -> None:
    class Candidate:
        value = (1, 2, 3, 4, 0, 1)

    class Optimizer:
        def ask(self) -> Candidate:
            return Candidate()

        def tell(self, candidate: Candidate, loss: float) -> None:
            assert candidate.value == (1, 2, 3, 4, 0, 1)

    strategy = from_ask_tell(problem_of(), np.random.default_rng(0), Optimizer())
    trial = strategy.ask()
    assert trial.arch.code == Candidate.value
    strategy.tell(observed(trial))


def test_what_is_known_is_told_again_and_not_paid() -> None:
    optimizer = Climber((4,) * 6, np.random.default_rng(0))
    strategy = from_ask_tell(problem_of(space="nb201-conv"), np.random.default_rng(1), optimizer, choices=list)
    asked = run(strategy, 60)
    assert len(optimizer.told) > 60  # repeats too
    paid = Climber((4,) * 6, np.random.default_rng(0))
    every = from_ask_tell(problem_of(space="nb201-conv"), np.random.default_rng(1), paid, choices=list, unique="none")
    assert len(set(run(every, 60))) < len(set(asked))
    assert len(paid.told) == 60


def test_choices_that_are_no_architecture_cost_nothing() -> None:
    """Of random rows of nb101 most are no cell."""
    optimizer = Climber((2,) * 21 + (3,) * 5, np.random.default_rng(0))
    strategy = from_ask_tell(problem_of(space="nb101"), np.random.default_rng(0), optimizer, choices=list)
    for arch in run(strategy, 30):
        assert load_space("nb101").check(arch)
    for build in (optuna_random, pymoo_ga):
        for arch in run(build(problem_of(space="nb101"), np.random.default_rng(0)), 30):
            assert load_space("nb101").check(arch)


def test_a_pymoo_generation_is_told_as_a_whole_and_idle_workers_draw() -> None:
    strategy = pymoo_ga(problem_of(), np.random.default_rng(0))
    trials = [strategy.ask() for _ in range(14)]  # ten of the generation, four drawn here
    assert [strategy._under_way[trial.arch][0] is None for trial in trials] == [False] * 10 + [True] * 4
    for trial in trials[:9]:
        strategy.tell(observed(trial))
    assert strategy._optimizer.suggest() is None  # one is missing
    strategy.tell(observed(trials[9]))
    assert strategy._optimizer.suggest() is not None


def test_pymoo_sees_several_objectives_and_the_limits() -> None:
    strategy = from_pymoo(problem_of(ACCURACY, COST, limit=3.5), np.random.default_rng(0), NSGA2(**integers()))
    run(strategy, 120)
    algorithm = strategy._optimizer._algorithm  # type: ignore[attr-defined]
    losses, excess = algorithm.opt.get("F"), algorithm.opt.get("G")
    assert losses.shape[1] == 2
    assert excess.shape[1] == 2
    assert (excess <= 0).all()
    assert sorted(set(losses[:, 1].tolist())) == [0.0, 1.0, 2.0]  # latency 1 + n <= 3.5


def test_a_pymoo_algorithm_that_ends_is_said() -> None:
    class Ends(GA):
        def infill(self) -> None:
            return None

    with pytest.raises(StrategyError, match="Ends of pymoo ended"):
        from_pymoo(problem_of(), np.random.default_rng(0), Ends(**integers())).ask()


def test_optuna_is_told_the_limits() -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    strategy = from_optuna(problem_of(limit=3.0), np.random.default_rng(0), sampler)
    run(strategy, 5)
    for trial in strategy._optimizer._study.trials:  # type: ignore[attr-defined]
        many = list(trial.params.values()).count(3)
        assert trial.user_attrs["constraints"] == pytest.approx([(1 + many) / 3.0 - 1])


def test_optuna_logs_nothing_and_its_level_stays(capfd: pytest.CaptureFixture[str]) -> None:
    level = optuna.logging.get_verbosity()
    run(optuna_random(problem_of(), np.random.default_rng(0)), 3)
    assert optuna.logging.get_verbosity() == level
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_a_space_without_decisions_is_said() -> None:
    class Undecided:
        name = "undecided"

    problem = Problem(Undecided(), (ACCURACY,), 4, Budget(trainings=10))  # type: ignore[arg-type]
    optimizer = Climber((2,), np.random.default_rng(0))
    with pytest.raises(InvalidValueError, match="needs a space of fixed decisions, and 'undecided' has none"):
        from_ask_tell(problem, np.random.default_rng(0), optimizer, choices=list)


def test_adapters_are_no_strategy() -> None:
    assert "adapters" not in strategy_names()
    with pytest.raises(UnknownNameError):
        find_strategy("adapters")


def test_tpe_prefers_what_was_good() -> None:
    build = find_strategy("tpe").build
    convolutions = [arch.code.count(3) for arch in run(build(problem_of(), np.random.default_rng(0)), 60)]
    assert np.mean(convolutions[-20:]) > np.mean(convolutions[:10]) + 1


def test_tpe_keeps_limits_where_there_are_some() -> None:
    build = find_strategy("tpe").build
    asked = run(build(problem_of(limit=3.5), np.random.default_rng(0)), 70)
    kept = [arch.code.count(3) <= 2 for arch in asked]
    assert np.mean(kept[-20:]) > 0.6
    assert np.mean([arch.code.count(3) for arch in asked[-20:]]) > 1.2  # 1.2 by chance


def test_tpe_of_independent_decisions_keeps_the_contract() -> None:
    check_strategy("tpe,multivariate=false", spaces=("nb201-conv",), trainings=16, seeds=(0,))


def test_settings_of_tpe_are_checked() -> None:
    with pytest.raises(StrategyError, match="startup >= 1"):
        find_strategy("tpe,startup=0").build(problem_of(), np.random.default_rng(0))
