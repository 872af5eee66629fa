"""Successive halving, Hyperband, ASHA, BOHB and curve stopping: their schedules, and what they gain."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import LandscapeOracle
from metanas.errors import InvalidValueError
from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.leaderboard.board import load_board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.setting import open_table
from metanas.oracles import Answer, Values
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.strategies._brackets import Bracket, ladder
from metanas.strategies.asha import Asha
from metanas.strategies.bohb import Bohb
from metanas.strategies.curve_stopping import CurveStopping
from metanas.strategies.hyperband import Hyperband, in_turn
from metanas.strategies.successive_halving import SuccessiveHalving

SPACE = load_space("nb201-conv")
ACCURACY = Objective("validation/accuracy")
ARCHS = [SPACE.arch(index) for index in SPACE.indices.tolist()]
NAMES = ("successive_halving", "hyperband", "asha", "bohb", "curve_stopping")
MANY = tuple(range(1, 82))


def problem(epochs: tuple[int, ...] = (1, 3, 9), objective: Objective = ACCURACY) -> Problem:
    return Problem(SPACE, (objective,), epochs[-1], Budget(trainings=1000), epochs=epochs)


def told(trial: Trial, value: float) -> Observation:
    return Observation(trial, {"validation/accuracy": value}, None, 1.0)


def run(text: str, epochs: tuple[int, ...], trainings: int, seed: int = 0, workers: int = 1) -> Trace:
    oracle = LandscapeOracle(SPACE, ACCURACY, epochs=epochs, seed=3)
    rules = Rules(Budget(trainings=trainings), workers=workers, fidelity="any")
    strategy = find_strategy(text).build(make_problem(oracle, ACCURACY, rules), generator(text, seed))
    return search(strategy, oracle, ACCURACY, rules)


@pytest.mark.parametrize(
    ("epochs", "eta", "minimum", "rungs"),
    [
        (MANY, 3.0, None, (1, 3, 9, 27, 81)),
        (MANY, 3.0, 4, (9, 27, 81)),
        (MANY, 2.0, 10, (10, 20, 40, 81)),
        ((1, 2, 3, 4), 2.0, None, (1, 2, 4)),
        ((1, 2, 3, 4), 3.0, None, (1, 4)),
        ((12, 200), 3.0, None, (12, 200)),
        ((200,), 3.0, None, (200,)),
    ],
)
def test_the_ladder(epochs: tuple[int, ...], eta: float, minimum: int | None, rungs: tuple[int, ...]) -> None:
    assert ladder(problem(epochs), eta, minimum) == rungs


@pytest.mark.parametrize(("eta", "minimum"), [(1.0, None), (3.0, 0), (3.0, 10)])
def test_a_ladder_that_does_not_stand_is_refused(eta: float, minimum: int | None) -> None:
    with pytest.raises(InvalidValueError, match="eta > 1 and 1 <= minimum <= 9"):
        ladder(problem(), eta, minimum)


def test_a_bracket_waits_for_its_rung_and_promotes_the_best() -> None:
    archs = iter(ARCHS)
    bracket = Bracket(9, (1, 3, 9), 3.0, lambda: next(archs))
    trials = [bracket.ask() for _ in range(9)]
    assert trials == [Trial(arch, 1) for arch in ARCHS[:9]]
    assert bracket.ask() is None
    scores = [5.0, 9.0, 1.0, 7.0, -math.inf, 9.0, 2.0, 3.0, 4.0]
    for place in (8, 0, 3, 5, 1, 2, 7, 6, 4):  # in any order
        assert bracket.tell(Trial(ARCHS[place], 1), scores[place])
    promoted = [bracket.ask() for _ in range(3)]
    assert set(promoted) == {Trial(ARCHS[1], 3), Trial(ARCHS[5], 3), Trial(ARCHS[3], 3)}
    assert bracket.ask() is None
    assert not bracket.tell(Trial(ARCHS[1], 1), 0.0)  # it is not waiting for that
    for arch, score in ((ARCHS[1], 1.0), (ARCHS[5], 2.0), (ARCHS[3], 3.0)):
        bracket.tell(Trial(arch, 3), score)
    assert bracket.ask() == Trial(ARCHS[3], 9)
    assert not bracket.done
    bracket.tell(Trial(ARCHS[3], 9), 1.0)
    assert bracket.done


def test_the_brackets_of_hyperband_are_those_of_the_papers_table() -> None:
    """Table 1 of the paper: R = 81, η = 3."""
    archs = iter(ARCHS)
    open_next = in_turn((1, 3, 9, 27, 81), 3.0, lambda: next(archs))
    found = []
    for _ in range(5):
        bracket, rungs = open_next(), []
        while not bracket.done:
            trials = []
            while (trial := bracket.ask()) is not None:
                trials.append(trial)
            rungs.append((len(trials), trials[0].epochs))
            for number, trial in enumerate(trials):
                bracket.tell(trial, float(number))
        found.append(rungs)
    assert found == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_one_worker_goes_through_one_bracket_after_the_other() -> None:
    trace = run("hyperband", (1, 3, 9), 12)
    assert trace.epochs.tolist()[:22] == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3
    trace = run("successive_halving,eta=2.0", (1, 2, 4), 12)
    assert trace.epochs.tolist()[:14] == [1] * 4 + [2] * 2 + [4] + [1] * 4 + [2] * 2 + [4]


def test_no_worker_waits_for_a_rung() -> None:
    strategy = SuccessiveHalving(problem(), np.random.default_rng(0), eta=3.0)
    trials = [strategy.ask() for _ in range(40)]  # nothing is told
    assert len(set(trials)) == 40
    for number, trial in enumerate(trials[9:18]):  # the second bracket is done first
        strategy.tell(told(trial, float(number)))
    assert {strategy.ask() for _ in range(3)} == {Trial(trial.arch, 3) for trial in trials[15:18]}


def test_asha_promotes_as_soon_as_one_in_eta_is_known_highest_rung_first() -> None:
    strategy = Asha(problem(), np.random.default_rng(0))
    trials = [strategy.ask() for _ in range(9)]
    assert {trial.epochs for trial in trials} == {1}
    strategy.tell(told(trials[0], 5.0))
    strategy.tell(told(trials[1], 7.0))
    assert strategy.ask().epochs == 1  # one third of two is none
    strategy.tell(told(trials[2], 6.0))
    first = strategy.ask()
    assert first == Trial(trials[1].arch, 3)
    assert strategy.ask().epochs == 1  # it has gone on already
    for trial, value in zip(trials[3:], (8.0, 9.0, 1.0, 1.0, 1.0, 1.0), strict=True):
        strategy.tell(told(trial, value))
    others = [strategy.ask(), strategy.ask()]
    assert others == [Trial(trials[4].arch, 3), Trial(trials[3].arch, 3)]
    for trial, value in zip((first, *others), (1.0, 3.0, 2.0), strict=True):
        strategy.tell(told(trial, value))
    assert strategy.ask() == Trial(trials[4].arch, 9)


def test_asha_can_leave_out_the_lowest_rungs() -> None:
    assert Asha(problem(), np.random.default_rng(0), rate=1).ask().epochs == 3
    with pytest.raises(InvalidValueError, match="0 <= rate < 3"):
        Asha(problem(), np.random.default_rng(0), rate=3)


def test_a_training_that_gave_no_number_is_never_promoted() -> None:
    strategy = Asha(problem(), np.random.default_rng(0))
    trials = [strategy.ask() for _ in range(3)]
    for trial, value in zip(trials, (math.nan, 1.0, math.nan), strict=True):
        strategy.tell(told(trial, value))
    assert strategy.ask() == Trial(trials[1].arch, 3)


def test_bohb_draws_from_the_region_of_the_good() -> None:
    """Architectures whose first edge has one operation are good: draws have it more and more often."""
    strategy = Bohb(problem((9,)), np.random.default_rng(0))
    wanted = ARCHS[-1].code[0]
    counts: list[bool] = []
    for _ in range(120):
        trial = strategy.ask()
        counts.append(trial.arch.code[0] == wanted)
        strategy.tell(told(trial, 10.0 * counts[-1] + sum(trial.arch.code) / 100))
    assert 0 < np.mean(counts[:20]) < 0.6  # one in four by chance
    assert np.mean(counts[-60:]) > 0.6


def test_bohbs_density_is_that_of_the_kernel() -> None:
    strategy = Bohb(problem(), np.random.default_rng(0))
    everywhere = np.array([arch.code for arch in ARCHS], dtype=np.int64)
    data = everywhere[[0, 1, 77]]
    assert [list(choices) for choices in strategy._choices] == [[0, 1, 2, 3]] * 6
    density = np.exp(strategy._log_density(everywhere, data))
    assert density.sum() == pytest.approx(1.0)  # over all 4,096 cells
    bandwidths = strategy._bandwidths(data)
    products = []
    for row in data:
        pairs = zip(everywhere[5], row, bandwidths, strict=True)
        products.append(math.prod(1 - width if one == other else width / 3 for one, other, width in pairs))
    expected = np.mean(products)
    assert density[5] == pytest.approx(expected)
    assert all(1e-3 <= width <= 0.75 for width in bandwidths)


def test_bohb_uses_the_largest_budget_with_enough_results() -> None:
    strategy = Bohb(problem((1, 9)), np.random.default_rng(0), random=0.0)
    need = 6 + 1 + 2  # N_min = d + 1, and two more
    for arch in ARCHS[: need - 1]:
        strategy.tell(told(Trial(arch, 9), 1.0))
    strategy._log_density = None  # type: ignore[assignment]  # the model is not asked
    strategy._draw()
    strategy.tell(told(Trial(ARCHS[need], 9), 1.0))
    with pytest.raises(TypeError):
        strategy._draw()


@pytest.mark.parametrize("settings", [{"good": 0.0}, {"good": 1.0}, {"random": 1.5}, {"samples": 0}, {"widening": 0.5}])
def test_bohb_refuses_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="0 < good < 1"):
        Bohb(problem(), np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def test_bohb_needs_one_number_of_decisions() -> None:
    class Ragged:
        name = "ragged"

        def sample(self, rng: np.random.Generator) -> Arch:
            return Arch("ragged", (0,) * int(rng.integers(1, 4)))

    ragged = Problem(Ragged(), (ACCURACY,), 4, Budget(trainings=10))  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="differ in it"):
        Bohb(ragged, np.random.default_rng(0))


def feed(strategy: CurveStopping, ends: dict[int, float], count: int) -> list[Trial]:
    """Tell straight curves: value = end * epochs / 9, the end by number of the architecture, 50 for others."""
    known: dict[Arch, int] = {}
    trials = []
    for _ in range(count):
        trial = strategy.ask()
        number = known.setdefault(trial.arch, len(known))
        trials.append(trial)
        strategy.tell(told(trial, ends.get(number, 50.0 + number % 7) * trial.epochs / 9))
    return trials


def test_the_first_trainings_run_to_the_end_and_then_the_hopeless_are_stopped() -> None:
    strategy = CurveStopping(problem(), np.random.default_rng(0), first=10)
    trials = feed(strategy, {3: 90.0, 10: 20.0, 11: 95.0, 12: 40.0}, 10 * 3 + 1 + 3 + 1)
    assert [trial.epochs for trial in trials] == [1, 3, 9] * 10 + [1] + [1, 3, 9] + [1]


def test_a_diverged_training_is_stopped_and_teaches_nothing() -> None:
    strategy = CurveStopping(problem(), np.random.default_rng(0), first=6)
    feed(strategy, {}, 18)
    trial = strategy.ask()
    strategy.tell(told(trial, math.nan))
    assert strategy.ask().arch != trial.arch
    assert np.isfinite(strategy._finished).all()


def test_what_was_stopped_is_taken_up_again_when_it_may_win_after_all() -> None:
    def steep(thaw: bool) -> tuple[CurveStopping, Arch]:
        strategy = CurveStopping(problem(), np.random.default_rng(0), first=6, thaw=thaw)
        feed(strategy, {}, 18)  # curves are straight: a low start ends low
        trial = strategy.ask()
        strategy.tell(told(trial, 0.1))
        assert strategy.ask().arch != trial.arch
        strategy._finished += [[0.1, 0.1, 40.0 + number] for number in range(30)]  # others start as low and end high
        other = ARCHS[100]
        strategy._curves[other] = [5.0, 15.0]
        strategy.tell(told(Trial(other, 9), 45.0))
        return strategy, trial.arch

    strategy, arch = steep(thaw=True)
    assert arch in {strategy.ask().arch for _ in range(40)}
    strategy, arch = steep(thaw=False)
    assert arch not in {strategy.ask().arch for _ in range(40)}


def test_the_regression_recovers_a_line() -> None:
    strategy = CurveStopping(problem(), np.random.default_rng(0), first=6)
    rng = np.random.default_rng(1)
    early = rng.uniform(0, 10, size=(300, 2))
    noise = rng.normal(0, 0.5, size=300)
    strategy._finished = np.column_stack((early, 3 + 2 * early[:, 1] + noise)).tolist()
    strategy._best = 3 + 2 * 5.0
    assert strategy._probability([1.0, 5.0]) == pytest.approx(0.5, abs=0.15)
    assert strategy._probability([1.0, 5.5]) > 0.9
    assert strategy._probability([1.0, 4.5]) < 0.1
    assert strategy._model(2)[1] == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize("settings", [{"first": 5}, {"chance": 0.0}, {"chance": 1.0}])
def test_curve_stopping_refuses_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="first >= 6 and 0 < chance < 1"):
        CurveStopping(problem(), np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def test_checkpoints_are_few_and_end_with_a_full_training() -> None:
    strategy = CurveStopping(problem(tuple(range(1, 201))), np.random.default_rng(0))
    assert len(strategy._checkpoints) <= 16
    assert (strategy._checkpoints[0], strategy._checkpoints[-1]) == (1, 200)


class Slow(LandscapeOracle):
    """Early values say half of what comes: the rest shows at the end."""

    def answer(self, index: int, epochs: int) -> Answer:
        end = super().answer(index, self.epochs[-1]).values["validation/accuracy"]
        early = 30 * self._uniform("early", index)
        curve = np.array([end if e == self.epochs[-1] else (end + early) / 2 for e in self.epochs if e <= epochs])
        return Answer(Values({"validation/accuracy": float(curve[-1])}), curve)


@pytest.mark.parametrize("name", NAMES)
def test_every_one_of_them_beats_full_trainings_at_random(name: str) -> None:
    """With 30 full trainings' worth of epochs; mean of the best final value over 12 seeds."""

    def best(text: str, seed: int) -> float:
        oracle = Slow(SPACE, ACCURACY, epochs=(1, 3, 9))
        rules = Rules(Budget(trainings=30), workers=4, fidelity="any")
        strategy = find_strategy(text).build(make_problem(oracle, ACCURACY, rules), generator(text, seed))
        trace = search(strategy, oracle, ACCURACY, rules)
        ended = set(trace.index[trace.told][trace.epochs[trace.told] == 9].tolist())
        return max(oracle.answer(index, 9).values["validation/accuracy"] for index in ended)

    settings = ",first=8" if name == "curve_stopping" else ""
    gained = [best(name + settings, seed) - best("random_search", seed) for seed in range(12)]
    assert np.mean(gained) > 0.5 * np.std(gained) / math.sqrt(len(gained))


@pytest.mark.parametrize("name", NAMES)
def test_on_the_board_runs_spend_the_time_and_stop_early(name: str) -> None:
    board = load_board("multifidelity-v1")
    judge = Judge(board, open_table(board.tables[0]))
    trace = judge.setting.search(find_strategy(name), 0, board.rules.workers)
    ends = trace.finished[trace.told]
    assert 0.95 * board.limit < ends[-1] <= board.limit
    asked = Counter(trace.epochs.tolist())
    assert len(set(trace.index.tolist())) > asked[4] > 0  # more are begun than finished
    climb = judge.climb(trace)
    assert climb.validation[-1] >= climb.validation[0]
    assert climb.validation.max() <= judge.best_validation


def test_hyperband_takes_the_direction_of_the_objective() -> None:
    strategy = Hyperband(problem(objective=Objective("validation/accuracy", "minimize")), np.random.default_rng(0))
    trials = [strategy.ask() for _ in range(9)]
    for number, trial in enumerate(trials):
        strategy.tell(told(trial, float(number)))
    assert {strategy.ask().arch for _ in range(3)} == {trial.arch for trial in trials[:3]}
