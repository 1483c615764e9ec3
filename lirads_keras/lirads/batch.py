"""`categorize` for many observations at once: each combination of features is explained once."""
from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import inf

import numpy as np

from lirads_keras.entities import Category, Observation
from lirads_keras.errors import InputError, Problem
from lirads_keras.lirads.categorize import DISTINCTIVE_NODULE_BELOW_MM, Explanation, describe_size, explain
from lirads_keras.lirads.diagnostic_table import COLUMNS

SIZE_LIMITS_MM = tuple(sorted({column.from_mm for column in COLUMNS if column.from_mm > 0} | {DISTINCTIVE_NODULE_BELOW_MM}))
"""Between two of these the size changes nothing but its own words."""

SMALLEST_MM = 1.0
"""Stands for all sizes under the first limit."""

NOT_ASSESSED = -1


@dataclass(frozen=True)
class ReaderDecision:
    """What a reader set beside the features: see `Observation`."""

    overrides: tuple[Category, ...] = ()
    tie: tuple[Category, Category] | None = None


@dataclass(frozen=True, eq=False)
class ObservationColumns:
    """n observations as columns (n,).

    The features are integers: 1 present, 0 absent, and for aphe, washout and capsule −1: not assessed. `decision` is each row's index in `decisions`.
    """

    diameter_mm: np.ndarray
    aphe: np.ndarray
    washout: np.ndarray
    capsule: np.ndarray
    threshold_growth: np.ndarray
    ancillary_malignant: np.ndarray
    ancillary_benign: np.ndarray
    decision: np.ndarray
    decisions: tuple[ReaderDecision, ...] = (ReaderDecision(),)

    def row(self, index: int) -> Observation:
        """One observation."""
        aphe, washout, capsule = (None if value == NOT_ASSESSED else bool(value) for value in (self.aphe[index], self.washout[index], self.capsule[index]))
        decision = self.decisions[self.decision[index]]
        return Observation(
            float(self.diameter_mm[index]), aphe, washout, capsule, bool(self.threshold_growth[index]), bool(self.ancillary_malignant[index]),
            bool(self.ancillary_benign[index]), decision.overrides, decision.tie)


def categorize_columns(columns: ObservationColumns, rules: str) -> tuple[list[str], list[str]]:
    """The categories and reasons of n observations, the same as `categorize` gives row by row.

    Raises:
        InputError: as `categorize`; diameters that are not positive numbers are told with their row, counted from 0.
    """
    if not len(columns.diameter_mm):
        return [], []
    diameters = columns.diameter_mm
    # The comparison is false for NaN.
    if wrong := np.flatnonzero(~((diameters > 0) & (diameters < inf))).tolist():
        raise InputError(*(Problem(f"row {row}, diameter_mm", "a positive number of mm", f"{diameters[row]:g}") for row in wrong))
    code = np.searchsorted(SIZE_LIMITS_MM, diameters, side="right").astype(np.int64)
    for field in fields(columns)[1:-2]:
        code = code * 3 + (getattr(columns, field.name) + 1)
    code = code * len(columns.decisions) + columns.decision
    _, first, combination = np.unique(code, return_index=True, return_inverse=True)
    explanations = [_explain_combination(columns.row(index), rules) for index in first]
    before, after, categories = (
        np.array(texts, dtype=object)[combination] for texts in zip(*((e.before, e.after, str(e.category)) for e in explanations), strict=True))
    _, first, size = np.unique(np.floor(diameters * 10), return_index=True, return_inverse=True)
    sizes = np.array([describe_size(float(diameters[index])) for index in first], dtype=object)[size]
    return categories.tolist(), (before + sizes + after).tolist()


def _explain_combination(observation: Observation, rules: str) -> Explanation:
    """`explain` of the smallest size of the column of the table, so that every size of it finds what is remembered."""
    lower_mm = max((limit for limit in SIZE_LIMITS_MM if limit <= observation.diameter_mm), default=SMALLEST_MM)
    return _remembered(replace(observation, diameter_mm=lower_mm), rules)


_remembered = lru_cache(maxsize=10_000)(explain)
