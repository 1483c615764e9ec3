"""The images that a result was made from: which of them each slice of a grid is, and what they say of patient, study and equipment."""
from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, TM, validate_value

from lirads_keras.entities import Series, Study, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom
from lirads_keras.io.dicom_frames import MULTI_FRAME_CLASSES
from lirads_keras.io.dicom_geometry import StackGrid, compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_objects import CHARACTER_SET, NAME_COMPONENTS, UNREADABLE, build_named_uid
from lirads_keras.io.dicom_scan import read_headers
from lirads_keras.io.dicom_stacks import compute_volume_grid
from lirads_keras.io.dicom_walk import read_dataset, read_elements
from lirads_keras.io.grids import same_grid, turn_upright
from lirads_keras.io.read_series import describe_series

ALWAYS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
    "PositionReferenceIndicator")
"""Attributes of type 2: they must be there, and may be empty."""

WHERE_KNOWN = (
    "IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod", "StudyInstanceUID",
    "StudyDescription", "FrameOfReferenceUID", "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber", "InstitutionName",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")

ENUMERATED = {"PatientSex": ("M", "F", "O"), "PatientIdentityRemoved": ("YES", "NO"), "LossyImageCompression": ("00", "01")}
"""Values that the standard allows (PS3.3, C.7.1.1, C.7.6.1)."""

NO_METHOD = "not told in the source images"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceImage:
    """An image by its UIDs; `frame` counts from 1, and is None where the image has one frame (a mosaic has one, too)."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """The series that a grid was read from.

    `attributes` are those of patient, study, frame of reference and equipment, all of them valid, in UTF-8. `files` names each file once.
    `of_slice` is the image of each slice (z) of the grid, empty where a slice is none of the images: it was resampled, or is a tile of a mosaic.
    `stored` is the grid in the order of the images' own rows and columns.
    """

    attributes: Dataset
    series_uid: str
    files: tuple[SourceImage, ...]
    of_slice: tuple[SourceImage, ...]
    stored: Volume

    @property
    def frame_of_reference_uid(self) -> str:
        return str(self.attributes.FrameOfReferenceUID)

    @property
    def study_uid(self) -> str:
        return str(self.attributes.StudyInstanceUID)


@dataclass(frozen=True)
class ReadPhase:
    """The images that were read as a phase, each file once."""

    series: Series
    files: tuple[SourceImage, ...]


def list_read_phases(study: Study) -> tuple[ReadPhase, ...]:
    """What a result of the study was made from.

    Raises:
        InputError: as `read_source`.
    """
    read = []
    for series in study.list_read():
        headers, classes = _read_files(series)
        read.append(ReadPhase(series, tuple(SourceImage(classes[path], found[0].sop_instance_uid) for path, found in headers.items())))
    return tuple(read)


def read_source(series: Series, grid: Volume) -> Source:
    """Reads the headers of a series' files.

    A value that is not valid for its attribute is left empty, and the log names the attribute. Images without FrameOfReferenceUID get one
    that depends on their study alone, since their positions have a meaning nevertheless.

    Args:
        series: one time point.
        grid: that was read from it, perhaps resampled.

    Raises:
        InputError: files that cannot be read, or without the UIDs by which a result names them.
    """
    headers, classes = _read_files(series)
    of_file = {path: SourceImage(classes[path], found[0].sop_instance_uid) for path, found in headers.items()}
    slices = _read_slices(series, headers)
    stored = compute_volume_grid(slices, describe_series(series))
    return Source(
        _read_attributes(next(iter(headers))), series.series_uid, tuple(of_file.values()), _find_images(slices, stored, of_file, grid), stored.without_voxels())


def _read_files(series: Series) -> tuple[dict[Path, list[Header]], dict[Path, str]]:
    """The headers and the SOP class of each file."""
    headers: dict[Path, list[Header]] = {}
    classes: dict[Path, str] = {}
    problems: list[Problem] = []
    with quiet_pydicom():
        for path in dict.fromkeys(series.files):
            try:
                with open(path, "rb", buffering=0) as file:
                    elements = read_elements(file)
                found = read_headers(path)
                if not found[0].sop_instance_uid:
                    raise Unusable("a SOPInstanceUID, by which a result names the image", "none")
                if not found[0].examination.study_uid:
                    raise Unusable("a StudyInstanceUID, to which a result belongs", "none")
            except Unusable as problem:
                problems.append(Problem(str(path), problem.expected, problem.found))
            except OSError as error:
                problems.append(Problem(str(path), "a readable file", error.strerror or str(error)))
            else:
                headers[path] = found
                classes[path] = elements.ascii("SOPClassUID") or elements.sop_class
    raise_if_any(problems)
    if not headers:
        raise InputError(Problem(describe_series(series), "the files of its images", "none"))
    return headers, classes


def _read_slices(series: Series, headers: dict[Path, list[Header]]) -> list[Header]:
    """The headers of the series' slices, sorted along their normal."""
    slices = []
    for path, frame in zip(series.files, series.frames or [0] * len(series.files), strict=True):
        header = next((header for header in headers[path] if header.frame == frame), None)
        if header is None:
            raise InputError(Problem(str(path), f"a frame {frame + 1}", f"{len(headers[path])} frames"))
        slices.append(header)
    return [slices[index] for index in np.argsort(compute_positions_mm(slices), kind="stable")]


def _find_images(slices: list[Header], stack: StackGrid, of_file: dict[Path, SourceImage], grid: Volume) -> tuple[SourceImage, ...]:
    """The image of each slice of the grid, none where the grid's slices are not the images' own."""
    upright = turn_upright(stack.without_voxels())
    if stack.shifts_px is not None or stack.places is not None or any(header.tile for header in slices) or not same_grid(upright, grid):
        return ()
    images = []
    for header in slices if upright.affine[:3, 0] @ stack.affine[:3, 0] > 0 else reversed(slices):
        image = of_file[header.path]
        frame_number = header.frame + 1 if image.sop_class_uid in MULTI_FRAME_CLASSES else None
        images.append(SourceImage(image.sop_class_uid, image.sop_instance_uid, frame_number))
    return tuple(images)


def _read_attributes(path: Path) -> Dataset:
    attributes = Dataset()
    attributes.SpecificCharacterSet = CHARACTER_SET
    unfit = []
    with quiet_pydicom():
        source = read_dataset(path, stop_before_pixels=True, specific_tags=[
            *ALWAYS, *WHERE_KNOWN, "SpecificCharacterSet", "DeidentificationMethodCodeSequence"])
        for keyword in (*ALWAYS, *WHERE_KNOWN):
            try:
                value = _read_value(source, keyword)
            except UNREADABLE:
                unfit.append(keyword)
                value = ""
            if value or keyword in ALWAYS:
                setattr(attributes, keyword, value)
    if unfit:
        _log.warning("%s: no valid value, left empty in the results: %s", path, ", ".join(unfit))
    if attributes.get("PatientIdentityRemoved") == "YES" and "DeidentificationMethod" not in attributes:
        attributes.DeidentificationMethod = _read_methods(source) or [NO_METHOD]
    if "FrameOfReferenceUID" not in attributes:
        attributes.FrameOfReferenceUID = build_named_uid("frame of reference", str(attributes.StudyInstanceUID))
    return attributes


def _read_value(source: Dataset, keyword: str) -> str | list[str]:
    """A value as text, or several where the attribute may have several.

    Raises:
        ValueError: it is not valid (PS3.5, 6.2).
    """
    found: Any = source.get(keyword)
    values = [text for item in (found if isinstance(found, MultiValue) else [found]) if (text := _to_text(item))]
    vr, several = dictionary_VR(keyword), dictionary_VM(keyword) != "1"
    if len(values) > 1 and not several:
        raise ValueError(f"{len(values)} values")
    # A UID is kept as it is, since it must be the images' own.
    for text in values if vr != "UI" else ():
        validate_value(vr, text, RAISE)
        # The expressions of pydicom allow ranges and the 31st of every month.
        if vr in ("DA", "TM") and (DA if vr == "DA" else TM)(text) is None or text not in ENUMERATED.get(keyword, (text,)):
            raise ValueError(text)
        if vr == "PN" and any(group.count("^") >= NAME_COMPONENTS for group in text.split("=")):
            raise ValueError(text)
    return values if several else "".join(values)


def _to_text(value: Any) -> str:
    """Without control characters, which no text here may have, and without the blanks around it."""
    return "" if value is None else "".join(sign for sign in str(value) if not unicodedata.category(sign).startswith("C")).strip()


def _read_methods(source: Dataset) -> list[str]:
    """How the source was de-identified, where it says so by codes only (PS3.3, C.7.1.1)."""
    try:
        meanings = [_to_text(item.get("CodeMeaning")) for item in source.get("DeidentificationMethodCodeSequence") or ()]
    except UNREADABLE:
        return []
    return [meaning[:64] for meaning in meanings if meaning]
