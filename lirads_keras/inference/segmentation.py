"""From a study to the probability that each voxel is lesion, a few slices at a time."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lirads_keras.config.segmentation import InferenceSettings
from lirads_keras.entities import Volume
from lirads_keras.evaluation.overlap import LEVELS
from lirads_keras.inference.body_box import BodyBox, find_body_box
from lirads_keras.inference.halves import Window
from lirads_keras.inference.predictors import Predictor
from lirads_keras.preprocessing.resample import from_segmentation_grid
from lirads_keras.preprocessing.segmentation_input import SegmentationInput
from lirads_keras.preprocessing.slices import stack_slices

FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))
"""The four flip states of stacks (n, y, x, c), as axes that are reversed (both flips of §2.4's augmentation)."""


def predict_slices(predictor: Predictor, given: SegmentationInput, settings: InferenceSettings, *, batch_size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Lesion probability of whole slices, a batch at a time; nothing but the batch is held in memory.

    With `settings.body_box` only the box around the body is computed to the end (`split_network`), and the probability is 0 outside of it and in slices that
    Eq. 1 leaves empty; the body is that of the latest phase. The edge slices of the volume are predicted with themselves as missing neighbours (ledger item 4).

    Args:
        predictor: a segmentation network with two classes.
        given: of a study, on the segmentation grid; scales are of whole images whatever the box.
        settings: body box and flip augmentation.
        batch_size: slices predicted at a time.

    Yields:
        Index of the batch's first slice and float32 (n, y, x), in order; slices before the first batch and after the last have probability 0.
    """
    if settings.body_box:
        box = find_body_box(given.latest.array, given.latest.scale, predictor.window_px)
    else:
        slices, rows, columns = given.grid.shape
        box = BodyBox(np.ones(slices, bool), slice(0, rows), slice(0, columns))
    for first, stacks in stack_slices(given, batch_size, box.slices):
        probability = np.zeros(stacks.shape[:3], np.float32)
        occupied = box.occupied[first:first + len(stacks)]
        probability[occupied, box.rows, box.columns] = _predict(predictor, stacks[occupied], (box.rows, box.columns), settings)
        yield first, probability


def predict_levels(predictor: Predictor, given: SegmentationInput, grid: Volume, settings: InferenceSettings, *, batch_size: int) -> np.ndarray:
    """As `predict_slices`, on the study's own (delayed) grid and as levels (`to_levels`): uint8 (z, y, x)."""
    levels = np.zeros(grid.shape, np.uint8)
    for first, probability in predict_slices(predictor, given, settings, batch_size=batch_size):
        levels[first:first + len(probability)] = to_levels(resample_slices(given.grid, first, probability, grid))
    return levels


def resample_slices(image: Volume, first: int, probability: np.ndarray, grid: Volume) -> np.ndarray:
    """Slices of the segmentation grid on the study's own: both grids have the same slices, so that none needs its neighbours.

    Args:
        image: on the segmentation grid; its voxels are not read.
        first: index of the first slice.
        probability: float32 (n, y, x).
        grid: the delayed grid; its voxels are not read.

    Returns:
        float32 (n, y, x) on the delayed grid.
    """
    return from_segmentation_grid(_cut_slices(image, first, probability), _cut_slices(grid, first, grid.array[first:first + len(probability)]))


def to_levels(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 steps of 1/250, rounded down: `level >= 250 t` is then the same as `probability >= t` at any t on a level."""
    return np.floor(probability * np.float32(LEVELS)).astype(np.uint8)


def _predict(predictor: Predictor, stacks: np.ndarray, window: Window, settings: InferenceSettings) -> np.ndarray:
    """The mean over the flip states, in their order, or the plain prediction."""
    total = np.zeros((len(stacks), *(part.stop - part.start for part in window)), np.float32)
    if not len(stacks):
        return total
    if not settings.flip_augmentation:
        return predictor(stacks, window)
    for axes in FLIPS:
        rows, columns = (slice(size - part.stop, size - part.start) if axis in axes else part
                         for axis, (size, part) in enumerate(zip(stacks.shape[1:3], window, strict=True), start=1))
        total += np.flip(predictor(np.ascontiguousarray(np.flip(stacks, axes)), (rows, columns)), axes)
    return total / np.float32(len(FLIPS))


def _cut_slices(grid: Volume, first: int, array: np.ndarray) -> Volume:
    affine = grid.affine.copy()
    affine[:3, 3] += first * affine[:3, 0]
    return Volume(array, grid.spacing_mm, affine)
