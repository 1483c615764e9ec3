from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.entities import Category, Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.batch import ObservationColumns, ReaderDecision, categorize_columns
from lirads_keras.lirads.categorize import categorize
from lirads_keras.lirads.steps import OVERRIDE_ORDER, TIES

SIZES_MM = (0.05, 9.9, 9.9999999, 10.0, 10.0001, 15.0, 19.9999, 20.0, 23.04, 163.95)
DECISIONS = (ReaderDecision(), ReaderDecision((Category.LR_M,)), ReaderDecision((Category.LR_M, Category.LR_TIV)),
             ReaderDecision(tie=(Category.LR_4, Category.LR_5)))
THREE, TWO = (-1, 0, 1), (0, 1)


def to_columns(rows, decisions) -> ObservationColumns:
    columns = list(zip(*rows, strict=True))
    return ObservationColumns(np.array(columns[0]), *(np.array(column, np.int8) for column in columns[1:7]), np.array(columns[7]), tuple(decisions))


def to_observation(row, decisions) -> Observation:
    flags = [None if value == -1 else bool(value) for value in row[1:4]]
    decision = decisions[row[7]]
    return Observation(row[0], *flags, *map(bool, row[4:7]), decision.overrides, decision.tie)


@pytest.mark.parametrize("rules", ["paper", "v2018"])
def test_every_combination_is_that_of_categorize(rules):
    rows = list(product(SIZES_MM, THREE, THREE, THREE, TWO, TWO, TWO, range(len(DECISIONS))))
    categories, reasons = categorize_columns(to_columns(rows, DECISIONS), rules)
    for row, category, reason in zip(rows, categories, reasons, strict=True):
        assert (category, reason) == categorize(to_observation(row, DECISIONS), rules), row


decisions = st.one_of(
    st.lists(st.sampled_from(OVERRIDE_ORDER), max_size=3).map(lambda found: ReaderDecision(tuple(found))),
    st.sampled_from([tuple(sorted(pair)) for pair in TIES]).map(lambda pair: ReaderDecision(tie=pair)))


@settings(max_examples=60)
@given(st.data(), st.lists(decisions, min_size=1, max_size=4), st.sampled_from(["paper", "v2018"]))
def test_any_table_is_that_of_categorize(data, of_reader, rules):
    row = st.tuples(st.floats(1e-3, 1e4), *[st.sampled_from(THREE)] * 3, *[st.sampled_from(TWO)] * 3, st.integers(0, len(of_reader) - 1))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    expected = [categorize(to_observation(row, of_reader), rules) for row in rows]
    assert list(zip(*categorize_columns(to_columns(rows, of_reader), rules), strict=True)) == expected


def test_no_row_gives_none():
    empty = ObservationColumns(np.zeros(0), *(np.zeros(0, np.int8) for _ in range(6)), np.zeros(0, np.int64))
    assert categorize_columns(empty, "paper") == ([], [])


def test_bad_diameters_are_told_with_their_rows():
    rows = [(10.0, 1, 0, 0, 0, 0, 0, 0), (float("nan"), 1, 0, 0, 0, 0, 0, 0), (-1.0, 1, 0, 0, 0, 0, 0, 0)]
    with pytest.raises(InputError) as caught:
        categorize_columns(to_columns(rows, DECISIONS), "paper")
    assert [problem.where for problem in caught.value.problems] == ["row 1, diameter_mm", "row 2, diameter_mm"]
    with pytest.raises(InputError, match="v2017"):
        categorize_columns(to_columns(rows[:1], DECISIONS), "v2017")
