"""CBAM against its equations, transcribed in float64 numpy."""
from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras.models.cbam import CBAM


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def transcribed_cbam(features: np.ndarray, w0: np.ndarray, w1: np.ndarray, spatial: np.ndarray) -> np.ndarray:
    """Eqs. 1-3 of Woo et al. 2018 for one image (y, x, c), pixel by pixel."""
    def perceptron(vector: np.ndarray) -> np.ndarray:
        return np.maximum(vector @ w0, 0) @ w1

    rows, columns, _ = features.shape
    refined = features * sigmoid(perceptron(features.mean((0, 1))) + perceptron(features.max((0, 1))))
    margin = spatial.shape[0] // 2
    pooled = np.zeros((rows + 2 * margin, columns + 2 * margin, 2))
    pooled[margin:margin + rows, margin:margin + columns, 0] = refined.mean(-1)
    pooled[margin:margin + rows, margin:margin + columns, 1] = refined.max(-1)
    attention = np.zeros((rows, columns, 1))
    for y in range(rows):
        for x in range(columns):
            attention[y, x, 0] = sigmoid(np.sum(pooled[y:y + 2 * margin + 1, x:x + 2 * margin + 1] * spatial[..., 0]))
    return refined * attention


@pytest.mark.parametrize(("channels", "hidden"), [(32, 2), (8, 1)])
def test_equals_the_transcribed_equations(channels: int, hidden: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 9, 6, channels)).astype("float32")
    layer = CBAM()
    layer.build(features.shape)
    w0, w1, spatial = (rng.normal(0, 0.7, weight.shape) for weight in layer.weights)
    assert w0.shape == (channels, hidden)
    assert spatial.shape == (7, 7, 2, 1)
    layer.set_weights([w0, w1, spatial])
    expected = np.stack([transcribed_cbam(image, w0, w1, spatial) for image in features.astype(float)])
    np.testing.assert_allclose(layer(features), expected, rtol=1e-4, atol=1e-5)


def test_parameters_of_64_channels() -> None:
    layer = CBAM()
    layer.build((None, None, None, 64))
    assert layer.count_params() == 64 * 4 + 4 * 64 + 7 * 7 * 2


def test_every_weight_gets_a_gradient() -> None:
    import tensorflow as tf
    keras.utils.set_random_seed(0)
    features = tf.random.stateless_normal((2, 8, 8, 32), (1, 2))
    layer = CBAM()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(features) ** 2)
    gradients = tape.gradient(total, [weight.value for weight in layer.trainable_weights])
    assert len(gradients) == 3
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_half_precision_pools_large_maps_without_loss(half_precision: str) -> None:
    features = np.full((1, 128, 128, 16), 8.0, "float32")
    half = CBAM()
    half.build(features.shape)
    single = CBAM(dtype="float32")
    single.build(features.shape)
    single.set_weights(half.get_weights())
    output = half(features)
    assert keras.backend.standardize_dtype(output.dtype) == half_precision.removeprefix("mixed_")
    # The sum over the map is 131,072, twice float16's largest number.
    np.testing.assert_allclose(np.asarray(output).astype(float), single(features), rtol=0.02)


def test_saves_and_loads_with_its_settings_and_weights(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 12))
    model = keras.Model(inputs, CBAM(reduction=4, kernel_size=3)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    features = np.random.default_rng(1).normal(size=(1, 5, 7, 12)).astype("float32")
    assert (loaded.layers[1].reduction, loaded.layers[1].kernel_size) == (4, 3)
    np.testing.assert_array_equal(loaded.predict_on_batch(features), model.predict_on_batch(features))


@pytest.mark.parametrize("arguments", [{"reduction": 0}, {"kernel_size": 0}])
def test_senseless_settings_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CBAM(**arguments)


@pytest.mark.parametrize("shape", [(None, 4, 4), (None, 4, 4, None)])
def test_other_inputs_are_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="n, y, x, c"):
        CBAM().build(shape)
