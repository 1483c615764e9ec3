from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.evaluation.overlap import compute_level
from lirads_keras.inference.segmentation import predict_levels, predict_probability, to_levels
from lirads_keras.preprocessing.intensity import IntensityScale

SCALE = IntensityScale(0.0, 1.0, 0.0, 1.0)


class MeanOfNeighbours:
    """Lesion probability: the mean of the three channels."""

    def predict_on_batch(self, stack):
        lesion = stack.mean(axis=-1)
        return np.stack([1 - lesion, lesion], axis=-1)


def volume(array: np.ndarray) -> Volume:
    return Volume(array, (4.0, 1.0, 1.0), np.diag([4.0, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_every_slice_sees_its_neighbours_and_edges_stand_in_for_missing_ones(batch_size):
    image = np.random.default_rng(0).uniform(size=(5, 32, 32)).astype(np.float32)
    found = predict_probability(MeanOfNeighbours(), volume(image), SCALE, batch_size=batch_size).array
    padded = np.concatenate([image[:1], image, image[-1:]])
    expected = np.stack([padded[z:z + 3].mean(axis=0) for z in range(5)])
    assert found.dtype == np.float32 and np.allclose(found, expected, atol=1e-6)


def test_levels_keep_every_threshold_of_table_4():
    for threshold in np.linspace(0, 1, 11):
        exact, below = np.float32(threshold), np.nextafter(np.float32(threshold), np.float32(-1)) - np.float32(1e-4)
        assert to_levels(np.array([exact]))[0] >= compute_level(float(threshold))
        if threshold:
            assert to_levels(np.array([below]))[0] < compute_level(float(threshold))
    assert to_levels(np.array([0.0, 1.0], np.float32)).tolist() == [0, 250]


def test_levels_on_another_grid_come_back_on_the_study_s_own():
    grid = volume(np.zeros((3, 40, 24), np.float32))
    from lirads_keras.preprocessing.resample import to_segmentation_grid

    image = to_segmentation_grid(grid.with_array(np.full((3, 40, 24), 0.8, np.float32)), 32)
    levels = predict_levels(MeanOfNeighbours(), image, SCALE, grid, batch_size=2)
    assert levels.shape == (3, 40, 24) and levels.dtype == np.uint8
    # 0.8 minus what resampling and rounding down may cost.
    assert np.all((levels[:, 4:-4, 4:-4] >= 198) & (levels[:, 4:-4, 4:-4] <= 200))
