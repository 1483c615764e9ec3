from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.entities import Category, NotGiven, Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.batch import ObservationColumns, ReaderDecision, categorize_columns
from lirads_keras.lirads.categorize import categorize
from lirads_keras.lirads.steps import OVERRIDE_ORDER, TIES

SIZES_MM = (0.05, 9.9, 9.9999999, 10.0, 10.0001, 15.0, 19.9999, 20.0, 23.04, 163.95)
DECISIONS = (ReaderDecision(), ReaderDecision((Category.LR_M,)), ReaderDecision((Category.LR_M, Category.LR_TIV)),
             ReaderDecision((Category.LR_1,), (Category.LR_1, Category.LR_2)))
THREE, TWO = (-1, 0, 1), (0, 1)


def to_columns(rows, decisions) -> ObservationColumns:
    columns = list(zip(*rows, strict=True))
    return ObservationColumns(np.array(columns[0]), *(np.array(column, np.int8) for column in columns[1:7]), np.array(columns[7]), tuple(decisions))


def as_text(found) -> tuple[str, str]:
    return str(found[0]), found[1]


def to_observation(row, decisions) -> Observation:
    flags = [None if value == -1 else bool(value) for value in row[1:4]]
    decision = decisions[row[7]]
    return Observation(row[0], *flags, *map(bool, row[4:7]), decision.overrides, decision.tie)


@pytest.mark.parametrize("rules", ["paper", "v2018"])
def test_every_combination_is_that_of_categorize(rules):
    rows = list(product(SIZES_MM, THREE, THREE, THREE, TWO, TWO, TWO, range(len(DECISIONS))))
    categories, reasons = categorize_columns(to_columns(rows, DECISIONS), rules)
    for row, category, reason in zip(rows, categories, reasons, strict=True):
        assert (category, reason) == as_text(categorize(to_observation(row, DECISIONS), rules)), row


decisions = st.one_of(
    st.lists(st.sampled_from(OVERRIDE_ORDER), max_size=3).map(lambda found: ReaderDecision(tuple(found))),
    st.sampled_from([tuple(sorted(pair)) for pair in TIES]).map(lambda pair: ReaderDecision(tie=pair)))


@settings(max_examples=60)
@given(st.data(), st.lists(decisions, min_size=1, max_size=4), st.sampled_from(["paper", "v2018"]))
def test_any_table_is_that_of_categorize(data, of_reader, rules):
    row = st.tuples(st.floats(1e-3, 1e4), *[st.sampled_from(THREE)] * 3, *[st.sampled_from(TWO)] * 3, st.integers(0, len(of_reader) - 1))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    try:
        expected = [as_text(categorize(to_observation(row, of_reader), rules)) for row in rows]
    except InputError:
        with pytest.raises(InputError):
            categorize_columns(to_columns(rows, of_reader), rules)
    else:
        assert list(zip(*categorize_columns(to_columns(rows, of_reader), rules), strict=True)) == expected


def test_ties_that_do_not_hold_the_category_are_told_with_their_rows():
    decisions = (ReaderDecision(), ReaderDecision(tie=(Category.LR_3, Category.LR_4)))
    # LR-5, LR-5, LR-4: the tie holds the last one alone.
    rows = [(25.0, 1, 1, 0, 0, 0, 0, 0), (25.0, 1, 1, 0, 0, 0, 0, 1), (25.0, 1, 0, 0, 0, 0, 0, 1), (30.0, 1, 1, 0, 0, 0, 0, 1)]
    with pytest.raises(InputError) as caught:
        categorize_columns(to_columns(rows, decisions), "v2018")
    assert [(problem.where, problem.found) for problem in caught.value.problems] == [("row 1, tie", "LR-3|LR-4"), ("row 3, tie", "LR-3|LR-4")]
    assert categorize_columns(to_columns([rows[0], rows[2]], decisions), "v2018")[0] == ["LR-5", "LR-3"]


def test_the_optional_columns_are_those_of_an_observation():
    rows = [(25.0, aphe, 1, 0, 0, 0, 0, 0) for aphe in THREE for _ in range(4)]
    rim, proposed = np.array([0, 1, 0, 1] * 3), np.array([0, 0, 1, 1] * 3)
    columns = dataclasses.replace(to_columns(rows, DECISIONS), rim_aphe=rim, growth_proposed=proposed)
    expected = [as_text(categorize(dataclasses.replace(to_observation(row, DECISIONS), rim_aphe=bool(r), growth_proposed=bool(p)), "v2018"))
                for row, r, p in zip(rows, rim, proposed, strict=True)]
    assert list(zip(*categorize_columns(columns, "v2018"), strict=True)) == expected


def test_a_withheld_row_tells_no_category_and_the_others_stay():
    rows = [(25.0, 1, 1, 0, 0, 0, 0, 0), (25.0, 1, 1, 0, 0, 0, 0, 1)]
    columns = dataclasses.replace(to_columns(rows, DECISIONS), withheld=np.array(["", "the patient is under 18"], dtype=object))
    categories, reasons = categorize_columns(columns, "v2018")
    assert categories == ["LR-5", "withheld"] and reasons[1] == "APHE, washout, 25 mm: category withheld (the patient is under 18)"
    assert (str(NotGiven("withheld")), reasons[1]) == as_text(categorize(to_observation(rows[1], DECISIONS), "v2018", "the patient is under 18"))


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
