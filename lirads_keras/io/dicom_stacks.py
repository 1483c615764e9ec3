"""The images of one series as stacks of slices in which every position stands once, each of one volume."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Any

import numpy as np

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_geometry import StackGrid, compute_grid, compute_positions_mm, same_plane
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.slice_order import find_doubtful_positions
from lirads_keras.io.stack_groups import Groups, are_volumes_of_their_own, assign_slots, group_by, share_places
from lirads_keras.io.stack_order import TIMES, divide_by_time, divide_without_repetition
from lirads_keras.io.stack_purity import find_exchanged_slices

ECHO_TOLERANCE_MS = 0.1
"""Echo times nearer than this are one: the echoes of a Dixon acquisition lie 0.5 ms apart or more (at 7 T, half a turn of fat against water)."""

LABELS: dict[str, Callable[[Header], Any]] = {
    "SeriesNumber": lambda header: header.series_number,
    "SeriesDescription": lambda header: header.description,
    "ProtocolName": lambda header: header.protocol,
    "ImageType": lambda header: header.image_type,
    "EchoTime": lambda header: header.echo_time,
    "DiffusionBValue": lambda header: header.b_value}
"""What is one in a volume, whatever its time; the first come first."""

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

    Images of different planes are different stacks. Then they are divided by what names a series or a contrast (`LABELS`), and then by
    what tells time. An attribute divides by its values if each value's images are a stack, by its order if the images in that order
    fill the positions once, and once more, and so on. File names never count. Attributes that divide differently, or put the same stacks
    in different orders, repeated positions that nothing divides, and time points whose pixels show that slices are exchanged, are a problem of
    one stack that holds all images in question.
    """
    planes: list[list[Header]] = []
    for header in headers:
        plane = next((plane for plane in planes if same_plane(plane[0], header)), None)
        if plane is None:
            planes.append([header])
        else:
            plane.append(header)
    return [stack for plane in planes for stack in _in_order(_split_by_label(plane, ()))]


def compute_volume_grid(headers: Sequence[Header], name: str) -> StackGrid:
    """As `compute_grid`, of slices that are one volume.

    Raises:
        InputError: also if the slices are of several volumes, or may be.
    """
    found = split_series(headers)
    if len(found) == 1 and found[0].problem:
        raise InputError(Problem(name, "the slices of one volume", found[0].problem))
    grid = compute_grid(headers, name)
    return replace(grid, notice="; ".join(filter(None, (grid.notice, find_doubtful_positions(headers)))))


@dataclass(frozen=True)
class _Placed:
    """A stack with what puts it in order: which time point of its contrast it is, when it was acquired, and its labels."""

    stack: Stack
    time: int
    labels: tuple[Any, ...]


def _in_order(found: list[_Placed]) -> list[Stack]:
    """In order of time, then of labels."""
    def key(placed: _Placed) -> tuple[Any, ...]:
        acquired = [header.acquired for header in placed.stack.headers]
        return placed.time, median([value for value in acquired if value is not None] or [inf]), placed.labels

    return [placed.stack for placed in sorted(found, key=key)]


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
    if share_places(groups, slots):
        return True
    if min(map(len, groups.values())) < 2:
        return False
    return name in SERIES_LABELS or are_volumes_of_their_own(headers, groups) is True


def _split_by_time(headers: list[Header], slots: np.ndarray, divided_by: tuple[str, ...], labels: tuple[Any, ...]) -> list[_Placed]:
    repetitions = int(np.bincount(slots).max())
    if len(headers) > 1 and slots.max() == 0:
        return [_Placed(Stack(tuple(headers), divided_by, f"{len(headers)} images at one position: ImagePositionPatient is the same in all"), 0, labels)]
    division = divide_by_time(headers, slots, repetitions) if repetitions > 1 else divide_without_repetition(headers)
    if division.problem or not division.parts:
        stack = Stack(tuple(headers), divided_by, division.problem)
        return [_Placed(stack if stack.problem else replace(stack, problem=_find_mixture(stack.headers)), 0, labels)]
    parts = [tuple(headers[index] for index in part) for part in division.parts]
    if exchanged := find_exchanged_slices(parts):
        return [_Placed(Stack(tuple(headers), divided_by, f"{exchanged}; {division.name} divides them so"), 0, labels)]
    return [_Placed(Stack(part, (*divided_by, division.name), _find_mixture(part)), time, labels) for time, part in enumerate(parts)]


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
