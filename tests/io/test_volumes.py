from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lirads_keras.entities import Series, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series
from lirads_keras.io.grids import to_order_of, turn_upright
from lirads_keras.io.nifti import write_nifti
from lirads_keras.io.volumes import read_stored_grid, read_volume


def test_nifti_and_dicom_series_give_the_same_volume(tmp_path: Path, write_series: Callable[..., list[Path]]) -> None:
    write_series(tmp_path / "dicom")
    series, = read_series(tmp_path / "dicom")
    from_dicom = read_volume(series)
    whole = Volume(from_dicom.array.astype(np.int16), from_dicom.spacing_mm, from_dicom.affine)
    write_nifti(tmp_path / "image.nii.gz", whole)
    from_nifti = read_volume(Series("", (tmp_path / "image.nii.gz",), None, "manifest"))
    assert from_nifti.array.dtype == from_dicom.array.dtype == np.float32
    np.testing.assert_array_equal(from_nifti.array, from_dicom.array)
    np.testing.assert_allclose(from_nifti.affine, from_dicom.affine, atol=1e-4)


def test_a_nifti_series_that_is_absent_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent.nii: expected a NIfTI file, found no such file"):
        read_volume(Series("", (tmp_path / "absent.nii",), None, "manifest"))


# One orientation: however a series is stored, the same voxels lie at the same indices.

STORED = {
    "as it is": (1, 0, 0, 0, 1, 0), "columns negated": (1, 0, 0, 0, -1, 0), "rows negated": (-1, 0, 0, 0, 1, 0), "both negated": (-1, 0, 0, 0, -1, 0),
    "exchanged": (0, 1, 0, 1, 0, 0), "exchanged, both negated": (0, -1, 0, -1, 0, 0), "exchanged, rows negated": (0, -1, 0, 1, 0, 0)}


def store(image: Volume, row: Sequence[float], column: Sequence[float]) -> Volume:
    """An upright volume with the rows and columns along other axes; slices rise along row × column."""
    directions = np.stack([np.cross(row, column), column, row], axis=1).astype(float)
    axes = [2 - int(np.abs(directions[:, axis]).argmax()) for axis in range(3)]
    array, affine = image.array.transpose(axes), np.eye(4)
    spacing = tuple(image.spacing_mm[axis] for axis in axes)
    origin = image.affine[:3, 3].copy()
    for axis, old in enumerate(axes):
        if directions[:, axis].sum() < 0:
            array = np.flip(array, axis)
            origin += image.affine[:3, old] * (image.shape[old] - 1)
    affine[:3, :3], affine[:3, 3] = directions * spacing, origin
    return Volume(np.ascontiguousarray(array), spacing, affine)


@pytest.fixture()
def image() -> Volume:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.array([[0, 0, 1.5], [0, 2, 0], [4, 0, 0]]), (-10, -20, 30)
    return Volume(np.random.default_rng(2).integers(0, 999, (4, 3, 5)).astype(np.int16), (4.0, 2.0, 1.5), affine)


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize("kind", ["DICOM", "NIfTI"])
def test_a_series_is_read_upright_however_it_is_stored(tmp_path: Path, write_image: Callable[..., Path], image: Volume, how: str, kind: str) -> None:
    row, column = STORED[how][:3], STORED[how][3:]
    stored = store(image, row, column)
    if kind == "NIfTI":
        write_nifti(tmp_path / "image.nii", stored)
        series = Series("", (tmp_path / "image.nii",), None, "manifest")
    else:
        for z, pixels in enumerate(stored.array):
            place = (stored.affine @ [z, 0, 0, 1])[:3]
            write_image(tmp_path / f"{z}", pixels.astype(np.uint16), ImageOrientationPatient=[*row, *column], ImagePositionPatient=place.tolist(),
                        PixelSpacing=list(stored.spacing_mm[1:]), InstanceNumber=z + 1)
        series, = read_series(tmp_path)
    found = read_volume(series)
    np.testing.assert_array_equal(found.array, image.array)
    np.testing.assert_allclose(found.affine, image.affine, atol=1e-4)
    assert found.spacing_mm == pytest.approx(image.spacing_mm)
    grid = read_stored_grid(series)
    assert grid.shape == stored.shape and not grid.array.any()
    np.testing.assert_allclose(grid.affine, stored.affine, atol=1e-4)
    np.testing.assert_array_equal(to_order_of(found.array, found, grid), stored.array)


@given(st.tuples(*[st.floats(-40, 40)] * 3), st.sampled_from(sorted(STORED)))
def test_a_rotated_series_is_read_as_it_is_rotated_back(angles: tuple[float, ...], how: str) -> None:
    """Up to 40° no axis is nearer to another one than its own."""
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    cosines = np.abs(rotation)
    assume(all(cosines[axis, axis] > 0.72 for axis in range(3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation[:, ::-1] * (4.0, 2.0, 1.5)
    upright = Volume(np.arange(60).reshape(4, 3, 5), (4.0, 2.0, 1.5), affine)
    assert turn_upright(upright) is upright
    plain = Volume(upright.array, upright.spacing_mm, np.diag([0, 0, 0, 1.0]) + np.pad(np.eye(3)[:, ::-1] * (4.0, 2.0, 1.5), (0, 1)))
    stored = store(plain, STORED[how][:3], STORED[how][3:])
    turned = stored.affine.copy()
    turned[:3] = rotation @ stored.affine[:3]
    found = turn_upright(Volume(stored.array, stored.spacing_mm, turned))
    np.testing.assert_array_equal(found.array, upright.array)
    np.testing.assert_allclose(found.affine, upright.affine, atol=1e-9)


def test_slices_stay_slices(image: Volume) -> None:
    """A coronal series is not made axial."""
    coronal = store(image, (1, 0, 0), (0, 0, -1))
    found = turn_upright(coronal)
    assert found.shape == coronal.shape == (3, 4, 5) and np.all(np.diag(found.affine[[1, 2, 0], :3]) > 0)


def test_another_grid_has_no_order_to_give(image: Volume) -> None:
    with pytest.raises(ValueError, match="is another grid than"):
        to_order_of(image.array, image, Volume(image.array, image.spacing_mm, image.affine + np.pad([[9.0]], ((0, 3), (3, 0)))))
