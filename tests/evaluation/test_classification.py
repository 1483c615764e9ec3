from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.evaluation.classification import ThresholdChoice, choose_threshold

NAN = math.nan


def test_the_highest_average_wins():
    assert choose_threshold({0.3: [0.5, 0.9], 0.5: [0.6, 0.7], 0.7: [0.8, 0.4]}) == ThresholdChoice(0.3, pytest.approx(0.7))


@pytest.mark.parametrize(("dice", "expected"), [
    ({0.1: [0.5], 0.4: [0.5], 0.8: [0.5]}, ThresholdChoice(0.4, 0.5)),
    ({0.4: [0.5], 0.6: [0.5]}, ThresholdChoice(0.4, 0.5)),
    ({0.6: [0.5], 0.4: [0.5]}, ThresholdChoice(0.4, 0.5)),
    ({0.2: [0.8, NAN], 0.9: [0.7, NAN]}, ThresholdChoice(0.2, 0.8)),
    ({0.2: [NAN], 0.6: [NAN]}, ThresholdChoice(0.6, None)),
    ({0.2: [], 0.6: []}, ThresholdChoice(0.6, None)),
    ({0.2: [0.0], 0.6: [0.0]}, ThresholdChoice(0.6, 0.0)),
])
def test_ties_and_patients_without_lesions(dice, expected):
    assert choose_threshold(dice) == expected


@given(st.dictionaries(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1))
def test_no_threshold_is_better_than_the_chosen(dice):
    choice = choose_threshold(dice)
    assert choice.threshold in dice and choice.mean_dice >= max(math.fsum(values) / 3 for values in dice.values()) - 1e-12


def test_a_choice_needs_a_threshold():
    with pytest.raises(ValueError, match="no threshold"):
        choose_threshold({})
