"""Manifests: on whom, and against what. A folder with patients.csv, series.csv and lesions.csv (UTF-8).

Paths in them are absolute, or relative to the folder and inside it. Unknown columns are kept as text. An empty cell is a missing
value: "" in a text column, NaN or NA in one of numbers. `COLUMNS` lists what each table must have.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lirads_keras.entities import SCORED_CATEGORIES, Phase, Series
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom import describe_series, read_series
from lirads_keras.io.tables import Column, Table, check_cells, check_unique, convert_columns, read_table

GROUPS = ("positive", "negative")


_FEATURE = Column("integer", required=False, lowest=0, highest=1)
_DIAMETER_MM = Column("number", required=False, lowest=1e-3, highest=1000)
_OPTIONAL_TEXT = Column("text", required=False)

COLUMNS: dict[str, dict[str, Column]] = {
    "patients": {
        "patient_id": Column("name"),
        "group": Column("text", choices=GROUPS),
        "cohort": Column("text"),
        "age_years": Column("number", required=False, lowest=0, highest=130),
        "sex": Column("text", required=False, choices=("M", "F")),
        "scanner": _OPTIONAL_TEXT,
        "diagnosis_method": _OPTIONAL_TEXT,
        "mask_path": _OPTIONAL_TEXT},
    "series": {
        "patient_id": Column("name"),
        "phase": Column("text", choices=tuple(Phase)),
        "path": Column("text"),
        "series_uid": _OPTIONAL_TEXT,
        "time_point": Column("integer", required=False, lowest=0, highest=10_000)},
    "lesions": {
        "patient_id": Column("name"),
        "lesion_id": Column("name"),
        "mask_label": Column("integer", lowest=1, highest=65535),
        "diameter_mm": _DIAMETER_MM,
        "aphe": _FEATURE,
        "washout": _FEATURE,
        "capsule": _FEATURE,
        "category": Column("text", choices=tuple(SCORED_CATEGORIES))}}
"""Columns that each table must have; cells of columns that are not `required` may be empty."""

EXTRA_COLUMNS: dict[str, dict[str, Column]] = {
    "patients": {},
    "series": {},
    "lesions": {
        "aphe_true": _FEATURE,
        "washout_true": _FEATURE,
        "capsule_true": _FEATURE,
        "category_true": Column("text", required=False, choices=tuple(SCORED_CATEGORIES)),
        "diameter_mm_true": _DIAMETER_MM}}
"""Columns that a table may have (the virtual cohort knows the truth)."""


@dataclass(frozen=True, eq=False)
class Manifest:
    """The three tables of a manifest folder, checked.

    Text columns are str; `age_years` and `diameter_mm` are float64, features Int64 with NA, `mask_label` and `time_point` int64.
    """

    folder: Path
    patients: pd.DataFrame
    series: pd.DataFrame
    lesions: pd.DataFrame

    def mask_path(self, patient_id: str) -> Path | None:
        """The NIfTI label map of a patient, None if there is none."""
        text = self.patients.loc[self.patients["patient_id"] == patient_id, "mask_path"].item()
        return self.resolve(text) if text else None

    def resolve(self, text: str) -> Path:
        """A path of the manifest; relative ones start at its folder."""
        return self.folder / text


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        InputError: everything that is wrong, each with file, line, column, what was expected and what was found: missing files or
            columns, cells of the wrong kind or range, duplicates, references to unknown patients, files that do not exist or lie
            outside of the folder, patients without a delayed phase, lesions that do not go with their patient's group or mask.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a manifest folder", "a file" if folder.exists() else "no such folder"))
    problems: list[Problem] = []
    tables: dict[str, Table] = {}
    for name, columns in COLUMNS.items():
        table = read_table(folder / f"{name}.csv", columns, problems)
        if table is not None:
            tables[name] = table
    # Whatever follows needs the columns.
    raise_if_any(problems if len(tables) < len(COLUMNS) else [])
    patients, series, lesions = tables["patients"], tables["series"], tables["lesions"]
    if not patients.lines:
        problems.append(Problem(str(patients.path), "a row for each patient", "none"))
    for name, table in tables.items():
        check_cells(table, COLUMNS[name] | EXTRA_COLUMNS[name], problems)
    check_unique(patients, ("patient_id",), problems)
    check_unique(series, ("patient_id", "phase"), problems)
    check_unique(lesions, ("patient_id", "lesion_id"), problems)
    check_unique(lesions, ("patient_id", "mask_label"), problems)
    _check_references(patients, (series, lesions), problems)
    _check_paths(folder, patients, "mask_path", problems, directory=False)
    _check_paths(folder, series, "path", problems, directory=True)
    _check_phases(patients, series, problems)
    _check_groups(patients, lesions, problems)
    raise_if_any(problems)
    converted = {name: convert_columns(table.frame, COLUMNS[name] | EXTRA_COLUMNS[name]) for name, table in tables.items()}
    converted["series"] = converted["series"].fillna({"time_point": 0}).astype({"time_point": "int64"})
    return Manifest(folder, converted["patients"], converted["series"], converted["lesions"])


def series_of(manifest: Manifest, patient_id: str) -> dict[Phase, Series]:
    """The series of a patient's phases; reads the headers of its folders.

    Raises:
        InputError: folders without readable DICOM images, or series and time points that are not in them.
    """
    rows = manifest.series[manifest.series["patient_id"] == patient_id]
    found: dict[Phase, Series] = {}
    folders: dict[Path, list[Series]] = {}
    problems: list[Problem] = []
    for row in rows.to_dict("records"):
        folder = manifest.resolve(row["path"])
        if folder not in folders:
            try:
                folders[folder] = read_series(folder)
            except InputError as error:
                folders[folder] = []
                problems += error.problems
        there = fitting = folders[folder]
        if not there:
            continue
        if row["series_uid"]:
            fitting = [series for series in there if (series.series_uid, series.temporal_index) == (row["series_uid"], row["time_point"])]
        if len(fitting) == 1 and fitting[0].temporal_index == row["time_point"]:
            found[Phase(row["phase"])] = replace(fitting[0], phase=Phase(row["phase"]), phase_evidence="manifest")
            continue
        wanted = f"series {row['series_uid']}" if row["series_uid"] else "one series only, or a series_uid"
        where = f"{manifest.folder / 'series.csv'}, {patient_id}, {row['phase']}: {folder}"
        problems.append(Problem(where, f"{wanted}, time point {row['time_point']}", "; ".join(map(describe_series, there))))
    raise_if_any(problems)
    return found


def _check_references(patients: Table, others: tuple[Table, ...], problems: list[Problem]) -> None:
    known = set(patients.frame["patient_id"])
    for table in others:
        problems += [
            Problem(table.where(row, "patient_id"), "a patient of patients.csv", repr(patient_id))
            for row, patient_id in enumerate(table.frame["patient_id"]) if patient_id and patient_id not in known]


def _check_paths(folder: Path, table: Table, column: str, problems: list[Problem], *, directory: bool) -> None:
    kind = "folder" if directory else "file"
    for row, text in enumerate(table.frame[column]):
        if not text:
            continue
        if not os.path.isabs(text) and os.path.normpath(text).split(os.sep)[0] == os.pardir:
            problems.append(Problem(table.where(row, column), "an absolute path, or one inside of the manifest's folder", repr(text)))
        elif not (os.path.isdir(folder / text) if directory else os.path.isfile(folder / text)):
            problems.append(Problem(table.where(row, column), f"a {kind} that exists", repr(text)))


def _check_phases(patients: Table, series: Table, problems: list[Problem]) -> None:
    with_delayed = {patient_id for patient_id, phase in series.cells("patient_id", "phase") if phase == Phase.DELAYED}
    phases: dict[str, list[str]] = {}
    for patient_id, phase in series.cells("patient_id", "phase"):
        phases.setdefault(patient_id, []).append(phase)
    problems += [
        Problem(patients.where(row, "patient_id"), f"a row of series.csv with the phase {Phase.DELAYED}, on which lesions are segmented",
                f"{', '.join(phases.get(patient_id, [])) or 'no row'} for {patient_id}")
        for row, patient_id in enumerate(patients.frame["patient_id"]) if patient_id and patient_id not in with_delayed]


def _check_groups(patients: Table, lesions: Table, problems: list[Problem]) -> None:
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
