"""The test fold of every patient of a manifest: the manifest's own, or dealt by the seed."""
from __future__ import annotations

import pandas as pd

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.preprocessing.splits import split_folds


def read_folds(patients: pd.DataFrame, folds: int, seed: int) -> tuple[list[str], dict[str, int]]:
    """Who is positive, and in whose test fold everybody is.

    Args:
        patients: table of a manifest; where its column `fold` is filled, those are the folds, and the seed counts for nothing.
        folds: how many.
        seed: see `split_folds`.

    Returns:
        The positive patients, and patient → fold from 0; both in the table's order.

    Raises:
        InputError: as `split_folds`; or folds of the table that are not 0 … folds − 1, each with a positive patient.
    """
    ids = [str(name) for name in patients["patient_id"]]
    is_positive = list(patients["group"] == "positive")
    positives = [name for name, positive in zip(ids, is_positive, strict=True) if positive]
    if "fold" not in patients or patients["fold"].isna().all():
        fold_of = split_folds(positives, [name for name, positive in zip(ids, is_positive, strict=True) if not positive], folds, seed)
        return positives, {name: fold_of[name] for name in ids}
    given = {name: int(fold) for name, fold in zip(ids, patients["fold"], strict=True)}
    problems = [Problem(f"patients.csv, {name}, fold", f"a fold from 0 to {folds - 1}, as the profile has {folds}", str(fold))
                for name, fold in given.items() if fold >= folds]
    lacking = sorted(set(range(folds)) - {given[name] for name in positives})
    problems += [Problem("patients.csv, fold", "a patient with lesions in every fold", f"none in fold {fold}") for fold in lacking]
    raise_if_any(problems)
    return positives, given


def count_folds(patients: pd.DataFrame, folds: int) -> int:
    """How many folds the table gives, or `folds` where it gives none.

    Raises:
        InputError: the table gives a single fold.
    """
    if "fold" not in patients or patients["fold"].isna().all():
        return folds
    given = int(patients["fold"].max()) + 1
    if given < 2:
        raise InputError(Problem("patients.csv, fold", "two folds or more", "one"))
    return given
