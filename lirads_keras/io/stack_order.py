"""What tells the time points of a series apart and puts them in order."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.io.dicom_geometry import compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.stack_groups import SHARED_FRACTION, are_volumes_of_their_own, assign_slots, group_by, share_places

TIMES: dict[str, Callable[[Header], float | None]] = {
    "TemporalPositionIdentifier": lambda header: header.temporal_position,
    "TriggerTime": lambda header: header.trigger_time,
    "AcquisitionDateTime": lambda header: header.acquisition_datetime,
    "AcquisitionTime": lambda header: header.acquisition_time,
    "ContentTime": lambda header: header.content_time,
    "SeriesTime": lambda header: header.series_time,
    "AcquisitionNumber": lambda header: header.acquisition_number}
"""What tells time points apart; the order is that of the first that does."""

CLOCKS = ("TemporalPositionIdentifier", "TriggerTime", "AcquisitionDateTime", "AcquisitionTime")
"""Those that must agree on the order; the others must where none of these divides. ContentTime may be when the image was computed, and AcquisitionNumber
may count anything."""

DAY_S = 86400.0

INSTANCE = "InstanceNumber"
NUMBERS: dict[str, Callable[[Header], float | None]] = {INSTANCE: lambda header: header.instance_number}
"""Counts only where none of `TIMES` divides, and only in blocks: some archives number images anew."""

HELP = "one of these attributes, or one series a time point, would tell"


@dataclass(frozen=True)
class Division:
    """Indices of the images of each time point, in order of time and position; the attribute that told them; or a problem, of an attribute if it stands
    against others. All empty: one stack."""

    parts: tuple[tuple[int, ...], ...] = ()
    name: str = ""
    problem: str = ""


def read_times(name: str, headers: Sequence[Header]) -> list[float] | None:
    """What one of `TIMES`, or InstanceNumber, says of each image, None if it is missing in some. Times of day are counted on past midnight."""
    values = [(TIMES | NUMBERS)[name](header) for header in headers]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return count_past_midnight(known) if name in ("AcquisitionTime", "ContentTime", "SeriesTime") else known


def count_past_midnight(times_s: Sequence[float]) -> list[float]:
    """Times of one examination, of which those after midnight come last although no date says so.

    Args:
        times_s: of the day, or since a day long past; some may lack the date, or have that of the day before.

    Returns:
        The same times where they lie within half a day and all or none have a date; else times of day, from the first after the longest break
        on. Where these are not within half a day, too, or fewer differ, they are really of several days and stay as they are.
    """
    undated = sum(time < DAY_S for time in times_s)
    if not times_s or (undated in (0, len(times_s)) and max(times_s) - min(times_s) <= DAY_S / 2):
        return list(times_s)
    of_day = [time % DAY_S for time in times_s]
    apart = sorted(set(of_day))
    breaks = [later - earlier for earlier, later in zip(apart, [*apart[1:], apart[0] + DAY_S], strict=True)]
    first = apart[(int(np.argmax(breaks)) + 1) % len(apart)]
    counted = [first + (time - first) % DAY_S for time in of_day]
    if undated in (0, len(times_s)) and (max(counted) - min(counted) > DAY_S / 2 or len(set(counted)) < len(set(times_s))):
        return list(times_s)
    return counted


def divide_by_time(headers: Sequence[Header], slots: np.ndarray, repetitions: int) -> Division:
    """Divides images whose positions repeat.

    Args:
        headers: sorted along their normal.
        slots: which position each has.
        repetitions: how often a position stands at most.
    """
    found: dict[str, list[list[int]]] = {}
    for name in TIMES:
        known = read_times(name, headers)
        if known and (parts := _by_value(known, slots, repetitions) or _by_sequence(known, slots, repetitions) or _by_runs(known, slots, repetitions)):
            found[name] = parts
    if not found:
        known = read_times(INSTANCE, headers)
        if known and len(set(known)) == len(known) and (
                parts := _by_sequence(known, slots, repetitions, regular=True) or _by_runs(known, slots, repetitions, regular=True)):
            found[INSTANCE] = parts
    if not found:
        # Slices that are there once more than all others spoil their own time point only.
        usual = int(np.median(np.bincount(slots)))
        found = {
            name: parts for name in TIMES if usual > 1 and (known := read_times(name, headers))
            and (parts := _by_value(known, slots, usual, once=False))}
    if not found:
        return Division(problem=_describe(headers, slots, repetitions))
    return _agree(found)


def divide_without_repetition(headers: Sequence[Header]) -> Division:
    """Divides images at different positions that are several stacks nevertheless: breath-holds that were shifted against each other."""
    found: dict[str, list[list[int]]] = {}
    unclear = []
    for name in TIMES:
        groups = group_by(read_times(name, headers) or ())
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


def _by_value(values: Sequence[float], slots: np.ndarray, repetitions: int, *, once: bool = True) -> list[list[int]]:
    """One part a value, if there are as many as repetitions, and all are stacks of one region, or each is a stack without a gap (the table was moved).

    `once`: in each part a position stands once; else in more than half of the positions of each.
    """
    groups = group_by(values)
    counts = [np.bincount(slots[group]) for group in groups.values()]
    if len(groups) != repetitions or any(np.any(count > 1) if once else 2 * np.sum(count > 1) >= np.sum(count > 0) for count in counts):
        return []
    without_gap = all(len(group) > 1 and np.ptp(slots[group]) == len(group) - 1 for group in groups.values())
    return list(groups.values()) if without_gap or share_places(groups, slots) else []


def _by_sequence(values: Sequence[float], slots: np.ndarray, repetitions: int, *, regular: bool = False) -> list[list[int]]:
    """Parts by the order of values that differ from slice to slice: time point by time point, or all time points of a slice, then the next slice.

    `regular`: the positions follow each other in the same order at all times, or in the reverse one.
    """
    count = int(slots.max()) + 1
    if len(values) != count * repetitions:
        return []
    order = np.lexsort((slots, np.asarray(values)))
    ordered = np.asarray(values)[order]
    blocks = slots[order].reshape(repetitions, count)
    if np.all(np.sort(blocks, 1) == np.arange(count)) and np.all(ordered[count - 1:-1:count] < ordered[count::count]):
        if not regular or np.all(np.all(blocks == blocks[0], 1) | np.all(blocks == blocks[0, ::-1], 1)):
            return [sorted(part.tolist(), key=lambda index: slots[index]) for part in order.reshape(repetitions, count)]
    places = slots[order].reshape(count, repetitions)
    steps = np.diff(places[:, 0])
    if np.all(places == places[:, :1]) and (np.all(steps == 1) or np.all(steps == -1)) and np.all(np.diff(ordered) > 0):
        return [sorted(part.tolist(), key=lambda index: slots[index]) for part in order.reshape(count, repetitions).T]
    return []


def _by_runs(values: Sequence[float], slots: np.ndarray, repetitions: int, *, regular: bool = False) -> list[list[int]]:
    """Parts of which some lack slices, by the order of values that differ from slice to slice: a time point ends where the order of positions begins
    anew, and where more time passes than between any two of its slices. Empty if there is no such way, or several.

    `regular`: the positions rise or fall, and values are numbers without a distance; else their order is that of a time point that lacks none.
    """
    count, order = int(slots.max()) + 1, np.lexsort((slots, np.asarray(values)))
    ordered, places = np.asarray(values)[order], slots[order]
    if regular:
        orders = {tuple(range(count)), tuple(range(count))[::-1]}
    else:
        orders = {tuple(places[start:start + count].tolist()) for start in range(len(places) - count + 1)}
    ways = set()
    for one in orders:
        starts = np.flatnonzero(np.diff(np.argsort(one)[places]) <= 0) + 1 if len(set(one)) == count else np.zeros(0, np.int64)
        lengths, steps = np.diff([0, *starts, len(places)]), np.diff(ordered)
        inside = np.delete(steps, starts - 1)
        apart = regular or not starts.size or steps[starts - 1].min() > inside.max(initial=0.0)
        if len(lengths) == repetitions and apart and np.all(lengths >= SHARED_FRACTION * count):
            ways.add(tuple(starts.tolist()))
    if len(ways) != 1:
        return []
    return [sorted(part.tolist(), key=lambda index: slots[index]) for part in np.split(order, ways.pop())]


def _runs(headers: Sequence[Header]) -> list[list[int]]:
    """Images in order of InstanceNumber, cut where their positions turn back."""
    known = read_times(INSTANCE, headers)
    if known is None or len(set(known)) < len(known):
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
            return Division(name=names[0], problem=f"{names[0]} and {name} divide the images differently")
        if (name in CLOCKS or names[0] not in CLOCKS) and list(map(frozenset, found[name])) != list(map(frozenset, first)):
            return Division(name=names[0], problem=f"{names[0]} and {name} put the time points in different orders")
    return Division(tuple(map(tuple, first)), names[0])


def describe_repeated(part: Sequence[Header]) -> str:
    """Positions that stand several times in what is to be one volume; empty if there are none."""
    slots = assign_slots(part)
    return _describe_places(part, slots, int(np.bincount(slots).max())) if len(set(slots)) < len(part) else ""


def _describe(headers: Sequence[Header], slots: np.ndarray, repetitions: int) -> str:
    """Repeated positions, and what was looked at."""
    where = _describe_places(headers, slots, repetitions)
    said: dict[str, list[str]] = {}
    for name, key in (TIMES | NUMBERS).items():
        values = [key(header) for header in headers]
        different = len(set(values) - {None})
        how = "missing" if different == 0 else "missing in some" if None in values else "the same in all" if different == 1 else "in no order of the positions"
        said.setdefault(how, []).append(name)
    looked_at = "; ".join(f"{', '.join(names)} {how}" for how, names in said.items())
    return f"{where}, and nothing that puts them in order ({looked_at}); {HELP}"


def _describe_places(headers: Sequence[Header], slots: np.ndarray, repetitions: int) -> str:
    counts = np.bincount(slots)
    repeated = np.flatnonzero(counts > 1)
    if len(repeated) == len(counts) == np.count_nonzero(counts == repetitions):
        return f"{repetitions} images at each of {len(counts)} positions"
    positions = compute_positions_mm(headers)
    first = int(np.flatnonzero(slots == repeated[0])[0])
    return (f"{len(repeated)} of {len(counts)} positions more than once, the first at {positions[first]:.2f} mm: "
            f"{headers[first].path.name} and {headers[first + 1].path.name}")
