"""Volumes on other grids, in patient coordinates."""
from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.grids import describe_grid, from_itk, same_grid, to_itk

BLUR_PIXELS = 4
"""Fewer pixels along an axis than ITK's recursive Gaussian takes."""


def align_phases(volumes: Mapping[Phase, Volume], grid: Volume) -> dict[Phase, Volume]:
    """Carries the phases to one grid through patient coordinates (ledger item 11); linear interpolation.

    Args:
        volumes: raw voxels (z, y, x) of each phase.
        grid: of one of the phases (`find_grid_phase`).

    Returns:
        float32 volumes on exactly `grid`; the voxels themselves where a phase already lies on it. Outside of a phase's field of
        view stands 0, or the phase's lowest value if that is below 0.

    Raises:
        InputError: phases that lie nowhere on the grid, all of them.
    """
    aligned: dict[Phase, Volume] = {}
    problems = []
    for phase, volume in volumes.items():
        if same_grid(volume, grid):
            aligned[phase] = grid.with_array(volume.array.astype(np.float32, copy=False))
            continue
        outside = _background(volume)
        resampled = _resample(_as_float(volume), grid, sitk.sitkLinear, outside)
        if np.all(resampled == outside) and not np.all(volume.array == outside):
            problems.append(Problem(f"phase {phase}", f"a place in the patient that the phase of the grid shows: {describe_grid(grid)}", describe_grid(volume)))
        aligned[phase] = grid.with_array(resampled)
    raise_if_any(problems)
    return aligned


def to_segmentation_grid(volume: Volume, matrix_px: int, *, labels: bool = False) -> Volume:
    """The grid of the segmentation network: each slice padded around to a square of its longer side in mm, then resampled to the matrix.

    Args:
        volume: (z, y, x); slices stay as they are.
        matrix_px: rows = columns of the result.
        labels: nearest voxel, in the volume's own type; otherwise linear and float32, after Gaussian smoothing where pixels become larger.

    Returns:
        A volume (z, matrix_px, matrix_px) with square pixels; the volume itself if it is one already.
    """
    grid = compute_segmentation_grid(volume, matrix_px)
    if same_grid(volume, grid):
        return volume if labels else volume.with_array(volume.array.astype(np.float32, copy=False))
    if labels:
        return grid.with_array(_resample(to_itk(volume), grid, sitk.sitkNearestNeighbor, 0))
    image = _as_float(volume)
    for direction, axis in ((0, 2), (1, 1)):
        factor = grid.spacing_mm[axis] / volume.spacing_mm[axis]
        if factor > 1:
            # The blur that a pixel of the new size adds to one of the old: widths add in squares.
            image = _blur(image, volume.spacing_mm[axis] * sqrt(factor ** 2 - 1) / 2, direction)
    return grid.with_array(_resample(image, grid, sitk.sitkLinear, _background(volume)))


def from_segmentation_grid(volume_on_it: Volume, grid: Volume) -> np.ndarray:
    """The way back: (z, y, x) on `grid`; whole-numbered voxels are labels (nearest voxel, own type), others linear and float32."""
    if same_grid(volume_on_it, grid):
        return volume_on_it.array
    if np.issubdtype(volume_on_it.array.dtype, np.integer):
        return _resample(to_itk(volume_on_it), grid, sitk.sitkNearestNeighbor, 0)
    return _resample(_as_float(volume_on_it), grid, sitk.sitkLinear, 0)


def compute_segmentation_grid(volume: Volume, matrix_px: int) -> Volume:
    """The grid that `to_segmentation_grid` resamples to, about the same centre; its voxels are all 0 and take no memory."""
    slices, rows, columns = volume.shape
    slice_mm, row_mm, column_mm = volume.spacing_mm
    pixel_mm = max(rows * row_mm, columns * column_mm) / matrix_px
    affine = volume.affine.copy()
    affine[:3, 1] *= pixel_mm / row_mm
    affine[:3, 2] *= pixel_mm / column_mm
    affine[:3, 3] += volume.affine[:3, 1:3] @ [(rows - 1) / 2, (columns - 1) / 2] - affine[:3, 1:3] @ [(matrix_px - 1) / 2, (matrix_px - 1) / 2]
    return Volume(np.broadcast_to(np.uint8(0), (slices, matrix_px, matrix_px)), (slice_mm, pixel_mm, pixel_mm), affine)


def _blur(image: sitk.Image, sigma_mm: float, direction: int) -> sitk.Image:
    """Gaussian smoothing along one axis of the image's index (0 is x); beyond the edge the outermost value goes on, as the filter itself has it."""
    size = image.GetSize()
    lacking = [max(0, BLUR_PIXELS - count) if axis == direction else 0 for axis, count in enumerate(size)]
    if not any(lacking):
        return sitk.RecursiveGaussian(image, sigma=sigma_mm, direction=direction)
    # The filter asks for so many pixels; a cut-out after it takes the added ones away.
    before = [count // 2 for count in lacking]
    padded = sitk.ZeroFluxNeumannPad(image, before, [count - left for count, left in zip(lacking, before, strict=True)])
    return sitk.RegionOfInterest(sitk.RecursiveGaussian(padded, sigma=sigma_mm, direction=direction), size, before)


def _background(volume: Volume) -> float:
    return min(0.0, float(volume.array.min()))


def _as_float(volume: Volume) -> sitk.Image:
    return to_itk(volume.with_array(volume.array.astype(np.float32, copy=False)))


def _resample(image: sitk.Image, grid: Volume, interpolator: int, outside: float) -> np.ndarray:
    columns_rows_slices = [int(size) for size in reversed(grid.shape)]
    geometry = to_itk(Volume(np.zeros((1, 1, 1), np.uint8), grid.spacing_mm, grid.affine))
    resampled = sitk.Resample(
        image, columns_rows_slices, sitk.Transform(), interpolator, geometry.GetOrigin(), geometry.GetSpacing(), geometry.GetDirection(), outside)
    return from_itk(resampled).array
