"""From a mask to measured lesions: one definition for predictions, references, the phantom and the reader."""
from __future__ import annotations

from math import hypot

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist

from lirads_keras.entities import Lesion, Volume

CONNECTIVITY = np.ones((3, 3, 3), dtype=bool)
"""26 neighbours: parts that touch at a corner are one lesion, since thick slices shift an oblique lesion by a pixel or more."""

PIXEL_EXTENT = 0.4
"""Pixels added to the distance between pixel centres (not reported: our choice): a mask reaches beyond the centres of its
outermost pixels. With 0.4 the diameter of centred digital discs of ≥ 4 pixels is right within half a pixel, and that of
discs of ≥ 10 pixels wherever they lie; a smaller one off centre comes out up to 0.85 pixel too small."""


def find_boxes(labels: np.ndarray) -> list[tuple[slice, slice, slice] | None]:
    """The box of each label (z, y, x) from 1 on, None for one that does not occur; no boxes where there are no voxels, at which scipy stumbles."""
    return ndimage.find_objects(labels) if labels.size else []


def label_components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers the 26-connected components of a mask (z, y, x) from 1.

    Returns:
        The labels (int32, 0 is background) and the number of components.
    """
    labels = np.zeros(mask.shape, np.int32)
    box = next(iter(find_boxes(np.asarray(mask, dtype=bool).view(np.uint8))), None)
    if box is None:
        return labels, 0
    # Lesions fill a small part of a volume: only their common box is searched.
    count = ndimage.label(mask[box], CONNECTIVITY, output=labels[box])
    return labels, int(count)


def is_large(voxels: np.ndarray, minimum_volume_mm3: float, voxel_mm3: float) -> np.ndarray:
    """Whether components of so many voxels have at least a volume, bool of the same shape."""
    # A volume of whole voxels must not be lost to the rounding of the affine.
    return np.asarray(voxels) >= minimum_volume_mm3 / voxel_mm3 - 1e-6


def drop_small_components(mask: np.ndarray, minimum_volume_mm3: float, voxel_mm3: float) -> np.ndarray:
    """The mask (z, y, x), bool, without its 26-connected components that are smaller than a volume."""
    labels, count = label_components(mask)
    kept = is_large(np.bincount(labels.ravel(), minlength=count + 1), minimum_volume_mm3, voxel_mm3)
    kept[0] = False
    return kept[labels]


def mark_lesions(probability: Volume, threshold: float, *, minimum_volume_mm3: float) -> np.ndarray:
    """The mask (z, y, x), bool, of all lesions that `extract_lesions` finds."""
    return drop_small_components(probability.array >= threshold, minimum_volume_mm3, probability.voxel_mm3)


def extract_lesions(probability: Volume, threshold: float, *, minimum_volume_mm3: float) -> list[Lesion]:
    """Finds and measures the lesions of a prediction.

    Args:
        probability: (z, y, x) in [0, 1].
        threshold: a voxel belongs to a lesion if its probability is at least this.
        minimum_volume_mm3: smaller components are dropped.

    Returns:
        The lesions P1, P2, … by decreasing volume (equal volumes: by position); none gives an empty list.
    """
    labels, _ = label_components(probability.array >= threshold)
    components = [(box, labels[box] == number) for number, box in enumerate(find_boxes(labels), start=1) if box is not None]
    sizes = np.array([np.count_nonzero(mask) for _, mask in components])
    components = [component for component, kept in zip(components, is_large(sizes, minimum_volume_mm3, probability.voxel_mm3), strict=True) if kept]
    components.sort(key=lambda component: -np.count_nonzero(component[1]))
    return [
        _measure(f"P{number}", box, mask, probability, float(probability.array[box][mask].mean(dtype=np.float64)))
        for number, (box, mask) in enumerate(components, start=1)]


def measure_lesions(labels: np.ndarray, grid: Volume) -> list[Lesion]:
    """Measures the lesions of a label map: every label is one lesion, connected or not.

    Args:
        labels: (z, y, x) integers on the grid; 0 is background.
        grid: gives spacing and place; its voxels are not read.

    Returns:
        A lesion for each label that occurs, in order of the labels; `lesion_id` is the label.

    Raises:
        ValueError: the label map has another shape than the grid, or no integers.
    """
    if labels.shape != grid.shape:
        raise ValueError(f"a label map of {labels.shape} does not lie on a grid of {grid.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    return [
        _measure(str(label), box, labels[box] == label, grid, None)
        for label, box in enumerate(find_boxes(labels), start=1) if box is not None]


def compute_diameter_mm(mask_2d: np.ndarray, spacing_yx_mm: tuple[float, float]) -> float:
    """Longest diameter of a mask in one slice, in mm.

    The longest distance between the centres of any two pixels of the mask, plus 0.4 pixel (the mean of both spacings
    where pixels are not square). The mask need not be connected; a single pixel measures 0.4 pixel. LI-RADS measures in
    any plane where the margin is clearest; the axial slice alone is a deviation (the paper reports no method).

    Args:
        mask_2d: (y, x), non-zero is lesion.
        spacing_yx_mm: distance between pixel centres down a column and along a row.

    Raises:
        ValueError: the mask is empty.
    """
    rows = np.flatnonzero(mask_2d.any(axis=1))
    if rows.size == 0:
        raise ValueError("an empty mask has no diameter")
    occupied = np.asarray(mask_2d[rows], dtype=bool)
    first = occupied.argmax(axis=1)
    last = occupied.shape[1] - 1 - occupied[:, ::-1].argmax(axis=1)
    # Both pixels of the farthest pair are vertices of the convex hull, and each vertex ends its row. Unlike the hull itself,
    # the ends of the rows exist for single pixels and lines, too.
    ends = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])]) * np.asarray(spacing_yx_mm, dtype=np.float64)
    return float(pdist(ends).max()) + PIXEL_EXTENT * (spacing_yx_mm[0] + spacing_yx_mm[1]) / 2


def _longest_diameter_mm(mask: np.ndarray, spacing_yx_mm: tuple[float, float]) -> float:
    """Largest diameter over the slices of a component (z, y, x)."""
    longest = 0.0
    for slice_mask in mask[np.argsort(-np.count_nonzero(mask, axis=(1, 2)), kind="stable")]:
        rows, columns = np.flatnonzero(slice_mask.any(axis=1)), np.flatnonzero(slice_mask.any(axis=0))
        if rows.size == 0:
            break
        # The diagonal of the slice's box bounds its diameter: most slices need no closer look.
        bound = hypot((rows[-1] - rows[0]) * spacing_yx_mm[0], (columns[-1] - columns[0]) * spacing_yx_mm[1])
        if bound + PIXEL_EXTENT * sum(spacing_yx_mm) / 2 > longest:
            longest = max(longest, compute_diameter_mm(slice_mask, spacing_yx_mm))
    return longest


def _measure(lesion_id: str, box: tuple[slice, slice, slice], mask: np.ndarray, grid: Volume, mean_probability: float | None) -> Lesion:
    areas = np.count_nonzero(mask, axis=(1, 2))
    voxels = int(areas.sum())
    centre = [indices.mean() + part.start for indices, part in zip(np.nonzero(mask), box, strict=True)]
    x_mm, y_mm, z_mm = (grid.affine @ np.array([*centre, 1.0]))[:3]
    return Lesion(
        lesion_id=lesion_id,
        bounding_box=box,
        mask=mask,
        largest_slice=int(areas.argmax()) + box[0].start,
        diameter_mm=_longest_diameter_mm(mask, grid.spacing_mm[1:]),
        volume_ml=voxels * grid.voxel_mm3 / 1000,
        centroid_lps_mm=(float(x_mm), float(y_mm), float(z_mm)),
        mean_probability=mean_probability)
