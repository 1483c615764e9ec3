"""What every adapter of a public data set gives, and the manifest that is written from it."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import write_text
from lirads_keras.io.label_names import write_label_names


@dataclass(frozen=True)
class ImportedCase:
    """One patient of a data set.

    `images` are NIfTI files by phase, "" where the set does not say which phase it is. `further` goes to further columns of patients.csv.
    A case with an `exclusion_reason` is listed, but not used.
    """

    patient_id: str
    images: Mapping[str, Path]
    mask: Path | None
    further: Mapping[str, str] = field(default_factory=dict)
    exclusion_reason: str = ""


@dataclass(frozen=True)
class ImportedSet:
    """A data set as an adapter found it; `labels` are the names of its label maps' labels, `tables` further tables (name → rows)."""

    cohort: str
    modality: Literal["MR", "CT"]
    cases: tuple[ImportedCase, ...]
    labels: Mapping[str, tuple[int, ...]]
    tables: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)


def find_folder(folder: Path, *wanted: str) -> Path:
    """`folder`, or the one folder below it, that holds entries of all `wanted` names; unpacked archives nest them differently.

    Raises:
        InputError: there is none, or more than one.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "the data set's folder", "a file" if folder.exists() else "no such folder"))
    found = [place for place in (folder, *sorted(path for path in folder.rglob("*") if path.is_dir())) if all((place / name).exists() for name in wanted)]
    if len(found) != 1:
        raise InputError(Problem(str(folder), f"one folder with {' and '.join(wanted)} in it", ", ".join(map(str, found[:5])) or "none"))
    return found[0]


def nifti_files(folder: Path) -> dict[str, Path]:
    """The NIfTI files of a folder by name without suffix; hidden files, which archives made on a Mac hold, are left out."""
    return {stem_of(path): path for pattern in ("*.nii", "*.nii.gz") for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")}


def stem_of(path: Path) -> str:
    """The name of a NIfTI file without .nii or .nii.gz."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts volume-2 before volume-10."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, character))
    return tuple(parts)


def write_manifest(imported: ImportedSet, folder: Path) -> None:
    """Writes labels.csv, further tables, series.csv and, last, patients.csv; paths are absolute, or relative where they lie in `folder`."""
    def place(path: Path) -> str:
        full = path.resolve()
        return full.relative_to(folder.resolve()).as_posix() if full.is_relative_to(folder.resolve()) else str(full)

    write_label_names(folder, imported.labels)
    for name, rows in imported.tables.items():
        write_rows(folder / f"{name}.csv", rows)
    write_rows(folder / "series.csv", [
        {"patient_id": case.patient_id, "phase": phase, "path": place(path), "series_uid": "", "time_point": "", "modality": imported.modality}
        for case in imported.cases for phase, path in case.images.items()])
    write_rows(folder / "patients.csv", [
        {"patient_id": case.patient_id, "group": "positive" if case.mask else "negative", "cohort": imported.cohort, "age_years": "", "sex": "",
         "scanner": "", "diagnosis_method": "", "mask_path": place(case.mask) if case.mask else "", **case.further,
         "exclusion_reason": case.exclusion_reason}
        for case in imported.cases])


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes a CSV table; the columns are those of all rows."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
