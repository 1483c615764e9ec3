"""How far the outlines of two masks lie apart, in mm."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from lirads_keras.lesions import find_boxes

FACE_NEIGHBOURS = ndimage.generate_binary_structure(3, 1)
"""A voxel belongs to the surface if one of its six face neighbours is outside of the mask; beyond the volume is outside."""

HAUSDORFF_PERCENTILE = 95.0


@dataclass(frozen=True)
class SurfaceDistances:
    """`mean_mm`: average symmetric surface distance; `hausdorff95_mm`: 95 % Hausdorff distance. None unless both masks have a voxel."""

    mean_mm: float | None
    hausdorff95_mm: float | None


def find_surface(mask: np.ndarray) -> np.ndarray:
    """Indices (n, 3) int64 of the surface voxels of a mask (bool, (z, y, x)), in order; see `FACE_NEIGHBOURS`."""
    box = next(iter(find_boxes(mask.view(np.uint8))), None)
    if box is None:
        return np.zeros((0, 3), np.int64)
    # Outside of the mask's box nothing can erode it, and nothing is searched.
    part = mask[box]
    return np.argwhere(part & ~ndimage.binary_erosion(part, FACE_NEIGHBOURS)) + [side.start for side in box]


def compute_surface_distances(prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]) -> SurfaceDistances:
    """Distances between the surfaces of two masks, from voxel centre to voxel centre; 0 if the surfaces are the same.

    From every surface voxel of either mask the distance to the nearest surface voxel of the other is taken. The mean is over the surface
    voxels of both masks (average symmetric surface distance). The 95 % Hausdorff distance is the larger of the 95th percentiles
    (interpolated linearly) of the two directions. Each surface voxel counts once, whatever area it stands for. Both definitions are those
    of Metrics Reloaded (Maier-Hein et al., Nat Methods 2024;21:195–212); the paper reports neither.

    Args:
        prediction: bool (z, y, x).
        reference: bool of the same shape.
        spacing_mm: (z, y, x), of axes that stand at right angles.

    Returns:
        None in both places where a mask is empty: a distance to nothing has no value, and a stand-in would be a number that nobody measured.

    Raises:
        ValueError: types or shapes differ from these, or a spacing is not above 0.
    """
    if prediction.dtype != np.bool_ or reference.dtype != np.bool_ or prediction.shape != reference.shape or prediction.ndim != 3:
        found = " and ".join(f"{mask.dtype} of {mask.shape}" for mask in (prediction, reference))
        raise ValueError(f"two masks (z, y, x) of one shape expected, found {found}")
    if len(spacing_mm) != 3 or not all(np.isfinite(side) and side > 0 for side in spacing_mm):
        raise ValueError(f"three spacings above 0 mm expected, found {spacing_mm}")
    surfaces = [find_surface(mask) * np.asarray(spacing_mm, np.float64) for mask in (prediction, reference)]
    if not all(len(surface) for surface in surfaces):
        return SurfaceDistances(None, None)
    directed = [KDTree(other).query(surface)[0] for surface, other in (surfaces, surfaces[::-1])]
    return SurfaceDistances(float(np.concatenate(directed).mean()), float(max(np.percentile(distances, HAUSDORFF_PERCENTILE) for distances in directed)))
