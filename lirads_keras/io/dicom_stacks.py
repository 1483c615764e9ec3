"""Time points of one series: stacks of slices in which every position stands once."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from lirads_keras.io.dicom_geometry import SAME_POSITION_MM, compute_positions_mm, same_plane
from lirads_keras.io.dicom_headers import Header

Key = Callable[[Header], Any]

TIME: dict[str, Key] = {
    "TemporalPositionIdentifier": lambda header: header.temporal_position,
    "TriggerTime": lambda header: header.trigger_time,
    "AcquisitionTime": lambda header: header.acquisition_time,
    "ContentTime": lambda header: header.content_time}
"""What tells time points apart, the most telling first."""

CONTRAST: dict[str, Key] = {
    "EchoTime": lambda header: header.echo_time,
    "DiffusionBValue": lambda header: header.b_value,
    "ImageType": lambda header: header.image_type or None}
"""What tells images of one time point apart."""


@dataclass(frozen=True)
class Stack:
    """Slices of one volume in rising order along their normal. `told_apart_by` names the attributes that divided the series; empty if it is one stack."""

    headers: tuple[Header, ...]
    told_apart_by: str


def split_series(headers: list[Header]) -> list[Stack]:
    """Divides the images of one series into stacks, in order of time.

    Images of different planes are different stacks. Where positions repeat, the first attribute (or pair of attributes) that
    gives as many stacks as there are repetitions, each without a repetition, divides them; failing that, the order of time
    and instance number at each position, if all positions repeat equally often. What cannot be divided stays one stack with
    repeated positions, which reading it as a volume refuses.
    """
    planes: list[list[Header]] = []
    for header in headers:
        plane = next((plane for plane in planes if same_plane(plane[0], header)), None)
        if plane is None:
            planes.append([header])
        else:
            plane.append(header)
    return [stack for plane in planes for stack in _split_plane(plane)]


def _split_plane(headers: list[Header]) -> list[Stack]:
    positions = compute_positions_mm(headers)
    order = np.argsort(positions, kind="stable")
    headers = [headers[index] for index in order]
    slots = np.concatenate([[0], np.cumsum(np.diff(positions[order]) > SAME_POSITION_MM)])
    counts = Counter(slots.tolist())
    repetitions = max(counts.values())
    if repetitions == 1:
        return [Stack(tuple(headers), "")]

    for names, keys in _candidates():
        values = [tuple(key(header) for key in keys) for header in headers]
        if any(part is None for value in values for part in value):
            continue
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, value in enumerate(values):
            groups[value].append(index)
        if len(groups) == repetitions and all(len(set(slots[group])) == len(group) for group in groups.values()):
            return [Stack(tuple(headers[index] for index in groups[value]), names) for value in sorted(groups)]

    if set(counts.values()) != {repetitions}:
        return [Stack(tuple(headers), "")]
    at_position = [sorted((headers[index] for index in np.flatnonzero(slots == slot)), key=_order_in_time) for slot in range(len(counts))]
    return [Stack(tuple(images[repetition] for images in at_position), "repeated positions") for repetition in range(repetitions)]


def _candidates() -> list[tuple[str, tuple[Key, ...]]]:
    single: list[tuple[str, tuple[Key, ...]]] = [(name, (key,)) for name, key in (TIME | CONTRAST).items()]
    return single + [(f"{time} and {contrast}", (TIME[time], CONTRAST[contrast])) for contrast in CONTRAST for time in TIME]


def _order_in_time(header: Header) -> tuple[float, ...]:
    values = (header.acquisition_time, header.content_time, header.acquisition_number, header.instance_number)
    return tuple(inf if value is None else value for value in values)
