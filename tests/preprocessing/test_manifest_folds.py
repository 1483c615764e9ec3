from __future__ import annotations

import pandas as pd
import pytest

from lirads_keras.errors import InputError
from lirads_keras.preprocessing.manifest_folds import count_folds, read_folds
from lirads_keras.preprocessing.splits import split_folds


def patients(*folds: int | None, positives: int = 4) -> pd.DataFrame:
    count = len(folds)
    return pd.DataFrame({"patient_id": [f"P{number}" for number in range(count)], "fold": pd.array(list(folds), dtype="Int64"),
                         "group": ["positive"] * positives + ["negative"] * (count - positives)})


def test_without_folds_the_seed_deals() -> None:
    table = patients(None, None, None, None, None)
    positives, fold_of = read_folds(table, 2, 7)
    assert positives == ["P0", "P1", "P2", "P3"] and list(fold_of) == ["P0", "P1", "P2", "P3", "P4"]
    assert fold_of == split_folds(positives, ["P4"], 2, 7) == read_folds(table.drop(columns="fold"), 2, 7)[1]
    assert count_folds(table, 9) == 9 == count_folds(table.drop(columns="fold"), 9)


def test_the_tables_folds_are_taken_whatever_the_seed() -> None:
    table = patients(2, 0, 1, 0, 1)
    assert read_folds(table, 3, 1) == read_folds(table, 3, 2) == (["P0", "P1", "P2", "P3"], {"P0": 2, "P1": 0, "P2": 1, "P3": 0, "P4": 1})
    assert count_folds(table, 9) == 3


@pytest.mark.parametrize("folds, count, messages", [
    ((0, 1, 2, 3, 0), 3, ["patients.csv, P3, fold: expected a fold from 0 to 2, as the profile has 3, found 3"]),
    ((0, 0, 2, 2, 1), 3, ["patients.csv, fold: expected a patient with lesions in every fold, found none in fold 1"]),
    ((0, 0, 9, 8, 1), 2, ["patients.csv, P2, fold: expected a fold from 0 to 1, as the profile has 2, found 9",
                          "patients.csv, P3, fold: expected a fold from 0 to 1, as the profile has 2, found 8",
                          "patients.csv, fold: expected a patient with lesions in every fold, found none in fold 1"])])
def test_folds_that_cannot_be_tested(folds: tuple[int, ...], count: int, messages: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_folds(patients(*folds), count, 1)
    assert [str(problem) for problem in caught.value.problems] == messages


def test_a_single_fold_is_none() -> None:
    with pytest.raises(InputError, match="two folds or more, found one"):
        count_folds(patients(0, 0, 0, 0, 0), 9)
