"""Threshold growth from an earlier measurement."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Literal

import numpy as np

from lirads_keras.errors import Problem, raise_if_any

GROWTH_FACTOR = 1.5
SIX_MONTHS_DAYS = 183
"""LI-RADS v2018: a size increase of ≥ 50 % in ≤ 6 months; half a year in whole days, rounded up."""

ROUNDING = 1e-9
"""Sizes are written with a few decimals: 18.45 mm is 50 % more than 12.3 mm, although 1.5 × 12.3 comes out above it in binary."""

Modality = Literal["CT", "MR"]
"""What the earlier size may come from (CT/MRI core, p. 20); ultrasound is none."""

MeasuredBy = Literal["network", "reader"]


class Growth(StrEnum):
    """What two sizes of a lesion tell; PROPOSED is for a reader to decide, and not counted."""

    ABSENT = "absent"
    PRESENT = "present"
    PROPOSED = "proposed"


@dataclass(frozen=True)
class PriorSize:
    """An earlier size of a lesion. `same_untreated`: it is the same lesion, and it was treated neither then nor since."""

    diameter_mm: float
    days: float
    modality: Modality
    same_untreated: bool
    by: MeasuredBy = "reader"


def judge_growth(diameter_mm: float, by: MeasuredBy, prior: PriorSize) -> Growth:
    """Whether a lesion's two sizes are threshold growth (LI-RADS v2018, CT/MRI core, p. 20).

    A network and a reader measure in different ways: growth between one's size and the other's is proposed only. So it is where nobody has said that the
    lesion is the same and was not treated.

    Raises:
        InputError: an earlier size or a number of days that is not positive.
    """
    raise_if_any([Problem(f"prior, {name}", f"a positive number of {unit}", f"{value:g}") for name, unit, value in (
        ("diameter_mm", "mm", prior.diameter_mm), ("days", "days", prior.days)) if not 0 < value < inf])
    if not find_threshold_growth(diameter_mm, prior.diameter_mm, prior.days):
        return Growth.ABSENT
    return Growth.PRESENT if prior.same_untreated and prior.by == by else Growth.PROPOSED


def find_threshold_growth(diameter_mm: np.ndarray | float, prior_diameter_mm: np.ndarray | float, days: np.ndarray | float) -> np.ndarray:
    """Whether each lesion grew by ≥ 50 % in ≤ 6 months (ledger item 15).

    Args:
        diameter_mm: now.
        prior_diameter_mm: then; NaN where there is no earlier measurement, which is no growth.
        days: between the two, above 0; two sizes of one day are no growth.

    Returns:
        bool, in the shape of the arguments.
    """
    grown = np.asarray(diameter_mm) >= GROWTH_FACTOR * np.asarray(prior_diameter_mm) * (1 - ROUNDING)
    return grown & (np.asarray(days) > 0) & (np.asarray(days) <= SIX_MONTHS_DAYS)
