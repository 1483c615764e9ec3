from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.moved_phase import DIRECTION, move_phase
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput

SCALE = IntensityScale(80.0, 900.0, 0.4, 0.2)


def make_input(spacing_mm=(4.0, 2.0, 2.0), shape=(6, 8, 9)) -> SegmentationInput:
    """An arterial and a delayed image of noise, and no portal venous one."""
    images = [np.random.default_rng(number).integers(0, 900, shape).astype(np.uint16) for number in range(2)]
    grid = Volume(np.broadcast_to(np.uint8(0), shape), spacing_mm, np.diag([*spacing_mm, 1.0]))
    return SegmentationInput(grid, (ScaledImage(images[0], SCALE), None, ScaledImage(images[1], SCALE)))


def test_the_direction_goes_as_far_through_the_slices_as_within_them():
    assert np.linalg.norm(DIRECTION) == pytest.approx(1)
    assert DIRECTION[0] == pytest.approx(np.hypot(*DIRECTION[1:]))


def test_by_a_voxel_in_each_axis_the_voxels_change_places_and_air_comes_in():
    # 6 mm have 6 · √½ mm through the slices, and 3 mm along columns and rows.
    given = make_input((6 * 0.5 ** 0.5, 3.0, 3.0))
    moved = move_phase(given, 0, 6.0)
    before, after = np.asarray(given.images[0].array), moved.images[0].array
    np.testing.assert_array_equal(after[1:, 1:, 1:], before[:-1, :-1, :-1])
    assert not after[0].any() and not after[:, 0].any() and not after[:, :, 0].any()
    assert after.dtype == np.float32 and moved.images[0].scale == SCALE


def test_other_phases_stay_where_they_are_and_nothing_is_dark_beyond_air():
    given = make_input()
    moved = move_phase(given, 0, 3.0)
    assert moved.images[1] is None and moved.images[2] is given.images[2] and moved.grid is given.grid
    assert moved.images[0].array.min() >= 0 and moved.images[0].array.shape == (6, 8, 9)


def test_by_0_mm_the_study_is_as_it_is():
    given = make_input()
    assert move_phase(given, 0, 0.0) is given


def test_a_phase_that_is_not_there_cannot_be_moved():
    with pytest.raises(ValueError, match="no phase at 1"):
        move_phase(make_input(), 1, 3.0)
