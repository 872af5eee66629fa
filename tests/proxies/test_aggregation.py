"""Scores made one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.proxies import aggregate
from metanas.proxies.aggregation import AZ_NAS, log_rank_sum, rank_average, ranks


def test_ranks_share_ties_and_put_the_undefined_last() -> None:
    values = np.random.default_rng(0).integers(6, size=30).astype(float)
    np.testing.assert_array_equal(ranks(values), rankdata(values))
    np.testing.assert_array_equal(ranks(np.array([2.0, np.nan, -5.0, np.nan])), [4.0, 1.5, 3.0, 1.5])


def test_averages_and_logarithms_of_ranks() -> None:
    scores = {"a": np.array([0.1, 0.2, 0.3]), "b": np.array([30.0, 20.0, 10.0])}
    np.testing.assert_array_equal(rank_average(scores), [2.0, 2.0, 2.0])
    expected = [np.log(1 / 3) + np.log(1), 2 * np.log(2 / 3), np.log(1) + np.log(1 / 3)]
    np.testing.assert_allclose(log_rank_sum(scores), expected)  # the one without a low rank is the best
    assert log_rank_sum(scores).argmax() == 1


def test_az_nas_is_of_four_scores() -> None:
    rng = np.random.default_rng(1)
    scores = {name: rng.random(9) for name in (*AZ_NAS, "params")}
    four = {name: scores[name] for name in AZ_NAS}
    np.testing.assert_array_equal(aggregate("az_nas", scores), aggregate("log_rank_sum", four))
    del scores["flops"]
    with pytest.raises(UnknownNameError, match="flops"):
        aggregate("az_nas", scores)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(UnknownNameError, match="rank_average"):
        aggregate("rank_avarage", {"a": np.zeros(2)})
    with pytest.raises(InvalidValueError, match="one length"):
        aggregate("rank_average", {"a": np.zeros(2), "b": np.zeros(3)})
