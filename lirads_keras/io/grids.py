"""Grids in the patient: whether two are the same, how they are told in words, and the way to SimpleITK and back."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Volume

SAME_GRID_FRACTION = 0.1
"""Two grids are the same if no voxel centre is farther from its partner than this part of the smallest spacing: programs
write spacings and positions with different numbers of digits, and a tenth of a voxel moves no boundary."""


def same_grid(a: Volume, b: Volume) -> bool:
    """Whether two volumes have equal shapes and voxel centres at the same places."""
    return a.shape == b.shape and _farthest_corner_mm(a.affine, b.affine, b.shape) <= SAME_GRID_FRACTION * min(b.spacing_mm)


def reorient_to_grid(volume: Volume, grid: Volume) -> np.ndarray | None:
    """The voxels of `volume` in the index order of `grid`, if both are the same grid but for the order and direction of their axes; else None."""
    turned = _turn_axes(volume, grid)
    return np.ascontiguousarray(turned.array) if turned is not None and same_grid(turned, grid) else None


def place_on_grid(volume: Volume, grid: Volume) -> np.ndarray | None:
    """The voxels of `volume` in the index order of `grid` and filled up with zeros, if its voxel centres are some of the grid's, or zeros beyond it.

    Returns:
        (z, y, x) of the grid's shape; None where the centres lie elsewhere, or something other than 0 lies outside of the grid.
    """
    turned = _turn_axes(volume, grid)
    if turned is None:
        return None
    first = np.rint(np.linalg.solve(grid.affine, turned.affine[:, 3])[:3]).astype(int)
    affine = grid.affine.copy()
    affine[:, 3] = grid.affine @ [*first, 1]
    if not same_grid(turned, Volume(np.broadcast_to(np.uint8(0), turned.shape), grid.spacing_mm, affine)):
        return None
    placed = np.zeros(grid.shape, turned.array.dtype)
    inside = tuple(
        slice(max(0, start), max(0, start, min(size, start + count))) for start, count, size in zip(first.tolist(), turned.shape, grid.shape, strict=True))
    taken = turned.array[tuple(slice(part.start - start, part.stop - start) for part, start in zip(inside, first.tolist(), strict=True))]
    if 0 in taken.shape or np.count_nonzero(taken) < np.count_nonzero(turned.array):
        return None
    placed[inside] = taken
    return placed


def _turn_axes(volume: Volume, grid: Volume) -> Volume | None:
    """`volume` with its axes in the order and direction of the grid's nearest; None where two are nearest to the same."""
    to_grid = np.linalg.solve(grid.affine, volume.affine)[:3, :3]
    nearest = np.abs(to_grid).argmax(axis=1)
    if sorted(nearest) != [0, 1, 2]:
        return None
    return _turn(volume, nearest, [to_grid[axis, old] < 0 for axis, old in enumerate(nearest)])


def to_order_of(array: np.ndarray, grid: Volume, other: Volume) -> np.ndarray:
    """Voxels on `grid` in the index order of `other`, the same grid but for the order and direction of its axes.

    Raises:
        ValueError: another grid.
    """
    turned = reorient_to_grid(grid.with_array(array), other)
    if turned is None:
        raise ValueError(f"{describe_grid(grid)} is another grid than {describe_grid(other)}")
    return turned


def turn_upright(volume: Volume) -> Volume:
    """The same voxels with their indices rising along the patient's axes (LPS), as nearly as their axes allow; the slices stay slices.

    An axial volume has x to the patient's left, y to the back and z to the head. Where rows and columns are exchanged, or run the other way,
    is how a scanner or a program stores a series; networks and crops see it one way only.
    """
    cosines = volume.affine[:3, :3] / volume.spacing_mm
    across = int(np.abs(cosines[:, 0]).argmax())
    first, second = (axis for axis in range(3) if axis != across)
    # The pair of in-plane axes (y, x) that lies nearer to the patient's.
    exchanged = abs(cosines[second, 1]) + abs(cosines[first, 2]) < abs(cosines[second, 2]) + abs(cosines[first, 1])
    order = (0, 2, 1) if exchanged else (0, 1, 2)
    signs = [cosines[along, axis] for along, axis in zip((across, second, first), order, strict=True)]
    return volume if not exchanged and min(signs) >= 0 else _turn(volume, order, [sign < 0 for sign in signs])


def describe_grid(volume: Volume) -> str:
    """Shape, spacing, first voxel and axis directions, for messages."""
    axes = "; ".join(", ".join(f"{value:.3g}" for value in volume.affine[:3, axis] / volume.spacing_mm[axis]) for axis in range(3))
    return (f"{' × '.join(map(str, volume.shape))} voxels (z, y, x) of {' × '.join(f'{value:.4g}' for value in volume.spacing_mm)} mm, first at "
            f"({', '.join(f'{value:.2f}' for value in volume.affine[:3, 3])}) LPS, axes ({axes})")


def to_itk(volume: Volume) -> sitk.Image:
    """The same voxels and place as a SimpleITK image, whose index order is (x, y, z)."""
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing_mm[::-1])
    image.SetOrigin(volume.affine[:3, 3].tolist())
    image.SetDirection((volume.affine[:3, 2::-1] / volume.spacing_mm[::-1]).ravel().tolist())
    return image


def from_itk(image: sitk.Image) -> Volume:
    """A three-dimensional SimpleITK image as a volume."""
    x_mm, y_mm, z_mm = image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3)[:, ::-1] * (z_mm, y_mm, x_mm)
    affine[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image), (z_mm, y_mm, x_mm), affine)


def _turn(volume: Volume, order: Sequence[int], reverse: Sequence[bool]) -> Volume:
    """The volume with its axes in another order, some of them reversed thereafter; every voxel stays where it is."""
    array, affine = volume.array.transpose(*order), volume.affine[:, [*order, 3]]
    for axis, reversed_ in enumerate(reverse):
        if reversed_:
            array = np.flip(array, axis)
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
    z_mm, y_mm, x_mm = (float(volume.spacing_mm[axis]) for axis in order)
    return replace(volume, array=np.ascontiguousarray(array), spacing_mm=(z_mm, y_mm, x_mm), affine=affine)


def _farthest_corner_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    """Two affine maps of a box differ most at one of its corners."""
    corners = np.array([[*corner, 1] for corner in product(*((0, size - 1) for size in shape))], dtype=float)
    return float(np.linalg.norm((corners @ (a - b).T)[:, :3], axis=1).max())
