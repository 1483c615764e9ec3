"""Threshold growth from an earlier measurement."""
from __future__ import annotations

import numpy as np

GROWTH_FACTOR = 1.5
SIX_MONTHS_DAYS = 183
"""LI-RADS v2018: a size increase of ≥ 50 % in ≤ 6 months; half a year in whole days, rounded up."""

ROUNDING = 1e-9
"""Sizes are written with a few decimals: 18.45 mm is 50 % more than 12.3 mm, although 1.5 × 12.3 comes out above it in binary."""


def find_threshold_growth(diameter_mm: np.ndarray | float, prior_diameter_mm: np.ndarray | float, days: np.ndarray | float) -> np.ndarray:
    """Whether each lesion grew by ≥ 50 % in ≤ 6 months (ledger item 15).

    Args:
        diameter_mm: now.
        prior_diameter_mm: then; NaN where there is no earlier measurement, which is no growth.
        days: between the two.

    Returns:
        bool, in the shape of the arguments.
    """
    grown = np.asarray(diameter_mm) >= GROWTH_FACTOR * np.asarray(prior_diameter_mm) * (1 - ROUNDING)
    return grown & (np.asarray(days) <= SIX_MONTHS_DAYS)
