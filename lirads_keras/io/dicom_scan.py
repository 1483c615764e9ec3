"""A heap of files: which are MR or CT images, which are set aside and why, which are broken. Only headers are read."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import UID, CTImageStorage, MediaStorageDirectoryStorage, MRImageStorage

from lirads_keras.errors import Problem
from lirads_keras.io.dicom_headers import (
    Header,
    Unusable,
    ascii_value,
    meta_value,
    number_value,
    parse_header,
    quiet_pydicom,
    read_dataset,
    text_value,
    unsigned_value,
)

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
IMAGE_CLASSES = (MRImageStorage, CTImageStorage)
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""A file with such a name that holds no DICOM is a broken file; one with any other name is set aside."""


@dataclass(frozen=True)
class SetAside:
    """A file that is no part of any volume, and why."""

    path: Path
    reason: str


@dataclass
class Scan:
    """What a folder holds. `patients` and `studies` give a file for each PatientID and StudyInstanceUID."""

    headers: list[Header] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    patients: dict[str, Path] = field(default_factory=dict)
    studies: dict[str, Path] = field(default_factory=dict)


class _Aside(Exception):
    """Why one file is set aside."""


def scan_folder(folder: Path) -> Scan:
    """Reads the header of every file under `folder`, whatever its name.

    Returns:
        The headers of single-frame MR and CT images, what was set aside, and a problem for each kind of broken file.
    """
    scan = Scan()
    broken: dict[tuple[str, str], list[Path]] = {}
    with quiet_pydicom():
        for path in _files(folder):
            try:
                with open(path, "rb") as file:
                    scan.headers.append(_read_image(path, file, scan))
            except _Aside as aside:
                scan.set_aside.append(SetAside(path, str(aside)))
            except Unusable as problem:
                broken.setdefault((problem.expected, problem.found), []).append(path)
            except OSError as error:
                broken.setdefault(("a readable file", error.strerror or str(error)), []).append(path)
    scan.problems = [merge_problem(paths, expected, found) for (expected, found), paths in broken.items()]
    _set_copies_aside(scan)
    return scan


def merge_problem(paths: list[Path], expected: str, found: str) -> Problem:
    """One problem for all files that share it."""
    return Problem(f"{paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else ""), expected, found)


def _files(folder: Path) -> list[Path]:
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.is_file())


def _read_image(path: Path, file: BinaryIO, scan: Scan) -> Header:
    if file.read(132)[128:] != b"DICM":
        size = os.fstat(file.fileno()).st_size
        if path.suffix.lower() in DICOM_SUFFIXES:
            raise Unusable("a DICOM file, as its name says", "an empty file" if size == 0 else "a file without the DICM mark (PS3.10, 7.1)")
        raise _Aside("empty" if size == 0 else "no DICOM file")
    file.seek(0)
    dataset = read_dataset(file)
    sop_class = UID(ascii_value(dataset, "SOPClassUID") or meta_value(dataset, MEDIA_STORAGE_SOP_CLASS_UID))
    if sop_class == MediaStorageDirectoryStorage:
        raise _Aside("a DICOMDIR")
    if patient := text_value(dataset, "PatientID"):
        scan.patients.setdefault(patient, path)
    if study := ascii_value(dataset, "StudyInstanceUID"):
        scan.studies.setdefault(study, path)
    if not sop_class:
        raise Unusable("a whole DICOM file", "one without SOPClassUID (truncated?)")
    if sop_class not in IMAGE_CLASSES:
        raise _Aside(f"{sop_class.name}, not a classic MR or CT image")
    if unsigned_value(dataset, "SamplesPerPixel", 1) != 1:
        raise _Aside("a colour image")
    if (number_value(dataset, "NumberOfFrames") or 1) != 1:
        raise _Aside("a multi-frame image")
    image_type = ascii_value(dataset, "ImageType").split("\\")
    if "LOCALIZER" in image_type:
        raise _Aside("a localizer")
    if "MOSAIC" in image_type:
        raise _Aside("a mosaic of slices")
    return parse_header(path, dataset, file)


def _set_copies_aside(scan: Scan) -> None:
    """The same bytes under another name are the same image; the same SOPInstanceUID with other bytes stays, and stands out as a repeated position."""
    first: dict[str, Path] = {}
    headers = []
    for header in scan.headers:
        original = first.setdefault(header.sop_instance_uid, header.path) if header.sop_instance_uid else header.path
        if original != header.path and original.read_bytes() == header.path.read_bytes():
            scan.set_aside.append(SetAside(header.path, "a copy of another file"))
        else:
            headers.append(header)
    scan.headers = headers
