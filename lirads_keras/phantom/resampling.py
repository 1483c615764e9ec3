"""Intervals of the cohort's own figures: patients are drawn anew, since lesions of one patient are not independent."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
BOUNDS = (0.025, 0.975)

Statistic = Callable[[np.ndarray], np.ndarray]
"""From weights (draws, items) to one value a draw; NaN where the weights leave nothing."""


@dataclass(frozen=True)
class Estimate:
    """A figure of n items with the 2.5 and 97.5 % bounds over the draws; NaN where there is no item."""

    n: int
    value: float
    low: float
    high: float


class Resampler:
    """Draws whole patients with replacement, the same draws for every figure of a cohort."""

    def __init__(self, patients: int, seed: int) -> None:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
        self._weights = rng.multinomial(patients, np.full(patients, 1 / patients), DRAWS).astype(np.float64)

    def estimate(self, patient_of: Sequence[int], statistic: Statistic) -> Estimate:
        """A statistic of items, each of which belongs to a patient (0 … patients − 1)."""
        owners = np.asarray(patient_of, int)
        if len(owners) == 0:
            return Estimate(0, np.nan, np.nan, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(statistic(np.ones((1, len(owners))))[0])
            draws = statistic(self._weights[:, owners])
        low, high = np.quantile(draws[np.isfinite(draws)], BOUNDS) if np.isfinite(draws).any() else (np.nan, np.nan)
        return Estimate(len(owners), value, float(low), float(high))


def mean_of(values: Sequence[float] | np.ndarray) -> Statistic:
    """The mean; of flags, the share."""
    array = np.asarray(values, np.float64)
    return lambda weights: weights @ array / weights.sum(axis=1)


def deviation_of(values: Sequence[float]) -> Statistic:
    """The standard deviation (divided by n)."""
    array = np.asarray(values, np.float64)
    return lambda weights: np.sqrt(np.maximum(mean_of(array ** 2)(weights) - mean_of(array)(weights) ** 2, 0))


def quantile_of(values: Sequence[float], quantile: float) -> Statistic:
    """The smallest value that at least this share of the items does not exceed."""
    array = np.asarray(values, np.float64)
    order = np.argsort(array, kind="stable")

    def compute(weights: np.ndarray) -> np.ndarray:
        reached = np.cumsum(weights[:, order], axis=1)
        total = reached[:, -1]
        index = (reached >= quantile * total[:, None] - 1e-9).argmax(axis=1)
        return np.where(total > 0, array[order][index], np.nan)

    return compute


def kappa_of(first: Sequence[object], second: Sequence[object]) -> Statistic:
    """Cohen's κ of two readers, unweighted."""
    labels = sorted({*map(str, first), *map(str, second)})
    one, two = (np.array([[str(value) == label for label in labels] for value in values], np.float64) for values in (first, second))

    def compute(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        observed = weights @ (one * two).sum(axis=1) / total
        chance = ((weights @ one) * (weights @ two)).sum(axis=1) / total ** 2
        return (observed - chance) / (1 - chance)

    return compute


def correlation_of(first: Sequence[float], second: Sequence[float]) -> Statistic:
    """Intraclass correlation of two readers, one-way random, single reading: (MSB − MSW) / (MSB + MSW) (Shrout & Fleiss 1979)."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    means, halves = (one + two) / 2, (one - two) ** 2 / 2

    def compute(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        centre = weights @ means / total
        between = 2 * (weights @ means ** 2 - total * centre ** 2) / (total - 1)
        within = weights @ halves / total
        return (between - within) / (between + within)

    return compute
