"""Slices of a tilted gantry, or at uneven distances, on a regular grid; linear interpolation."""
from __future__ import annotations

import numpy as np

from lirads_keras.io.dicom_geometry import StackGrid


def resample_stack(slices: np.ndarray, grid: StackGrid) -> np.ndarray:
    """Brings slices onto their regular grid.

    Args:
        slices: float32 (slice, row, column), sorted along their normal.
        grid: from `compute_grid` of these slices.

    Returns:
        float32 (z, y, x) of the grid's shape; the slices themselves where nothing is to be done. Where a tilted stack has no slice
        stands 0, or the lowest value where that is below 0.
    """
    straight = slices if grid.shifts_px is None else _shift(slices, grid.shifts_px, grid.shape[1:], min(0.0, float(slices.min())))
    if grid.places is None:
        return straight
    below = np.minimum(np.floor(grid.places).astype(int), len(straight) - 2)
    weight = (grid.places - below).astype(np.float32)[:, np.newaxis, np.newaxis]
    return straight[below] * (1 - weight) + straight[below + 1] * weight


def _shift(slices: np.ndarray, shifts_px: np.ndarray, plane: tuple[int, ...], outside: float) -> np.ndarray:
    _, rows, columns = slices.shape
    shifted = np.full((len(slices), *plane), outside, np.float32)
    for target, image, (down, right) in zip(shifted, slices, shifts_px, strict=True):
        # One pixel more on each side: the interpolation fades into what lies outside.
        framed = np.pad(image, 1, constant_values=outside)
        row, column = int(down), int(right)
        framed = _between(_between(framed, down - row, 0), right - column, 1)
        target[row:row + rows + 1, column:column + columns + 1] = framed[:plane[0] - row, :plane[1] - column]
    return shifted


def _between(framed: np.ndarray, fraction: float, axis: int) -> np.ndarray:
    """Values at pixel − fraction along an axis; one pixel fewer along it."""
    here, before = (np.delete(framed, index, axis) for index in (0, -1))
    return here * np.float32(1 - fraction) + before * np.float32(fraction)
