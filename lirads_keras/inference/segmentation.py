"""From a study to the probability that each voxel is lesion."""
from __future__ import annotations

import keras
import numpy as np

from lirads_keras.entities import Volume
from lirads_keras.evaluation.overlap import LEVELS
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.resample import from_segmentation_grid
from lirads_keras.preprocessing.slices import stack_slices


def predict_probability(model: keras.Model, image: Volume, scale: IntensityScale, *, batch_size: int) -> Volume:
    """Lesion probability of each voxel.

    Args:
        model: a segmentation network with two classes.
        image: raw voxels (z, y, x) of the delayed phase on the segmentation grid; may be memory-mapped.
        scale: of that image (Eq. 1 and standardisation).
        batch_size: slices predicted at a time.

    Returns:
        float32 (z, y, x) on the same grid; the edge slices are predicted with themselves as missing neighbours (ledger item 4).
    """
    probability = np.empty(image.shape, np.float32)
    for first_slice, stack in stack_slices(image.array, batch_size, scale):
        probability[first_slice:first_slice + len(stack)] = np.asarray(model.predict_on_batch(stack))[..., 1]
    return image.with_array(probability)


def to_levels(probability: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 steps of 1/250, rounded down: `level >= 250 t` is then the same as `probability >= t` at any t on a level."""
    return np.floor(probability * np.float32(LEVELS)).astype(np.uint8)


def predict_levels(model: keras.Model, image: Volume, scale: IntensityScale, grid: Volume, *, batch_size: int) -> np.ndarray:
    """`predict_probability` on the study's own (delayed) grid, as levels: uint8 (z, y, x)."""
    return to_levels(from_segmentation_grid(predict_probability(model, image, scale, batch_size=batch_size), grid))
