"""The header of one DICOM image: read without its pixels, whose length is checked nevertheless."""
from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from lirads_keras.io.dicom_agent import read_contrast_agent
from lirads_keras.io.dicom_elements import REAL_WORLD_MAPPING, UNDEFINED_LENGTH, Elements, Unusable, words
from lirads_keras.io.dicom_grey import is_inverted, read_padding
from lirads_keras.io.dicom_walk import read_dataset

ORTHONORMAL_TOLERANCE = 1e-3
"""Rows and columns whose directions' lengths or dot product are farther off than this are no image plane; scanners write six digits or more."""

TIME_ZONE = re.compile("[+-]")
"""What begins the offset from UTC in a DT."""

_UTC_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)$")

GAUSS_PER_TESLA = 1e4
"""Some scanners write MagneticFieldStrength, which is in tesla, in gauss; no patient is imaged at 100 T."""


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
class Tile:
    """One slice of a mosaic: its first row and column in the stored image, and that image's size."""

    row: int
    column: int
    stored_rows: int
    stored_columns: int


@dataclass(frozen=True, slots=True)
class Examination:
    """Whom and what a file belongs to; empty where it does not say. `age_years` is None then."""

    patient_id: str
    study_uid: str
    study_date: str
    age_years: float | None
    sex: str
    scanner: str
    birth_date: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What one image (a file, a frame of it, or a slice of a mosaic) says about itself; mm and LPS, times in seconds.

    A value that the file lacks is None or empty. `modality` is CT or MR by the SOP class, or what Modality says otherwise of an MR image.
    `orientation` is ImageOrientationPatient: the direction of a row (increasing column index), then that of a column. `time_of_day` and
    `contrast_time_of_day` are AcquisitionTime (AcquisitionDateTime where that is absent) and ContrastBolusStartTime. `slice_distance_mm` is
    SpacingBetweenSlices, else SliceThickness.
    `display_scale` is RescaleSlope × scale slope of a Philips image: stored values divided by the latter's have a common scale
    (Chenevert et al., J Magn Reson Imaging 2014, doi 10.1002/jmri.24383). `frame` counts from 0. Stored values in `padding`, first and last included, are
    no part of the image; where it `is_inverted`, low ones stand for what is bright. `contrast_agent` is what names it, in words (`read_contrast_agent`).
    `utc_offset_s` is the offset of its times from UTC.
    """

    path: Path
    examination: Examination
    modality: str
    sop_instance_uid: str
    series_uid: str
    series_number: float | None
    description: str
    protocol: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    orientation: tuple[float, ...]
    position_mm: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    slice_distance_mm: float | None
    slice_location_mm: float | None
    frame_of_reference_uid: str
    temporal_position: float | None
    trigger_time: float | None
    acquisition_datetime: float | None
    acquisition_time: float | None
    content_time: float | None
    series_time: float | None
    time_of_day: float | None
    contrast_time_of_day: float | None
    acquisition_number: float | None
    instance_number: float | None
    echo_time: float | None
    b_value: float | None
    flip_angle: float | None
    repetition_time: float | None
    inversion_time: float | None
    sequence_name: str
    slope: float
    intercept: float
    display_scale: float | None
    pixels: PixelLayout | None
    """None if they are compressed."""
    frame: int = 0
    tile: Tile | None = None
    padding: tuple[int, int] | None = None
    is_inverted: bool = False
    contrast_agent: str = ""
    utc_offset_s: float | None = None

    @property
    def acquired(self) -> float | None:
        """When it was acquired, by AcquisitionTime or AcquisitionDateTime."""
        return self.acquisition_datetime if self.acquisition_time is None else self.acquisition_time

    @property
    def owner(self) -> str:
        """PatientID; a study without one is a patient of its own, and so is a series without either."""
        return self.examination.patient_id or self.examination.study_uid or self.series_uid


def parse_header(path: Path, elements: Elements, file: BinaryIO, modality: str) -> Header:
    """The header of a classic image, MR or CT.

    Raises:
        Unusable: an attribute that every such image has (PS3.3 C.7.6.2, C.7.6.3) is missing or makes no sense, or PixelData is too short.
    """
    check_pixels_present(elements)
    orientation = check_orientation(elements.numbers("ImageOrientationPatient", 6))
    spacing = check_spacing(elements.numbers("PixelSpacing", 2))
    rows, columns = elements.size("Rows"), elements.size("Columns")
    slope, intercept = _modality_scale(elements, file)
    scale_slope = elements.binary("ScaleSlope", "f") if elements.raw("ScaleSlopeCreator").startswith(b"Philips") else None
    image_type = elements.ascii("ImageType")
    moment = elements.ascii("AcquisitionDateTime")
    return Header(
        path=path,
        examination=read_examination(elements),
        modality=modality,
        sop_instance_uid=elements.ascii("SOPInstanceUID"),
        series_uid=check_series_uid(elements),
        series_number=elements.number("SeriesNumber"),
        description=elements.text("SeriesDescription"),
        protocol=elements.text("ProtocolName"),
        image_type=tuple(image_type.split("\\")) if image_type else (),
        rows=rows,
        columns=columns,
        orientation=orientation,
        position_mm=elements.numbers("ImagePositionPatient", 3),
        pixel_spacing_mm=spacing,
        slice_distance_mm=abs(elements.helpful("SpacingBetweenSlices") or elements.helpful("SliceThickness") or 0.0) or None,
        slice_location_mm=elements.helpful("SliceLocation"),
        frame_of_reference_uid=elements.ascii("FrameOfReferenceUID"),
        temporal_position=elements.number("TemporalPositionIdentifier"),
        trigger_time=_milliseconds(elements.number("TriggerTime")),
        acquisition_datetime=parse_moment(moment),
        acquisition_time=parse_seconds(elements.ascii("AcquisitionDate"), elements.ascii("AcquisitionTime")),
        content_time=parse_seconds(elements.ascii("ContentDate"), elements.ascii("ContentTime")),
        series_time=parse_seconds(elements.ascii("SeriesDate"), elements.ascii("SeriesTime")),
        time_of_day=parse_seconds("", elements.ascii("AcquisitionTime") or TIME_ZONE.split(moment[8:])[0]),
        contrast_time_of_day=parse_seconds("", elements.ascii("ContrastBolusStartTime")),
        acquisition_number=elements.number("AcquisitionNumber"),
        instance_number=elements.number("InstanceNumber"),
        echo_time=elements.number("EchoTime"),
        b_value=elements.binary("DiffusionBValue", "d"),
        flip_angle=elements.helpful("FlipAngle"),
        repetition_time=elements.helpful("RepetitionTime"),
        inversion_time=elements.helpful("InversionTime"),
        sequence_name=elements.ascii("SequenceName"),
        slope=slope,
        intercept=intercept,
        display_scale=slope * scale_slope if scale_slope and isfinite(scale_slope) else None,
        pixels=find_pixels(elements, rows, columns),
        padding=read_padding(elements),
        is_inverted=is_inverted(elements, modality),
        contrast_agent=read_contrast_agent(elements, file),
        utc_offset_s=parse_utc_offset(moment, elements.ascii("TimezoneOffsetFromUTC")))


def check_pixels_present(elements: Elements) -> None:
    """Raises Unusable if the file ends before PixelData."""
    if elements.pixels is None and not elements.is_deflated:
        raise Unusable("PixelData", "the end of the file (truncated file?)")


def check_series_uid(elements: Elements) -> str:
    """SeriesInstanceUID, which must be there."""
    uid = elements.ascii("SeriesInstanceUID")
    if not uid:
        raise Unusable("a SeriesInstanceUID", "none")
    return uid


def check_orientation(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """Direction cosines of row and column, which must be perpendicular unit vectors."""
    if orientation not in _GOOD_ORIENTATIONS:
        row, column = orientation[:3], orientation[3:]
        if any(abs(value) > ORTHONORMAL_TOLERANCE for value in (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))):
            raise Unusable("ImageOrientationPatient of two perpendicular unit vectors", _shown(orientation))
        if len(_GOOD_ORIENTATIONS) < 1000:
            _GOOD_ORIENTATIONS.add(orientation)
    return orientation


def check_spacing(spacing: tuple[float, ...]) -> tuple[float, ...]:
    """PixelSpacing, which must be above 0."""
    if min(spacing) <= 0:
        raise Unusable("PixelSpacing above 0", _shown(spacing))
    return spacing


def check_slope(slope: float | None, name: str) -> float | None:
    """A slope from stored to output units, which is not 0, since all values would be one."""
    if slope == 0:
        raise Unusable(f"{name} other than 0", "0")
    return slope


def find_pixels(elements: Elements, rows: int, columns: int, frames: int = 1) -> PixelLayout | None:
    """The layout of the first frame, None for compressed pixels.

    Raises:
        Unusable: uncompressed PixelData is shorter than Rows × Columns × NumberOfFrames, or its bits make no sense.
    """
    if elements.pixels is None:
        return None
    offset, declared = elements.pixels
    there = elements.file_bytes - offset
    if declared == UNDEFINED_LENGTH:
        # How long compressed pixels must be is known only after decoding.
        if there < 16:
            raise Unusable("PixelData", f"{there} bytes of it (truncated file)")
        return None
    bits = elements.unsigned("BitsAllocated", 0)
    if bits not in (8, 16, 32):
        raise Unusable("BitsAllocated of 8, 16 or 32", f"{bits}")
    expected = rows * columns * frames * bits // 8
    if min(declared, there) < expected:
        size = f"{rows} rows × {columns} columns" + (f" × {frames} frames" if frames > 1 else "")
        raise Unusable(f"{expected} bytes of PixelData ({size})", f"{min(declared, there)}" + " (truncated file)" * (there < declared))
    stored = elements.unsigned("BitsStored", bits)
    high_bit = elements.unsigned("HighBit", stored - 1)
    if not 1 <= stored <= high_bit + 1 <= bits:
        raise Unusable(f"BitsStored and HighBit that fit in {bits} bits", f"{stored} and {high_bit}")
    return PixelLayout(offset, elements.little_endian, bits, stored, high_bit, elements.unsigned("PixelRepresentation", 0) == 1)


def read_examination(elements: Elements) -> Examination:
    """Patient, study and scanner; one object for all files that say the same."""
    scanner = " ".join(filter(None, (elements.text("Manufacturer"), elements.text("ManufacturerModelName"))))
    return _examination(
        elements.text("PatientID"), elements.ascii("StudyInstanceUID"), elements.ascii("StudyDate"), elements.ascii("PatientAge"),
        elements.ascii("PatientSex"), scanner, elements.ascii("MagneticFieldStrength"), elements.ascii("PatientBirthDate"))


@lru_cache(maxsize=4096)
def _examination(patient_id: str, study_uid: str, study_date: str, age: str, sex: str, scanner: str, field: str,
                 birth_date: str) -> Examination:
    years = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
    # "000Y" is what de-identification writes.
    age_years = round(int(age[:-1]) * years[age[-1]], 2) if age[:-1].isdecimal() and int(age[:-1]) and age[-1] in years else None
    try:
        tesla = float(field)
        tesla = tesla / GAUSS_PER_TESLA if tesla > 100 else tesla
        scanner += f" {tesla:g} T" if 0 < tesla < 100 else ""
    except ValueError:
        pass
    return Examination(patient_id, study_uid, study_date, age_years, sex if sex in ("M", "F") else "", scanner.strip(), birth_date)


def parse_seconds(date: str, time: str) -> float | None:
    """Seconds since a day long past of a date and time (DA, TM of PS3.5, 6.2), which compares time points; of the day, without a date.

    None if they cannot be told.
    """
    time, date = time.replace(":", ""), date.replace(".", "")
    try:
        hours, minutes, seconds = int(time[:2]), int(time[2:4] or 0), float(time[4:] or 0)
        # A day that its month does not have, as some archives write 00 for what they removed, is counted on from the first.
        day = datetime.date(max(int(date[:4]), 1), min(max(int(date[4:6]), 1), 12), 1).toordinal() + int(date[6:8]) - 1 if date else 0
    except ValueError:
        return None
    total = day * 86400.0 + hours * 3600 + minutes * 60 + seconds
    return total if isfinite(total) else None


def parse_moment(moment: str) -> float | None:
    """As `parse_seconds`, of a date and time in one (DT of PS3.5, 6.2)."""
    return parse_seconds(moment[:8], TIME_ZONE.split(moment[8:])[0]) if len(moment) > 8 else None


def parse_utc_offset(moment: str, of_image: str) -> float | None:
    """The offset from UTC in seconds of a DT, or else of the whole image's times (TimezoneOffsetFromUTC); None where neither says it."""
    for text in (moment[8:], of_image):
        if found := _UTC_OFFSET.search(text):
            return (-1 if found[1] == "-" else 1) * (int(found[2]) * 3600 + int(found[3]) * 60)
    return None


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else value / 1000


def _modality_scale(elements: Elements, file: BinaryIO) -> tuple[float, float]:
    """Slope and intercept from stored to output units: Rescale (PS3.3 C.11.1), else the first linear real world value mapping (C.7.6.16.2.11)."""
    slope, intercept = check_slope(elements.number("RescaleSlope"), "RescaleSlope"), elements.number("RescaleIntercept")
    if slope is None and intercept is None and elements.has("RealWorldValueMappingSequence"):
        file.seek(0)
        try:
            dataset = read_dataset(file, stop_before_pixels=True, specific_tags=[REAL_WORLD_MAPPING])
            return read_real_world_mapping(dataset) or (1.0, 0.0)
        except Unusable:
            raise
        except Exception as error:  # noqa: B902  pydicom raises many kinds of exceptions on broken sequences
            raise Unusable("a RealWorldValueMappingSequence that can be read", words(error)) from error
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept


def read_real_world_mapping(dataset: Any) -> tuple[float, float] | None:
    """Slope and intercept of the first linear mapping of a dataset, None if it has none."""
    for item in dataset.get("RealWorldValueMappingSequence") or ():
        if "RealWorldValueSlope" in item:
            slope, intercept = float(item.RealWorldValueSlope), float(item.get("RealWorldValueIntercept") or 0)
            check_slope(slope, "RealWorldValueSlope")
            if isfinite(slope) and isfinite(intercept):
                return slope, intercept
    return None


_GOOD_ORIENTATIONS: set[tuple[float, ...]] = set()


def _dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _shown(values: tuple[float, ...]) -> str:
    return "\\".join(f"{value:g}" for value in values)
