"""Eq. 4 against separate networks on the split batch."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lirads_keras.entities import HEAD_FEATURES, Phase
from lirads_keras.losses.adaptive import PHASE_SWITCH, phase_masks
from lirads_keras.models.multitask import MultitaskModel, build_multitask

X = np.array([0, 1, 1, 0, 1, 1, 0])
RNG = np.random.default_rng(0)
CROPS = RNG.normal(size=(7, 32, 32, 3)).astype("float32")
LABELS = {str(feature): RNG.integers(0, 2, 7).astype("float32") for feature in HEAD_FEATURES}


@pytest.fixture(scope="module")
def model() -> MultitaskModel:
    keras.utils.set_random_seed(5)
    # Without batch normalisation a sample's gradient does not depend on the others, so that a batch can be split.
    network = build_multitask("vgg16", crop_px=32, width_factor=0.125, head_units=8, weights="random")
    network.compile("sgd", loss={name: "binary_crossentropy" for name in network.output})
    return network


def adaptive_gradients(model: MultitaskModel, masks: dict[str, np.ndarray]) -> tuple[float, list[np.ndarray]]:
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=CROPS, y=LABELS, y_pred=model(CROPS, training=True), sample_weight=masks)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    return float(loss), [np.asarray(gradient) for gradient in gradients]


def single_task_gradients(model: MultitaskModel, feature: str, samples: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """Loss and gradients of one head alone, on `samples` alone, with no mask: the mean cross-entropy written out."""
    y = LABELS[feature][samples][:, None]
    with tf.GradientTape() as tape:
        p = model(CROPS[samples], training=True)[feature]
        loss = -tf.reduce_mean(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights], unconnected_gradients="zero")
    return float(loss), [np.asarray(gradient) for gradient in gradients]


def test_masks_are_equation_4() -> None:
    masks = phase_masks(X)
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "aphe": [1, 0, 0, 1, 0, 0, 1], "washout": [0, 1, 1, 0, 1, 1, 0], "capsule": [0, 1, 1, 0, 1, 1, 0]}
    assert {mask.dtype for mask in masks.values()} == {np.dtype("float32")}


def test_plain_counts_every_sample_in_every_head() -> None:
    masks = phase_masks(X, "plain")
    assert list(masks) == [str(feature) for feature in HEAD_FEATURES]
    assert all((mask == 1).all() and mask.shape == (7,) for mask in masks.values())


def test_switch_of_the_phases() -> None:
    assert PHASE_SWITCH == {Phase.ARTERIAL: 0, Phase.PORTAL_VENOUS: 1, Phase.DELAYED: 1}


def test_a_mixed_batch_is_the_weighted_sum_of_separate_networks(model: MultitaskModel) -> None:
    loss, gradients = adaptive_gradients(model, phase_masks(X))
    arterial, later = np.flatnonzero(X == 0), np.flatnonzero(X == 1)
    parts = [(len(samples) / len(X), *single_task_gradients(model, feature, samples))
             for feature, samples in (("aphe", arterial), ("washout", later), ("capsule", later))]
    assert loss == pytest.approx(sum(weight * part for weight, part, _ in parts), rel=1e-5)
    for index, gradient in enumerate(gradients):
        expected = sum(weight * part[index] for weight, _, part in parts)
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("x", "silent"), [(0, ("washout", "capsule")), (1, ("aphe",))])
def test_gradients_of_masked_heads_are_exactly_zero(model: MultitaskModel, x: int, silent: tuple[str, ...]) -> None:
    _, gradients = adaptive_gradients(model, phase_masks(np.full(7, x)))
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        head = weight.path.split("/")[0]
        if head in silent:
            assert (gradient == 0).all()
        else:
            assert np.abs(gradient).max() > 0


def test_plain_gradients_are_those_of_all_heads_on_all_samples(model: MultitaskModel) -> None:
    _, gradients = adaptive_gradients(model, phase_masks(X, "plain"))
    parts = [single_task_gradients(model, str(feature), np.arange(7))[1] for feature in HEAD_FEATURES]
    for gradient, *terms in zip(gradients, *parts, strict=True):
        np.testing.assert_allclose(gradient, sum(terms), rtol=1e-3, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("x", [np.array([0, 2]), np.array([0.5]), np.array([np.nan]), np.zeros((2, 1)), np.array(1)])
def test_a_switch_that_is_not_0_or_1_is_refused(x: np.ndarray) -> None:
    with pytest.raises(ValueError, match="vector of 0 and 1"):
        phase_masks(x)


def test_another_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="adaptive or plain"):
        phase_masks(X, "other")  # type: ignore[arg-type]
