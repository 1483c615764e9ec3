from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_volume
from lirads_keras.preprocessing.resample import align_phases, from_segmentation_grid, to_segmentation_grid


def make_volume(
        array: np.ndarray, spacing_mm: tuple[float, float, float] = (4.0, 1.0, 1.0), origin: tuple[float, ...] = (0, 0, 0), turn: float = 0.0) -> Volume:
    """An axial grid, turned about the patient's z axis by `turn`."""
    columns = np.array([[0, -np.sin(turn), np.cos(turn)], [0, np.cos(turn), np.sin(turn)], [1, 0, 0]])
    affine = np.eye(4)
    affine[:3, :3] = columns * spacing_mm
    affine[:3, 3] = origin
    return Volume(array, spacing_mm, affine)


def places(volume: Volume) -> np.ndarray:
    """LPS mm of each voxel, (z, y, x, 3)."""
    index = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    return (index @ volume.affine.T)[..., :3]


def plane(volume: Volume) -> Volume:
    """A linear function of the place, which linear interpolation reproduces exactly."""
    return volume.with_array((places(volume) @ [1.5, -2.25, 3.0] + 700).astype(np.float32))


def test_a_linear_function_of_the_place_is_carried_over_exactly() -> None:
    grid = make_volume(np.zeros((4, 10, 12)), (5.0, 2.0, 1.5), (10, 12, 14), turn=0.1)
    other = plane(make_volume(np.zeros((20, 50, 60)), (2.0, 1.1, 0.9), (-5, -6, 5), turn=-0.2))
    aligned = align_phases({Phase.ARTERIAL: other, Phase.DELAYED: grid}, grid)
    assert aligned[Phase.ARTERIAL].array.dtype == np.float32 and aligned[Phase.ARTERIAL].affine is grid.affine
    np.testing.assert_allclose(aligned[Phase.ARTERIAL].array, plane(grid).array, atol=2e-3)


def test_real_series_are_carried_over_as_by_simpleitk() -> None:
    folder = os.environ.get("LIRADS_REAL_DATA")
    if not folder:
        pytest.skip("LIRADS_REAL_DATA is not set")
    series = {item.description: item for item in read_series(Path(folder) / "mr_t2_adc")}
    t2, adc = (read_volume(series[name]) for name in ("AX T2", "ADC"))
    reference, moving = (sitk.ReadImage([str(path) for path in series[name].files], sitk.sitkFloat32) for name in ("AX T2", "ADC"))
    expected = sitk.GetArrayFromImage(sitk.Resample(moving, reference, sitk.Transform(), sitk.sitkLinear, 0.0))
    found = align_phases({Phase.ARTERIAL: adc}, t2)[Phase.ARTERIAL].array
    # At the edges of the field of view the last digit of a position decides what is inside.
    assert np.mean(np.abs(found - expected) > 0.5) < 1e-3 and found.max() > 1000


def test_equal_grids_keep_their_voxels() -> None:
    grid = make_volume(np.zeros((4, 6, 6)))
    other = make_volume(np.random.default_rng(0).random((4, 6, 6)).astype(np.float32), origin=(0.01, 0, 0))
    aligned = align_phases({Phase.ARTERIAL: other}, grid)[Phase.ARTERIAL]
    assert aligned.array is other.array and aligned.affine is grid.affine


def test_outside_of_the_field_of_view_is_background() -> None:
    grid = make_volume(np.zeros((2, 4, 8)))
    ones = make_volume(np.full((2, 4, 4), 9, np.float32))
    assert align_phases({Phase.ARTERIAL: ones}, grid)[Phase.ARTERIAL].array[0, 0].tolist() == [9, 9, 9, 9, 0, 0, 0, 0]
    negative = make_volume(np.full((2, 4, 4), -900, np.float32))
    negative.array[0, 0, 0] = 50
    assert align_phases({Phase.ARTERIAL: negative}, grid)[Phase.ARTERIAL].array[0, 0].tolist() == [50, -900, -900, -900, -900, -900, -900, -900]


def test_phases_that_do_not_overlap_are_refused_all_at_once() -> None:
    grid = make_volume(np.ones((2, 4, 4), np.float32))
    far = make_volume(np.ones((2, 4, 4), np.float32), origin=(500, 0, 0))
    with pytest.raises(InputError) as caught:
        align_phases({Phase.ARTERIAL: far, Phase.PORTAL_VENOUS: far, Phase.DELAYED: grid}, grid)
    assert [problem.where for problem in caught.value.problems] == ["phase arterial", "phase portal_venous"]
    assert "first at (500.00, 0.00, 0.00) LPS" in str(caught.value) and "first at (0.00, 0.00, 0.00) LPS" in str(caught.value)


def test_the_identity_is_free() -> None:
    volume = make_volume(np.zeros((3, 32, 32), np.float32))
    assert to_segmentation_grid(volume, 32).array is volume.array
    labels = make_volume(np.zeros((3, 32, 32), np.uint8))
    assert to_segmentation_grid(labels, 32, labels=True) is labels
    assert from_segmentation_grid(volume, volume) is volume.array


@pytest.mark.parametrize("shape, spacing", [((2, 20, 32), (4.0, 1.0, 1.0)), ((2, 64, 40), (4.0, 0.5, 0.7)), ((2, 15, 16), (4.0, 2.0, 3.0))])
def test_slices_are_padded_around_to_a_square_of_the_longer_side(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> None:
    volume = make_volume(np.ones(shape, np.float32), spacing, (7, 8, 9), turn=0.4)
    square = to_segmentation_grid(volume, 64)
    side = max(shape[1] * spacing[1], shape[2] * spacing[2])
    assert square.shape == (2, 64, 64) and square.spacing_mm == pytest.approx((4, side / 64, side / 64))
    centre = [0.5, (shape[1] - 1) / 2, (shape[2] - 1) / 2, 1]
    np.testing.assert_allclose(square.affine @ [0.5, 31.5, 31.5, 1], volume.affine @ centre, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(square.affine[:3, :3], axis=0), square.spacing_mm)
    # As much of the square is image as of its side.
    rows, columns = (np.count_nonzero(square.array[0].max(axis=axis) > 0.5) for axis in (1, 0))
    assert abs(rows - 64 * shape[1] * spacing[1] / side) <= 1 and abs(columns - 64 * shape[2] * spacing[2] / side) <= 1


def test_enlarging_reproduces_a_linear_function() -> None:
    volume = plane(make_volume(np.zeros((3, 16, 16)), (4.0, 2.0, 2.0), turn=0.3))
    square = to_segmentation_grid(volume, 32)
    inside = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(square.array[inside], plane(square).array[inside], atol=2e-3)


def test_reducing_keeps_means_and_removes_what_the_grid_cannot_show() -> None:
    stripes = make_volume(np.where(np.arange(128) % 2, 200, 0).astype(np.float32) * np.ones((2, 128, 1), np.float32))
    reduced = to_segmentation_grid(stripes, 32).array
    assert np.abs(reduced[:, 4:-4, 4:-4] - 100).max() < 3
    y, x = np.mgrid[:128, :128]
    disc = make_volume(np.where((y - 60) ** 2 + (x - 66) ** 2 < 900, 500, 100).astype(np.float32)[None])
    assert to_segmentation_grid(disc, 32).array.mean() == pytest.approx(disc.array.mean(), rel=0.01)


def test_slices_do_not_mix() -> None:
    array = np.zeros((5, 64, 64), np.float32)
    array[2] = 1000
    reduced = to_segmentation_grid(make_volume(array), 32).array
    assert np.all(reduced[[0, 1, 3, 4]] == 0) and np.all(reduced[2] > 999)


def test_labels_stay_labels() -> None:
    array = np.zeros((2, 60, 48), np.uint8)
    array[0, 10:40, 8:30], array[1, 20:50, 20:40] = 3, 7
    square = to_segmentation_grid(make_volume(array), 32, labels=True)
    assert square.array.dtype == np.uint8 and set(np.unique(square.array)) == {0, 3, 7}
    area = np.count_nonzero(square.array == 3) * square.spacing_mm[1] ** 2
    assert area == pytest.approx(30 * 22, rel=0.1)


@settings(max_examples=30)
@given(st.integers(8, 40), st.integers(8, 40), st.floats(0.8, 1.6), st.floats(0.8, 1.6))
def test_there_and_back_is_on_the_grid_and_close(rows: int, columns: int, row_mm: float, column_mm: float) -> None:
    volume = make_volume(np.zeros((2, rows, columns), np.float32), (4.0, row_mm, column_mm))
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    smooth = volume.with_array((np.exp(-(y ** 2 + x ** 2)) * np.ones((2, 1, 1))).astype(np.float32))
    back = from_segmentation_grid(to_segmentation_grid(smooth, 64), volume)
    assert back.shape == volume.shape and back.dtype == np.float32
    # The square's outside is zero: the outermost pixels mix with it.
    np.testing.assert_allclose(back[:, 2:-2, 2:-2], smooth.array[:, 2:-2, 2:-2], atol=0.06)


def test_labels_come_back_as_labels() -> None:
    volume = make_volume(np.zeros((2, 50, 70), np.uint8), (4.0, 1.2, 0.8))
    volume.array[1, 10:40, 15:55] = 5
    back = from_segmentation_grid(to_segmentation_grid(volume, 128, labels=True), volume)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, volume.array)


@pytest.mark.parametrize("rows, columns", [(2, 64), (3, 64), (64, 2), (64, 3), (4, 64)])
def test_few_rows_or_columns_are_resampled_like_many(rows: int, columns: int) -> None:
    """Where no row differs from the next, smoothing across them changes nothing: what the middle of the square shows is the same."""
    along = np.random.default_rng(1).integers(100, 900, 64).astype(np.float32)
    axis = 1 if columns > rows else 2
    line = np.expand_dims(along[None], axis)
    few, many = (to_segmentation_grid(make_volume(np.broadcast_to(line, shape).copy()), 32).array for shape in ((2, rows, columns), (2, 64, 64)))
    assert few.shape == (2, 32, 32)
    np.testing.assert_allclose(few.take((15, 16), axis).max(axis), many.take((15, 16), axis).max(axis), rtol=1e-4)


@pytest.mark.parametrize("rows, columns", [(1, 64), (64, 1), (1, 1), (2, 2)])
def test_a_row_between_the_rows_of_the_grid_is_no_fault_of_a_library(rows: int, columns: int) -> None:
    assert to_segmentation_grid(make_volume(np.ones((2, rows, columns), np.float32)), 32).array.shape == (2, 32, 32)
