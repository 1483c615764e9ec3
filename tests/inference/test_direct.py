from __future__ import annotations

import keras
import numpy as np
import pytest

from lirads_keras.inference.direct import predict_categories
from lirads_keras.models.direct import build_direct


@pytest.fixture(scope="module", params=[False, True])
def model(request) -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_direct("vgg16", crop_px=32, width_factor=0.125, head_units=8, weights="random", frozen=False, with_size=request.param)


def test_batches_change_nothing_and_a_missed_lesion_has_no_probability(model):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(5, 3, 32, 32, 3)).astype(np.float32)
    present = np.ones((5, 3), bool)
    present[1], present[3, 0] = False, False
    images[~present] = np.nan
    diameters = np.array([10, np.nan, 20, 30, 40.0])
    whole = predict_categories(model, images, present, diameters)
    assert whole.shape == (5, 3) and np.isnan(whole[1]).all()
    np.testing.assert_allclose(whole[[0, 2, 3, 4]].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(predict_categories(model, images, present, diameters, batch_size=3), whole, rtol=1e-4)
    np.testing.assert_allclose(predict_categories(model, images[3:4], present[3:4], diameters[3:4])[0], whole[3], rtol=1e-4)
    larger = predict_categories(model, images, present, 3 * diameters)
    assert np.allclose(larger, whole, equal_nan=True) == (len(model.inputs) == 1)


def test_no_lesion_gives_no_row(model):
    assert predict_categories(model, np.zeros((0, 3, 32, 32, 3), np.float32), np.zeros((0, 3), bool), np.zeros(0)).shape == (0, 3)
