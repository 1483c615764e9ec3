"""A heap of files: which are MR or CT images, which are set aside and why, which are broken. Only headers are read."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from lirads_keras.errors import Problem
from lirads_keras.io.dicom_elements import Elements, Unusable, quiet_pydicom
from lirads_keras.io.dicom_frames import MULTI_FRAME_CLASSES, parse_frames
from lirads_keras.io.dicom_headers import Header, parse_header, read_examination
from lirads_keras.io.dicom_mosaic import parse_mosaic
from lirads_keras.io.dicom_pixels import read_pixels
from lirads_keras.io.dicom_walk import is_marked, is_unmarked, read_elements
from lirads_keras.progress import Progress, ignore_progress, tell_count

CLASSIC_CLASSES = (MRImageStorage, CTImageStorage)
CT_CLASSES = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""A file with such a name that holds no DICOM is a broken file; one with any other name is set aside."""

ARCHIVE_MARKS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""How zip, gzip, bzip2, 7z, rar, xz and zstd files begin; tar files have their mark at 257."""

_KINDS = {
    "Segmentation": "a segmentation", " SR ": "a structured report", "Secondary Capture": "a screenshot", "Presentation State": "a presentation state",
    "Encapsulated": "a document", "Real World Value Mapping": "a mapping of values", "Raw Data": "raw data", "Waveform": "a waveform"}
_SCREENSHOT_TYPES = {"SCREEN SAVE", "SCREENSHOT"}

_APPLE_DOUBLE = b"\0\5\x16\7"
"""How the files begin that macOS puts beside others on foreign disks, as `._NAME` (RFC 1740)."""

_PICTURE_MARKS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")

_EMPTY, _LINK_TO_NOTHING, _NO_DICOM = "empty", "a link to a file that is not there", "no DICOM file"
_LOST = (_EMPTY, _LINK_TO_NOTHING, _NO_DICOM, "an archive", "a picture")
"""What the reasons begin with of files in whose place an image may have been."""

_COUNTED_PART = re.compile(r"[0-9a-fA-F]{12,}|[\d.]*\d")
"""What tells the names of a series' files apart: numbers, UIDs, hashes."""


@dataclass(frozen=True)
class SetAside:
    """A file, or all `files` of a series of which it is one, that is no part of any volume, and why."""

    path: Path
    reason: str
    series_uid: str = ""
    description: str = ""
    files: int = 1


@dataclass
class Scan:
    """What a folder holds. `patients` and `studies` give a file for each PatientID and StudyInstanceUID."""

    headers: list[Header] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    broken: dict[tuple[str, str], list[Path]] = field(default_factory=dict)
    patients: dict[str, Path] = field(default_factory=dict)
    studies: dict[str, Path] = field(default_factory=dict)

    @property
    def problems(self) -> list[Problem]:
        """One problem for each kind of broken file."""
        return [merge_problem(paths, expected, found) for (expected, found), paths in self.broken.items()]


class _Aside(Exception):
    """Why one file is set aside."""

    def __init__(self, reason: str, elements: Elements | None = None) -> None:
        self.elements = elements
        super().__init__(reason)


def scan_folder(folder: Path) -> Scan:
    """Reads the header of every file under `folder`, whatever its name.

    Returns:
        The headers of MR and CT images (single frames, frames of multi-frame objects, slices of mosaics), what was set aside, and what is broken.
    """
    return scan_files(list_files(folder))


def scan_files(paths: Sequence[Path], progress: Progress = ignore_progress) -> Scan:
    """As `scan_folder`, for these files; `progress` is told each that was read."""
    scan = Scan()
    with quiet_pydicom():
        for done, path in enumerate(paths, start=1):
            try:
                if path.is_dir():
                    if path.is_symlink():
                        raise _Aside("a link to a folder above, which is not followed")
                    raise Unusable("a readable folder", "a folder that cannot be read")
                if not path.exists():
                    raise _Aside(_LINK_TO_NOTHING)
                with open(path, "rb", buffering=0) as file:
                    scan.headers += _read_images(path, file, scan)
            except _Aside as aside:
                known = aside.elements
                scan.set_aside.append(SetAside(
                    path, str(aside), known.ascii("SeriesInstanceUID") if known else "", _description(known) if known else ""))
            except Unusable as problem:
                scan.broken.setdefault((problem.expected, problem.found), []).append(path)
            except OSError as error:
                scan.broken.setdefault(("a readable file", error.strerror or str(error)), []).append(path)
            tell_count(progress, "file", done, len(paths))
        _find_lost_images(scan)
        _set_copies_aside(scan)
    return scan


def read_headers(path: Path) -> list[Header]:
    """The headers of all images of one file.

    Raises:
        Unusable: the file holds no MR or CT image, or a broken one.
        OSError: from the file.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return _read_images(path, file, Scan())
    except _Aside as aside:
        raise Unusable("an MR or CT image", str(aside)) from aside


def merge_problem(paths: list[Path], expected: str, found: str) -> Problem:
    """One problem for all files that share it."""
    return Problem(f"{paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else ""), expected, found)


def list_files(folder: Path, leave_out: Path | None = None) -> list[Path]:
    """All files under a folder in order of their paths, without those under `leave_out`.

    Links to folders are followed, each folder once. Among the paths is what hides files: folders that cannot be read, links to a folder above, and links to
    nothing.
    """
    found: list[str] = []
    top = os.path.realpath(folder)
    seen = {top} if leave_out is None else {top, os.path.realpath(leave_out)}
    for root, folders, names in os.walk(folder, followlinks=True, onerror=lambda error: found.append(error.filename)):
        kept = []
        for path in (os.path.join(root, name) for name in folders):
            real = Path(os.path.realpath(path))
            if os.path.islink(path) and Path(top).is_relative_to(real) and str(real) != top:
                found.append(path)
            elif str(real) not in seen and not (os.path.islink(path) and real.is_relative_to(top)):
                seen.add(str(real))
                kept.append(os.path.basename(path))
        folders[:] = kept
        found += [os.path.join(root, name) for name in names]
    # Pipes and sockets, which are none of these, would never end.
    return [Path(path) for path in sorted(found) if os.path.isfile(path) or os.path.isdir(path) or (os.path.islink(path) and not os.path.exists(path))]


def _read_images(path: Path, file: BinaryIO, scan: Scan) -> list[Header]:
    start = file.read(262)
    elements = _read_elements(path, file, start)
    sop_class = UID(elements.ascii("SOPClassUID") or elements.sop_class)
    if sop_class == MediaStorageDirectoryStorage:
        raise _Aside("a DICOMDIR")
    examination = read_examination(elements)
    if examination.patient_id:
        scan.patients.setdefault(examination.patient_id, path)
    if examination.study_uid:
        scan.studies.setdefault(examination.study_uid, path)
    if not sop_class:
        raise Unusable("a whole DICOM file", "one without SOPClassUID (truncated?)")
    if sop_class not in CLASSIC_CLASSES + MULTI_FRAME_CLASSES:
        kind = next((words for word, words in _KINDS.items() if word in f"{sop_class.name} "), "no MR or CT image")
        raise _Aside(f"{sop_class.name}: {kind}", elements)
    # The values of a palette are no grey values but places in a table of colours.
    if elements.unsigned("SamplesPerPixel", 1) != 1 or "COLOR" in elements.ascii("PhotometricInterpretation").upper():
        raise _Aside("a colour image", elements)
    image_type = elements.ascii("ImageType").split("\\")
    if "LOCALIZER" in image_type:
        raise _Aside("a localizer", elements)
    if elements.ascii("BurnedInAnnotation") == "YES" or not _SCREENSHOT_TYPES.isdisjoint(image_type):
        raise _Aside("an image with burned-in text (a screenshot)", elements)
    modality = "CT" if sop_class in CT_CLASSES else elements.ascii("Modality").upper() or "MR"
    if sop_class in MULTI_FRAME_CLASSES:
        return parse_frames(path, elements, file, modality)
    if (elements.number("NumberOfFrames") or 1) != 1:
        raise _Aside("several frames in an image of a single-frame class", elements)
    if "MOSAIC" in image_type:
        return parse_mosaic(path, elements, file, modality)
    return [parse_header(path, elements, file, modality)]


def _read_elements(path: Path, file: BinaryIO, start: bytes) -> Elements:
    """The attributes of a DICOM file; a file without the DICM mark is one where it can be read and says what it holds."""
    if is_marked(start):
        return read_elements(file)
    if is_unmarked(start):
        try:
            elements = read_elements(file)
        except Unusable:
            raise _refuse(path, file, start) from None
        if elements.ascii("SOPClassUID") or elements.sop_class:
            return elements
    raise _refuse(path, file, start)


def _refuse(path: Path, file: BinaryIO, start: bytes) -> Exception:
    """Says what a file is that is not DICOM."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return _Aside(_EMPTY)
    if start.startswith(_APPLE_DOUBLE) or path.name.startswith("._"):
        return _Aside("what macOS keeps beside a file")
    if start.startswith(b"%PDF"):
        return _Aside("a PDF")
    if start.startswith(_PICTURE_MARKS):
        return _Aside("a picture")
    if path.suffix.lower() in DICOM_SUFFIXES:
        return Unusable("a DICOM file, as its name says", "a file without the DICM mark (PS3.10, 7.1)")
    if path.suffix.lower() in _PACKED and path.stem.lower().endswith(DICOM_SUFFIXES):
        return Unusable("a DICOM file, as its name says", "a packed one: unpack it")
    if start.startswith(ARCHIVE_MARKS) or start[257:262] == b"ustar":
        nifti = path.name.lower().endswith(".nii.gz")
        return _Aside("a NIfTI file" if nifti else "an archive, which is not looked into: unpack it")
    return _Aside(_NO_DICOM)


def _find_lost_images(scan: Scan) -> None:
    """What is no DICOM, but named as the images beside it are, was one of them: it is broken, while anything else is rubbish."""
    names = {_name_pattern(path) for path in [*(header.path for header in scan.headers), *(aside.path for aside in scan.set_aside if aside.series_uid)]}
    lost = {
        aside.path: aside.reason for aside in scan.set_aside
        if not aside.series_uid and aside.reason.startswith(_LOST) and _name_pattern(aside.path) in names}
    scan.set_aside = [aside for aside in scan.set_aside if aside.path not in lost]
    for path, reason in lost.items():
        found = "an empty file" if reason == _EMPTY else "none" if reason == _NO_DICOM else reason
        scan.broken.setdefault(("a DICOM file, as its name says", found), []).append(path)


def _name_pattern(path: Path) -> tuple[Path, str]:
    name = path.stem if path.suffix.lower() in _PACKED else path.name
    return path.parent, _COUNTED_PART.sub("#", name)


def _description(elements: Elements) -> str:
    try:
        return elements.text("SeriesDescription")
    except Unusable:
        return ""


def _set_copies_aside(scan: Scan) -> None:
    """Sets aside files of the same bytes under another name, and slices that were stored twice under two SOPInstanceUIDs.

    The same SOPInstanceUID or place with other pixels stays, and stands out as a repeated position.
    """
    first: dict[str, Header] = {}
    alike: dict[Any, list[Header]] = {}
    copies: dict[Path, str] = {}
    frames: dict[Path, list[Header]] = {}
    for header in scan.headers:
        frames.setdefault(header.path, []).append(header)
    for header in scan.headers:
        if header.frame or header.path in copies:
            continue
        if header.sop_instance_uid:
            original = first.setdefault(header.sop_instance_uid, header)
            if original.path != header.path and original.path.read_bytes() == header.path.read_bytes():
                copies[header.path] = "a copy of another file"
                continue
            if original.path != header.path and header.tile is None and _same_frames(frames[original.path], frames[header.path]):
                copies[header.path] = "an image that is there already, with the same frames"
                continue
        if len(frames[header.path]) > 1 and header.tile is None:
            # A frame's place does not tell that of the others.
            continue
        alike.setdefault(_identity(header), []).append(header)
    for headers in alike.values():
        seen = set()
        for header in headers if len(headers) > 1 else ():
            fingerprint = _read_fingerprint(header)
            if fingerprint in seen:
                copies[header.path] = "a slice that is there already, with the same pixels"
            elif fingerprint is not None:
                seen.add(fingerprint)
    if copies:
        scan.set_aside += [
            SetAside(header.path, copies[header.path], header.series_uid, header.description)
            for header in scan.headers if header.path in copies and header.frame == 0]
        scan.headers = [header for header in scan.headers if header.path not in copies]


def _identity(header: Header) -> tuple[Any, ...]:
    """Two slices of a series that agree in all this have no reason to be two."""
    return (
        header.owner, header.examination.study_uid, header.series_uid, header.position_mm, header.orientation, header.temporal_position,
        header.trigger_time, header.acquisition_datetime, header.acquisition_time, header.content_time, header.acquisition_number,
        header.instance_number, header.echo_time, header.b_value, header.image_type, header.tile)


def _same_frames(a: Sequence[Header], b: Sequence[Header]) -> bool:
    """Whether two files of one SOPInstanceUID agree in all that the headers of their frames say, and in their pixels."""
    if len(a) < 2 or [replace(header, path=b[0].path, pixels=None) for header in a] != [replace(header, pixels=None) for header in b]:
        return False
    try:
        with open(a[0].path, "rb") as first, open(b[0].path, "rb") as second:
            return all(np.array_equal(x, y) for x, y in zip(read_pixels(first, a), read_pixels(second, b), strict=True))
    except (Unusable, OSError):
        return False


def _read_fingerprint(header: Header) -> Any:
    """What is equal for a slice and its copy: a digest of its pixels; where it is blank (beyond the body), all else in the header, too. None if its pixels
    cannot be read."""
    tile = header.tile
    whole = header if tile is None else replace(header, tile=None, rows=tile.stored_rows, columns=tile.stored_columns)
    try:
        with open(header.path, "rb") as file:
            pixels = next(read_pixels(file, [whole]))
    except (Unusable, OSError):
        return None
    blank = bool(np.all(pixels == pixels.flat[0]))
    return sha256(pixels.astype(np.int64).tobytes()).digest(), pixels.shape, replace(header, path=Path(), sop_instance_uid="", pixels=None) if blank else None
