from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.errors import InputError
from lirads_keras.lirads.growth import PriorSize, find_threshold_growth, judge_growth

NAN = float("nan")


@pytest.mark.parametrize("diameter_mm, prior_mm, days, grown", [
    (15.0, 10.0, 183, True), (15.0, 10.0, 184, False), (14.99, 10.0, 30, False), (15.01, 10.0, 30, True), (30.0, 10.0, 0.5, True),
    (10.0, 10.0, 30, False), (30.0, 10.0, 0, False), (30.0, 10.0, -30, False), (15.0, NAN, NAN, False), (15.0, NAN, 30, False)])
def test_half_as_much_again_in_half_a_year(diameter_mm, prior_mm, days, grown):
    assert find_threshold_growth(diameter_mm, prior_mm, days) == grown


@given(st.integers(10, 3000))
def test_sizes_with_one_decimal_are_not_lost_to_rounding(prior_tenths):
    """Exactly 50 % more, as written: 3/2 of an even number of tenths."""
    prior_tenths *= 2
    assert find_threshold_growth(float(f"{prior_tenths * 3 // 2 / 10:.1f}"), float(f"{prior_tenths / 10:.1f}"), 90)
    assert not find_threshold_growth(float(f"{(prior_tenths * 3 // 2 - 1) / 10:.1f}"), float(f"{prior_tenths / 10:.1f}"), 90)


def test_columns():
    np.testing.assert_array_equal(find_threshold_growth(np.array([15.0, 15.0]), np.array([10.0, 12.0]), np.array([90, 90])), [True, False])


@pytest.mark.parametrize("by, prior_by, same_untreated, found", [
    ("reader", "reader", True, "present"), ("network", "network", True, "present"), ("network", "reader", True, "proposed"),
    ("reader", "network", True, "proposed"), ("reader", "reader", False, "proposed")])
def test_sizes_of_two_sources_and_lesions_nobody_vouches_for_are_proposed(by, prior_by, same_untreated, found):
    assert judge_growth(15.0, by, PriorSize(10.0, 90, "MR", same_untreated, prior_by)) == found
    # What did not grow is not proposed either.
    assert judge_growth(14.9, by, PriorSize(10.0, 90, "CT", same_untreated, prior_by)) == "absent"


@pytest.mark.parametrize("diameter_mm, days, where", [(10.0, 0, "days"), (10.0, -5, "days"), (0.0, 90, "diameter_mm"), (NAN, 90, "diameter_mm")])
def test_an_earlier_size_is_positive_and_earlier(diameter_mm, days, where):
    with pytest.raises(InputError, match=f"prior, {where}: expected a positive number"):
        judge_growth(15.0, "reader", PriorSize(diameter_mm, days, "MR", True))
