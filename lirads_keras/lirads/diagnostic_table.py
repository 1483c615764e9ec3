"""The CT/MRI diagnostic table as data, laid out as it is printed.

Sources: Wang et al. 2023, Table 3 (which lacks the column 10–19 mm under APHE), and the CT/MRI diagnostic table of the
ACR's LI-RADS v2018 core, whose other columns are the same. Sizes are continuous: "10–19 mm" is [10, 20).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from lirads_keras.entities import Category, Feature

LR_3, LR_4, LR_5 = Category.LR_3, Category.LR_4, Category.LR_5

Cell = Category | Mapping[Feature, Category]
"""A category; or, where the table divides a cell, the category by the one additional feature that is present."""


@dataclass(frozen=True)
class Column:
    """A column of the table: with or without APHE, and `from_mm` ≤ diameter < `below_mm`."""

    aphe: bool
    from_mm: float
    below_mm: float

    def holds(self, aphe: bool, diameter_mm: float) -> bool:
        return self.aphe == aphe and self.from_mm <= diameter_mm < self.below_mm


_DIVIDED: Cell = {Feature.CAPSULE: LR_4, Feature.WASHOUT: LR_5, Feature.THRESHOLD_GROWTH: LR_5}

COLUMNS = (
    Column(False, 0, 20), Column(False, 20, inf), Column(True, 0, 10), Column(True, 10, 20), Column(True, 20, inf))

ROWS: tuple[tuple[Cell, ...], ...] = (
    # no APHE           APHE
    # < 20     ≥ 20     < 10     10–19     ≥ 20          additional major features
    (LR_3,     LR_3,    LR_3,    LR_3,     LR_4),        # none      # noqa: E241
    (LR_3,     LR_4,    LR_4,    _DIVIDED, LR_5),        # one       # noqa: E241
    (LR_4,     LR_4,    LR_4,    LR_5,     LR_5),        # ≥ two     # noqa: E241
)


@dataclass(frozen=True)
class RuleSet:
    """Which additional major features a table counts, and where that is printed.

    `has_reader_steps`: the source has the steps of `lirads.steps` around the table, and calls a distinctive nodule < 20 mm without any
    feature LR-2.
    """

    name: str
    additional_features: tuple[Feature, ...]
    source: str
    has_reader_steps: bool


RULE_SETS = {
    rule_set.name: rule_set for rule_set in (
        RuleSet("paper", (Feature.WASHOUT, Feature.CAPSULE), "Table 3", has_reader_steps=False),
        RuleSet("v2018", (Feature.WASHOUT, Feature.CAPSULE, Feature.THRESHOLD_GROWTH), "LI-RADS v2018", has_reader_steps=True))
}
"""`paper`: B2 + B3 of Table 3, its missing column taken from v2018. `v2018`: the complete table, with threshold growth and the reader's steps."""


def find_cell(aphe: bool, diameter_mm: float, additional: tuple[Feature, ...]) -> Category:
    """The table's category for a positive diameter and the additional major features that are present."""
    column = next(index for index, column in enumerate(COLUMNS) if column.holds(aphe, diameter_mm))
    cell = ROWS[min(len(additional), len(ROWS) - 1)][column]
    return cell if isinstance(cell, Category) else cell[additional[0]]
