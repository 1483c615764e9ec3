"""What every adapter of a public data set gives, and the manifest that is written from it."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_text
from lirads_keras.io.label_maps import read_label_map, read_label_map_on_grid, read_volume_file, split_name
from lirads_keras.io.label_names import write_label_names
from lirads_keras.io.nifti import is_nifti, write_nifti


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


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a Mac's archive or file manager put a path below `folder` there: `._X`, `.DS_Store`, `__MACOSX`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)


def find_folder(folder: Path, *wanted: str) -> Path:
    """`folder`, or the one folder below it, that holds entries of all `wanted` names; unpacked archives nest them differently.

    Raises:
        InputError: there is none, or more than one.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "the data set's folder", "a file" if folder.exists() else "no such folder"))
    places = (folder, *sorted(path for path in folder.rglob("*") if path.is_dir() and not is_hidden(path, folder)))
    found = [place for place in places if all((place / name).exists() for name in wanted)]
    if len(found) != 1:
        raise InputError(Problem(str(folder), f"one folder with {' and '.join(wanted)} in it", ", ".join(map(str, found[:5])) or "none"))
    return found[0]


def image_files(folder: Path) -> dict[str, Path]:
    """The images and label maps of a folder by name without suffix: NIfTI, and NRRD and MetaImage, of which `write_manifest` makes NIfTI.

    Hidden files, which archives made on a Mac hold, are left out.

    Raises:
        InputError: two files that have the same name but for the suffix.
    """
    return by_stem(path for path in folder.iterdir() if not path.is_dir() and not is_hidden(path, folder)) if folder.is_dir() else {}


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Files in order of their names, by `stem_of`; those of other kinds are left out.

    Raises:
        InputError: two files of one stem.
    """
    found: dict[str, Path] = {}
    problems = []
    for path in sorted(path for path in paths if split_name(path.name)):
        if found.setdefault(stem_of(path), path) != path:
            problems.append(Problem(str(path), "one file of a name", f"another beside it, {found[stem_of(path)]}"))
    raise_if_any(problems)
    return found


def stem_of(path: Path) -> str:
    """The name of an image or label map without its suffix; of X.seg.nrrd, which is a label map beside X.nrrd, it is X.seg."""
    stem, suffix = split_name(path.name) or (path.name, "")
    return f"{stem}.seg" if suffix == ".seg.nrrd" else stem


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


def convert_files(imported: ImportedSet, folder: Path) -> ImportedSet:
    """The set with its NRRD and MetaImage files as NIfTI files in `folder`: `images/<patient>/…` and `masks/…`; others stay where they are.

    Segments that 3D Slicer has named become names of labels, where the set has none of its own.

    Raises:
        InputError: files that cannot be read, and segments of one label that are called differently in two files; all of them.
    """
    problems: list[Problem] = []
    names: dict[int, tuple[str, Path]] = {}
    cases = []
    for case in imported.cases:
        images, mask = dict(case.images), case.mask
        try:
            for phase, path in case.images.items():
                if not is_nifti(path):
                    images[phase] = folder / "images" / case.patient_id / f"{phase or 'image'}.nii.gz"
                    write_nifti(images[phase], read_volume_file(path))
            if case.mask is not None and not is_nifti(case.mask):
                mask = folder / "masks" / f"{case.patient_id}.nii.gz"
                labels, found_names = _read_labels(case)
                write_nifti(mask, labels)
                for label, name in found_names.items():
                    before, first = names.setdefault(label, (name, case.mask))
                    if before != name:
                        problems.append(Problem(f"{case.mask}, label {label}", f"{before!r}, as in {first}", repr(name)))
        except InputError as error:
            problems += error.problems
        cases.append(replace(case, images=images, mask=mask))
    raise_if_any(problems)
    by_name: dict[str, tuple[int, ...]] = {}
    for label, (name, _) in sorted(names.items()):
        by_name[name] = (*by_name.get(name, ()), label)
    return replace(imported, cases=tuple(cases), labels=imported.labels or by_name)


def _read_labels(case: ImportedCase) -> tuple[Volume, Mapping[int, str]]:
    """A label map on its own grid; if it may be a part of the image's, on that of the image."""
    assert case.mask is not None
    found = read_label_map(case.mask)
    if not found.may_be_cropped:
        return found.volume, found.names
    image = read_volume_file(case.images.get(Phase.DELAYED) or next(iter(case.images.values())))
    labels, names = read_label_map_on_grid(case.mask, image)
    return image.with_array(labels), names


def find_patients_without_label(imported: ImportedSet, *, masks_complete: bool) -> frozenset[str]:
    """The patients whose label map is all zero. What cannot be read is left to those who read it next, and to `lirads data check`.

    Args:
        imported: as an adapter found it.
        masks_complete: the user says that nothing was left to be drawn, so that these patients have no lesion.

    Raises:
        InputError: without `masks_complete`, those label maps.
    """
    found: set[str] = set()
    problems: list[Problem] = []
    for case in imported.cases:
        if case.mask is None or case.exclusion_reason:
            continue
        try:
            labels = read_label_map(case.mask).volume.array
        except InputError:
            continue
        if not labels.any():
            found.add(case.patient_id)
            problems += [] if masks_complete else [Problem(
                str(case.mask), "something outlined in it; --masks-complete says that a patient with nothing outlined has no lesion", "all zero")]
    raise_if_any(problems)
    return frozenset(found)


def write_manifest(imported: ImportedSet, folder: Path, *, masks_complete: bool = False) -> ImportedSet:
    """Writes labels.csv, further tables, series.csv and, last, patients.csv; paths are absolute, or relative where they lie in `folder`.

    What is no NIfTI file is written into `folder` as one (`convert_files`). Who has a label map is positive, unless it is all zero.

    Returns:
        The set as it was written.

    Raises:
        InputError: such files that cannot be read; label maps as `find_patients_without_label` tells them.
    """
    negative = find_patients_without_label(imported, masks_complete=masks_complete)
    imported = convert_files(imported, folder)

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
        {"patient_id": case.patient_id, "group": _group(case, negative), "cohort": imported.cohort,
         "age_years": "", "sex": "", "scanner": "", "diagnosis_method": "", "mask_path": place(case.mask) if case.mask else "", **case.further,
         "exclusion_reason": case.exclusion_reason}
        for case in imported.cases])
    return imported


def _group(case: ImportedCase, negative: frozenset[str]) -> str:
    if case.mask and case.patient_id not in negative:
        return "positive"
    return "" if case.exclusion_reason else "negative"


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes a CSV table; the columns are those of all rows."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
