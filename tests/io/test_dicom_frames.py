from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_volume

WriteMultiFrame = Callable[..., Path]
FRAMES = [{"z_mm": z, "time": time} for z in (8.0, 0.0, 4.0) for time in (2, 1)]


def build_pixels() -> np.ndarray:
    """Frame k holds 10 · z / 4 + time, as in FRAMES."""
    return np.stack([np.full((3, 4), 10 * frame["z_mm"] / 4 + frame["time"], np.uint16) for frame in FRAMES])


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_are_sorted_into_time_points_and_slices(tmp_path: Path, write_multi_frame: WriteMultiFrame, compressed: bool) -> None:
    path = write_multi_frame(tmp_path / "enhanced", build_pixels(), FRAMES)
    if compressed:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    series = read_series(tmp_path)
    assert [item.temporal_index for item in series] == [0, 1] and "TemporalPositionIdentifier" in series[0].phase_evidence
    first, second = (read_volume(item) for item in series)
    assert first.array[:, 0, 0].tolist() == [1, 11, 21] and second.array[:, 2, 3].tolist() == [2, 12, 22]
    assert first.spacing_mm == (4, 2, 1.5) and first.affine[:3, 3].tolist() == [-10, -20, 0]


def test_each_frame_has_its_own_scale(tmp_path: Path, write_multi_frame: WriteMultiFrame) -> None:
    frames = [{"z_mm": 3.0 * z, "slope": 1.0 + z} for z in range(3)]
    write_multi_frame(tmp_path / "enhanced", np.full((3, 2, 2), 10, np.uint16), frames)
    assert read_volume(read_series(tmp_path)[0]).array[:, 0, 0].tolist() == [10, 20, 30]


def drop_frame_groups(dataset: pydicom.Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:-1]


def drop_position(dataset: pydicom.Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def shorten_pixels(dataset: pydicom.Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-4]


def drop_spacing(dataset: pydicom.Dataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence


@pytest.mark.parametrize("spoil, message", [
    (drop_frame_groups, "functional groups for 6 frames (PerFrameFunctionalGroupsSequence), found 5"),
    (drop_position, "ImagePositionPatient of 3 numbers for frame 3, found none"),
    (shorten_pixels, "144 bytes of PixelData (3 rows × 4 columns × 6 frames), found 140"),
    (drop_spacing, "PixelSpacing of 2 numbers for frame 1, found none")])
def test_a_broken_multi_frame_image_is_one_clear_message(
        tmp_path: Path, write_multi_frame: WriteMultiFrame, spoil: Callable[[Any], None], message: str) -> None:
    path = write_multi_frame(tmp_path / "enhanced", build_pixels(), FRAMES)
    dataset = pydicom.dcmread(path)
    spoil(dataset)
    dataset.save_as(path)
    with pytest.raises(InputError) as caught:
        read_series(tmp_path)
    assert message in str(caught.value) and len(caught.value.problems) == 1
