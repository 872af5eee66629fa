from __future__ import annotations

import numpy as np
import pytest
from sampled import CLASSES, EPOCHS, NOISE, SPACE, TRUTH

from metanas.errors import InvalidArchError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.harness import Rules, generator, make_problem, search
from metanas.oracles import TableOracle
from metanas.outcomes import Outcomes
from metanas.problem import Budget, Objective
from metanas.strategies import find_strategy
from metanas.surrogates.table import SurrogateTable
from metanas.tables import Table

ACCURACY, SECONDS = "validation/accuracy", "cost/seconds"


def test_every_answer_says_whether_it_was_measured(
    sample: Table, surrogate: SurrogateTable, unseen: np.ndarray
) -> None:
    asked = np.concatenate([unseen[:5], sample.archs[:5]])
    value, std, measured = surrogate.query(asked, ACCURACY)
    assert measured.tolist() == [False] * 5 + [True] * 5
    np.testing.assert_array_equal(surrogate.measured(asked), measured)
    np.testing.assert_array_equal(value[5:], sample.query(asked[5:], ACCURACY))
    mean, spread = surrogate.predict(asked, ACCURACY)
    np.testing.assert_array_equal(value[:5], mean[:5])
    assert spread is not None
    np.testing.assert_array_equal(std[:5], spread[:5])
    assert (value[5:] != mean[5:]).all()  # a measurement is not smoothed
    assert std[5:] == pytest.approx(np.full(5, NOISE / np.sqrt(3)), rel=0.35)  # of the mean of three
    for epoch in EPOCHS:
        early = surrogate.query(asked, ACCURACY, epoch=epoch)
        np.testing.assert_array_equal(early.value[5:], sample.query(asked[5:], ACCURACY, epoch=epoch))


def test_the_plain_table_goes_on_saying_that_it_does_not_know(
    sample: Table, surrogate: SurrogateTable, unseen: np.ndarray
) -> None:
    surrogate.query(unseen[:3])
    with pytest.raises(NotMeasuredError):
        sample.query(unseen[:3], ACCURACY)
    with pytest.raises(NotMeasuredError):
        surrogate.source.query(unseen[:3], ACCURACY)
    with pytest.raises(NotMeasuredError, match="means over seeds"):
        surrogate.column(ACCURACY, seed=0)


def test_architectures_in_every_form_and_of_every_class(surrogate: SurrogateTable, unseen: np.ndarray) -> None:
    members = SPACE.indices[SPACE.canonical_indices[SPACE.indices] == unseen[0]]
    answers = surrogate.query(members)
    assert len(set(answers.value.tolist())) == 1
    arch = SPACE.arch(int(members[0]))
    forms = [arch, SPACE.format(arch), int(members[0]), np.int64(members[0])]
    assert set(surrogate.query(forms).value.tolist()) == set(answers.value.tolist())
    everything = surrogate.query(SPACE.indices)
    assert np.isfinite(everything.value).all()
    assert 0 < everything.measured.mean() < 1
    with pytest.raises(InvalidArchError):
        surrogate.query([1])  # has a pooling edge: not of the sub-space
    with pytest.raises(InvalidValueError, match="one too"):
        surrogate.query(int(members[0]))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Did you mean"):
        surrogate.query(members, "validation/acuracy")
    with pytest.raises(UnknownNameError, match="epoch"):
        surrogate.query(members, ACCURACY, epoch=3)


def test_a_drawn_training_is_the_mean_and_the_noise_of_real_ones(surrogate: SurrogateTable, unseen: np.ndarray) -> None:
    asked = np.repeat(unseen[:40], 50)
    drawn = surrogate.draw_trainings(asked, np.random.default_rng(0))[ACCURACY]
    means = surrogate.curves(asked, ACCURACY)
    assert not means.measured.any()
    off = drawn - means.value
    assert off.std(axis=0) == pytest.approx(np.full(len(EPOCHS), np.hypot(NOISE, 0.3)), rel=0.15)
    assert np.corrcoef(off.T)[0, -1] > 0.85  # an unlucky training is so at every epoch
    last = surrogate.draw(asked, np.random.default_rng(0))
    np.testing.assert_array_equal(last, drawn[:, -1])
    assert not np.array_equal(last, surrogate.draw(asked, np.random.default_rng(1)))
    both = surrogate.draw_trainings(asked, np.random.default_rng(0), (ACCURACY, "test/accuracy"))
    assert set(both) == {ACCURACY, "test/accuracy"}


def test_predicted_curves_are_near_the_true_ones(surrogate: SurrogateTable, unseen: np.ndarray) -> None:
    curves = surrogate.curves(unseen, ACCURACY)
    true = TRUTH[np.searchsorted(CLASSES, unseen)]
    error = np.sqrt(((curves.value - true) ** 2).mean(axis=0))
    assert (error < 0.6 * true.std(axis=0)).all()
    assert curves.value.shape == curves.std.shape == curves.measured.shape == (len(unseen), 3)
    assert surrogate.epochs_of(ACCURACY) == EPOCHS


def test_costs_are_never_beyond_what_was_measured(sample: Table, surrogate: SurrogateTable) -> None:
    seconds = surrogate.query(SPACE.indices, SECONDS).value
    known = sample.values(SECONDS)
    assert known.min() <= seconds.min() <= seconds.max() <= known.max()


def test_a_search_over_the_whole_space(sample: Table, surrogate: SurrogateTable) -> None:
    objective = Objective(ACCURACY)
    with pytest.raises(NotMeasuredError):
        TableOracle(sample, objective)
    means = TableOracle(surrogate, objective)
    outcomes = Outcomes(surrogate.source, means, "drawn")
    rules = Rules(Budget(trainings=40), workers=2, repeats="free", fidelity="any")
    for oracle in (means, outcomes.world(3)):
        found = []
        for _ in range(2):
            problem = make_problem(oracle, objective, rules)
            strategy = find_strategy("hyperband").build(problem, generator("hyperband", 0))
            found.append(search(strategy, oracle, objective, rules))
        np.testing.assert_array_equal(found[0].value, found[1].value)
        asked = surrogate.measured(found[0].index)
        assert asked.any()
        assert not asked.all()
    index = int(found[0].index[0])
    assert means.answer(index, 4).values[ACCURACY] == surrogate.query([index]).value[0]
    assert outcomes.world(3).answer(index, 4).values[ACCURACY] != surrogate.query([index]).value[0]
