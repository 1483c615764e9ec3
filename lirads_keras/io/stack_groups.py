"""Whether groups of a series' images are volumes of their own: by where their slices lie."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from lirads_keras.io.dicom_geometry import SAME_POSITION_MM, compute_positions_mm
from lirads_keras.io.dicom_headers import Header

LARGEST_JITTER_MM = 0.55
"""Positions of one slice at several times differ by up to half a millimetre (prospective correction of motion, table readings)."""

JITTER_FRACTION = 0.3
"""Nor are they farther apart than this part of the distance of slices."""

EVEN_FRACTION = 0.1
"""Distances within this part of their median are even."""

SHARED_FRACTION = 0.5
"""Stacks of one region have at least this part of the smaller one's positions, or of its extent, in common."""

OWN_DISTANCE = 1.5
"""Slices whose own distance is at least so many times that of a set of slices are of several stacks, pushed into one another."""

Groups = Mapping[Any, Sequence[int]]
"""Indices of images by a value that they share."""


def group_by(values: Sequence[Hashable]) -> dict[Any, list[int]]:
    """Indices by value, in rising order of values."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        groups[value].append(index)
    return {value: groups[value] for value in sorted(groups)}


def assign_slots(headers: Sequence[Header]) -> np.ndarray:
    """Which position, counted from 0, each image has; headers are sorted along their normal. Positions that jitter are one."""
    gaps = np.diff(compute_positions_mm(headers))
    if not gaps.size:
        return np.zeros(len(headers), np.int64)
    distance = min(median_distance_mm(headers) or np.inf, float(gaps.max()))
    tolerance = max(min(LARGEST_JITTER_MM, JITTER_FRACTION * distance), SAME_POSITION_MM)
    return np.concatenate([[0], np.cumsum(gaps > tolerance)])


def median_distance_mm(headers: Sequence[Header]) -> float | None:
    """The distance of slices that the images state, None if one does not."""
    known = [header.slice_distance_mm for header in headers if header.slice_distance_mm is not None]
    return float(np.median(known)) if len(known) == len(headers) else None


def share_places(groups: Groups, slots: np.ndarray) -> bool:
    """Whether at least half of the positions of each group but the largest are those of another group, too."""
    taken = sorted((set(slots[list(group)].tolist()) for group in groups.values()), key=len)
    return all(
        any(len(own & other) >= SHARED_FRACTION * len(own) for place, other in enumerate(taken) if place != index)
        for index, own in enumerate(taken[:-1]))


def are_volumes_of_their_own(headers: Sequence[Header], groups: Groups) -> bool | None:
    """Whether groups that have no position in common are stacks of one region, each a volume (two breath-holds, shifted), and no parts of one
    volume (its odd and its even slices; its upper and its lower half).

    None where nothing tells: together they are even, and no image says how far apart its slices are.
    """
    positions = compute_positions_mm(headers)
    parts = [positions[list(group)] for group in groups.values()]
    if any(len(part) < 3 or not is_even(part) for part in parts) or not _overlap(parts):
        return False
    if not is_even(positions):
        return True
    distance = median_distance_mm(headers)
    return None if distance is None else distance >= OWN_DISTANCE * float(np.median(np.diff(positions)))


def is_even(positions: np.ndarray) -> bool:
    """Whether sorted positions are evenly spaced."""
    gaps = np.diff(positions)
    return bool(np.all(np.abs(gaps - np.median(gaps)) <= EVEN_FRACTION * np.median(gaps)))


def _overlap(parts: Sequence[np.ndarray]) -> bool:
    """Whether all extents have half of the smaller one in common, pair by pair."""
    return all(
        min(a[-1], b[-1]) - max(a[0], b[0]) >= SHARED_FRACTION * min(a[-1] - a[0], b[-1] - b[0])
        for index, a in enumerate(parts) for b in parts[index + 1:])
