from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import Volume
from lirads_keras.evaluation.overlap import LEVELS, compute_level
from lirads_keras.inference.segmentation import predict_levels, predict_probability, to_levels
from lirads_keras.preprocessing.intensity import IntensityScale, apply_intensity_scale
from lirads_keras.preprocessing.resample import to_segmentation_grid

SCALE = IntensityScale(80.0, 880.0, 0.4, 0.25)
WEIGHTS = np.array([0.2, -0.7, 0.4])


class StubModel:
    """A softmax of two classes whose score for lesion is a different multiple of each channel."""

    def predict_on_batch(self, stack):
        lesion = 1 / (1 + np.exp(-(stack.astype(np.float64) @ WEIGHTS)))
        return np.stack([1 - lesion, lesion], axis=-1).astype(np.float32)


def make_image(slices: int = 7, rows: int = 6, columns: int = 5) -> Volume:
    array = np.random.default_rng(slices).integers(0, 1000, (slices, rows, columns)).astype(np.uint16)
    return Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))


def predict_slowly(image: Volume) -> np.ndarray:
    """Slice by slice, the edge slices with themselves as missing neighbours."""
    scaled = apply_intensity_scale(image.array, SCALE).astype(np.float64)
    last = len(scaled) - 1
    stacks = [np.stack([scaled[max(z - 1, 0)], scaled[z], scaled[min(z + 1, last)]], axis=-1) for z in range(len(scaled))]
    return 1 / (1 + np.exp(-(np.array(stacks) @ WEIGHTS)))


@pytest.mark.parametrize("slices", [1, 2, 7])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_every_slice_is_predicted_with_its_neighbours_whatever_the_batch(slices, batch_size):
    image = make_image(slices)
    found = predict_probability(StubModel(), image, SCALE, batch_size=batch_size)
    assert found.array.dtype == np.float32 and found.shape == image.shape
    np.testing.assert_array_equal(found.affine, image.affine)
    np.testing.assert_allclose(found.array, predict_slowly(image), atol=1e-6)
    np.testing.assert_array_equal(found.array, predict_probability(StubModel(), image, SCALE, batch_size=slices).array)


def test_levels_lie_on_the_studys_grid():
    delayed = make_image(4, 12, 20)
    image = to_segmentation_grid(delayed, 32)
    assert image.shape == (4, 32, 32)
    levels = predict_levels(StubModel(), image, SCALE, delayed, batch_size=3)
    assert levels.shape == delayed.shape and levels.dtype == np.uint8 and levels.max() <= LEVELS
    same = predict_levels(StubModel(), delayed, SCALE, delayed, batch_size=3)
    np.testing.assert_array_equal(same, to_levels(predict_probability(StubModel(), delayed, SCALE, batch_size=2).array))


def test_every_level_is_its_own_step():
    probability = (np.arange(LEVELS + 1) / LEVELS).astype(np.float32)
    np.testing.assert_array_equal(to_levels(probability), np.arange(LEVELS + 1))


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.044, 0.952, 1.0])
def test_a_threshold_divides_levels_as_it_divides_probabilities(threshold):
    at = np.float32(threshold)
    probability = np.array([at - np.float32(2e-6), at, at + np.float32(2e-6)], np.float32).clip(0, 1)
    np.testing.assert_array_equal(to_levels(probability) >= compute_level(threshold), probability >= at)


@given(st.floats(0, 1, width=32))
def test_a_level_is_the_probability_rounded_down(probability):
    level = int(to_levels(np.array([probability], np.float32))[0])
    assert level / LEVELS <= probability + 1e-6
    assert probability < (level + 1) / LEVELS + 1e-6
