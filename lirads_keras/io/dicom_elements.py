"""The few elements of a DICOM file that matter here, as they stand in it (PS3.5, 7): nothing is converted that is not asked for."""
from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pydicom.valuerep import TEXT_VR_DELIMS

UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
SCALE_SLOPE, SCALE_SLOPE_CREATOR = 0x2005100E, 0x20050010
"""Philips' own scale slope, and who reserved its block of private tags (PS3.5, 7.8.1)."""

REAL_WORLD_MAPPING = 0x00409096

_KEYWORDS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "AcquisitionDate", "ContentDate", "AcquisitionTime",
    "ContentTime", "AcquisitionDateTime", "SliceThickness", "SpacingBetweenSlices", "SliceLocation", "FrameOfReferenceUID", "Manufacturer",
    "ManufacturerModelName", "SeriesDescription", "PatientID", "PatientSex", "PatientAge", "ContrastBolusStartTime", "MagneticFieldStrength",
    "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "SequenceName", "SeriesDate", "SeriesTime", "TriggerTime", "ProtocolName",
    "DiffusionBValue", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient",
    "ImageOrientationPatient", "TemporalPositionIdentifier", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "BurnedInAnnotation", "RescaleIntercept", "RescaleSlope", "Modality", "PhotometricInterpretation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "PatientBirthDate", "ContrastBolusAgent", "ContrastBolusAgentSequence",
    "TimezoneOffsetFromUTC")
_TAGS = {keyword: tag for keyword in _KEYWORDS if (tag := tag_for_keyword(keyword)) is not None} | {
    "ScaleSlope": SCALE_SLOPE, "ScaleSlopeCreator": SCALE_SLOPE_CREATOR, "RealWorldValueMappingSequence": REAL_WORLD_MAPPING}
WANTED = frozenset(_TAGS.values())


class Unusable(Exception):
    """What is wrong with one file."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(found)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """pydicom without its checks of values and without warnings: what matters is checked here, and becomes a message."""
    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(slots=True)
class Elements:
    """Values of the wanted attributes, by tag. `pixels` is the place of PixelData's value in the file and its declared length;
    None where the file has none, or is deflated."""

    values: dict[int, bytes]
    transfer_syntax: str
    sop_class: str
    little_endian: bool
    pixels: tuple[int, int] | None
    file_bytes: int

    @property
    def is_deflated(self) -> bool:
        return self.transfer_syntax == DeflatedExplicitVRLittleEndian

    def has(self, keyword: str) -> bool:
        return _TAGS[keyword] in self.values

    def raw(self, keyword: str) -> bytes:
        return self.values.get(_TAGS[keyword], b"")

    def ascii(self, keyword: str) -> str:
        """UI, CS, DS, IS, DA, TM, AS: a text of the default repertoire."""
        return self.values.get(_TAGS[keyword], b"").decode("latin-1").strip(" \0")

    def text(self, keyword: str) -> str:
        """LO, SH: a text in the character set that the file names."""
        value = self.values.get(_TAGS[keyword])
        if not value:
            return ""
        try:
            return _decode_text(value, self.ascii("SpecificCharacterSet"))
        except Exception as error:  # noqa: B902  pydicom's decoding raises many kinds of exceptions
            raise Unusable(f"a {keyword} that can be decoded", words(error)) from error

    def number(self, keyword: str) -> float | None:
        """DS, IS of one value; None where there is none."""
        value = self.values.get(_TAGS[keyword])
        text = value.decode("latin-1").strip(" \0") if value else ""
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not isfinite(number):
            raise Unusable(f"{keyword} as a number", repr(text[:40]))
        return number

    def helpful(self, keyword: str) -> float | None:
        """As `number`, for what is of help only: None also where it makes no sense."""
        try:
            return self.number(keyword)
        except Unusable:
            return None

    def numbers(self, keyword: str, length: int) -> tuple[float, ...]:
        """DS of so many values, all of them needed."""
        text = self.ascii(keyword)
        try:
            values = tuple(map(float, text.split("\\"))) if text else ()
        except ValueError:
            values = ()
        if len(values) != length or not all(map(isfinite, values)):
            raise Unusable(f"{keyword} of {length} numbers", repr(text[:80]) if text else "none")
        return values

    def binary(self, keyword: str, code: str) -> float | None:
        """US, FL, FD: one number in the file's byte order; `code` is that of `struct`."""
        value = self.values.get(_TAGS[keyword])
        if not value:
            return None
        try:
            number: float = struct.unpack(("<" if self.little_endian else ">") + code, value)[0]
        except struct.error:
            raise Unusable(f"one number for {keyword}", f"{len(value)} bytes") from None
        return number

    def unsigned(self, keyword: str, default: int) -> int:
        number = self.binary(keyword, "H")
        return default if number is None else int(number)

    def size(self, keyword: str) -> int:
        number = self.unsigned(keyword, 0)
        if number < 1:
            raise Unusable(f"{keyword} of at least 1", "none or 0")
        return number


@lru_cache(maxsize=4096)
def _decode_text(value: bytes, character_set: str) -> str:
    return decode_bytes(value, convert_encodings(character_set.split("\\")), TEXT_VR_DELIMS).strip(" \0")


def words(error: Exception) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
