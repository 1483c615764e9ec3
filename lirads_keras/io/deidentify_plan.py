"""What a de-identified copy says in place of what is removed, so that it is understood as the original was: its phase by name, and its time point."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import Phase
from lirads_keras.io.contrast_agent import read_agents
from lirads_keras.io.dicom_geometry import SAME_POSITION_MM, compute_normal, compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_series import NO_VOLUME, TimePoint, gather_time_points
from lirads_keras.io.phases import find_by_name

NO_PHASE = "not a phase"
"""The name of a copy whose original was of another kind; the phase rules know it."""

HEPATOBILIARY_TIME = "20 min"
"""That of a copy whose original's name tells the time of a hepatobiliary phase, and no word for it."""

NO_NAME = "series"
"""That of a copy whose original's name tells nothing: there is one, which may count beside what the ProtocolName tells."""


@dataclass(frozen=True)
class CopyPlan:
    """What a copy is to say.

    `owner` is whom pseudonyms and dates go by (`Header.owner`). `temporal_positions` are those of the file's frames, counted from 1; empty where
    the original's own stay, or where its series has one time point. `contrast_agent` is the kind of agent that the original names, empty where it names none.
    """

    owner: str
    description: str
    protocol: str
    temporal_positions: tuple[int, ...] = ()
    number_of_temporal_positions: int = 0
    contrast_agent: str = ""


@dataclass(frozen=True)
class Plans:
    """The plans by file, and notices of what copies cannot say."""

    by_path: Mapping[Path, CopyPlan]
    notices: tuple[str, ...]


def plan_copies(headers: Sequence[Header], *, keep_times: bool) -> Plans:
    """Plans the copies of a heap.

    Args:
        headers: all images of the heap.
        keep_times: whether the copies keep times. Where not, a phase that times told is said by name.
    """
    points, _ = gather_time_points(headers)
    by_series: dict[str, list[TimePoint]] = {}
    place: dict[tuple[Path, int], TimePoint] = {}
    for point in points:
        by_series.setdefault(point.series.series_uid, []).append(point)
        place |= {(header.path, header.frame): point for header in point.headers}
    numbers: dict[tuple[Path, int], int] = {}
    for found in by_series.values():
        numbers |= _number_time_points(found)
    last: dict[str, int] = {}
    for header in headers:
        last[header.series_uid] = max(last.get(header.series_uid, 0), numbers.get((header.path, header.frame), 0))

    names = _clean_names(headers, place, keep_times)
    files: dict[Path, list[Header]] = {}
    for header in headers:
        files.setdefault(header.path, []).append(header)
    plans = {}
    lost = set()
    for path, frames in files.items():
        first = frames[0]
        positions = tuple(numbers.get((path, header.frame), 0) for header in frames)
        told = {name for header in frames if (name := names[path, header.frame])}
        if len(told) > 1:
            lost.add(first.series_uid)
        description, protocol = next(iter(told)) if len(told) == 1 else ("", "")
        plans[path] = CopyPlan(first.owner, description, protocol, positions if all(positions) else (), last[first.series_uid],
                               _clean_agent(first.contrast_agent) or _clean_agent(f"{first.description}; {first.protocol}"))
    notices = [
        f"{by_series[uid][0].headers[0].path}: one file of several phases, which only times told: copies without times do not tell them"
        for uid in sorted(lost)]
    if not keep_times:
        notices += [
            f"{found.headers[0].path}: {found.finding.evidence}: copies without times may be read otherwise"
            for series in by_series.values() for found in series if found.finding.evidence.startswith(NO_VOLUME)]
    return Plans(plans, (*notices, *_describe_owners(headers)))


@lru_cache(maxsize=4096)
def clean_name(text: str) -> str:
    """The phases that a SeriesDescription or ProtocolName names, in words that the phase rules read alike; nothing else of it is left."""
    finding = find_by_name(text, "")
    if finding.phase is Phase.HEPATOBILIARY and finding.is_by_time:
        # The word would tell the contrast agent, which the time does not.
        return HEPATOBILIARY_TIME
    if finding.phase is Phase.OTHER:
        return " ".join((NO_PHASE, *finding.candidates))
    told = " ".join(finding.candidates) or str(finding.phase or NO_NAME)
    return f"{finding.arterial_timing} {told}" if finding.arterial_timing else told if text else ""


def _clean_agent(text: str) -> str:
    """The kinds of the agents that a text names; the phase rules know them."""
    return "; ".join(read_agents(text))


def _clean_names(
        headers: Sequence[Header], place: Mapping[tuple[Path, int], TimePoint], keep_times: bool) -> dict[tuple[Path, int], tuple[str, str]]:
    """Description and protocol of each image's copy. Names that differ within a series, whose images are divided by them, keep to differ,
    by a number in order of time."""
    def clean(header: Header) -> tuple[str, str]:
        point = place.get((header.path, header.frame))
        description, protocol = clean_name(header.description), clean_name(header.protocol)
        if point is None or keep_times:
            return description, protocol
        finding = point.finding
        if finding.phase is None and finding.candidates:
            # Times that contradict a name are not there to do so in the copy.
            return " ".join(finding.candidates), protocol
        by_time = finding.phase if {description, protocol} <= {"", NO_NAME} else None
        return str(by_time) if by_time not in (None, Phase.OTHER) else description, protocol

    def in_order(header: Header) -> tuple[float, str, str]:
        point = place.get((header.path, header.frame))
        return inf if point is None else point.series.temporal_index, header.description, header.protocol

    names = {(header.path, header.frame): clean(header) for header in headers}
    series: dict[str, list[Header]] = {}
    for header in headers:
        series.setdefault(header.series_uid, []).append(header)
    for images in series.values():
        images.sort(key=in_order)
        # What a clock told instead of a name differs, too.
        texts = [(header.description + "\0" + names[header.path, header.frame][0] * (not keep_times), header.protocol) for header in images]
        ranks = [_number(part) for part in zip(*texts, strict=True)]
        for (description, protocol), header in zip(texts, images, strict=True):
            numbered = [f"{rank[text]} {name}".strip() if len(rank) > 1 else name
                        for rank, text, name in zip(ranks, (description, protocol), names[header.path, header.frame], strict=True)]
            names[header.path, header.frame] = numbered[0], numbered[1]
    return names


def _number(texts: Iterable[str]) -> dict[str, int]:
    """Different texts, counted from 1 in their order."""
    numbers: dict[str, int] = {}
    for text in texts:
        numbers.setdefault(text, len(numbers) + 1)
    return numbers


def _number_time_points(points: Sequence[TimePoint]) -> dict[tuple[Path, int], int]:
    """The temporal position of each image of a series, counted from 1; empty where there are no several, or the images have their own already,
    or what is taken for a time point may be several.

    Time points of different contrasts (echoes, b-values, Dixon images) or planes are counted each for themselves if there are equally many;
    else a new position begins where one of them repeats.
    """
    kinds = [_kind(point.headers[0]) for point in points]
    counts = [kinds.count(kind) for kind in kinds]
    acquired = {point.headers[0].acquired for point in points}
    # Contrasts of one time have the same number, which says nothing; those of different times would lose their order with the clock.
    several = max(counts) > 1 or (len(acquired) == len(points) > 1 and None not in acquired)
    if not several or any(map(_may_be_several, points)):
        return {}
    if _have_own(points, kinds):
        return {}
    position = 1
    seen: set[Any] = set()
    numbers: dict[tuple[Path, int], int] = {}
    for index, (point, kind) in enumerate(zip(points, kinds, strict=True)):
        # Those of another time are in an order that the clock alone may tell.
        if kind in seen or (index and None not in acquired and point.headers[0].acquired != points[index - 1].headers[0].acquired):
            position, seen = position + 1, set()
        seen.add(kind)
        number = index + 1 if max(counts) < 2 else kinds[:index].count(kind) + 1 if len(set(counts)) == 1 else position
        numbers |= {(header.path, header.frame): number for header in point.headers}
    return numbers


def _may_be_several(point: TimePoint) -> bool:
    """Whether half of the positions stand several times; where one does, a slice is there once more."""
    return 2 * int(np.sum(np.diff(np.sort(compute_positions_mm(point.headers))) <= SAME_POSITION_MM)) >= len(point.headers) - 1


def _kind(header: Header) -> tuple[Any, ...]:
    echo = None if header.echo_time is None else round(header.echo_time, 1)
    # Of one plane, in whatever direction its rows and columns are stored.
    return tuple(np.abs(compute_normal(header)).round(2).tolist()), header.image_type, echo, header.b_value


def _have_own(points: Sequence[TimePoint], kinds: Sequence[Any]) -> bool:
    """Whether TemporalPositionIdentifier tells all time points of a kind apart, and their order."""
    before: dict[Any, float] = {}
    for point, kind in zip(points, kinds, strict=True):
        values = {header.temporal_position for header in point.headers}
        value = values.pop()
        if values or value is None or value <= before.get(kind, -inf):
            return False
        before[kind] = value
    return True


def _describe_owners(headers: Sequence[Header]) -> list[str]:
    """Studies whose files name several patients."""
    owners: dict[str, dict[str, Path]] = {}
    for header in headers:
        if header.examination.study_uid:
            owners.setdefault(header.examination.study_uid, {}).setdefault(header.owner, header.path)
    return [
        f"{' and '.join(str(path) for path in list(found.values())[:2])}: expected one PatientID in a study, found {len(found)}: "
        "their copies are of different patients, whose dates move by different amounts" for found in owners.values() if len(found) > 1]
