"""From a probability to a class: the choice of the segmentation threshold.

Accuracy, confusion, AUC and κ are computed by the R analysis from the tidy tables, with intervals that respect the patient.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

UNDECIDED = 0.5
"""Where no patient can tell thresholds apart, the one nearest to an even chance is taken."""


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold and the average Dice it had; None if no patient had a reference lesion."""

    threshold: float
    mean_dice: float | None


def choose_threshold(dice_by_threshold: Mapping[float, Sequence[float]]) -> ThresholdChoice:
    """The threshold with the highest average Dice over patients (ledger item 18: a fold's early-stopping patients, never its test patients).

    Args:
        dice_by_threshold: for each threshold the Dice of each patient, in the same order; NaN where both masks are empty is left out of
            that threshold's average.

    Returns:
        The best; of equally good ones that nearest to 0.5, then the lower. Without any Dice the threshold nearest to 0.5.

    Raises:
        ValueError: there is no threshold.
    """
    if not dice_by_threshold:
        raise ValueError("no threshold to choose from")
    means = {}
    for threshold, values in dice_by_threshold.items():
        known = [value for value in values if not math.isnan(value)]
        means[threshold] = float(np.mean(known)) if known else -math.inf
    best = min(means, key=lambda threshold: (-means[threshold], round(abs(threshold - UNDECIDED), 9), threshold))
    return ThresholdChoice(best, means[best] if math.isfinite(means[best]) else None)
