"""The lesion's image for the characterization network: one square crop a phase (§2.4, ledger item 12)."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np

from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.entities import ENHANCED_PHASES, READ_PHASES, Lesion, Phase, Volume
from lirads_keras.preprocessing.intensity import IntensityScale, of_slice

CONSTANT = 1e-6
"""A crop whose standard deviation, in standard deviations of its volume, is not above this shows nothing: it becomes zeros."""

TOLERANCE_PX = 1e-9
"""Keeps a whole number of pixels whole against rounding errors."""


def crop_phases(
    volumes: Mapping[Phase, Volume], lesion: Lesion, *, scales: Mapping[Phase, IntensityScale], crop_px: int, margin_fraction: float,
    channels: Literal["repeat", "neighbours"],
) -> dict[Phase, np.ndarray]:
    """Cuts the lesion out of every phase.

    In the slice with the largest lesion area, the lesion's bounding box is widened on each side by `margin_fraction` of its longer extent,
    rounded up to whole pixels, and made square in mm around its centre. The same box is cut from all phases and resized to
    crop_px × crop_px (averaging along the sides that shrink, linearly along those that grow). Eq. 1 comes first, with the scale of the whole image, so that
    what lies beyond the volume's edge is Eq. 1's zero; then each crop is brought to mean 0 and standard deviation 1 (§2.4). A constant
    crop gives zeros.

    Args:
        volumes: raw volumes (z, y, x) of one grid, possibly memory-mapped; as many phases as the study has.
        lesion: measured on that grid.
        scales: Eq. 1's numbers for each of the phases.
        crop_px: side of the result.
        margin_fraction: ≥ 0.
        channels: `repeat`: the grey image three times; `neighbours`: the slices below, at and above (the edge slice stands in for a
            missing one), standardised together.

    Returns:
        For each phase of `volumes` float32 (crop_px, crop_px, 3).

    Raises:
        ValueError: the volumes have different shapes, or the lesion lies outside them.
    """
    shapes = {volume.shape for volume in volumes.values()}
    if len(shapes) != 1:
        raise ValueError(f"the phases of a study lie on one grid, not on {sorted(shapes)}")
    slices, rows, columns = shapes.pop()
    z = lesion.largest_slice
    box = find_crop_box(lesion, next(iter(volumes.values())).spacing_mm, margin_fraction)
    if not 0 <= z < slices or box[0].start >= rows or box[1].start >= columns or box[0].stop <= 0 or box[1].stop <= 0:
        raise ValueError(f"lesion {lesion.lesion_id} at slice {z}, {box} lies outside a volume of {(slices, rows, columns)}")
    planes = [z] if channels == "repeat" else [min(max(z + step, 0), slices - 1) for step in (-1, 0, 1)]
    return {
        phase: _crop(volume.array, scales[phase], planes, box, crop_px) for phase, volume in volumes.items()}


def crop_lesions(
    volumes: Mapping[Phase, Volume], scales: Mapping[Phase, IntensityScale], lesions: Sequence[Lesion], settings: CharacterizationSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """`crop_phases` of n lesions of a study.

    Returns:
        images float32 (n, phase, crop_px, crop_px, 3), phases in the order of ENHANCED_PHASES, zeros where the study lacks the phase, or in that of
        READ_PHASES where it has a transitional one; and present (n, phase) bool, which phases it has.
    """
    columns = READ_PHASES if Phase.TRANSITIONAL in volumes else ENHANCED_PHASES
    images = np.zeros((len(lesions), len(columns), settings.crop_px, settings.crop_px, 3), np.float32)
    present = np.zeros(images.shape[:2], bool)
    for row, lesion in enumerate(lesions):
        crops = crop_phases(
            volumes, lesion, scales=scales, crop_px=settings.crop_px, margin_fraction=settings.margin_fraction, channels=settings.channels)
        for column, phase in enumerate(columns):
            if phase in crops:
                images[row, column], present[row, column] = crops[phase], True
    return images, present


def find_crop_box(lesion: Lesion, spacing_mm: tuple[float, float, float], margin_fraction: float) -> tuple[slice, slice]:
    """Rows and columns of the crop in the lesion's largest slice; they may reach beyond the volume (start < 0 included).

    Raises:
        ValueError: the lesion has no pixel in that slice.
    """
    mask = lesion.mask[lesion.largest_slice - lesion.bounding_box[0].start]
    if not mask.any():
        raise ValueError(f"lesion {lesion.lesion_id} has no pixel in slice {lesion.largest_slice}")
    extents = []
    for axis in (0, 1):
        occupied = np.flatnonzero(mask.any(axis=1 - axis)) + lesion.bounding_box[1 + axis].start
        extents.append((int(occupied[0]), int(occupied[-1]) + 1))
    longer = max((0, 1), key=lambda axis: (extents[axis][1] - extents[axis][0]) * spacing_mm[1 + axis])
    longest_px = extents[longer][1] - extents[longer][0]
    side_mm = (longest_px + 2 * math.ceil(margin_fraction * longest_px - TOLERANCE_PX)) * spacing_mm[1 + longer]
    box = []
    for (start, stop), spacing in zip(extents, spacing_mm[1:]):
        side = math.ceil(side_mm / spacing - TOLERANCE_PX)
        first = (start + stop - side) // 2
        box.append(slice(first, first + side))
    return box[0], box[1]


def crop_mask(lesion: Lesion, spacing_mm: tuple[float, float, float], *, crop_px: int, margin_fraction: float) -> np.ndarray:
    """The lesion's outline in its crop: bool (crop_px, crop_px), by nearest pixel."""
    box = find_crop_box(lesion, spacing_mm, margin_fraction)
    inside = np.zeros([part.stop - part.start for part in box], np.uint8)
    rows, columns = (indices + own.start - part.start for indices, own, part in zip(
        np.nonzero(lesion.mask[lesion.largest_slice - lesion.bounding_box[0].start]), lesion.bounding_box[1:], box, strict=True))
    inside[rows, columns] = 1
    return cv2.resize(inside, (crop_px, crop_px), interpolation=cv2.INTER_NEAREST_EXACT) > 0


def _crop(array: np.ndarray, scale: IntensityScale, planes: list[int], box: tuple[slice, slice], crop_px: int) -> np.ndarray:
    rows, columns = box
    inside = (slice(max(rows.start, 0), rows.stop), slice(max(columns.start, 0), columns.stop))
    crops = []
    for z in planes:
        piece = scale.apply(array[z:z + 1, inside[0], inside[1]], first_slice=z)[0]
        padded = np.full((rows.stop - rows.start, columns.stop - columns.start), of_slice(scale.zero, z), np.float32)
        top, left = inside[0].start - rows.start, inside[1].start - columns.start
        padded[top:top + piece.shape[0], left:left + piece.shape[1]] = piece
        crops.append(_resize(padded, crop_px))
    crop = np.stack(crops if len(crops) == 3 else crops * 3, axis=-1).astype(np.float64)
    deviation = crop.std()
    if deviation <= CONSTANT:
        return np.zeros(crop.shape, np.float32)
    return ((crop - crop.mean()) / deviation).astype(np.float32)


def _resize(image: np.ndarray, side_px: int) -> np.ndarray:
    """An image (y, x) as a square: averaged along a side that shrinks, interpolated linearly along one that grows."""
    rows, columns = image.shape
    shrunk_rows, shrunk_columns = min(rows, side_px), min(columns, side_px)
    if (shrunk_rows, shrunk_columns) != image.shape:
        image = cv2.resize(image, (shrunk_columns, shrunk_rows), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
