"""What stages read and keep alike: tables of earlier stages, the folds of the patients, folders that are made afresh."""
from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
from stages import Plan

from lirads_keras.io.manifests import read_manifest
from lirads_keras.io.records import Record
from lirads_keras.preprocessing.manifest_folds import read_folds

REGIONS = ("reference_roi", "automatic_roi")
"""Of a reference lesion: its own region, and that of the lesion which the segmentation found there."""

PREDICTED = "predicted_lesion"
"""Region of a lesion that the segmentation predicted, whether or not there is a reference lesion: of all patients, and no reference lesion's row."""

REGION_KEY = ["roi", "segmentation", "patient_id", "lesion_id", "fold"]
"""Columns that name a row of the stages' tables: a reference lesion, by its own region or by the one that a segmentation variant found, which is named,
or a predicted lesion of that variant."""


def fresh_folder(record: Record, identity: str) -> None:
    """Makes the folder of a record, emptied first if what is in it was made under another identity."""
    if not record.made_from(identity):
        # The record goes first, and what cannot be deleted is an error: a folder that is emptied in part must not pass for fresh.
        record.remove()
        if record.path.parent.exists():
            shutil.rmtree(record.path.parent)
        record.write(identity)


def read_table(path: Path) -> pd.DataFrame:
    """A table of an earlier stage; ids stay the text they are, "007" and "NA" too, and only an empty cell is missing."""
    texts = dict.fromkeys(("patient_id", "lesion_id", "reference_lesion_id", "segmentation"), str)
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])


def fold_of_patients(plan: Plan) -> tuple[list[str], dict[str, int]]:
    """The positive patients, and the test fold of every patient, in the manifest's order."""
    return read_folds(read_manifest(plan.manifest).patients, plan.profile.segmentation.folds, plan.profile.seed)
