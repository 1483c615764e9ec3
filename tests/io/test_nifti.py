from __future__ import annotations

import gzip
import struct
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.io.grids import describe_grid, from_itk, reorient_to_grid, same_grid, to_itk
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti, write_nifti


def make_volume(dtype: str = "int16", shape: tuple[int, int, int] = (3, 4, 5)) -> Volume:
    """An oblique grid with spacing 4 × 2 × 1.5 mm; every voxel has another value."""
    turn, tilt = 0.3, 0.2
    columns = np.array([
        [0, -np.sin(tilt), np.cos(tilt)],
        [-np.sin(turn), np.cos(turn) * np.cos(tilt), np.cos(turn) * np.sin(tilt)],
        [np.cos(turn), np.sin(turn) * np.cos(tilt), np.sin(turn) * np.sin(tilt)]]).T
    affine = np.eye(4)
    affine[:3, :3] = columns * [4, 2, 1.5]
    affine[:3, 3] = [-120.5, 33.25, 871.125]
    return Volume(np.arange(np.prod(shape)).reshape(shape).astype(dtype), (4.0, 2.0, 1.5), affine)


def reorder(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same voxels at the same places with their axes in another order and direction, worked out voxel by voxel."""
    shape = tuple(volume.shape[axis] for axis in order)
    array = np.empty(shape, volume.array.dtype)
    for index in np.ndindex(*shape):
        source = [0, 0, 0]
        for axis in range(3):
            source[order[axis]] = shape[axis] - 1 - index[axis] if flips[axis] else index[axis]
        array[index] = volume.array[tuple(source)]
    affine = volume.affine.copy()
    first = [0, 0, 0]
    for axis in range(3):
        affine[:, axis] = volume.affine[:, order[axis]] * (-1 if flips[axis] else 1)
        first[order[axis]] = shape[axis] - 1 if flips[axis] else 0
    affine[:, 3] = volume.affine @ [*first, 1]
    spacing = volume.spacing_mm
    return Volume(array, (spacing[order[0]], spacing[order[1]], spacing[order[2]]), affine)


ORDERS = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]


def test_itk_and_back() -> None:
    volume = make_volume()
    image = to_itk(volume)
    assert image.GetSize() == (5, 4, 3) and image.GetSpacing() == pytest.approx((1.5, 2, 4))
    assert image.GetPixel(4, 2, 1) == volume.array[1, 2, 4]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((4, 2, 1)), (volume.affine @ [1, 2, 4, 1])[:3], atol=1e-9)
    back = from_itk(image)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-12)
    assert back.spacing_mm == pytest.approx(volume.spacing_mm)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_what_is_written_is_read(tmp_path: Path, dtype: str, name: str) -> None:
    volume = make_volume(dtype)
    write_nifti(tmp_path / name, volume)
    found = read_nifti(tmp_path / name)
    assert found.array.dtype == dtype
    np.testing.assert_array_equal(found.array, volume.array)
    # NIfTI keeps the affine in float32.
    np.testing.assert_allclose(found.affine, volume.affine, atol=1e-3)
    assert same_grid(found, volume)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bool_is_written_as_uint8(tmp_path: Path) -> None:
    volume = make_volume()
    write_nifti(tmp_path / "mask.nii.gz", volume.with_array(volume.array > 20))
    assert read_nifti(tmp_path / "mask.nii.gz").array.dtype == np.uint8


@pytest.mark.parametrize("order, flips", ORDERS)
def test_a_mask_with_its_axes_in_another_order_is_turned_to_the_grid(tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    grid = make_volume()
    labels = grid.with_array((grid.array * 7 % 250).astype(np.uint8))
    stored = reorder(labels, order, flips)
    reoriented = reorient_to_grid(stored, grid)
    assert reoriented is not None
    np.testing.assert_array_equal(reoriented, labels.array)
    write_nifti(tmp_path / "mask.nii.gz", stored)
    found = read_mask_on_grid(tmp_path / "mask.nii.gz", grid)
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, labels.array)


def test_labels_above_255_are_uint16_and_whole_floats_are_labels(tmp_path: Path) -> None:
    grid = make_volume()
    write_nifti(tmp_path / "mask.nii", grid.with_array((grid.array * 10).astype(np.float32)))
    found = read_mask_on_grid(tmp_path / "mask.nii", grid)
    assert found.dtype == np.uint16 and found.max() == 590


def shifted(volume: Volume, mm: float) -> Volume:
    affine = volume.affine.copy()
    affine[0, 3] += mm
    return Volume(volume.array, volume.spacing_mm, affine)


def scaled(volume: Volume, factor: float) -> Volume:
    affine = volume.affine.copy()
    affine[:3, 2] *= factor
    return Volume(volume.array, (*volume.spacing_mm[:2], volume.spacing_mm[2] * factor), affine)


def test_rounding_is_no_other_grid_and_a_fifth_of_a_pixel_is() -> None:
    grid = make_volume()
    assert same_grid(shifted(grid, 0.14), grid) and not same_grid(shifted(grid, 0.16), grid)
    assert same_grid(scaled(grid, 1.02), grid) and not same_grid(scaled(grid, 1.03), grid)
    assert not same_grid(make_volume(shape=(3, 4, 6)), grid)


def test_another_grid_is_refused_with_both_geometries(tmp_path: Path) -> None:
    grid = make_volume("uint8")
    write_nifti(tmp_path / "mask.nii", shifted(grid, 2))
    with pytest.raises(InputError) as caught:
        read_mask_on_grid(tmp_path / "mask.nii", grid)
    assert describe_grid(grid) in str(caught.value)
    assert "first at (-120.50, 33.25, 871.12) LPS" in str(caught.value) and "first at (-118.50, 33.25, 871.12) LPS" in str(caught.value)
    for other in (scaled(grid, 1.5), make_volume("uint8", (3, 5, 4))):
        write_nifti(tmp_path / "mask.nii", other)
        with pytest.raises(InputError, match="the grid"):
            read_mask_on_grid(tmp_path / "mask.nii", grid)


@pytest.mark.parametrize("values, message", [
    (np.array([0, 1.5]), "whole-numbered labels, found fractions"),
    (np.array([0, -1]), r"labels from 0 to 65535, found -1 … 0"),
    (np.array([0, 70000]), r"found 0 … 70000")])
def test_values_that_are_no_labels(tmp_path: Path, values: np.ndarray, message: str) -> None:
    grid = make_volume()
    write_nifti(tmp_path / "mask.nii", grid.with_array(np.resize(values, grid.shape).astype(np.float32)))
    with pytest.raises(InputError, match=message):
        read_mask_on_grid(tmp_path / "mask.nii", grid)


def test_files_that_are_no_volume(tmp_path: Path) -> None:
    whole = tmp_path / "whole.nii"
    write_nifti(whole, make_volume(shape=(30, 40, 50)))
    (tmp_path / "text.nii").write_text("no image")
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    (tmp_path / "short.nii").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(whole.read_bytes())[:5000])
    (tmp_path / "header.nii.gz").write_bytes(gzip.compress(whole.read_bytes())[:40])
    sitk.WriteImage(sitk.Image([3, 4, 5, 2], sitk.sitkInt16), str(tmp_path / "time.nii"))
    sitk.WriteImage(sitk.Image([3, 4], sitk.sitkInt16), str(tmp_path / "flat.nii"))
    sitk.WriteImage(sitk.Image([3, 4, 5], sitk.sitkVectorFloat32, 3), str(tmp_path / "vector.nii"))
    for name, message in {
            "absent.nii": "a NIfTI file, found no such file",
            "text.nii": "a whole NIfTI file",
            "empty.nii.gz": "a whole NIfTI file",
            "header.nii.gz": "a whole NIfTI file",
            "short.nii": r"of 120352 bytes, found 5000 bytes \(truncated file\)",
            "short.nii.gz": r"of 120352 bytes, found \d+ bytes \(truncated file\)",
            "time.nii": "of three dimensions, found 3 × 4 × 5 × 2",
            "flat.nii": "of three dimensions, found 3 × 4",
            "vector.nii": "of 3 components",
            "whole.mha": "a name that ends in .nii or .nii.gz"}.items():
        with pytest.raises(InputError, match=message) as caught:
            read_nifti(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("offset", [np.nan, np.inf, -np.inf])
def test_an_offset_that_is_no_number_is_told(tmp_path: Path, offset: float) -> None:
    write_nifti(tmp_path / "image.nii", make_volume(shape=(3, 4, 5)))
    content = bytearray((tmp_path / "image.nii").read_bytes())
    struct.pack_into("<f", content, 108, offset)
    (tmp_path / "image.nii").write_bytes(content)
    with pytest.raises(InputError, match="image.nii"):
        read_nifti(tmp_path / "image.nii")


def test_a_gzip_file_of_several_parts_is_whole(tmp_path: Path) -> None:
    volume = make_volume(shape=(30, 40, 50))
    write_nifti(tmp_path / "plain.nii", volume)
    stored = (tmp_path / "plain.nii").read_bytes()
    (tmp_path / "parts.nii.gz").write_bytes(gzip.compress(stored[:7000]) + gzip.compress(stored[7000:]) + gzip.compress(b""))
    np.testing.assert_array_equal(read_nifti(tmp_path / "parts.nii.gz").array, volume.array)


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a name that ends in"):
        write_nifti(tmp_path / "image.mha", make_volume())
    assert list(tmp_path.iterdir()) == []
