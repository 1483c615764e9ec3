"""Multi-frame MR and CT (enhanced, and legacy converted): each frame as an image of its own (DICOM PS3.3 A.36, A.38, C.7.6.16)."""
from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
import pydicom.multival
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedCTImageStorage, LegacyConvertedEnhancedMRImageStorage

from lirads_keras.io.dicom_agent import read_contrast_agent
from lirads_keras.io.dicom_elements import SCALE_SLOPE, Elements, Unusable, words
from lirads_keras.io.dicom_grey import is_inverted, read_padding
from lirads_keras.io.dicom_headers import (
    TIME_ZONE,
    Header,
    PixelLayout,
    check_orientation,
    check_pixels_present,
    check_series_uid,
    check_slope,
    check_spacing,
    find_pixels,
    parse_moment,
    parse_seconds,
    parse_utc_offset,
    read_examination,
    read_real_world_mapping,
)
from lirads_keras.io.dicom_walk import read_dataset

MULTI_FRAME_CLASSES = (EnhancedMRImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedMRImageStorage, LegacyConvertedEnhancedCTImageStorage)
CONVERTED = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
"""Where a converted image keeps what no functional group has a place for (PS3.3 C.7.6.16.2.25)."""

OWN_FRAMES = 1_000_000
"""The frames of one file are numbered after those of the file before, by the files' InstanceNumber; no file has so many frames."""

TIME_POINTERS = (0x00209128, 0x0020930D, 0x00209153)
"""TemporalPositionIndex, TemporalPositionTimeOffset, NominalCardiacTriggerDelayTime: a dimension of these counts time points."""

_FRAME_KINDS = ("VolumeBasedCalculationTechnique", "AcquisitionContrast", "ComplexImageComponent")
_USUAL_KINDS = ("NONE", "UNKNOWN", "MIXED", "MAGNITUDE", "T1", "PERFUSION")
"""Values that a phase may have; a dynamic series is a perfusion for some scanners."""

PHILIPS_FRAME_SEQUENCE = 0x2005140F
"""Philips keeps the classic attributes of a frame, with the scale slope, in this private sequence."""


def parse_frames(path: Path, elements: Elements, file: BinaryIO, modality: str) -> list[Header]:
    """The headers of a multi-frame image, one a frame.

    An attribute is taken from the frame's functional group, else from the shared ones.

    Raises:
        Unusable: attributes that every frame has are missing or make no sense, or PixelData is too short; the first such frame is named.
    """
    check_pixels_present(elements)
    frames = int(elements.number("NumberOfFrames") or 1)
    rows, columns = elements.size("Rows"), elements.size("Columns")
    if frames < 1:
        raise Unusable("NumberOfFrames of at least 1", f"{frames}")
    layout = find_pixels(elements, rows, columns, frames)
    file.seek(0)
    try:
        dataset = read_dataset(file, stop_before_pixels=True)
        shared = _first(dataset, "SharedFunctionalGroupsSequence")
        of_frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
        if len(of_frames) != frames:
            raise Unusable(f"functional groups for {frames} frames (PerFrameFunctionalGroupsSequence)", f"{len(of_frames)}")
        common = _read_common(path, elements, dataset) | {
            "modality": modality, "is_inverted": is_inverted(elements, modality), "rows": rows, "columns": columns}
        return [_parse_frame(index, (group, shared), common, _shift(layout, index, rows * columns)) for index, group in enumerate(of_frames)]
    except (Unusable, OSError):
        raise
    except Exception as error:  # noqa: B902  pydicom converts on access and raises many kinds of exceptions
        raise Unusable("functional groups that can be read", words(error)) from error


def _read_common(path: Path, elements: Elements, dataset: Any) -> dict[str, Any]:
    """What all frames share."""
    profile = _first(_first(dataset, "ContrastBolusAgentSequence"), "ContrastAdministrationProfileSequence")
    start = str(dataset.get("ContrastBolusStartTime") or (profile.get("ContrastBolusStartTime") if profile is not None else "") or "")
    return {
        "path": path,
        "padding": read_padding(elements),
        "examination": read_examination(elements),
        "sop_instance_uid": elements.ascii("SOPInstanceUID"),
        "series_uid": check_series_uid(elements),
        "series_number": elements.number("SeriesNumber"),
        "description": elements.text("SeriesDescription"),
        "protocol": elements.text("ProtocolName"),
        "slice_location_mm": None,
        "frame_of_reference_uid": elements.ascii("FrameOfReferenceUID"),
        "content_time": parse_seconds(elements.ascii("ContentDate"), elements.ascii("ContentTime")),
        "series_time": parse_seconds(elements.ascii("SeriesDate"), elements.ascii("SeriesTime")),
        "sequence_name": str(dataset.get("PulseSequenceName") or ""),
        "temporal_dimension": _find_temporal_dimension(dataset),
        # Of the whole image, where frames do not say.
        "acquisition_datetime": elements.ascii("AcquisitionDateTime"),
        "acquisition_number": elements.number("AcquisitionNumber"),
        "instance_number": elements.number("InstanceNumber"),
        "contrast_time_of_day": parse_seconds("", start),
        "contrast_agent": read_contrast_agent(elements, dataset=dataset),
        # Of the whole image, too.
        "utc_offset_s": elements.ascii("TimezoneOffsetFromUTC"),
        "image_type": tuple(filter(None, elements.ascii("ImageType").split("\\")))}


def _parse_frame(index: int, groups: tuple[Any, Any], common: dict[str, Any], layout: PixelLayout | None) -> Header:
    def find(sequence: str, keyword: str) -> Any:
        for group in groups:
            item = _first(group, sequence)
            if item is not None and (value := item.get(keyword)) not in (None, ""):
                return value
        return None

    def number(sequence: str, keyword: str, converted: str = "") -> float | None:
        """`converted` is the attribute's keyword in a classic image."""
        value = find(sequence, keyword)
        return as_number(value, keyword) if value is not None or not converted else find_converted(converted)

    def find_converted(keyword: str) -> float | None:
        return as_number(next((value for place in CONVERTED if (value := find(place, keyword)) is not None), None), keyword)

    def as_number(value: Any, keyword: str) -> float | None:
        if value is None:
            return None
        if not isfinite(value):
            raise Unusable(f"{keyword} of frame {index + 1} as a number", f"{value}")
        return float(value)

    def numbers(sequence: str, keyword: str, length: int) -> tuple[float, ...]:
        value = find(sequence, keyword)
        values = tuple(map(float, value)) if isinstance(value, pydicom.multival.MultiValue) else ()
        if len(values) != length or not all(map(isfinite, values)):
            raise Unusable(f"{keyword} of {length} numbers for frame {index + 1}", repr(str(value))[:80] if value is not None else "none")
        return values

    moment = str(find("FrameContentSequence", "FrameAcquisitionDateTime") or "")
    offset = number("TemporalPositionSequence", "TemporalPositionTimeOffset")
    trigger_ms = number("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime")
    temporal_position = number("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier")
    if temporal_position is None and common["temporal_dimension"] is not None:
        indices = find("FrameContentSequence", "DimensionIndexValues")
        if isinstance(indices, list | pydicom.multival.MultiValue) and len(indices) > common["temporal_dimension"]:
            temporal_position = float(indices[common["temporal_dimension"]])
    acquisition_number = number("FrameContentSequence", "FrameAcquisitionNumber")
    slope = check_slope(number("PixelValueTransformationSequence", "RescaleSlope"), "RescaleSlope")
    intercept = number("PixelValueTransformationSequence", "RescaleIntercept")
    if slope is None and intercept is None:
        slope, intercept = next((scale for group in groups if group is not None and (scale := read_real_world_mapping(group))), (1.0, 0.0))
    slope = 1.0 if slope is None else slope
    frame_type = find("MRImageFrameTypeSequence", "FrameType") or find("CTImageFrameTypeSequence", "FrameType") or common["image_type"]
    # What ImageType has no place for in these objects (PS3.3 C.8.13.3): a projection, the contrast, the part of a complex number.
    image_type = tuple(filter(None, map(str, frame_type)))
    more = (str(find("MRImageFrameTypeSequence", keyword) or "") for keyword in _FRAME_KINDS)
    image_type += tuple(kind for kind in more if kind and kind not in (*image_type, *_USUAL_KINDS))
    scale_slope = _read_scale_slope(groups)
    return Header(**{name: value for name, value in common.items() if name != "temporal_dimension"} | {
        "image_type": image_type,
        "orientation": check_orientation(numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)),
        "position_mm": numbers("PlanePositionSequence", "ImagePositionPatient", 3),
        "pixel_spacing_mm": check_spacing(numbers("PixelMeasuresSequence", "PixelSpacing", 2)),
        "temporal_position": temporal_position,
        "trigger_time": trigger_ms / 1000 if offset is None and trigger_ms is not None else offset,
        "slice_distance_mm": _size(find("PixelMeasuresSequence", "SpacingBetweenSlices")) or _size(find("PixelMeasuresSequence", "SliceThickness")),
        "acquisition_datetime": parse_moment(moment or common["acquisition_datetime"]),
        "utc_offset_s": parse_utc_offset(moment or common["acquisition_datetime"], common["utc_offset_s"]),
        "acquisition_time": None,
        "time_of_day": parse_seconds("", TIME_ZONE.split(moment[8:])[0]) if moment else None,
        "acquisition_number": common["acquisition_number"] if acquisition_number is None else acquisition_number,
        "instance_number": max((common["instance_number"] or 1.0) - 1, 0.0) * OWN_FRAMES + index + 1,
        "echo_time": number("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        "b_value": number("MRDiffusionSequence", "DiffusionBValue"),
        "flip_angle": number("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
        "repetition_time": number("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
        "inversion_time": find_converted("InversionTime"),
        "slope": slope,
        "intercept": 0.0 if intercept is None else intercept,
        "display_scale": slope * scale_slope if scale_slope else None,
        "pixels": layout,
        "frame": index})


def _find_temporal_dimension(dataset: Any) -> int | None:
    """Which of DimensionIndexValues counts time points, None if none does (PS3.3 C.7.6.17)."""
    for place, dimension in enumerate(dataset.get("DimensionIndexSequence") or ()):
        if dimension.get("DimensionIndexPointer") in TIME_POINTERS:
            return place
    return None


def _read_scale_slope(groups: tuple[Any, Any]) -> float | None:
    for group in groups:
        private = _first(group, PHILIPS_FRAME_SEQUENCE)
        if private is not None and SCALE_SLOPE in private and isinstance(private[SCALE_SLOPE].value, float) and isfinite(private[SCALE_SLOPE].value):
            return private[SCALE_SLOPE].value
    return None


def _size(value: Any) -> float | None:
    """A distance in mm that is of help only, without its sign; None where it makes no sense."""
    try:
        distance = abs(float(value or 0))
    except (TypeError, ValueError):
        return None
    return distance if distance and isfinite(distance) else None


def _first(dataset: Any, sequence: str | int) -> Any:
    """The first item of a sequence, None without one."""
    if dataset is None or sequence not in dataset:
        return None
    items = dataset[sequence].value
    return items[0] if isinstance(items, pydicom.Sequence) and len(items) else None


def _shift(layout: PixelLayout | None, index: int, pixels: int) -> PixelLayout | None:
    """The layout of a later frame: frames follow each other without a gap (PS3.5, 8.1.1)."""
    if layout is None:
        return None
    offset = layout.offset + index * pixels * layout.bits_allocated // 8
    return PixelLayout(offset, layout.little_endian, layout.bits_allocated, layout.bits_stored, layout.high_bit, layout.signed)
