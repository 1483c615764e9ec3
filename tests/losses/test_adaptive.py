"""Eq. 4 against separate networks on the split batch."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, READ_PHASES, Phase
from lirads_keras.losses.adaptive import build_reading_table, phase_masks
from lirads_keras.models.multitask import MultitaskModel, build_multitask

X = np.array([0, 1, 1, 0, 1, 1, 0])
"""The switch of Eq. 4."""
PHASES = np.array([0, 1, 2, 0, 2, 1, 0])
"""Arterial where the switch is 0, else portal venous or delayed."""
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
    masks = phase_masks(PHASES)
    assert {name: mask.tolist() for name, mask in masks.items()} == {"aphe": (1 - X).tolist(), "washout": X.tolist(), "capsule": X.tolist()}
    assert {mask.dtype for mask in masks.values()} == {np.dtype("float32")}
    # Each head's own: what a data set does to one leaves the others.
    masks["washout"][:] = 7
    assert masks["capsule"].tolist() == X.tolist()


def test_plain_counts_every_sample_in_every_head() -> None:
    masks = phase_masks(PHASES, "plain")
    assert list(masks) == [str(feature) for feature in HEAD_FEATURES]
    assert all((mask == 1).all() and mask.shape == (7,) for mask in masks.values())


def test_what_is_read_from_which_phase() -> None:
    assert (ENHANCED_PHASES, HEAD_FEATURES) == ((Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED), ("aphe", "washout", "capsule"))
    assert build_reading_table("adaptive").tolist() == [[True, False, False], [False, True, True], [False, True, True]]
    assert build_reading_table("plain").tolist() == [[True] * 3] * 3
    for mode in ("adaptive", "plain"):
        assert build_reading_table(mode, READ_PHASES).tolist() == [*build_reading_table(mode).tolist(), [False, False, True]]


def test_a_mixed_batch_is_the_weighted_sum_of_separate_networks(model: MultitaskModel) -> None:
    loss, gradients = adaptive_gradients(model, phase_masks(PHASES))
    arterial, later = np.flatnonzero(X == 0), np.flatnonzero(X == 1)
    parts = [(len(samples) / len(X), *single_task_gradients(model, feature, samples))
             for feature, samples in (("aphe", arterial), ("washout", later), ("capsule", later))]
    assert loss == pytest.approx(sum(weight * part for weight, part, _ in parts), rel=1e-5)
    for index, gradient in enumerate(gradients):
        expected = sum(weight * part[index] for weight, _, part in parts)
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("phase", "silent"), [(0, ("washout", "capsule")), (1, ("aphe",)), (2, ("aphe",))])
def test_gradients_of_masked_heads_are_exactly_zero(model: MultitaskModel, phase: int, silent: tuple[str, ...]) -> None:
    _, gradients = adaptive_gradients(model, phase_masks(np.full(7, phase)))
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        head = weight.path.split("/")[0]
        if head in silent:
            assert (gradient == 0).all()
        else:
            assert np.abs(gradient).max() > 0


def test_plain_gradients_are_those_of_all_heads_on_all_samples(model: MultitaskModel) -> None:
    _, gradients = adaptive_gradients(model, phase_masks(PHASES, "plain"))
    parts = [single_task_gradients(model, str(feature), np.arange(7))[1] for feature in HEAD_FEATURES]
    for gradient, *terms in zip(gradients, *parts, strict=True):
        np.testing.assert_allclose(gradient, sum(terms), rtol=1e-3, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("phases", [
    np.array([0, 3]), np.array([-1]), np.array([1.0]), np.array([np.nan]), np.array([True]), np.zeros((2, 1), int), np.array(1), np.array(["delayed"])])
def test_what_is_no_position_of_a_phase_is_refused(phases: np.ndarray) -> None:
    with pytest.raises(ValueError, match="vector of integers from 0 to 2"):
        phase_masks(phases)


def test_another_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="adaptive or plain"):
        phase_masks(PHASES, "other")  # type: ignore[arg-type]
