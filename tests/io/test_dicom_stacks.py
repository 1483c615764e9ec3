"""Series of several volumes: what one attribute tells is read, each stack pure; what nothing tells is refused. What is right is stated with each case."""
from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_scan import read_headers, scan_folder
from lirads_keras.io.dicom_series import TimePoint, gather_time_points
from lirads_keras.io.dicom_stacks import Stack, compute_volume_grid, split_series

TIMES, SLICES, DISTANCE_MM = 3, 6, 4.0

Change = Callable[[int, int], dict[str, Any]]
"""What the image of a time and a slice has of its own."""

READ_BY: dict[str, Change] = {
    "TemporalPositionIdentifier": lambda t, z: {"temporal_position": t + 1.0},
    "TriggerTime": lambda t, z: {"trigger_time": (25.0, 65.0, 180.0)[t]},
    "TriggerTime, another in each slice": lambda t, z: {"trigger_time": (25.0, 65.0, 180.0)[t] + 0.01 * z},
    "AcquisitionDateTime": lambda t, z: {"acquisition_datetime": 1000.0 + 60 * t},
    "AcquisitionTime": lambda t, z: {"acquisition_time": 1000.0 + 60 * t},
    "AcquisitionTime, another in each slice": lambda t, z: {"acquisition_time": 1000.0 + SLICES * t + z},
    "AcquisitionTime, odd slices after even ones": lambda t, z: {"acquisition_time": 1000.0 + 60 * t + z // 2 + 10 * (z % 2)},
    "ContentTime": lambda t, z: {"content_time": 1000.0 + 60 * t},
    "AcquisitionNumber": lambda t, z: {"acquisition_number": t + 4.0},
    "SeriesNumber": lambda t, z: {"series_number": 5.0 + t},
    "SeriesDescription": lambda t, z: {"description": ("arterial", "portal venous", "delayed")[t]},
    "ImageType": lambda t, z: {"image_type": ("ORIGINAL", "PRIMARY", "WFI"[t])},
    "EchoTime": lambda t, z: {"echo_time": 1.15 * (t + 1) + 0.01 * (z % 3)}}
"""Whatever tells the time points (or contrasts), the series is read."""

INSTANCE_NUMBERS: dict[str, Callable[[int, int], float | None]] = {
    "one block a time": lambda t, z: 1.0 + SLICES * t + z,
    "one block a slice": lambda t, z: 1.0 + TIMES * z + t,
    "from 1 at each time": lambda t, z: 1.0 + z,
    "shuffled": lambda t, z: float(np.random.default_rng(4).permutation(TIMES * SLICES)[SLICES * t + z]),
    "absent": lambda t, z: None}
ALONE_ENOUGH = ("one block a time", "one block a slice")
"""These put the time points in order where nothing else does; the others are refused then."""

FILE_NAMES: dict[str, Callable[[int, int], str]] = {
    "in order": lambda t, z: f"{t}-{z:03d}", "backwards": lambda t, z: f"{9 - t}-{99 - z:03d}",
    "of a PACS": lambda t, z: hashlib.sha256(f"{t} {z}".encode()).hexdigest()[:12]}
JITTERS_MM = (0.0, 0.02, 0.3, 0.5)


@pytest.fixture()
def one_image(tmp_path: Path, write_image: Callable[..., Path]) -> Header:
    """An image of a dynamic series that says nothing about its time."""
    path = write_image(
        tmp_path / "image", np.zeros((4, 4), np.uint16), SeriesDescription="t1_vibe_fs_tra_dyn", SeriesNumber=5, SliceThickness=DISTANCE_MM)
    return read_headers(path)[0]


def build_series(image: Header, *changes: Change, times: int = TIMES, slices: int = SLICES) -> list[Header]:
    """In an order that tells nothing; `sop_instance_uid` is "time slice", which only the tests read."""
    found = []
    for t, z in product(range(times), range(slices)):
        values: dict[str, Any] = {"sop_instance_uid": f"{t} {z}", "position_mm": (-10.0, -20.0, DISTANCE_MM * z)}
        for change in changes:
            values |= change(t, z)
        found.append(replace(image, **values))
    return [found[index] for index in np.random.default_rng(1).permutation(len(found))]


def build_cell(image: Header, tells: str, numbers: str, names: str, uids: str, jitter_mm: float) -> list[Header]:
    return build_series(
        image, READ_BY.get(tells, lambda t, z: {}), lambda t, z: {"instance_number": INSTANCE_NUMBERS[numbers](t, z)},
        lambda t, z: {"path": Path(FILE_NAMES[names](t, z))}, lambda t, z: {"series_uid": f"1.2.{t}" if uids == "several" else "1.2"},
        lambda t, z: {"position_mm": (-10.0, -20.0, DISTANCE_MM * z + jitter_mm * t / (TIMES - 1))})


def times_in(headers: tuple[Header, ...]) -> set[int]:
    return {int(header.sop_instance_uid.split()[0]) for header in headers}


def is_whole_and_pure(headers: tuple[Header, ...]) -> bool:
    """All slices of one time, in order."""
    return len(times_in(headers)) == 1 and [header.sop_instance_uid.split()[1] for header in headers] == [str(z) for z in range(SLICES)]


def grid_of(point: TimePoint | Stack) -> tuple[int, int, int]:
    return compute_volume_grid(point.headers, "a series").shape


CELLS = list(product([*READ_BY, "nothing"], INSTANCE_NUMBERS, FILE_NAMES, ("one UID", "several"), JITTERS_MM))
REFUSED = {cell for cell in CELLS if cell[0] == "nothing" and cell[1] not in ALONE_ENOUGH and cell[3] == "one UID"}


def test_the_matrix_is_large_and_mostly_read():
    assert len(CELLS) >= 200 and 0 < len(REFUSED) <= 0.15 * len(CELLS)


@pytest.mark.parametrize("tells", [*READ_BY, "nothing"])
def test_what_one_attribute_orders_is_read_and_never_mixed(one_image, tells):
    for cell in (cell for cell in CELLS if cell[0] == tells):
        points, alone = gather_time_points(build_cell(one_image, *cell))
        assert not alone, cell
        if cell in REFUSED:
            with pytest.raises(InputError, match="nothing that puts them in order"):
                grid_of(points[0])
            assert len(points) == 1 and points[0].finding.phase is None and "no one volume" in points[0].series.phase_evidence, cell
        else:
            assert [is_whole_and_pure(point.headers) for point in points] == [True] * TIMES, cell
            assert [grid_of(point) for point in points] == [(SLICES, 4, 4)] * TIMES, cell
            # Names and kinds of images have no order in time.
            assert [times_in(point.headers) for point in points] == [{0}, {1}, {2}] or tells in ("ImageType", "SeriesDescription"), cell


def test_a_refusal_says_what_was_looked_at_and_what_would_help(one_image):
    stack, = split_series(build_series(one_image, lambda t, z: {"acquisition_time": 10.0, "instance_number": 1.0 + z}))
    assert stack.problem == (
        "3 images at each of 6 positions, and nothing that puts them in order (TemporalPositionIdentifier, TriggerTime, AcquisitionDateTime, ContentTime, "
        "SeriesTime, AcquisitionNumber missing; AcquisitionTime the same in all; InstanceNumber in no order of the positions); "
        "one of these attributes, or one series a time point, would tell")


@pytest.mark.parametrize("first, second, problem", [
    (lambda t, z: {"acquisition_time": 60.0 * t}, lambda t, z: {"temporal_position": 3.0 - t}, "different orders"),
    (lambda t, z: {"acquisition_time": 60.0 * t}, lambda t, z: {"trigger_time": 60.0 * (t + z) % 180}, "divide the images differently")])
def test_attributes_that_contradict_each_other_are_refused(one_image, first, second, problem):
    stack, = split_series(build_series(one_image, first, second))
    assert problem in stack.problem
    assert len(split_series(build_series(one_image, first))) == len(split_series(build_series(one_image, second))) == TIMES


def test_a_number_that_counts_otherwise_does_not_stand_against_a_clock(one_image):
    stacks = split_series(build_series(one_image, lambda t, z: {"acquisition_time": 60.0 * t, "acquisition_number": 3.0 - t}))
    assert [times_in(stack.headers) for stack in stacks] == [{0}, {1}, {2}] and stacks[0].told_apart_by == ("AcquisitionTime",)


def test_an_acquisition_that_was_stopped_is_a_shorter_stack(one_image):
    headers = build_series(one_image, lambda t, z: {"acquisition_time": 60.0 * t})
    stacks = split_series([header for header in headers if header.sop_instance_uid not in ("2 3", "2 4", "2 5")])
    assert [(times_in(stack.headers), len(stack.headers), stack.problem) for stack in stacks] == [({0}, 6, ""), ({1}, 6, ""), ({2}, 3, "")]


@pytest.mark.parametrize("order", ["acquisition_number", "temporal_position", "acquisition_time"])
def test_four_contrasts_at_three_times_are_twelve_stacks_in_order_of_time(one_image, order):
    headers = [
        replace(header, image_type=("ORIGINAL", "PRIMARY", contrast, contrast), sop_instance_uid=f"{header.sop_instance_uid} {contrast}")
        for header in build_series(one_image, lambda t, z: {order: 1.0 + t, "instance_number": 1.0 + z}) for contrast in ("W", "F", "IP", "OP")]
    stacks = split_series(headers)
    assert len(stacks) == 12 and all(is_whole_and_pure(stack.headers) for stack in stacks)
    assert all(len({header.image_type for header in stack.headers}) == 1 for stack in stacks)
    assert [times_in(stack.headers) for stack in stacks] == [{0}] * 4 + [{1}] * 4 + [{2}] * 4


# Two breath-holds, shifted against each other: two volumes, never one of twice as many slices.

def shifted(shift_mm: float) -> Change:
    return lambda t, z: {"position_mm": (-10.0, -20.0, DISTANCE_MM * z + shift_mm * t), "instance_number": 1.0 + SLICES * t + z}


@pytest.mark.parametrize("shift_mm", [1.0, 1.4, DISTANCE_MM / 2, 2.6, 3.0])
@pytest.mark.parametrize("tells", ["AcquisitionTime", "TemporalPositionIdentifier", "AcquisitionNumber", "SeriesNumber", "InstanceNumber"])
def test_two_breath_holds_are_two_volumes(one_image, shift_mm, tells):
    stacks = split_series(build_series(one_image, READ_BY.get(tells, lambda t, z: {}), shifted(shift_mm), times=2))
    assert [is_whole_and_pure(stack.headers) for stack in stacks] == [True, True] and all(tells in stack.told_apart_by for stack in stacks)


def test_two_breath_holds_half_a_slice_apart_that_do_not_say_their_distance_are_refused(one_image):
    unsaid: Change = lambda t, z: {"slice_distance_mm": None}  # noqa: E731
    stack, = split_series(build_series(one_image, READ_BY["AcquisitionTime"], shifted(DISTANCE_MM / 2), unsaid, times=2))
    assert "12 evenly spaced images of one volume, or of several" in stack.problem and "AcquisitionTime" in stack.problem
    with pytest.raises(InputError, match="SpacingBetweenSlices or SliceThickness would tell"):
        grid_of(stack)


@pytest.mark.parametrize("change", [
    # Odd and even slices of one volume, in two breath-holds.
    lambda t, z: {"acquisition_time": 60.0 * (z % 2), "acquisition_number": 1.0 + z % 2, "instance_number": 1.0 + z // 2 + 6 * (z % 2)},
    # Its lower and its upper half.
    lambda t, z: {"acquisition_time": 60.0 * (z // 6), "acquisition_number": 1.0 + z // 6, "instance_number": 1.0 + z},
    # Each slice by itself.
    lambda t, z: {"acquisition_time": 10.0 * z, "content_time": 11.0 * z, "trigger_time": 1.0 * z, "acquisition_number": 1.0 + z}])
def test_parts_of_one_volume_stay_together(one_image, change):
    stack, = split_series(build_series(one_image, change, times=1, slices=12))
    assert len(stack.headers) == 12 and not stack.problem and not stack.told_apart_by and grid_of(stack) == (12, 4, 4)


def test_thick_slices_that_overlap_are_one_volume(one_image):
    stack, = split_series(build_series(one_image, lambda t, z: {"acquisition_time": 5.0, "slice_distance_mm": 2 * DISTANCE_MM}, times=1))
    assert len(stack.headers) == SLICES and not stack.problem


# What does not belong.

def test_derived_images_in_the_series_are_stacks_of_their_own(one_image):
    headers = build_series(one_image, READ_BY["AcquisitionTime"])
    mean = [replace(header, image_type=("DERIVED", "SECONDARY", "MEAN"), sop_instance_uid="9 " + header.sop_instance_uid.split()[1])
            for header in headers if header.sop_instance_uid.startswith("0")]
    stacks = split_series(headers + mean)
    assert sorted(map(times_in, map(lambda stack: stack.headers, stacks)), key=min) == [{0}, {1}, {2}, {9}] and not any(stack.problem for stack in stacks)


def test_one_derived_image_in_the_series_is_alone(one_image):
    headers = build_series(one_image, times=1)
    points, alone = gather_time_points([*headers, replace(headers[0], image_type=("DERIVED", "SECONDARY", "SUM"), sop_instance_uid="9 0")])
    assert [is_whole_and_pure(point.headers) for point in points] == [True] and len(alone) == 1 and "a single image" in alone[0].reason


def test_one_image_more_that_nothing_tells_is_refused(one_image):
    headers = build_series(one_image, times=1)
    stack, = split_series([*headers, replace(headers[0], instance_number=999.0, sop_instance_uid="9 0")])
    assert "1 of 6 positions more than once" in stack.problem


def test_equal_positions_are_told(one_image):
    stack, = split_series(build_series(one_image, lambda t, z: {"position_mm": (0.0, 0.0, 7.0), "instance_number": 1.0 + z}, times=1))
    assert stack.problem == "6 images at one position: ImagePositionPatient is the same in all"


def test_a_volume_of_two_descriptions_is_refused_where_they_are_no_volumes(one_image):
    stack, = split_series(build_series(one_image, lambda t, z: {"description": "delayed" if z else "arterial"}, times=1))
    assert "several values of SeriesDescription: 'arterial' in 1, 'delayed' in 5" in stack.problem


# What attributes say is checked by the pixels.

@pytest.mark.parametrize("exchanged, found", [([], ""), ([3, 4, 5], "exchanged between slices 3 and 4"), ([2], "exchanged between slices 2 and 3")])
def test_slices_that_are_exchanged_between_time_points_are_found(tmp_path, write_image, exchanged, found):
    # Everybody changes from slice to slice by more than by the contrast agent; noise differs in all.
    y, x = np.mgrid[:32, :32]
    generator = np.random.default_rng(3)
    for t, z in product(range(2), range(SLICES)):
        shows = 1 - t if z in exchanged else t
        body = 300 * ((x - 16) ** 2 + (y - 16) ** 2 < (12 - z) ** 2) + 150 * shows * (np.abs(x - 14 - z) < 5) * (np.abs(y - 16) < 6)
        write_image(
            tmp_path / f"{t}-{z}", (100 + body + generator.normal(0, 10, body.shape)).astype(np.uint16), SeriesDescription="dyn", AcquisitionTime=f"10000{t}",
            ImagePositionPatient=[0, 0, DISTANCE_MM * z], InstanceNumber=1 + z)
    points, _ = gather_time_points(scan_folder(tmp_path).headers)
    assert len(points) == (1 if found else 2) and found in points[0].finding.evidence
    assert not found or "AcquisitionTime divides them so" in points[0].finding.evidence


# Positions against the order in which the slices are numbered.

def numbered(t: int, z: int) -> dict[str, Any]:
    return {"instance_number": 1.0 + z, "slice_location_mm": 40.0 - DISTANCE_MM * z}


def swap_positions(headers: list[Header]) -> list[Header]:
    """The third and the fourth slice have each other's place."""
    at = {int(header.sop_instance_uid.split()[1]): index for index, header in enumerate(headers)}
    third, fourth = headers[at[2]], headers[at[3]]
    headers[at[2]], headers[at[3]] = replace(third, position_mm=fourth.position_mm), replace(fourth, position_mm=third.position_mm)
    return headers


@pytest.mark.parametrize("change, told", [
    (numbered, True),
    # Nothing but positions, or numbers in the order of another acquisition, say no other order.
    (lambda t, z: {"instance_number": 1.0 + z}, False),
    (lambda t, z: {"instance_number": (1.0, 4.0, 2.0, 5.0, 3.0, 6.0)[z], "slice_location_mm": DISTANCE_MM * z}, False),
    (lambda t, z: {"instance_number": 1.0 + z, "slice_location_mm": 7.0}, False)])
def test_exchanged_positions_are_told_where_two_attributes_stand_against_them(one_image, change, told):
    for headers, expected in ((build_series(one_image, change, times=1), False), (swap_positions(build_series(one_image, change, times=1)), told)):
        stack, = split_series(headers)
        notice = compute_volume_grid(stack.headers, "a series").notice
        assert bool(notice) == expected and (not expected or "another order than SliceLocation and InstanceNumber of 2 slices" in notice)
