from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from lirads_keras.phantom.resampling import Resampler, correlation_of, deviation_of, kappa_of, mean_of, quantile_of

ONE = np.ones((1, 6))


def test_statistics_by_hand() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0]
    assert mean_of(values)(ONE)[0] == 4
    assert deviation_of(values)(ONE)[0] == pytest.approx(np.sqrt((9 + 4 + 1 + 0 + 1 + 25) / 6))
    assert [quantile_of(values, share)(ONE)[0] for share in (0.0, 0.5, 0.51, 1.0)] == [1, 3, 4, 9]
    # Weights count an item as often as they say.
    assert quantile_of(values, 0.5)(np.array([[0, 0, 0, 0, 1, 2.0]]))[0] == 9
    assert mean_of(values)(np.array([[0, 0, 0, 0, 1, 2.0]]))[0] == pytest.approx(23 / 3)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=3, max_size=30))
def test_kappa_against_sklearn(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        ours = kappa_of(first, second)(np.ones((1, len(pairs))))[0]
    if len({*first, *second}) > 1:
        np.testing.assert_allclose(ours, cohen_kappa_score(first, second), atol=1e-12)
    else:
        assert np.isnan(ours)


def test_intraclass_correlation_by_hand() -> None:
    # Means 2, 6, 10 about 6: MSB = 2 · (16 + 0 + 16) / 2 = 32; half squared differences 2, 0, 0.5: MSW = 2.5 / 3.
    first, second = [1, 6, 10.5], [3, 6, 9.5]
    assert correlation_of(first, second)(np.ones((1, 3)))[0] == pytest.approx((32 - 2.5 / 3) / (32 + 2.5 / 3))


def test_the_interval_of_a_mean_has_the_textbook_width() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    found = Resampler(400, seed=1).estimate(range(400), mean_of(values))
    assert (found.n, found.value) == (400, pytest.approx(values.mean()))
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert found.low < found.value < found.high


def test_patients_are_drawn_and_not_lesions() -> None:
    """Ten lesions alike in each of 40 patients tell no more than one: the interval is that of 40."""
    values = np.random.default_rng(3).normal(10, 2, 40)
    alone = Resampler(40, seed=1).estimate(range(40), mean_of(values))
    repeated = Resampler(40, seed=1).estimate(np.repeat(range(40), 10), mean_of(np.repeat(values, 10)))
    assert (repeated.low, repeated.high) == (pytest.approx(alone.low), pytest.approx(alone.high)) and repeated.n == 400


def test_nothing_and_too_little() -> None:
    resampler = Resampler(5, seed=0)
    empty = resampler.estimate([], mean_of([]))
    assert empty.n == 0 and np.isnan([empty.value, empty.low, empty.high]).all()
    # Draws without the one patient who has it are left out.
    single = resampler.estimate([3], mean_of([7.0]))
    assert (single.n, single.value, single.low, single.high) == (1, 7, 7, 7)


def test_equal_seeds_give_equal_draws() -> None:
    values = np.random.default_rng(3).normal(10, 2, 30)
    one, same, other = (Resampler(30, seed).estimate(range(30), mean_of(values)) for seed in (1, 1, 2))
    assert one == same and one.low != other.low and one.value == other.value
