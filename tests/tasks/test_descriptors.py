from __future__ import annotations

import numpy as np
import pytest

from metanas.errors import InvalidValueError
from metanas.tasks import load_task
from metanas.tasks.descriptors import alike, describe


def test_a_description_says_what_the_card_and_the_training_rows_say() -> None:
    task = load_task("optdigits")
    found = describe(task, {"synflow": np.array([1.0, 2.0])})
    assert found["classes"] == pytest.approx(np.log(10))
    assert found["examples"] == pytest.approx(np.log(len(task.split["training"])))
    assert found["sequence"] == 0
    assert 0.9 < found["entropy"] <= 1  # ten digits, nearly as many of each
    assert 0 < found["linear"] < 1
    assert 0 < found["roughness"] < 2
    assert found["score[synflow,1]"] == 2.0
    assert all(np.isfinite(list(found.values())))


def test_the_likest_task_counts_most() -> None:
    target = {"classes": 2.0, "linear": 0.8, "entropy": 1.0}
    near, far = {"classes": 2.1, "linear": 0.8, "entropy": 1.0}, {"classes": 5.0, "linear": 0.2, "entropy": 0.7}
    weights = alike(target, [near, far])
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 0.75
    assert alike(target, [near, far], sharpness=4)[0] > weights[0]
    np.testing.assert_allclose(alike(target, [near, far], sharpness=0), 0.5)


def test_what_one_task_lacks_is_left_out() -> None:
    weights = alike({"a": 1.0, "b": np.nan}, [{"a": 1.0, "b": 9.0}, {"a": 3.0}, {"c": 1.0}])
    assert np.isfinite(weights).all()
    assert weights[0] > weights[2] > weights[1]
    np.testing.assert_allclose(alike({}, [{}, {}]), 0.5)


def test_many_scores_do_not_outvote_the_rest() -> None:
    scores = {f"score[x,{anchor}]": float(anchor) for anchor in range(30)}
    target = {"classes": 1.0, "linear": 0.5, **scores}
    same_scores = {"classes": 4.0, "linear": 0.9, **scores}
    same_data = {"classes": 1.0, "linear": 0.5, **{name: -value for name, value in scores.items()}}
    assert alike(target, [same_scores, same_data])[1] > 0.5


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="other task"):
        alike({"a": 1.0}, [])
    with pytest.raises(InvalidValueError, match="sharpness"):
        alike({"a": 1.0}, [{"a": 2.0}], sharpness=-1)
