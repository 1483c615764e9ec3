"""Times of one study that were written by clocks of several offsets from UTC, as in the night when a clock is set."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lirads_keras.io.dicom_headers import Header

_TIMES = ("acquisition_datetime", "acquisition_time", "content_time", "time_of_day")


def bring_to_one_clock(headers: Iterable[Header]) -> list[Header]:
    """The images, in their order, with the times of a study on the clock of its first image; those of a study of one offset, or of none, as they are."""
    images = list(headers)
    first = {study: found[0].utc_offset_s for study, found in _of_several_offsets(images).items()}
    return [_shift(header, first[header.examination.study_uid]) if header.examination.study_uid in first else header for header in images]


def find_several_clocks(headers: Iterable[Header]) -> set[str]:
    """The StudyInstanceUIDs of images whose times have several offsets from UTC."""
    return set(_of_several_offsets(list(headers)))


def _of_several_offsets(images: list[Header]) -> dict[str, list[Header]]:
    """Studies with their images that tell an offset, the earliest first."""
    told: dict[str, list[Header]] = {}
    for header in images:
        if header.utc_offset_s is not None and header.acquired is not None:
            told.setdefault(header.examination.study_uid, []).append(header)
    return {study: sorted(found, key=_in_utc) for study, found in told.items() if len({header.utc_offset_s for header in found}) > 1}


def _in_utc(header: Header) -> float:
    return (header.acquired or 0.0) - (header.utc_offset_s or 0.0)


def _shift(header: Header, offset_s: float | None) -> Header:
    if header.utc_offset_s is None or offset_s is None or header.utc_offset_s == offset_s:
        return header
    times = {name: getattr(header, name) for name in _TIMES}
    return replace(header, utc_offset_s=offset_s, **{
        name: time + offset_s - header.utc_offset_s for name, time in times.items() if time is not None})
