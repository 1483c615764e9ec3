"""The tables that `lirads data index` writes; what a user filled into an earlier one is kept."""
from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_bytes, write_text
from lirads_keras.io.dicom_scan import SetAside
from lirads_keras.io.file_index import NAME as FILES_NAME
from lirads_keras.io.manifests import COLUMNS
from lirads_keras.io.phase_choice import NAME as QUESTIONS_NAME
from lirads_keras.io.questions import Questions
from lirads_keras.io.tables import read_table

SET_ASIDE_NAME = "set_aside.csv"
KEYS = {"patients": ("patient_id",), "lesions": ("patient_id", "mask_label")}
"""What tells the rows of the tables that a user completes."""

SERIES_COLUMNS = (*COLUMNS["series"], "modality", "phase_evidence", "geometry")

Row = Mapping[str, Any]


def check_tables(out: Path) -> None:
    """Raises InputError if `out` holds tables that no index run has written, or that cannot be read."""
    if not out.exists():
        return
    there = [f"{name}.csv" for name in COLUMNS if (out / f"{name}.csv").exists()]
    if there and not (out / FILES_NAME).exists():
        found = f"a manifest of another origin ({', '.join(there)})"
        raise InputError(Problem(f"--out {out}", "a new folder, or one that `lirads data index` has written", found))
    problems: list[Problem] = []
    for name in KEYS:
        if (out / f"{name}.csv").exists():
            read_table(out / f"{name}.csv", KEYS[name], problems)
    raise_if_any(problems)


def describe_kept_groups(out: Path, patients: Sequence[Row]) -> list[str]:
    """The groups that patients.csv keeps from before, though the masks of the new rows say otherwise; in words."""
    path = out / "patients.csv"
    table = read_table(path, KEYS["patients"], []) if path.exists() else None
    if table is None or "group" not in table.frame:
        return []
    kept = dict(zip(table.frame["patient_id"], table.frame["group"], strict=True))
    return [
        f"{path}: {row['patient_id']} stays {kept[row['patient_id']]}, as it stands there, though the mask says {row['group']}: empty the cell if that is wrong"
        for row in patients if row["mask_path"] and kept.get(row["patient_id"], "") not in ("", row["group"])]


def write_tables(out: Path, patients: Sequence[Row], series: Sequence[Row], lesions: Sequence[Row], questions: Questions) -> None:
    """Writes the manifest and phase_overrides.csv; patients.csv, the last, completes it."""
    write_csv(out / QUESTIONS_NAME, questions.columns, questions.rows)
    # series.csv follows from the files and phase_overrides.csv alone: what somebody changed in it by hand is put beside.
    write_csv(out / "series.csv", SERIES_COLUMNS, series, keep_old=True)
    for name, rows in (("lesions", lesions), ("patients", patients)):
        columns, merged = _merge(out / f"{name}.csv", tuple(COLUMNS[name]), KEYS[name], rows)
        write_csv(out / f"{name}.csv", columns, merged)


def write_set_aside(out: Path, folder: Path, left_out: Iterable[SetAside]) -> None:
    """One row for each file, or for all files of a series that share a reason; paths below the heap's folder."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for aside in left_out:
        path = os.path.relpath(aside.path, folder)
        row = rows.setdefault((aside.series_uid or path, aside.reason), {
            "path": path, "series_uid": aside.series_uid, "description": aside.description, "files": 0, "reason": aside.reason})
        row["files"] += aside.files
    write_csv(out / SET_ASIDE_NAME, ("path", "series_uid", "description", "files", "reason"), list(rows.values()))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row], *, keep_old: bool = False) -> None:
    """Writes a UTF-8 CSV file; cells without a value are empty. `keep_old` puts a file of other content beside, as `NAME.bak`."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if keep_old and path.exists() and (old := path.read_bytes()) != text.getvalue().encode("utf-8", "backslashreplace"):
        write_bytes(path.with_name(f"{path.name}.bak"), lambda file: file.write(old))
    write_text(path, text.getvalue())


def _merge(path: Path, columns: tuple[str, ...], key: tuple[str, ...], rows: Sequence[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    """The new rows with the cells that the file there has filled, then its other rows; all of its columns."""
    table = read_table(path, key, []) if path.exists() else None
    if table is None:
        return list(columns), [dict(row) for row in rows]
    old: dict[tuple[str, ...], dict[str, Any]] = {}
    for cells in table.frame.to_dict("records"):
        row = {str(name): value for name, value in cells.items() if value}
        old[tuple(row.get(name, "") for name in key)] = row
    merged = [dict(row) | old.pop(tuple(str(row[name]) for name in key), {}) for row in rows]
    return [*columns, *(name for name in table.frame.columns if name not in columns)], merged + list(old.values())
