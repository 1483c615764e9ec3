from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.entities import FeatureProbabilities
from lirads_keras.inference.features import predict_features

ARTERIAL, PORTAL_VENOUS, DELAYED = range(3)


class StubModel:
    """Reads the probabilities off the first pixel of the crop: aphe, washout, capsule in the three channels."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def predict_on_batch(self, images):
        assert np.isfinite(images).all(), "a crop of an absent phase was looked at"
        self.batch_sizes.append(len(images))
        return {name: images[:, 0, 0, channel][:, None] for channel, name in enumerate(("aphe", "washout", "capsule"))}


def make_images(probabilities) -> np.ndarray:
    """(n, phase, 4, 4, 3) whose first pixels are `probabilities` (n, phase, feature)."""
    images = np.zeros((*np.shape(probabilities)[:2], 4, 4, 3), np.float32)
    images[:, :, 0, 0] = probabilities
    return images


# One lesion; rows are phases, columns aphe, washout, capsule. Binary fractions, so that means are exact.
PROBABILITIES = np.array([[[0.5, 0.125, 0.25], [0.0, 0.75, 0.5], [1.0, 0.25, 0.0]]])


@pytest.mark.parametrize("present, mode, expected", [
    ((1, 1, 1), "adaptive", (0.5, 0.5, 0.25)),
    ((1, 1, 1), "plain", (0.5, 0.375, 0.25)),
    ((0, 1, 1), "adaptive", (None, 0.5, 0.25)),
    ((1, 0, 1), "adaptive", (0.5, 0.25, 0.0)),
    ((1, 1, 0), "adaptive", (0.5, 0.75, 0.5)),
    ((0, 0, 1), "adaptive", (None, 0.25, 0.0)),
    ((1, 0, 0), "adaptive", (0.5, None, None)),
    ((1, 0, 1), "plain", (0.75, 0.1875, 0.125)),
    # What the arterial phase would show is not assessed without it, although the network gives a number; of washout the same.
    ((0, 0, 1), "plain", (None, 0.25, 0.0)),
    ((1, 0, 0), "plain", (0.5, None, None)),
    ((0, 0, 0), "adaptive", (None, None, None)),
    ((0, 0, 0), "plain", (None, None, None)),
])
def test_each_feature_is_the_mean_over_its_present_phases(present, mode, expected):
    images = make_images(PROBABILITIES)
    images[0, ~np.array(present, bool)] = np.nan
    assert predict_features(StubModel(), images, np.array([present], bool), mode) == [FeatureProbabilities(*expected)]


@pytest.mark.parametrize("mode", ["adaptive", "plain"])
def test_a_transitional_phase_is_read_for_the_capsule_alone(mode):
    """With gadoxetate: washout from the portal venous phase, capsule from it and the transitional one."""
    images = make_images([[[0.5, 0.125, 0.25], [0.0, 0.75, 0.5], [0, 0, 0], [1.0, 1.0, 0.0]]])
    images[0, DELAYED] = np.nan
    given = predict_features(StubModel(), images, np.array([[1, 1, 0, 1]], bool), mode)
    assert given == [FeatureProbabilities(*((0.5, 0.75, 0.25) if mode == "adaptive" else (0.25, 0.4375, 0.25)))]
    alone = predict_features(StubModel(), images, np.array([[1, 0, 0, 1]], bool), mode)
    assert alone == [FeatureProbabilities(0.5, None, 0.0 if mode == "adaptive" else 0.125)]


@pytest.mark.parametrize("batch_size", [1, 4, 7, 64])
def test_batches_change_nothing(batch_size):
    generator = np.random.default_rng(0)
    probabilities = generator.uniform(size=(9, 3, 3)).astype(np.float32)
    present = generator.uniform(size=(9, 3)) < 0.7
    model = StubModel()
    found = predict_features(model, make_images(probabilities), present, "adaptive", batch_size=batch_size)
    for lesion, features in enumerate(found):
        assert features.aphe == (probabilities[lesion, ARTERIAL, 0] if present[lesion, ARTERIAL] else None)
        for column, value in ((1, features.washout), (2, features.capsule)):
            read = [float(probabilities[lesion, phase, column]) for phase in (PORTAL_VENOUS, DELAYED) if present[lesion, phase]]
            assert value == (pytest.approx(np.mean(read), abs=1e-12) if read else None)
    assert max(model.batch_sizes) <= batch_size and sum(model.batch_sizes) == present.sum()


def test_no_lesion_gives_no_features():
    assert predict_features(StubModel(), np.zeros((0, 3, 4, 4, 3), np.float32), np.zeros((0, 3), bool), "adaptive") == []
