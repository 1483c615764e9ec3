"""The voxel grid of a scan in patient coordinates (DICOM LPS, mm)."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Coordinates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, y, z in LPS mm of the same shape (or broadcastable)."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxel centres at `affine` @ (z, y, x, 1); `spacing_mm` is (z, y, x)."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray

    @staticmethod
    def centred(
            shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
            rotation: np.ndarray | None = None) -> Grid:
        """A grid around `centre_mm`; the columns of `rotation` are the directions of x, y and z of the array (default: axial)."""
        directions = (np.eye(3) if rotation is None else rotation)[:, ::-1]
        affine = np.eye(4)
        affine[:3, :3] = directions * np.asarray(spacing_mm)
        affine[:3, 3] = np.asarray(centre_mm) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
        return Grid(shape, spacing_mm, affine)

    @property
    def mean_spacing_mm(self) -> float:
        return float(np.mean(self.spacing_mm))

    def with_slices(self, count: int) -> Grid:
        """The same height cut into `count` slices: outer faces stay, centres move."""
        if count == self.shape[0]:
            return self
        thickness = self.shape[0] * self.spacing_mm[0] / count
        affine = self.affine.copy()
        affine[:3, 0] *= thickness / self.spacing_mm[0]
        affine[:3, 3] += (affine[:3, 0] - self.affine[:3, 0]) / 2
        return Grid((count, *self.shape[1:]), (thickness, *self.spacing_mm[1:]), affine)

    def coordinates(self, box: Box | None = None) -> Coordinates:
        """LPS coordinates of the voxel centres of a box (float32)."""
        box = box or (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        steps = np.ix_(*(np.arange(part.start, part.stop, dtype=np.float32) for part in box))
        matrix = self.affine.astype(np.float32)
        x, y, z = (
            matrix[row, 0] * steps[0] + matrix[row, 1] * steps[1] + (matrix[row, 2] * steps[2] + matrix[row, 3]) for row in range(3))
        return x, y, z

    def box_around(self, low_mm: np.ndarray, high_mm: np.ndarray) -> Box:
        """The voxels whose centres may lie between two corners in LPS mm (possibly none)."""
        corners = np.array(np.meshgrid(*zip(low_mm, high_mm, strict=True), indexing="ij")).reshape(3, 8)
        indices = np.linalg.solve(self.affine[:3, :3], corners - self.affine[:3, 3:])
        start = np.clip(np.floor(indices.min(axis=1)).astype(int), 0, self.shape)
        stop = np.clip(np.ceil(indices.max(axis=1)).astype(int) + 1, start, self.shape)
        return slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2])


def is_empty(box: Box) -> bool:
    """True if a box holds no voxel."""
    return any(part.stop <= part.start for part in box)
