"""What scanners, archives and programs that make files anonymous do to a series of several volumes: read, pure and in order, unless said otherwise."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import LegacyConvertedEnhancedMRImageStorage

from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.dicom import read_volume
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_scan import read_headers, scan_folder
from lirads_keras.io.dicom_series import NO_VOLUME, gather_time_points
from lirads_keras.io.dicom_stacks import Stack, compute_volume_grid, split_series
from lirads_keras.io.pseudonyms import Pseudonyms
from lirads_keras.io.stack_order import DAY_S, count_past_midnight

TIMES, SLICES, DISTANCE_MM = 3, 6, 4.0
AT_S = (86370.0, 86395.0, 86400.0 + 150)
"""Seconds of the day: the third time point is after midnight."""

Change = Callable[[int, int], dict[str, Any]]
WriteImage = Callable[..., Path]


@pytest.fixture()
def one_image(tmp_path: Path, write_image: WriteImage) -> Header:
    return read_headers(write_image(
        tmp_path / "image", np.zeros((4, 4), np.uint16), SeriesDescription="dyn", SeriesNumber=5, SliceThickness=DISTANCE_MM, InstanceNumber=1))[0]


def build_series(image: Header, *changes: Change, times: int = TIMES, leave_out: tuple[tuple[int, int], ...] = ()) -> list[Header]:
    """Images in disorder, `sop_instance_uid` is "time slice"; without those of `leave_out`."""
    found = []
    for t in range(times):
        for z in range(SLICES):
            values: dict[str, Any] = {"sop_instance_uid": f"{t} {z}", "position_mm": (-10.0, -20.0, DISTANCE_MM * z)}
            for change in changes:
                values |= change(t, z)
            if (t, z) not in leave_out:
                found.append(replace(image, **values))
    return [found[index] for index in np.random.default_rng(2).permutation(len(found))]


def times_of(stacks: list[Stack]) -> list[set[int]]:
    return [{int(header.sop_instance_uid.split()[0]) for header in stack.headers} for stack in stacks]


IN_ORDER = [{0}, {1}, {2}]


# Clocks.

MIDNIGHT: dict[str, Change] = {
    "dates go on": lambda t, z: {"acquisition_time": 730000 * DAY_S + AT_S[t]},
    "no dates": lambda t, z: {"acquisition_time": AT_S[t] % DAY_S},
    "the date of the study in all": lambda t, z: {"acquisition_time": 730000 * DAY_S + AT_S[t] % DAY_S},
    "no date in one": lambda t, z: {"acquisition_time": 730000 * DAY_S * (t != 1) + AT_S[t] % DAY_S},
    "in the midst of a time point": lambda t, z: {"acquisition_time": (AT_S[t] + z) % DAY_S},
    "content": lambda t, z: {"content_time": AT_S[t] % DAY_S}}


@pytest.mark.parametrize("change", MIDNIGHT.values(), ids=MIDNIGHT)
def test_time_points_past_midnight_are_in_order(one_image, change):
    stacks = split_series(build_series(one_image, change))
    assert times_of(stacks) == IN_ORDER and not any(stack.problem for stack in stacks)


@pytest.mark.parametrize("date", [None, "20200101"])
def test_phases_are_told_past_midnight(tmp_path, write_image, date):
    for t, name in enumerate(("LAVA arterial", "LAVA", "LAVA")):
        for z in range(4):
            # Each lasts eight seconds; the second begins before midnight and ends after it.
            second = int((AT_S[0], DAY_S - 2, AT_S[0] + 180)[t]) + 2 * z
            clock = f"{second // 3600 % 24:02d}{second // 60 % 60:02d}{second % 60:02d}"
            write_image(tmp_path / f"{t}{z}", np.full((3, 4), t, np.uint16), SeriesDescription=name, SeriesInstanceUID=f"1.2.{t}", AcquisitionTime=clock,
                        AcquisitionDate=date, ImagePositionPatient=[0, 0, 4 * z], InstanceNumber=1 + z, EchoTime=1.2)
    points, _ = gather_time_points(scan_folder(tmp_path).headers)
    assert [point.finding.phase for point in points] == ["arterial", "portal_venous", "delayed"]


@given(st.lists(st.floats(0, DAY_S / 3), min_size=1, max_size=6), st.floats(0, DAY_S), st.sampled_from([0, 730000]))
def test_times_of_one_examination_keep_their_order_whenever_it_began(after, begin, day):
    counted = count_past_midnight([day * DAY_S + (begin + time) % DAY_S for time in after])
    assert np.allclose(np.array(counted) - counted[0], np.array(after) - after[0], atol=1e-3)


def test_days_that_are_really_two_stay_apart(one_image):
    stacks = split_series(build_series(one_image, lambda t, z: {"acquisition_time": (730000 + t) * DAY_S + 100}))
    assert times_of(stacks) == IN_ORDER


def test_the_start_of_the_series_tells_where_two_were_given_one_uid(one_image):
    assert times_of(split_series(build_series(one_image, lambda t, z: {"series_time": 100.0 + t}))) == IN_ORDER


@pytest.mark.parametrize("second, contradicts", [(lambda t, z: {"acquisition_number": 3.0 - t}, True), (lambda t, z: {"acquisition_number": 1.0 + t}, False)])
def test_without_a_clock_weak_attributes_must_agree(one_image, second, contradicts):
    stacks = split_series(build_series(one_image, lambda t, z: {"content_time": 10.0 + t}, second))
    assert ("different orders" in stacks[0].problem) == contradicts and len(stacks) == (1 if contradicts else TIMES)


# Slices that are missing at one time.

EACH_SLICE: dict[str, Change] = {
    "TriggerTime": lambda t, z: {"trigger_time": 60.0 * t + 0.1 * z},
    "AcquisitionTime, odd after even": lambda t, z: {"acquisition_time": 60.0 * t + (z // 2 + 3 * (z % 2))},
    "AcquisitionTime, falling": lambda t, z: {"acquisition_time": 60.0 * t - z},
    "InstanceNumber": lambda t, z: {"instance_number": 1.0 + SLICES * t + z}}


@pytest.mark.parametrize("missing", [((1, 0),), ((1, SLICES - 1),), ((1, 2),), ((0, 0),), ((2, 5), (2, 4))])
@pytest.mark.parametrize("change", EACH_SLICE.values(), ids=EACH_SLICE)
def test_a_missing_slice_spoils_no_other_time_point(one_image, change, missing):
    stacks = split_series(build_series(one_image, change, leave_out=missing))
    lengths = [SLICES - sum(t == time for time, _ in missing) for t in range(TIMES)]
    assert times_of(stacks) == IN_ORDER and [len(stack.headers) for stack in stacks] == lengths and not any(stack.problem for stack in stacks)


def test_slices_missing_at_both_ends_are_read_by_time_alone(one_image):
    # Where one time point lacks its first slice and the other its last, none shows the order of all.
    headers = build_series(one_image, EACH_SLICE["TriggerTime"], times=2, leave_out=((0, 0), (1, SLICES - 1)))
    stacks = split_series(headers)
    assert len(stacks) == 1 and stacks[0].problem or times_of(stacks) == [{0}, {1}]


def test_a_missing_image_among_the_times_of_a_slice_is_refused(one_image):
    # Which of the three it is, no number says.
    numbers: Change = lambda t, z: {"instance_number": 1.0 + TIMES * z + t}  # noqa: E731
    assert "nothing that puts them in order" in split_series(build_series(one_image, numbers, leave_out=((1, 2),)))[0].problem
    assert times_of(split_series(build_series(one_image, numbers))) == IN_ORDER


def test_one_slice_more_spoils_no_other_time_point(one_image):
    headers = build_series(one_image, lambda t, z: {"acquisition_time": 60.0 * t, "instance_number": 1.0 + z})
    again = next(header for header in headers if header.sop_instance_uid == "1 2")
    stacks = split_series([*headers, replace(again, instance_number=99.0)])
    assert times_of(stacks) == IN_ORDER and [bool(stack.problem) for stack in stacks] == [False, True, False]
    assert "1 of 6 positions more than once" in stacks[1].problem


def test_names_of_single_positions_do_not_tear_volumes_apart(one_image):
    named: Change = lambda t, z: {"description": f"slice {z}", "acquisition_time": 60.0 * t}  # noqa: E731
    stacks = split_series(build_series(one_image, named))
    assert times_of(stacks) == IN_ORDER and all("several values of SeriesDescription" in stack.problem for stack in stacks)


def test_numbers_that_fall_along_the_slices_of_one_time_only_are_read(one_image):
    stacks = split_series(build_series(one_image, lambda t, z: {"instance_number": 1.0 + SLICES * t + (SLICES - 1 - z if t == 1 else z)}))
    assert times_of(stacks) == IN_ORDER


def test_a_table_that_was_moved_gives_two_stacks(one_image):
    moved: Change = lambda t, z: {"position_mm": (-10.0, -20.0, DISTANCE_MM * (z + 4 * t)), "acquisition_time": 60.0 * t}  # noqa: E731
    stacks = split_series(build_series(one_image, moved, times=2))
    assert times_of(stacks) == [{0}, {1}] and [len(stack.headers) for stack in stacks] == [SLICES, SLICES]


def test_every_second_slice_missing_is_told(one_image):
    headers = build_series(one_image, times=1)
    assert not compute_volume_grid(split_series(headers)[0].headers, "a series").notice
    stack, = split_series([header for header in headers if int(header.sop_instance_uid.split()[1]) % 2 == 0])
    assert "slices lie 8 mm apart, where SpacingBetweenSlices or SliceThickness says 4 mm" in compute_volume_grid(stack.headers, "a series").notice


# Settings, owners, frames of reference.

@pytest.mark.parametrize("change", [
    lambda t, z: {"flip_angle": (2.0, 9.0, 15.0)[t]}, lambda t, z: {"inversion_time": 100.0 * t + 100}, lambda t, z: {"repetition_time": 4.0 + t},
    lambda t, z: {"sequence_name": f"*ep_b{400 * t}"}])
def test_a_setting_divides_where_nothing_else_does(one_image, change):
    stacks = split_series(build_series(one_image, change))
    assert sorted(times_of(stacks), key=min) == IN_ORDER and not any(stack.problem for stack in stacks)


def test_a_setting_that_changes_from_slice_to_slice_divides_nothing(one_image):
    stack, = split_series(build_series(one_image, lambda t, z: {"repetition_time": 3000.0 + 7 * z}, times=1))
    assert len(stack.headers) == SLICES and not stack.problem
    assert split_series(build_series(one_image, lambda t, z: {"repetition_time": 3000.0 + 7 * z + t}))[0].problem


@pytest.mark.parametrize("own", [{"patient_id": "another"}, {"study_uid": "1.9"}])
@pytest.mark.parametrize("shift_mm", [0.0, DISTANCE_MM / 2, DISTANCE_MM * SLICES])
def test_one_series_uid_in_two_patients_or_studies_is_two_volumes(one_image, own, shift_mm):
    other = replace(one_image.examination, **own)
    stacks = split_series(build_series(one_image, lambda t, z: {
        "examination": other if t else one_image.examination, "position_mm": (0.0, 0.0, DISTANCE_MM * z + t * shift_mm), "slice_distance_mm": None}, times=2))
    assert sorted(times_of(stacks), key=min) == [{0}, {1}] and not any(stack.problem for stack in stacks)


@pytest.mark.parametrize("uid, told", [(lambda z: "1.5", False), (lambda z: f"1.5.{z // 3}", True)])
def test_frames_of_reference_within_a_volume_are_told(one_image, uid, told):
    stack, = split_series(build_series(one_image, lambda t, z: {"frame_of_reference_uid": uid(z)}, times=1))
    assert ("2 values of FrameOfReferenceUID" in compute_volume_grid(stack.headers, "a series").notice) == told


# The order of stacks that time did not divide.

@pytest.mark.parametrize("tells", [
    lambda t, z: {"acquisition_time": 60.0 * t}, lambda t, z: {"temporal_position": 1.0 + t}, lambda t, z: {"content_time": 60.0 * t},
    lambda t, z: {"instance_number": 1.0 + SLICES * t + z}, lambda t, z: {"instance_number": 1.0 + TIMES * z + t}])
@pytest.mark.parametrize("divides", [
    lambda t, z: {"description": ("phase 9", "phase 10", "phase 11")[t]}, lambda t, z: {"description": ("dyn", "middle", "dyn")[t]},
    lambda t, z: {"image_type": ("ORIGINAL", "PRIMARY", "ZYX"[t])},
    lambda t, z: {"orientation": (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)} if t == 1 else {}, lambda t, z: {"pixel_spacing_mm": (2.0 - t / 10, 1.5)}])
def test_stacks_are_in_order_of_time_whatever_divides_them(one_image, tells, divides):
    # Exchanged rows and columns turn the normal round.
    stacks = split_series(build_series(one_image, tells, divides))
    assert times_of(stacks) == IN_ORDER and not any(stack.problem for stack in stacks)


# Whole files.

def test_blank_slices_of_several_series_under_one_uid_are_no_copies(tmp_path, write_image):
    for t, name in enumerate(("LAVA arterial", "LAVA delayed")):
        for z in range(4):
            pixels = np.full((3, 4), 7 * t + z) * (z < 3) + np.eye(3, 4) * (z < 3)
            write_image(tmp_path / f"{t}{z}", pixels.astype(np.uint16), SeriesDescription=name, SeriesNumber=5 + t, ImagePositionPatient=[0, 0, 4 * z])
    # The same slice stored twice is one, blank or not.
    for z in (2, 3):
        copy = pydicom.dcmread(tmp_path / f"1{z}")
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{z}"
        copy.save_as(tmp_path / f"copy{z}")
    scan = scan_folder(tmp_path)
    points, _ = gather_time_points(scan.headers)
    assert [len(point.headers) for point in points] == [4, 4] and len(scan.set_aside) == 2


def test_a_slope_of_0_is_refused(tmp_path, write_series):
    write_series(tmp_path, RescaleSlope=0, RescaleIntercept=0)
    scan = scan_folder(tmp_path)
    assert not scan.headers and scan.problems[0].expected == "RescaleSlope other than 0"


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


FRAMES: dict[str, Callable[[Dataset, int, int], None]] = {
    "DimensionIndexValues": lambda group, t, z: setattr(group.FrameContentSequence[0], "DimensionIndexValues", [1, z + 1, t + 1]),
    "trigger delay": lambda group, t, z: setattr(group, "CardiacSynchronizationSequence", [item(NominalCardiacTriggerDelayTime=1000.0 * t)]),
    "flip angle": lambda group, t, z: setattr(group, "MRTimingAndRelatedParametersSequence", [item(FlipAngle=2.0 + t)]),
    "converted TriggerTime": lambda group, t, z: setattr(group, "UnassignedPerFrameConvertedAttributesSequence", [item(TriggerTime=str(1000 * t))]),
    "converted position": lambda group, t, z: setattr(group, "UnassignedPerFrameConvertedAttributesSequence", [item(TemporalPositionIdentifier=1 + t)])}


def write_frames(path: Path, write_multi_frame: WriteImage, times: list[int], change: Callable[[Dataset, int, int], None], **attributes: Any) -> None:
    """Frames in disorder; slice z of time point t holds 10 · t + z."""
    places = [(t, z) for t in times for z in range(4)]
    places = [places[index] for index in np.random.default_rng(len(times)).permutation(len(places))] if len(times) > 1 else places
    pixels = np.array([np.full((3, 4), 10 * t + z) for t, z in places], np.uint16)
    write_multi_frame(path, pixels, [{"z_mm": 4.0 * z} for _, z in places], **attributes)
    dataset = pydicom.dcmread(path)
    pointers = (0x00209056, 0x00209057, 0x00209128)
    dataset.DimensionIndexSequence = [item(DimensionIndexPointer=pointer, FunctionalGroupPointer=0x00209111) for pointer in pointers]
    for (t, z), group in zip(places, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        change(group, t, z)
    dataset.save_as(path)


def times_read(folder: Path) -> list[list[int]]:
    points, _ = gather_time_points(scan_folder(folder).headers)
    return [sorted(set((read_volume(point.series).array // 10).ravel().astype(int).tolist())) for point in points]


@pytest.mark.parametrize("change", FRAMES.values(), ids=FRAMES)
def test_what_tells_the_frames_apart_is_read(tmp_path, write_multi_frame, change):
    converted = {"SOPClassUID": LegacyConvertedEnhancedMRImageStorage} if "converted" in next(name for name in FRAMES if FRAMES[name] is change) else {}
    write_frames(tmp_path / "frames", write_multi_frame, [0, 1, 2], change, **converted)
    assert times_read(tmp_path) == [[0], [1], [2]]


def test_frames_that_nothing_tells_apart_are_refused(tmp_path, write_multi_frame):
    write_frames(tmp_path / "frames", write_multi_frame, [0, 1, 2], lambda group, t, z: None)
    with pytest.raises(InputError, match="nothing that puts them in order"):
        times_read(tmp_path)


@pytest.mark.parametrize("attributes", [
    lambda t: {"InstanceNumber": 1 + t}, lambda t: {"AcquisitionDateTime": f"2020010110000{t}"}, lambda t: {"AcquisitionNumber": 1 + t}])
def test_one_file_of_frames_for_each_time_point_is_read(tmp_path, write_multi_frame, attributes):
    for t in range(TIMES):
        write_frames(tmp_path / f"{(2 * t) % 3}", write_multi_frame, [t], lambda group, t, z: None, **attributes(t))
    assert times_read(tmp_path) == [[0], [1], [2]]


@pytest.mark.parametrize("changed, read", [(False, [[0], [1]]), (True, None)])
def test_a_copy_of_a_file_of_frames_counts_once(tmp_path, write_multi_frame, changed, read):
    write_frames(tmp_path / "frames", write_multi_frame, [0, 1], FRAMES["converted position"])
    copy = pydicom.dcmread(tmp_path / "frames")
    copy.InstitutionName = "another"
    if changed:
        copy.PixelData = bytes(len(copy.PixelData))
    copy.save_as(tmp_path / "other")
    if read:
        assert times_read(tmp_path) == read
    else:
        with pytest.raises(InputError, match="nothing that puts them in order"):
            times_read(tmp_path)


@pytest.mark.parametrize("keep_times", [True, False])
@pytest.mark.parametrize("own", [
    lambda t: {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]} if t == 1 else {}, lambda t: {"ImageType": ["ORIGINAL", "PRIMARY", "ZYX"[t]]},
    lambda t: {"SeriesDescription": f"phase {9 + t}"}, lambda t: {"EchoTime": None if t == 2 else 1.2}])
def test_copies_keep_the_order_that_clocks_gave_to_stacks_which_they_did_not_divide(tmp_path, write_image, own, keep_times):
    (tmp_path / "in").mkdir()
    for t in range(TIMES):
        for z in range(4):
            write_image(tmp_path / "in" / f"{z}{2 * t % 3}", np.full((4, 4), 10 * t + z, np.uint16), **{
                "SeriesDescription": "dyn", "AcquisitionTime": f"10{2 * t:02d}00", "AcquisitionDate": "20200101", "SliceThickness": 4,
                "ImagePositionPatient": [0, 0, 4 * z], "InstanceNumber": 1 + z, "PixelSpacing": [2, 2]} | own(t))
    deidentify_folder(tmp_path / "in", tmp_path / "out", tmp_path / "key", lambda: Pseudonyms(bytes(32)), keep_times=keep_times)
    assert times_read(tmp_path / "in") == times_read(tmp_path / "out") == [[0], [1], [2]]


def test_copies_without_times_keep_time_points_of_which_one_has_a_slice_more(tmp_path, write_image):
    (tmp_path / "in").mkdir()
    for t, z, value in [*((t, z, 10 * t + z) for t in range(TIMES) for z in range(4)), (1, 2, 19)]:
        write_image(tmp_path / "in" / f"{z}{2 * t % 3}{value}", np.full((4, 4), value, np.uint16), SeriesDescription="dyn", AcquisitionTime=f"10{2 * t:02d}00",
                    ImagePositionPatient=[0, 0, 4 * z], InstanceNumber=1 + z)
    deidentify_folder(tmp_path / "in", tmp_path / "out", tmp_path / "key", lambda: Pseudonyms(bytes(32)), keep_times=False)
    for folder in ("in", "out"):
        points, _ = gather_time_points(scan_folder(tmp_path / folder).headers)
        assert [len(point.headers) for point in points] == [4, 5, 4]
        assert [point.finding.evidence.startswith(NO_VOLUME) for point in points] == [False, True, False]
