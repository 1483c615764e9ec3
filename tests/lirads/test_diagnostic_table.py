from __future__ import annotations

import pytest

from lirads_keras.entities import Feature
from lirads_keras.lirads.diagnostic_table import COLUMNS, ROWS, find_cell


@pytest.mark.parametrize("aphe", [False, True])
@pytest.mark.parametrize("diameter_mm", [1e-6, 9.999999, 10.0, 19.999999, 20.0, 164.0, 1e6])
def test_exactly_one_column_holds(aphe: bool, diameter_mm: float) -> None:
    assert sum(column.holds(aphe, diameter_mm) for column in COLUMNS) == 1


def test_rows_have_a_cell_for_each_column() -> None:
    assert [len(row) for row in ROWS] == [len(COLUMNS)] * 3


@pytest.mark.parametrize("feature, expected", [(Feature.CAPSULE, "LR-4"), (Feature.WASHOUT, "LR-5"), (Feature.THRESHOLD_GROWTH, "LR-5")])
def test_the_divided_cell(feature: Feature, expected: str) -> None:
    assert find_cell(True, 12.0, (feature,)) == expected
