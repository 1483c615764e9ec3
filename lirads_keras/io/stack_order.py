"""What tells the time points of a series apart and puts them in order."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.io.dicom_geometry import compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.stack_groups import are_volumes_of_their_own, group_by, share_places

TIMES: dict[str, Callable[[Header], float | None]] = {
    "TemporalPositionIdentifier": lambda header: header.temporal_position,
    "TriggerTime": lambda header: header.trigger_time,
    "AcquisitionDateTime": lambda header: header.acquisition_datetime,
    "AcquisitionTime": lambda header: header.acquisition_time,
    "ContentTime": lambda header: header.content_time,
    "AcquisitionNumber": lambda header: header.acquisition_number}
"""What tells time points apart; the order is that of the first that does."""

CLOCKS = ("TemporalPositionIdentifier", "TriggerTime", "AcquisitionDateTime", "AcquisitionTime")
"""Those that must agree on the order. ContentTime may be when the image was computed, and AcquisitionNumber may count anything."""

INSTANCE = "InstanceNumber"
"""Counts only where none of `TIMES` divides, and only in blocks: some archives number images anew."""

HELP = "one of these attributes, or one series a time point, would tell"


@dataclass(frozen=True)
class Division:
    """Indices of the images of each time point, in order of time and position; the attribute that told them; or a problem. All empty: one stack."""

    parts: tuple[tuple[int, ...], ...] = ()
    name: str = ""
    problem: str = ""


def divide_by_time(headers: Sequence[Header], slots: np.ndarray, repetitions: int) -> Division:
    """Divides images whose positions repeat.

    Args:
        headers: sorted along their normal.
        slots: which position each has.
        repetitions: how often a position stands at most.
    """
    found: dict[str, list[list[int]]] = {}
    for name, key in TIMES.items():
        values = [key(header) for header in headers]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            parts = _by_value(known, slots, repetitions) or _by_sequence(known, slots, repetitions)
            if parts:
                found[name] = parts
    if not found:
        numbers = [header.instance_number for header in headers]
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers) == len(set(known)) and (parts := _by_sequence(known, slots, repetitions, regular=True)):
            found[INSTANCE] = parts
    if not found:
        return Division(problem=_describe(headers, slots, repetitions))
    return _agree(found)


def divide_without_repetition(headers: Sequence[Header]) -> Division:
    """Divides images at different positions that are several stacks nevertheless: breath-holds that were shifted against each other."""
    found: dict[str, list[list[int]]] = {}
    unclear = []
    for name, key in TIMES.items():
        values = [key(header) for header in headers]
        known = [value for value in values if value is not None]
        groups = group_by(known) if len(known) == len(values) else {}
        if len(groups) < 2:
            continue
        own = are_volumes_of_their_own(headers, groups)
        if own:
            found[name] = list(groups.values())
        elif own is None:
            unclear.append(name)
    if not found and not unclear and len(runs := _runs(headers)) > 1 and len(set(map(len, runs))) == 1:
        own = are_volumes_of_their_own(headers, dict(enumerate(runs)))
        if own:
            found[INSTANCE] = runs
        elif own is None:
            unclear.append(INSTANCE)
    if found:
        return _agree(found)
    if unclear:
        return Division(problem=(
            f"{len(headers)} evenly spaced images of one volume, or of several that are shifted against each other, as {', '.join(unclear)} divides them; "
            "SpacingBetweenSlices or SliceThickness would tell"))
    return Division()


def _by_value(values: Sequence[float], slots: np.ndarray, repetitions: int) -> list[list[int]]:
    """One part a value, if there are as many as repetitions, and all are stacks of one region."""
    groups = group_by(values)
    if len(groups) != repetitions or any(len(set(slots[group])) < len(group) for group in groups.values()) or not share_places(groups, slots):
        return []
    return list(groups.values())


def _by_sequence(values: Sequence[float], slots: np.ndarray, repetitions: int, *, regular: bool = False) -> list[list[int]]:
    """Parts by the order of values that differ from slice to slice: time point by time point, or all time points of a slice, then the next slice.

    `regular`: the positions follow each other in the same order at all times.
    """
    count = int(slots.max()) + 1
    if len(values) != count * repetitions:
        return []
    order = np.lexsort((slots, np.asarray(values)))
    ordered = np.asarray(values)[order]
    blocks = slots[order].reshape(repetitions, count)
    if np.all(np.sort(blocks, 1) == np.arange(count)) and np.all(ordered[count - 1:-1:count] < ordered[count::count]):
        if not regular or np.all(blocks == blocks[0]):
            return [sorted(part.tolist(), key=lambda index: slots[index]) for part in order.reshape(repetitions, count)]
    places = slots[order].reshape(count, repetitions)
    steps = np.diff(places[:, 0])
    if np.all(places == places[:, :1]) and (np.all(steps == 1) or np.all(steps == -1)) and np.all(np.diff(ordered) > 0):
        return [sorted(part.tolist(), key=lambda index: slots[index]) for part in order.reshape(count, repetitions).T]
    return []


def _runs(headers: Sequence[Header]) -> list[list[int]]:
    """Images in order of InstanceNumber, cut where their positions turn back."""
    numbers = [header.instance_number for header in headers]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) < len(known):
        return []
    order = np.argsort(known)
    steps = np.diff(compute_positions_mm(headers)[order])
    turns = np.flatnonzero(np.sign(steps) != np.sign(steps[0])) + 1 if steps.size else np.zeros(0, np.int64)
    return [sorted(run.tolist()) for run in np.split(order, turns)]


def _agree(found: dict[str, list[list[int]]]) -> Division:
    """The division that all attributes give."""
    names = list(found)
    first = found[names[0]]
    sets = {frozenset(part) for part in first}
    for name in names[1:]:
        if {frozenset(part) for part in found[name]} != sets:
            return Division(problem=f"{names[0]} and {name} divide the images differently")
        if name in CLOCKS and names[0] in CLOCKS and list(map(frozenset, found[name])) != list(map(frozenset, first)):
            return Division(problem=f"{names[0]} and {name} put the time points in different orders")
    return Division(tuple(map(tuple, first)), names[0])


def _describe(headers: Sequence[Header], slots: np.ndarray, repetitions: int) -> str:
    """Repeated positions, and what was looked at."""
    counts = np.bincount(slots)
    repeated = np.flatnonzero(counts > 1)
    if len(repeated) == len(counts) == np.count_nonzero(counts == repetitions):
        where = f"{repetitions} images at each of {len(counts)} positions"
    else:
        positions = compute_positions_mm(headers)
        first = int(np.flatnonzero(slots == repeated[0])[0])
        where = (f"{len(repeated)} of {len(counts)} positions more than once, the first at {positions[first]:.2f} mm: "
                 f"{headers[first].path.name} and {headers[first + 1].path.name}")
    said: dict[str, list[str]] = {}
    for name, key in (TIMES | {INSTANCE: lambda header: header.instance_number}).items():
        values = [key(header) for header in headers]
        different = len(set(values) - {None})
        how = "missing" if different == 0 else "missing in some" if None in values else "the same in all" if different == 1 else "in no order of the positions"
        said.setdefault(how, []).append(name)
    looked_at = "; ".join(f"{', '.join(names)} {how}" for how, names in said.items())
    return f"{where}, and nothing that puts them in order ({looked_at}); {HELP}"
