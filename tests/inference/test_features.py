"""Which phase each feature is read from, with a network whose outputs are known."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.entities import FeatureProbabilities
from lirads_keras.inference.features import predict_features


class Stub:
    """Reads its answer from the pixels: aphe = channel 0, washout = channel 1, capsule = channel 2 of the first pixel."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict_on_batch(self, images):
        self.batches.append(len(images))
        return {name: images[:, 0, 0, channel:channel + 1] for channel, name in enumerate(("aphe", "washout", "capsule"))}


def crops(values: np.ndarray) -> np.ndarray:
    """values (lesion, phase, feature) as crops (lesion, phase, 2, 2, 3)."""
    return np.broadcast_to(values[:, :, None, None, :], (*values.shape[:2], 2, 2, 3)).astype(np.float32)


VALUES = np.array([[[0.9, 0.1, 0.2], [0.3, 0.4, 0.5], [0.6, 0.8, 0.1]]])


def test_adaptive_reads_aphe_from_arterial_and_the_others_from_the_two_later_phases():
    found, = predict_features(Stub(), crops(VALUES), np.ones((1, 3), bool), "adaptive")
    assert vars_of(found) == pytest.approx((0.9, (0.4 + 0.8) / 2, (0.5 + 0.1) / 2))


def test_plain_takes_the_mean_over_all_phases():
    found, = predict_features(Stub(), crops(VALUES), np.ones((1, 3), bool), "plain")
    assert vars_of(found) == pytest.approx(tuple(VALUES[0].mean(axis=0)))


@pytest.mark.parametrize("present, expected", [
    ([False, True, True], (None, 0.6, 0.3)),
    ([True, False, True], (0.9, 0.8, 0.1)),
    ([True, True, False], (0.9, 0.4, 0.5)),
    ([True, False, False], (0.9, None, None)),
    ([False, False, False], (None, None, None)),
])
def test_a_missing_phase_is_never_looked_at(present, expected):
    values = VALUES.copy()
    values[0, ~np.array(present)] = np.nan
    found, = predict_features(Stub(), crops(values), np.array([present]), "adaptive")
    assert vars_of(found) == tuple(None if value is None else pytest.approx(value) for value in expected)


def test_batches_change_nothing():
    values = np.random.default_rng(0).uniform(size=(7, 3, 3))
    present = np.random.default_rng(1).uniform(size=(7, 3)) > 0.3
    one, many = Stub(), Stub()
    assert predict_features(one, crops(values), present, "adaptive", batch_size=1) == predict_features(many, crops(values), present, "adaptive")
    assert set(one.batches) == {1} and many.batches == [present.sum()]


def vars_of(found: FeatureProbabilities) -> tuple[float | None, ...]:
    return found.aphe, found.washout, found.capsule
