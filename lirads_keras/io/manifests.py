"""Manifests: on whom, and against what. A folder with patients.csv, series.csv and lesions.csv (UTF-8).

Paths in them are absolute, or relative to the folder and inside it. Unknown columns are kept as text. An empty cell is a missing
value: "" in a text column, NaN or NA in one of numbers. `COLUMNS` lists what each table must have, `OPTIONAL_COLUMNS` what else is read,
`SEGMENTATION_COLUMNS` the few columns that suffice where only a segmentation is trained; such a manifest needs no lesions.csv.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lirads_keras.entities import SCORED_CATEGORIES, Phase, Series
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom import read_series
from lirads_keras.io.file_index import read_file_index
from lirads_keras.io.manifest_checks import (
    check_grid_phases,
    check_groups,
    check_modality,
    check_nifti_rows,
    check_paths,
    check_phases,
    check_references,
    check_single_images,
    check_splits,
    check_unsaid_groups,
)
from lirads_keras.io.nifti import is_nifti
from lirads_keras.io.read_series import describe_series
from lirads_keras.io.tables import Column, Table, check_cells, check_unique, convert_columns, read_table
from lirads_keras.provenance import compute_sha256

GROUPS = ("positive", "negative")
MASK_KINDS = ("outline", "box")
MODALITIES = ("MR", "CT")

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

OPTIONAL_COLUMNS: dict[str, dict[str, Column]] = {
    "patients": {
        "fold": Column("integer", required=False, lowest=0, highest=999),
        "mask_kind": Column("text", required=False, choices=MASK_KINDS),
        "exclusion_step": Column("integer", required=False, lowest=1, highest=99),
        "exclusion_reason": _OPTIONAL_TEXT},
    "series": {
        "modality": Column("text", required=False, choices=MODALITIES)},
    "lesions": {
        "aphe_true": _FEATURE,
        "washout_true": _FEATURE,
        "capsule_true": _FEATURE,
        "category_true": Column("text", required=False, choices=tuple(SCORED_CATEGORIES)),
        "diameter_mm_true": _DIAMETER_MM}}
"""Columns that a table may have: the test fold (from 0, for all patients or none; empty: dealt by the seed), whether the mask outlines or boxes
the lesions (empty: outline), why a patient was left out (empty: included) and at which step of the selection (Fig. 4), MR or CT (empty: MR),
and what only the virtual cohort knows."""

SEGMENTATION_COLUMNS: dict[str, tuple[str, ...]] = {"patients": ("patient_id", "mask_path"), "series": ("patient_id", "path")}
"""What suffices to train a segmentation alone: a patient's image and its label map (empty: nothing to be found)."""


@dataclass(frozen=True, eq=False)
class Manifest:
    """The three tables of a manifest folder, checked; patients with an exclusion_reason, and their rows, are left out.

    Text columns are str; `age_years` and `diameter_mm` are float64, features and `fold` Int64 with NA, `mask_label` and `time_point` int64.
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


def read_manifest(folder: Path, *, segmentation_only: bool = False, for_training: bool = True) -> Manifest:
    """Reads and checks a manifest.

    Args:
        folder: with the tables.
        segmentation_only: images and label maps are all that is asked for (`SEGMENTATION_COLUMNS`); lesions.csv is not read, a missing group
            is told from mask_path where there is no such column, and a patient's only image stands in for the delayed phase.
        for_training: with `segmentation_only`; False: a portal venous phase will do in the place of the delayed one, as trained networks read such a study.

    Raises:
        InputError: everything that is wrong, each with file, line, column, what was expected and what was found: missing files or
            columns, cells of the wrong kind or range, duplicates, references to unknown patients, files that do not exist or lie
            outside of the folder, patients without a delayed phase, images or masks of two patients, lesions that do not go with their
            patient's group or mask.
    """
    manifest, problems = check_manifest(folder, segmentation_only=segmentation_only, for_training=for_training)
    raise_if_any(problems)
    assert manifest is not None
    return manifest


def check_manifest(folder: Path, *, segmentation_only: bool = False, for_training: bool = True) -> tuple[Manifest | None, list[Problem]]:
    """As `read_manifest`, but returns the problems, and the manifest of those patients in whose rows there is none.

    Returns:
        None for the manifest where a file or a column is missing.
    """
    if not folder.is_dir():
        return None, [Problem(str(folder), "a manifest folder", "a file" if folder.exists() else "no such folder")]
    problems: list[Problem] = []
    needed = SEGMENTATION_COLUMNS if segmentation_only else {name: tuple(columns) for name, columns in COLUMNS.items()}
    tables: dict[str, Table] = {}
    has_groups = False
    for name, required in needed.items():
        known = COLUMNS[name] | OPTIONAL_COLUMNS[name]
        table = read_table(folder / f"{name}.csv", required, problems, optional=[column for column in known if column not in required])
        if table is not None:
            has_groups = "group" in table.frame if name == "patients" else has_groups
            tables[name] = table.with_columns(known)
    # Whatever follows needs the columns.
    if len(tables) < len(needed):
        return None, problems
    columns = {name: {column: replace(kind, required=kind.required and column in needed[name])
                      for column, kind in (COLUMNS[name] | OPTIONAL_COLUMNS[name]).items()} for name in tables}
    patients, excluded = _set_excluded_aside(tables["patients"], columns["patients"], problems)
    series = _without_patients(tables["series"], excluded)
    if not patients.lines:
        problems.append(Problem(str(patients.path), "a row for each patient", "none"))
    check_cells(patients, columns["patients"], problems)
    check_cells(series, columns["series"], problems)
    check_unique(tables["patients"], ("patient_id",), problems)
    check_unique(series, ("patient_id", "phase"), problems)
    check_references(patients, (series,), problems)
    check_paths(folder, patients, "mask_path", problems, images=False)
    check_paths(folder, series, "path", problems, images=True)
    check_splits(patients, series, problems)
    check_nifti_rows(series, problems)
    checked = {"patients": patients, "series": series}
    if segmentation_only:
        (check_single_images if for_training else check_grid_phases)(patients, series, problems)
        if has_groups:
            check_unsaid_groups(patients, problems)
    else:
        checked["lesions"] = lesions = _without_patients(tables["lesions"], excluded)
        check_cells(lesions, columns["lesions"], problems)
        check_unique(lesions, ("patient_id", "lesion_id"), problems)
        check_unique(lesions, ("patient_id", "mask_label"), problems)
        check_references(patients, (lesions,), problems)
        check_phases(patients, series, problems)
        check_groups(patients, lesions, problems)
        check_modality(series, problems)
    return _convert(folder, checked, columns, problems), problems


def series_of(manifest: Manifest, patient_id: str) -> dict[Phase, Series]:
    """The series of a patient's phases. A NIfTI file is a series of that one file.

    The files of a series are those that the manifest's files.csv lists; where it has none, the headers in the series' folder are read.

    Raises:
        InputError: folders without readable DICOM images, or series and time points that are not in them.
    """
    index = read_file_index(manifest.folder)
    rows = manifest.series[manifest.series["patient_id"] == patient_id]
    found: dict[Phase, Series] = {}
    folders: dict[Path, list[Series]] = {}
    problems: list[Problem] = []
    for row in rows.to_dict("records"):
        place = manifest.resolve(row["path"])
        if is_nifti(place):
            found[Phase(row["phase"])] = Series("", (place,), Phase(row["phase"]), "manifest", place.name)
            continue
        indexed = index.find(place, row["series_uid"], row["time_point"])
        if indexed is not None:
            found[Phase(row["phase"])] = replace(indexed, phase=Phase(row["phase"]), phase_evidence="manifest")
            continue
        if place not in folders:
            try:
                folders[place] = read_series(place)
            except InputError as error:
                folders[place] = []
                problems += error.problems
        there = fitting = folders[place]
        if not there:
            continue
        if row["series_uid"]:
            fitting = [series for series in there if (series.series_uid, series.temporal_index) == (row["series_uid"], row["time_point"])]
        if len(fitting) == 1 and fitting[0].temporal_index == row["time_point"]:
            found[Phase(row["phase"])] = replace(fitting[0], phase=Phase(row["phase"]), phase_evidence="manifest")
            continue
        wanted = f"series {row['series_uid']}" if row["series_uid"] else "one series only, or a series_uid"
        where = f"{manifest.folder / 'series.csv'}, {patient_id}, {row['phase']}: {place}"
        problems.append(Problem(where, f"{wanted}, time point {row['time_point']}", "; ".join(map(describe_series, there))))
    raise_if_any(problems)
    return found


def describe_files(manifest: Manifest) -> list[list[tuple[str, str]]]:
    """What changes when somebody corrects a table or a mask, or adds images.

    Returns:
        Name and SHA-256 of tables and masks; of images, which may be many GB, name and size.
    """
    tables = [path for name in (*COLUMNS, "labels", "files") if (path := manifest.folder / f"{name}.csv").is_file()]
    masks = sorted({manifest.resolve(text) for text in manifest.patients["mask_path"] if text})
    images: list[tuple[str, str]] = []
    for place in sorted({manifest.resolve(text) for text in manifest.series["path"]}):
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        images += [(str(path.relative_to(place.parent)), str(path.stat().st_size)) for path in files]
    return [[(path.name, compute_sha256(path)) for path in tables], [(path.name, compute_sha256(path)) for path in masks], images]


def _set_excluded_aside(patients: Table, columns: dict[str, Column], problems: list[Problem]) -> tuple[Table, set[str]]:
    """The rows of included patients, and the ids of the others, of whom nothing else need be known."""
    excluded = [row for row, reason in enumerate(patients.frame["exclusion_reason"]) if reason]
    problems += [
        Problem(patients.where(row, "exclusion_reason"), "the reason for the exclusion at this step", "an empty cell")
        for row, (step, reason) in enumerate(patients.cells("exclusion_step", "exclusion_reason")) if step and not reason]
    check_cells(patients.take(excluded), {name: columns[name] for name in ("patient_id", "exclusion_step")}, problems)
    kept = sorted(set(range(len(patients.lines))) - set(excluded))
    included = set(patients.frame["patient_id"].iloc[kept])
    return patients.take(kept), set(patients.frame["patient_id"].iloc[excluded]) - included


def _without_patients(table: Table, patient_ids: set[str]) -> Table:
    return table.take([row for row, patient_id in enumerate(table.frame["patient_id"]) if patient_id not in patient_ids]) if patient_ids else table


def _convert(folder: Path, tables: dict[str, Table], columns: dict[str, dict[str, Column]], problems: list[Problem]) -> Manifest:
    """The typed tables of the patients without problem."""
    faulty = {str(table.frame["patient_id"].iloc[row]) for table in tables.values() for row in table.rows_named_by(problems)}
    if faulty:
        known = {patient_id for patient_id in tables["patients"].frame["patient_id"]} - faulty
        tables = {name: table.take([row for row, patient_id in enumerate(table.frame["patient_id"]) if patient_id in known]) for name, table in tables.items()}
    frames = {name: convert_columns(table.frame, columns[name]) for name, table in tables.items()}
    series = frames["series"].fillna({"time_point": 0}).astype({"time_point": "int64"})
    patients = frames["patients"]
    patients.loc[patients["group"] == "", "group"] = [GROUPS[0] if mask else GROUPS[1] for mask in patients.loc[patients["group"] == "", "mask_path"]]
    alone = ~series["patient_id"].duplicated(keep=False)
    series.loc[alone & (series["phase"] == ""), "phase"] = str(Phase.DELAYED)
    lesions = frames.get("lesions")
    if lesions is None:
        lesions = convert_columns(pd.DataFrame(columns=list(COLUMNS["lesions"]), dtype=str), COLUMNS["lesions"])
    return Manifest(folder, patients, series, lesions)
