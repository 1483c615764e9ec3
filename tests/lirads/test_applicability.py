from __future__ import annotations

from itertools import product

import pytest

from lirads_keras.entities import Applicability
from lirads_keras.lirads.applicability import describe_applicability, find_reason_to_withhold, is_adult


@pytest.mark.parametrize("years, adult", [(None, None), (17.99, False), (18.0, True), (0.02, False), (64.0, True)])
def test_adults_are_18(years, adult):
    assert is_adult(years) is adult


@pytest.mark.parametrize("adult, high_risk, untreated, despite", list(product([None, True, False], [None, True, False], [None, True, False], [False, True])))
def test_every_answer(adult, high_risk, untreated, despite):
    """Withheld: under 18 unless it is overridden, not at high risk, or treated; told always: whom LI-RADS is for, and what nobody knows."""
    asked = Applicability(adult, high_risk, untreated, despite)
    withheld, text = find_reason_to_withhold(asked), " ".join(describe_applicability(asked))
    assert bool(withheld) == (adult is False and not despite or high_risk is False or untreated is False)
    assert "adults at high risk" in text and "treated or proven lesions are another algorithm" in text
    assert ("age is unknown" in text) == (adult is None)
    assert ("conditional on high risk and no treatment" in text) == (not withheld and high_risk is None and untreated is None)
    assert ("conditional on" in text) == (not withheld and None in (high_risk, untreated))
    assert ("Categories are withheld" in text) == bool(withheld) and withheld in text
