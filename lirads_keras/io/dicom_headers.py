"""The header of one DICOM image: read without its pixels, whose length is checked nevertheless."""
from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian

ORTHONORMAL_TOLERANCE = 1e-3
"""Rows and columns whose directions' lengths or dot product are farther off than this are no image plane; scanners write six digits or more."""

_KEYWORDS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "AcquisitionDate", "ContentDate", "AcquisitionTime", "ContentTime",
    "SeriesDescription", "PatientID", "EchoTime", "TriggerTime", "ProtocolName", "DiffusionBValue", "StudyInstanceUID", "SeriesInstanceUID",
    "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "TemporalPositionIdentifier", "SamplesPerPixel",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept",
    "RescaleSlope")
TRANSFER_SYNTAX_UID = 0x00020010
_TAGS = {keyword: tag for keyword in _KEYWORDS if (tag := tag_for_keyword(keyword)) is not None}


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Where and how the pixels of an uncompressed image lie in its file."""

    offset: int
    little_endian: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What one image file says about itself; mm and LPS, times in seconds. A value that the file lacks is None or empty.

    `orientation` is ImageOrientationPatient: the direction of a row (increasing column index), then that of a column.
    """

    path: Path
    sop_instance_uid: str
    series_uid: str
    description: str
    protocol: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    orientation: tuple[float, ...]
    position_mm: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    temporal_position: float | None
    trigger_time: float | None
    acquisition_time: float | None
    content_time: float | None
    acquisition_number: float | None
    instance_number: float | None
    echo_time: float | None
    b_value: float | None
    slope: float
    intercept: float
    pixels: PixelLayout | None
    """None if they are compressed."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """pydicom without its checks of values and without warnings: what matters is checked here, and becomes a message."""
    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Unusable(Exception):
    """What is wrong with one file."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(found)


def read_header(path: Path, file: BinaryIO) -> Header:
    """The header of an open file that holds an MR or CT image.

    Raises:
        Unusable: an attribute that every such image has (PS3.3 C.7.6.2, C.7.6.3) is missing or makes no sense, or PixelData is too short.
    """
    return parse_header(path, read_dataset(file), file)


def read_dataset(file: BinaryIO) -> Dataset:
    """The attributes of `_KEYWORDS`, unconverted; leaves the file at the tag of PixelData."""
    try:
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS.values()))
    except OSError:
        raise
    except Exception as error:  # noqa: B902  pydicom raises many kinds of exceptions on broken files
        raise Unusable("a whole DICOM file", f"one that cannot be read ({_words(error)})") from error


def parse_header(path: Path, dataset: Dataset, file: BinaryIO) -> Header:
    """The header of a dataset from `read_dataset`, whose file stands at the tag of PixelData."""
    if not _is_deflated(dataset) and file.tell() >= os.fstat(file.fileno()).st_size:
        raise Unusable("PixelData", "the end of the file (truncated file?)")
    orientation = _floats(dataset, "ImageOrientationPatient", 6)
    row, column = orientation[:3], orientation[3:]
    if any(abs(value) > ORTHONORMAL_TOLERANCE for value in (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))):
        raise Unusable("ImageOrientationPatient of two perpendicular unit vectors", _shown(orientation))
    spacing = _floats(dataset, "PixelSpacing", 2)
    if min(spacing) <= 0:
        raise Unusable("PixelSpacing above 0", _shown(spacing))
    series_uid = ascii_value(dataset, "SeriesInstanceUID")
    if not series_uid:
        raise Unusable("a SeriesInstanceUID", "none")
    rows, columns = _size(dataset, "Rows"), _size(dataset, "Columns")
    slope, intercept = number_value(dataset, "RescaleSlope"), number_value(dataset, "RescaleIntercept")
    image_type = ascii_value(dataset, "ImageType")
    return Header(
        path=path,
        sop_instance_uid=ascii_value(dataset, "SOPInstanceUID"),
        series_uid=series_uid,
        description=text_value(dataset, "SeriesDescription"),
        protocol=text_value(dataset, "ProtocolName"),
        image_type=tuple(image_type.split("\\")) if image_type else (),
        rows=rows,
        columns=columns,
        orientation=orientation,
        position_mm=_floats(dataset, "ImagePositionPatient", 3),
        pixel_spacing_mm=spacing,
        temporal_position=number_value(dataset, "TemporalPositionIdentifier"),
        trigger_time=number_value(dataset, "TriggerTime"),
        acquisition_time=_seconds(dataset, "AcquisitionDate", "AcquisitionTime"),
        content_time=_seconds(dataset, "ContentDate", "ContentTime"),
        acquisition_number=number_value(dataset, "AcquisitionNumber"),
        instance_number=number_value(dataset, "InstanceNumber"),
        echo_time=number_value(dataset, "EchoTime"),
        b_value=_binary(dataset, "DiffusionBValue", "d"),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        pixels=_find_pixels(dataset, rows, columns, file))


def _find_pixels(dataset: Dataset, rows: int, columns: int, file: BinaryIO) -> PixelLayout | None:
    """The tag of PixelData is followed by the length of the element (PS3.5, 7.1.2 and 7.1.3)."""
    if _is_deflated(dataset):
        return None
    implicit, little_endian = dataset.original_encoding
    start = file.tell()
    element = file.read(8 if implicit else 12)
    if len(element) < (8 if implicit else 12):
        raise Unusable("PixelData", "none (truncated file?)")
    declared: int = struct.unpack("<I" if little_endian else ">I", element[-4:])[0]
    there = os.fstat(file.fileno()).st_size - start - len(element)
    if declared == 0xFFFFFFFF:
        # How long compressed pixels must be is known only after decoding.
        if there < 16:
            raise Unusable("PixelData", f"{there} bytes of it (truncated file)")
        return None
    bits = unsigned_value(dataset, "BitsAllocated", 0)
    if bits not in (8, 16, 32):
        raise Unusable("BitsAllocated of 8, 16 or 32", f"{bits}")
    expected = rows * columns * bits // 8
    if min(declared, there) < expected:
        raise Unusable(f"{expected} bytes of PixelData ({rows} rows × {columns} columns)", f"{min(declared, there)}" + " (truncated file)" * (there < declared))
    stored = unsigned_value(dataset, "BitsStored", bits)
    high_bit = unsigned_value(dataset, "HighBit", stored - 1)
    if not 1 <= stored <= high_bit + 1 <= bits:
        raise Unusable(f"BitsStored and HighBit that fit in {bits} bits", f"{stored} and {high_bit}")
    return PixelLayout(start + len(element), bool(little_endian), bits, stored, high_bit, unsigned_value(dataset, "PixelRepresentation", 0) == 1)


def meta_value(dataset: Dataset, tag: int) -> str:
    """UI of the file meta information, which pydicom has converted in part."""
    value = dataset.file_meta.get_item(tag).value if tag in dataset.file_meta else ""
    return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else str(value)


def _is_deflated(dataset: Dataset) -> bool:
    return meta_value(dataset, TRANSFER_SYNTAX_UID) == DeflatedExplicitVRLittleEndian


def _raw(dataset: Dataset, keyword: str) -> bytes:
    """An attribute's value as it stands in the file: conversion by pydicom would take longer than reading."""
    value = dataset.get_item(_TAGS[keyword]).value if _TAGS[keyword] in dataset else None
    return value if isinstance(value, bytes) else b""


def ascii_value(dataset: Dataset, keyword: str) -> str:
    """UI, CS, DS, IS, DA, TM: a text of the default repertoire."""
    return _raw(dataset, keyword).decode("latin-1").strip(" \0")


def text_value(dataset: Dataset, keyword: str) -> str:
    """LO: a text in the character set that the file names."""
    try:
        value = dataset.get(_TAGS[keyword])
        return "" if value is None or value.value is None else str(value.value).strip(" \0")
    except Exception as error:  # noqa: B902  pydicom converts on access and raises many kinds of exceptions
        raise Unusable(f"a {keyword} that can be decoded", _words(error)) from error


def number_value(dataset: Dataset, keyword: str) -> float | None:
    text = ascii_value(dataset, keyword)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise Unusable(f"{keyword} as a number", repr(text[:40])) from None
    if not isfinite(number):
        raise Unusable(f"{keyword} as a number", repr(text[:40]))
    return number


def _floats(dataset: Dataset, keyword: str, length: int) -> tuple[float, ...]:
    text = ascii_value(dataset, keyword)
    try:
        values = tuple(float(part) for part in text.split("\\")) if text else ()
    except ValueError:
        values = ()
    if len(values) != length or not all(isfinite(value) for value in values):
        raise Unusable(f"{keyword} of {length} numbers", repr(text[:80]) if text else "none")
    return values


def _binary(dataset: Dataset, keyword: str, code: str) -> float | None:
    """US, FD: a number in the file's byte order."""
    value = _raw(dataset, keyword)
    if not value:
        return None
    try:
        return struct.unpack(("<" if dataset.original_encoding[1] else ">") + code, value)[0]
    except struct.error:
        raise Unusable(f"one number for {keyword}", f"{len(value)} bytes") from None


def unsigned_value(dataset: Dataset, keyword: str, default: int) -> int:
    number = _binary(dataset, keyword, "H")
    return default if number is None else int(number)


def _size(dataset: Dataset, keyword: str) -> int:
    number = unsigned_value(dataset, keyword, 0)
    if number < 1:
        raise Unusable(f"{keyword} of at least 1", "none or 0")
    return number


def _seconds(dataset: Dataset, date_keyword: str, time_keyword: str) -> float | None:
    """Seconds since year 0 of a date and time (DA, TM of PS3.5, 6.2), for putting time points in order; None where they cannot be told."""
    time = ascii_value(dataset, time_keyword).replace(":", "")
    date = ascii_value(dataset, date_keyword).replace(".", "")
    try:
        hours, minutes, seconds = int(time[:2]), int(time[2:4] or 0), float(time[4:] or 0)
        day = (int(date[:4]) * 12 + int(date[4:6])) * 31 + int(date[6:8]) if date else 0
    except ValueError:
        return None
    return day * 86400.0 + hours * 3600 + minutes * 60 + seconds


def _dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _shown(values: tuple[float, ...]) -> str:
    return "\\".join(f"{value:g}" for value in values)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
