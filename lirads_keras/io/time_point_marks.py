"""What tells a time point from the others of its examination, however alike their names are: in cells of a table, and in words."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.read_series import write_time_of_day

COLUMNS = ("series_number", "acquired", "seconds_after_contrast", "image_type", "echo_time_ms", "slices")

_LISTED = 12
"""So many series, and so many time points of one, are described in a message."""


def list_marks(point: TimePoint) -> dict[str, str]:
    """A cell for each of `COLUMNS`, empty where the files do not tell: SeriesNumber, the time of day (HH:MM:SS), seconds after ContrastBolusStartTime,
    ImageType, EchoTime in ms, and how many slices. What differs from slice to slice is given as "this or that"."""
    series, headers = point.series, point.headers
    return {
        "series_number": "" if series.number is None else str(series.number),
        "acquired": write_time_of_day(series) or "",
        "seconds_after_contrast": "" if series.seconds_after_contrast is None else f"{round(series.seconds_after_contrast)}",
        "image_type": _join("\\".join(header.image_type) for header in headers),
        "echo_time_ms": _join("" if header.echo_time is None else f"{header.echo_time:g}" for header in headers),
        "slices": str(len(headers))}


def sort_by_time(points: Iterable[TimePoint]) -> list[TimePoint]:
    """The time points of one examination in order of acquisition; those of unknown time last, by series number and time point, else as they are given."""
    def key(point: TimePoint) -> tuple[float, float, int]:
        series = point.series
        return (inf if series.acquired_s is None else series.acquired_s, inf if series.number is None else series.number, series.temporal_index)

    return sorted(points, key=key)


def describe_time_points(points: Sequence[TimePoint]) -> str:
    """Time points in order of acquisition, for messages; those of one series and evidence share an entry."""
    entries: dict[tuple[str, ...], list[TimePoint]] = {}
    for point in sort_by_time(points):
        series, marks = point.series, list_marks(point)
        entries.setdefault((series.description, series.series_uid, series.phase_evidence, marks["series_number"], marks["slices"]), []).append(point)
    words = [_describe_entry(entry) for entry in entries.values()]
    return "; ".join(words[:_LISTED]) + (f"; and {len(words) - _LISTED} more" if len(words) > _LISTED else "")


def _describe_entry(points: Sequence[TimePoint]) -> str:
    """As "series 'DYN' (1.2.3), time points 0, 1, 44 slices (no name tells) [number 5, ORIGINAL\\PRIMARY, TE 1.2 ms, time point 0 at 10:00:05, …]"."""
    series, marks = points[0].series, list_marks(points[0])
    indices = ", ".join(str(point.series.temporal_index) for point in points)
    told = [_describe_marks(point) for point in points]
    shared = [mark for mark in told[0] if mark and all(mark in others for others in told)]
    rest = [", ".join(mark for mark in of_point if mark and mark not in shared) for of_point in told]
    if any(rest):
        shared += [f"time point {point.series.temporal_index} {mark or 'untold'}" for point, mark in zip(points[:_LISTED], rest, strict=False)]
        shared += [f"and {len(points) - _LISTED} more"] * (len(points) > _LISTED)
    number = f"number {marks['series_number']}" if marks["series_number"] else "without a number"
    return (f"series '{series.description}' ({series.series_uid}), time point{'s' * (len(points) > 1)} {indices}, {marks['slices']} slices "
            f"({series.phase_evidence}) [{', '.join([number, *shared])}]")


def _describe_marks(point: TimePoint) -> list[str]:
    marks = list_marks(point)
    after = marks["seconds_after_contrast"]
    return [
        f"at {marks['acquired']}" if marks["acquired"] else "at a time that is not told", f"{after} s after contrast" if after else "",
        marks["image_type"], f"TE {marks['echo_time_ms']} ms" if marks["echo_time_ms"] else ""]


def _join(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(filter(None, values)))
