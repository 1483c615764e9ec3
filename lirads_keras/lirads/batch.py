"""`categorize` for many observations at once: each combination of features is explained once."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

import numpy as np

from lirads_keras.entities import Category, Observation
from lirads_keras.errors import InputError, Problem
from lirads_keras.lirads.categorize import DISTINCTIVE_NODULE_BELOW_MM, WITHHELD, Explanation, describe_size, describe_withheld, explain
from lirads_keras.lirads.diagnostic_table import COLUMNS
from lirads_keras.lirads.steps import TIE

SIZE_LIMITS_MM = tuple(sorted({column.from_mm for column in COLUMNS if column.from_mm > 0} | {DISTINCTIVE_NODULE_BELOW_MM}))
"""Between two of these the size changes nothing but its own words."""

SMALLEST_MM = 1.0
"""Stands for all sizes under the first limit."""

NOT_ASSESSED = -1

_FLAGS = ("aphe", "washout", "capsule", "threshold_growth", "ancillary_malignant", "ancillary_benign", "rim_aphe", "growth_proposed")


@dataclass(frozen=True)
class ReaderDecision:
    """What a reader set beside the features: see `Observation`."""

    overrides: tuple[Category, ...] = ()
    tie: tuple[Category, Category] | None = None


@dataclass(frozen=True, eq=False)
class ObservationColumns:
    """n observations as columns (n,).

    The features are integers: 1 present, 0 absent, and for aphe, washout and capsule −1: not assessed. `decision` is each row's index in `decisions`.
    `withheld` says of each row why it gets no category, or nothing; None: all get one.
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
    rim_aphe: np.ndarray | None = None
    growth_proposed: np.ndarray | None = None
    withheld: np.ndarray | None = None

    def row(self, index: int) -> Observation:
        """One observation."""
        aphe, washout, capsule = (None if value == NOT_ASSESSED else bool(value) for value in (self.aphe[index], self.washout[index], self.capsule[index]))
        decision = self.decisions[self.decision[index]]
        return Observation(
            float(self.diameter_mm[index]), aphe, washout, capsule, bool(self.threshold_growth[index]), bool(self.ancillary_malignant[index]),
            bool(self.ancillary_benign[index]), decision.overrides, decision.tie, *(
                flags is not None and bool(flags[index]) for flags in (self.rim_aphe, self.growth_proposed)))


def categorize_columns(columns: ObservationColumns, rules: str) -> tuple[list[str], list[str]]:
    """The categories and reasons of n observations, the same as `categorize` gives row by row.

    Raises:
        InputError: as `categorize`; rows whose diameter is not a positive number, or whose tie does not hold their category, are told counted from 0.
    """
    if not len(columns.diameter_mm):
        return [], []
    diameters = columns.diameter_mm
    # The comparison is false for NaN.
    if wrong := np.flatnonzero(~((diameters > 0) & (diameters < inf))).tolist():
        raise InputError(*(Problem(f"row {row}, diameter_mm", "a positive number of mm", f"{diameters[row]:g}") for row in wrong))
    code = np.searchsorted(SIZE_LIMITS_MM, diameters, side="right").astype(np.int64)
    for name in _FLAGS:
        if (flags := getattr(columns, name)) is not None:
            code = code * 3 + (flags + 1)
    code = code * len(columns.decisions) + columns.decision
    _, first, combination = np.unique(code, return_index=True, return_inverse=True)
    explanations = _explain_combinations(columns, first, combination, rules)
    before, after, categories = (
        np.array(texts, dtype=object)[combination] for texts in zip(*((e.before, e.after, str(e.category)) for e in explanations), strict=True))
    _, first, size = np.unique(np.floor(diameters * 10), return_index=True, return_inverse=True)
    sizes = np.array([describe_size(float(diameters[index])) for index in first], dtype=object)[size]
    reasons = before + sizes + after
    if columns.withheld is not None:
        for row in np.flatnonzero(columns.withheld != ""):
            categories[row], reasons[row] = str(WITHHELD), before[row] + sizes[row] + describe_withheld(columns.withheld[row])
    return categories.tolist(), reasons.tolist()


def _explain_combinations(columns: ObservationColumns, first: np.ndarray, combination: np.ndarray, rules: str) -> list[Explanation]:
    """The explanation of each combination, of which `first` are rows and `combination` (n,) the numbers."""
    explanations: list[Explanation] = []
    problems: dict[int, Problem] = {}
    for number, index in enumerate(first):
        try:
            explanations.append(_explain_combination(columns.row(index), rules))
        except InputError as error:
            if error.problems[0].where != TIE:
                raise
            problems |= {int(row): error.problems[0] for row in np.flatnonzero(combination == number)}
    if problems:
        raise InputError(*(Problem(f"row {row}, {problem.where}", problem.expected, problem.found) for row, problem in sorted(problems.items())))
    return explanations


def _explain_combination(observation: Observation, rules: str) -> Explanation:
    """`explain` of the smallest size of the column of the table, so that every size of it finds what is remembered."""
    lower_mm = max((limit for limit in SIZE_LIMITS_MM if limit <= observation.diameter_mm), default=SMALLEST_MM)
    return _remembered(replace(observation, diameter_mm=lower_mm), rules)


_remembered = lru_cache(maxsize=10_000)(explain)
