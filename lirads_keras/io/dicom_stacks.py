"""The images of one series as stacks of slices in which every position stands once, each of one volume."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_geometry import StackGrid, compute_grid, compute_positions_mm, same_plane
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.slice_order import find_doubtful_positions
from lirads_keras.io.stack_groups import (
    EVEN_FRACTION,
    SHARED_FRACTION,
    Groups,
    are_volumes_of_their_own,
    assign_slots,
    group_by,
    median_distance_mm,
    share_places,
)
from lirads_keras.io.stack_order import INSTANCE, TIMES, describe_repeated, divide_by_time, divide_without_repetition, read_times
from lirads_keras.io.stack_purity import find_exchanged_slices

ECHO_TOLERANCE_MS = 0.1
"""Echo times nearer than this are one: the echoes of a Dixon acquisition lie 0.5 ms apart or more (at 7 T, half a turn of fat against water)."""

OWNERS = ("PatientID", "StudyInstanceUID", "Modality")
"""What parts images wherever they lie: programs that make files anonymous give one SeriesInstanceUID to those of several patients."""

LABELS: dict[str, Callable[[Header], Any]] = {
    "PatientID": lambda header: header.owner,
    "StudyInstanceUID": lambda header: header.examination.study_uid,
    "Modality": lambda header: header.modality,
    "SeriesNumber": lambda header: header.series_number,
    "SeriesDescription": lambda header: header.description,
    "ProtocolName": lambda header: header.protocol,
    "ImageType": lambda header: header.image_type,
    "EchoTime": lambda header: header.echo_time,
    "DiffusionBValue": lambda header: header.b_value}
"""What is one in a volume, whatever its time; the first come first."""

SETTINGS: dict[str, Callable[[Header], Any]] = {
    "FlipAngle": lambda header: header.flip_angle,
    "InversionTime": lambda header: header.inversion_time,
    "SequenceName": lambda header: header.sequence_name,
    "RepetitionTime": lambda header: header.repetition_time}
"""What is one in a volume, or changes from slice to slice (triggered sequences): divides where nothing else does."""

ORDER = ("AcquisitionDateTime", "AcquisitionTime", "TriggerTime", "TemporalPositionIdentifier", "SeriesTime", "ContentTime")
"""What puts stacks in order that were not divided by it, the first first: clocks count on, where positions and triggers may begin anew."""

LARGEST_LEAP = 4
"""Slices that lie more than so many times their stated distance apart state something else."""

SERIES_LABELS = ("SeriesNumber", "SeriesDescription")
"""What names a series: images that differ in it are of two, wherever they lie."""


@dataclass(frozen=True)
class Stack:
    """Slices in rising order along their normal. `told_apart_by` names the attributes that divided the series, empty if it is one stack.

    `problem` says why they are not, or not surely, one volume; empty if they are.
    """

    headers: tuple[Header, ...]
    told_apart_by: tuple[str, ...] = ()
    problem: str = ""


def split_series(headers: Sequence[Header]) -> list[Stack]:
    """Divides the images of one series into stacks, in order of time.

    Images of different planes are different stacks. Then they are divided by what names a patient, a series or a contrast (`LABELS`), then by what
    tells time, and at last by how the scanner was set (`SETTINGS`). An attribute divides by its values if each value's images are a stack, by its
    order if the images in that order fill the positions once, and once more, and so on. File names never count. Attributes that divide differently,
    or put the same stacks in different orders, repeated positions that nothing divides, and time points whose pixels show that slices are exchanged,
    are a problem of one stack that holds all images in question.
    """
    planes: list[list[Header]] = []
    for header in headers:
        plane = next((plane for plane in planes if same_plane(plane[0], header)), None)
        if plane is None:
            planes.append([header])
        else:
            plane.append(header)
    return _in_order([placed for plane in planes for placed in _split_by_label(plane, ())])


def compute_volume_grid(headers: Sequence[Header], name: str) -> StackGrid:
    """As `compute_grid`, of slices that are one volume.

    Raises:
        InputError: also if the slices are of several volumes, or may be.
    """
    found = split_series(headers)
    if len(found) == 1 and found[0].problem:
        raise InputError(Problem(name, "the slices of one volume", found[0].problem))
    grid = compute_grid(headers, name)
    doubts = find_doubtful_positions(headers), _find_frames_of_reference(headers), _find_other_distance(headers, grid.spacing_mm[0])
    return replace(grid, notice="; ".join(filter(None, (grid.notice, *doubts))))


def _find_frames_of_reference(headers: Sequence[Header]) -> str:
    groups = group_by([header.frame_of_reference_uid for header in headers])
    if len(groups) < 2:
        return ""
    first, second = (headers[group[0]].path.name for group in list(groups.values())[:2])
    return f"slices of {len(groups)} values of FrameOfReferenceUID ({first} and {second}), whose positions are taken as they are"


def _find_other_distance(headers: Sequence[Header], distance_mm: float) -> str:
    """Of every second slice, or every third, nothing seems to be missing."""
    stated = median_distance_mm(headers)
    times = round(distance_mm / stated) if stated else 0
    if stated is None or not 2 <= times <= LARGEST_LEAP or abs(distance_mm - times * stated) > EVEN_FRACTION * stated:
        return ""
    return f"slices lie {distance_mm:.4g} mm apart, where SpacingBetweenSlices or SliceThickness says {stated:.4g} mm: are some missing?"


@dataclass(frozen=True)
class _Placed:
    """A stack with what puts it in order: which time point of its contrast it is, when it was acquired, and its labels."""

    stack: Stack
    time: int
    labels: tuple[Any, ...]


def _in_order(found: list[_Placed]) -> list[Stack]:
    """In order of time, whatever divided them; then of labels and planes."""
    groups = group_by([(_plane(placed), placed.labels) for placed in found])
    times = [values for name in ORDER if (values := _find_times(name, found)) and all(
        values[a] <= values[b] for group in groups.values() for a, b in pairwise(sorted(group, key=lambda index: found[index].time)))]
    numbers = _count_by_number(found)

    def key(index: int) -> tuple[Any, ...]:
        placed = found[index]
        first = placed.stack.headers[0]
        return first.owner, *(values[index] for values in times), placed.time, first.series_number or 0.0, numbers[index], placed.labels, _plane(placed)

    return [found[index].stack for index in sorted(range(len(found)), key=key)]


def _find_times(name: str, found: Sequence[_Placed]) -> list[float] | None:
    """The median of what an attribute says of each stack's images, None if it is missing in some."""
    values = read_times(name, [header for placed in found for header in placed.stack.headers])
    if values is None:
        return None
    ends = np.cumsum([len(placed.stack.headers) for placed in found])
    return [float(np.median(part)) for part in np.split(values, ends[:-1])]


def _count_by_number(found: Sequence[_Placed]) -> list[int]:
    """The place of each stack by InstanceNumber, where these are a block for each, or count the stacks at each position; else the same for all."""
    numbers = [read_times(INSTANCE, placed.stack.headers) for placed in found]
    known = [sorted(values) for values in numbers if values is not None]
    order = sorted(range(len(known)), key=lambda index: known[index])
    if len(known) < len(found) or not all(
            known[a][-1] < known[b][0] or (len(known[a]) == len(known[b]) and all(x < y < z for x, y, z in zip(known[a], known[b], known[a][1:], strict=False)))
            for a, b in pairwise(order)):
        return [0] * len(found)
    return np.argsort(order).tolist()


def _plane(placed: _Placed) -> tuple[Any, ...]:
    first = placed.stack.headers[0]
    return first.orientation, first.rows, first.columns, first.pixel_spacing_mm


def _split_by_label(headers: list[Header], divided_by: tuple[str, ...], labels: tuple[Any, ...] = ()) -> list[_Placed]:
    headers, slots = _along_the_normal(headers)
    for name, key in LABELS.items():
        if name in divided_by:
            continue
        groups = group_by(_values(headers, name, key))
        if len(groups) > 1 and _are_contrasts(headers, groups, slots, name):
            return [
                placed for value, group in groups.items()
                for placed in _split_by_label([headers[index] for index in group], (*divided_by, name), (*labels, value))]
    return _split_by_time(headers, slots, divided_by, labels)


def _values(headers: Sequence[Header], name: str, key: Callable[[Header], Any]) -> list[Any]:
    """The values of an attribute, in an order and without what is no difference; an absent one is a value, too."""
    values = [key(header) for header in headers]
    if name == "EchoTime":
        known = np.array(sorted(value for value in values if value is not None))
        steps = np.flatnonzero(np.diff(known) > ECHO_TOLERANCE_MS)
        limits = (known[steps] + known[steps + 1]) / 2
        values = [value if value is None else int(np.searchsorted(limits, value)) for value in values]
    return [-1.0 if value is None else value for value in values]


def _are_contrasts(headers: Sequence[Header], groups: Groups, slots: np.ndarray, name: str) -> bool:
    """Whether the groups are volumes, or several of them each, rather than parts of one."""
    if name in OWNERS:
        return True
    if share_places(groups, slots) and max(map(len, groups.values())) > 1:
        return True
    if any(len(set(slots[group])) < 2 for group in groups.values()):
        return False
    return name in SERIES_LABELS or are_volumes_of_their_own(headers, groups) is True


def _split_by_time(headers: list[Header], slots: np.ndarray, divided_by: tuple[str, ...], labels: tuple[Any, ...]) -> list[_Placed]:
    repetitions = int(np.bincount(slots).max())
    if len(headers) > 1 and slots.max() == 0:
        return [_Placed(Stack(tuple(headers), divided_by, f"{len(headers)} images at one position: ImagePositionPatient is the same in all"), 0, labels)]
    division = divide_by_time(headers, slots, repetitions) if repetitions > 1 else divide_without_repetition(headers)
    if division.problem and not division.name and (name := _find_setting(headers, slots, divided_by)):
        return [
            placed for value, group in group_by(_values(headers, name, SETTINGS[name])).items()
            for placed in _split_by_label([headers[index] for index in group], (*divided_by, name), (*labels, value))]
    if division.problem or not division.parts:
        stack = Stack(tuple(headers), divided_by, division.problem)
        return [_Placed(stack if stack.problem else replace(stack, problem=_find_mixture(stack.headers)), 0, labels)]
    parts = [tuple(headers[index] for index in part) for part in division.parts]
    if exchanged := find_exchanged_slices(parts):
        return [_Placed(Stack(tuple(headers), divided_by, f"{exchanged}; {division.name} divides them so"), 0, labels)]
    return [
        _Placed(Stack(part, (*divided_by, division.name), describe_repeated(part) or _find_mixture(part)), time, labels) for time, part in enumerate(parts)]


def _find_setting(headers: Sequence[Header], slots: np.ndarray, divided_by: tuple[str, ...]) -> str:
    """Which of `SETTINGS` divides images at repeated positions into volumes; empty if none does."""
    for name, key in SETTINGS.items():
        groups = group_by(_values(headers, name, key))
        if name not in divided_by and len(groups) > 1 and share_places(groups, slots) and all(
                len(set(slots[group])) >= max(2, SHARED_FRACTION * len(set(slots))) for group in groups.values()):
            return name
    return ""


def _find_mixture(headers: Sequence[Header]) -> str:
    """What differs between slices that are to be one volume."""
    for name, key in (*LABELS.items(), ("TemporalPositionIdentifier", TIMES["TemporalPositionIdentifier"])):
        groups = group_by(_values(headers, name, key))
        if len(groups) > 1:
            values = ", ".join(f"{key(headers[group[0]])!r} in {len(group)}" for group in list(groups.values())[:4])
            return f"slices of several values of {name}: {values}{' …' if len(groups) > 4 else ''}"
    return ""


def _along_the_normal(headers: list[Header]) -> tuple[list[Header], np.ndarray]:
    """The headers by position, and which position, counted from 0, each has; the order of equal positions depends on the images alone."""
    headers = sorted(headers, key=lambda header: (header.sop_instance_uid, header.frame))
    positions = compute_positions_mm(headers)
    order = np.argsort(positions, kind="stable")
    headers = [headers[index] for index in order]
    return headers, assign_slots(headers)
