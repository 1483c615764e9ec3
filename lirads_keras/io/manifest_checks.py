"""What must hold between the rows of a manifest's tables; each check appends its problems, none raises."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from lirads_keras.entities import GRID_PHASES, Phase
from lirads_keras.errors import Problem
from lirads_keras.io.nifti import is_nifti
from lirads_keras.io.tables import Table


def check_references(patients: Table, others: tuple[Table, ...], problems: list[Problem]) -> None:
    """Rows of the other tables belong to a patient of patients.csv."""
    known = set(patients.frame["patient_id"])
    for table in others:
        problems += [
            Problem(table.where(row, "patient_id"), "a patient of patients.csv", repr(patient_id))
            for row, patient_id in enumerate(table.frame["patient_id"]) if patient_id and patient_id not in known]


def check_paths(folder: Path, table: Table, column: str, problems: list[Problem], *, images: bool) -> None:
    """Paths are there and do not lead out of the manifest's folder; images are a folder of DICOM files or a NIfTI file, masks a file."""
    expected = "a folder of DICOM files or a NIfTI file that exists" if images else "a file that exists"
    for row, text in enumerate(table.frame[column]):
        if not text:
            continue
        place = folder / text
        if not os.path.isabs(text) and os.path.normpath(text).split(os.sep)[0] == os.pardir:
            problems.append(Problem(table.where(row, column), "an absolute path, or one inside of the manifest's folder", repr(text)))
        elif not (os.path.isfile(place) and (not images or is_nifti(place)) or images and os.path.isdir(place)):
            problems.append(Problem(table.where(row, column), expected, repr(text)))


def check_phases(patients: Table, series: Table, problems: list[Problem]) -> None:
    """Every patient has a delayed phase, on which lesions are segmented (§2.5)."""
    phases = _phases_of(series)
    problems += [
        Problem(patients.where(row, "patient_id"), f"a row of series.csv with the phase {Phase.DELAYED}, on which lesions are segmented",
                f"{', '.join(phases.get(patient_id, [])) or 'no row'} for {patient_id}")
        for row, patient_id in enumerate(patients.frame["patient_id"]) if patient_id and Phase.DELAYED not in phases.get(patient_id, [])]


def check_single_images(patients: Table, series: Table, problems: list[Problem]) -> None:
    """Without a delayed phase, a patient of a segmentation set has one image."""
    phases = _phases_of(series)
    problems += [
        Problem(patients.where(row, "patient_id"), f"one row of series.csv, or one with the phase {Phase.DELAYED}",
                f"{len(phases.get(patient_id, []))} for {patient_id}")
        for row, patient_id in enumerate(patients.frame["patient_id"])
        if patient_id and Phase.DELAYED not in phases.get(patient_id, []) and len(phases.get(patient_id, [])) != 1]


def check_grid_phases(patients: Table, series: Table, problems: list[Problem]) -> None:
    """Every patient has a phase on whose grid a trained network reads a study, or one image of which no phase is said."""
    phases = _phases_of(series)
    problems += [
        Problem(patients.where(row, "patient_id"), f"a row of series.csv with the phase {' or '.join(GRID_PHASES)}, or one whose phase is empty",
                f"{', '.join(phases.get(patient_id, [])) or 'no row'} for {patient_id}")
        for row, patient_id in enumerate(patients.frame["patient_id"])
        if patient_id and phases.get(patient_id) != [""] and not set(GRID_PHASES) & set(phases.get(patient_id, []))]


def check_groups(patients: Table, lesions: Table, problems: list[Problem]) -> None:
    """Lesions belong to positive patients, who have a mask."""
    groups = {patient_id: (group, mask) for patient_id, group, mask in patients.cells("patient_id", "group", "mask_path")}
    for row, patient_id in enumerate(lesions.frame["patient_id"]):
        group, mask = groups.get(patient_id, ("", "unknown"))
        if group == "negative":
            problems.append(Problem(lesions.where(row, "patient_id"), "a patient of the group positive", f"a lesion of {patient_id}, whose group is negative"))
        if not mask:
            problems.append(Problem(lesions.where(row, "patient_id"), "a patient with a mask_path", f"a lesion of {patient_id}, who has none"))
    problems += [
        Problem(patients.where(row, "mask_path"), "the mask of a patient of the group positive", "an empty cell")
        for row, (group, mask) in enumerate(patients.cells("group", "mask_path")) if group == "positive" and not mask]


def check_unsaid_groups(patients: Table, problems: list[Problem]) -> None:
    """Where groups are said at all, a patient of whom there is neither mask nor group is not taken for one without a lesion."""
    problems += [
        Problem(patients.where(row, "group"), "negative, for a patient without a lesion, or a mask_path", "both empty")
        for row, (group, mask) in enumerate(patients.cells("group", "mask_path")) if not group and not mask]


def check_splits(patients: Table, series: Table, problems: list[Problem]) -> None:
    """A patient is in one split only: folds are given for all or for none, and no image or mask stands under two patients."""
    folds = list(patients.frame["fold"])
    if any(folds):
        problems += [Problem(patients.where(row, "fold"), "a fold, as other patients have one", "an empty cell") for row, fold in enumerate(folds) if not fold]
    _check_shared(series, ("path", "series_uid", "time_point"), "path", "an image of one patient and phase", problems)
    _check_shared(patients, ("mask_path",), "mask_path", "a mask of one patient", problems)


def check_nifti_rows(series: Table, problems: list[Problem]) -> None:
    """What series_uid and time_point pick from a folder of DICOM files is of no use with a NIfTI file."""
    for row, (path, uid, time_point) in enumerate(series.cells("path", "series_uid", "time_point")):
        if is_nifti(Path(path)):
            problems += [
                Problem(series.where(row, column), "an empty cell, as the path is a NIfTI file of one volume", repr(text))
                for column, text in (("series_uid", uid), ("time_point", time_point.lstrip("0"))) if text]


def check_modality(series: Table, problems: list[Problem]) -> None:
    """Eq. 1 means nothing in HU: the LI-RADS workflow reads MR."""
    problems += [
        Problem(series.where(row, "modality"), "MR, which the LI-RADS workflow reads (CT is for `lirads train segmentation`)", "CT")
        for row, modality in enumerate(series.frame["modality"]) if modality == "CT"]


def find_box_problems(folder: Path, patients: pd.DataFrame) -> list[Problem]:
    """Boxes about lesions are no outlines: no segmentation is trained on them."""
    boxes = 0 if "mask_kind" not in patients else int((patients["mask_kind"] == "box").sum())
    return [Problem(str(folder / "patients.csv"), "masks that outline, to train on", f"boxes (mask_kind) of {boxes} patients")] if boxes else []


def find_label_problems(folder: Path, lesions: pd.DataFrame, patient_id: str, mask: np.ndarray | None, mask_path: Path | None) -> list[Problem]:
    """Every label of a patient's mask (z, y, x) has its row in lesions.csv, and every row its label."""
    rows = set(lesions.loc[lesions["patient_id"] == patient_id, "mask_label"])
    labels = set() if mask is None else set(np.unique(mask).tolist()) - {0}
    problems = [Problem(f"{mask_path}, label {label}", "a row with this mask_label in lesions.csv", f"rows for {sorted(rows)}")
                for label in sorted(labels - rows)]
    return problems + [
        Problem(f"{folder / 'lesions.csv'}, patient {patient_id}, mask_label {label}", f"the label in {mask_path}", f"labels {sorted(labels)}")
        for label in sorted(rows - labels)]


def _phases_of(series: Table) -> dict[str, list[str]]:
    phases: dict[str, list[str]] = {}
    for patient_id, phase in series.cells("patient_id", "phase"):
        phases.setdefault(patient_id, []).append(phase)
    return phases


def _check_shared(table: Table, key: tuple[str, ...], column: str, expected: str, problems: list[Problem]) -> None:
    first: dict[tuple[str, ...], int] = {}
    owners = list(table.frame["patient_id"])
    for row, cells in enumerate(table.cells(*key)):
        if not cells[0]:
            continue
        # An empty time point is the first, 0.
        others = (cell.lstrip("0") if name == "time_point" else cell for name, cell in zip(key[1:], cells[1:], strict=True))
        earlier = first.setdefault((os.path.normpath(cells[0]), *others), row)
        if earlier != row:
            found = f"the one of {owners[earlier] or 'another row'} in line {table.lines[earlier]}"
            problems.append(Problem(table.where(row, column), f"{expected} only", found))
