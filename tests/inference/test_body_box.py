from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.inference.body_box import MARGIN_PX, find_body_box
from lirads_keras.preprocessing.intensity import IntensityScale

WINDOW_PX = 8
SCALE = IntensityScale(80.0, 880.0, 0.4, 0.25)


def make_body(shape, rows: slice, columns: slice, slices: slice = slice(None)) -> np.ndarray:
    array = np.full(shape, 80, np.uint16)
    array[slices, rows, columns] = 81
    return array


@pytest.mark.parametrize("first, last, window", [
    (40, 80, slice(32, 88)), (43, 76, slice(32, 80)), (44, 77, slice(40, 88)), (7, 8, slice(0, 16)), (0, 1, slice(0, 8)), (159, 160, slice(152, 160)),
    (0, 160, slice(0, 160))])
def test_the_box_is_the_body_with_its_margin_from_and_to_multiples_of_eight(first, last, window):
    for rows, columns in ((slice(first, last), slice(99, 101)), (slice(99, 101), slice(first, last))):
        box = find_body_box(make_body((3, 160, 160), rows, columns), SCALE, WINDOW_PX)
        assert (box.rows, box.columns) == tuple(window if part.start == first and part.stop == last else slice(88, 112) for part in (rows, columns))
        assert list(box.slices) == [0, 1, 2]


@pytest.mark.parametrize("window_px, rows", [(4, slice(36, 84)), (16, slice(32, 96)), (64, slice(0, 128))])
def test_the_box_goes_by_the_windows_of_the_network(window_px, rows):
    assert find_body_box(make_body((1, 160, 160), slice(40, 80), slice(0, 1)), SCALE, window_px).rows == rows


def test_a_slice_that_ends_between_multiples_is_taken_to_its_end():
    assert find_body_box(make_body((1, 70, 48), slice(60, 70), slice(0, 48)), SCALE, WINDOW_PX).rows == slice(56, 70)


def test_slices_without_body_are_told_apart():
    array = make_body((6, 64, 64), slice(30, 34), slice(30, 34), slice(1, 5))
    array[3] = 0
    box = find_body_box(array, SCALE, WINDOW_PX)
    np.testing.assert_array_equal(box.occupied, [False, True, True, False, True, False])
    assert box.slices == range(1, 5)


def test_without_body_there_is_no_box():
    box = find_body_box(np.full((4, 64, 64), 80, np.uint16), SCALE, WINDOW_PX)
    assert not box.occupied.any() and len(box.slices) == 0 and box.rows == box.columns == slice(0, 0)


def test_each_slice_has_its_own_cutoff_where_the_scale_has_one():
    scale = IntensityScale((80.0, 200.0), (880.0, 900.0), (0.4, 0.4), (0.25, 0.25))
    array = np.full((2, 64, 64), 0, np.uint16)
    array[:, 10, 10], array[:, 50, 50] = 100, 201
    np.testing.assert_array_equal(find_body_box(array, scale, WINDOW_PX).occupied, [True, True])
    array[1, 50, 50] = 200
    np.testing.assert_array_equal(find_body_box(array, scale, WINDOW_PX).occupied, [True, False])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([32, 64, 160]), st.sampled_from([64, 96]), st.integers(0, 8))
def test_outside_of_the_box_eq_1_gives_zero(seed, slices, rows, columns, voxels):
    generator = np.random.default_rng(seed)
    array = generator.uniform(-50, 80, (slices, rows, columns)).astype(np.float32)
    for _ in range(voxels):
        array[tuple(generator.integers(array.shape))] = generator.uniform(80, 1000)
    box = find_body_box(array, SCALE, WINDOW_PX)
    lowest = np.float32(-0.4 / 0.25)
    outside = SCALE.apply(array)
    outside[box.slices.start:box.slices.stop, box.rows, box.columns] = lowest
    assert (outside == lowest).all()
    assert (SCALE.apply(array)[~box.occupied] == lowest).all()
    for part, size in ((box.rows, rows), (box.columns, columns)):
        assert 0 <= part.start <= part.stop <= size and part.start % WINDOW_PX == part.stop % WINDOW_PX == 0
    if box.occupied.any():
        body = np.flatnonzero((array > 80).any(axis=(0, 2)))
        assert box.rows.start <= max(body[0] - MARGIN_PX, 0) and box.rows.stop >= min(body[-1] + 1 + MARGIN_PX, rows)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_the_kind_of_voxel_does_not_matter(kind):
    array = make_body((2, 64, 64), slice(20, 22), slice(20, 22)).astype(kind)
    assert find_body_box(array, SCALE, WINDOW_PX).occupied.all()
