"""The fused layer is Keras' layer: outputs, gradients, moving averages and files."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lirads_keras.models.batch_norm import MOMENTUM, BatchNormalization, build_batch_norm


@pytest.fixture()
def images() -> np.ndarray:
    # Mean and spread far from 0 and 1, so that a wrong moment shows.
    return np.random.default_rng(1).normal(3, 5, (4, 6, 5, 7)).astype(np.float32)


def _fill(layer: keras.layers.Layer) -> None:
    generator = np.random.default_rng(2)
    layer.set_weights([generator.uniform(0.5, 2, weight.shape) for weight in layer.weights])


def _run(layer: keras.layers.Layer, images: np.ndarray, training: bool) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Output, gradients of a random sum by input and weights, and weights after the call."""
    layer.build(images.shape)
    _fill(layer)
    factors = np.random.default_rng(3).normal(size=images.shape).astype(np.float32)
    x = tf.constant(images, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=training)
        total = tf.reduce_sum(tf.cast(output, tf.float32) * factors)
    gradients = tape.gradient(total, [x, *(weight.value for weight in layer.trainable_weights)])
    return np.asarray(tf.cast(output, tf.float32)), [np.asarray(tf.cast(gradient, tf.float32)) for gradient in gradients], layer.get_weights()


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 2e-5}, {"axis": 3}], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_it_does_what_keras_does(images: np.ndarray, options: dict[str, object], training: bool):
    fused, plain = (_run(cls(momentum=0.8, **options), images, training) for cls in (BatchNormalization, keras.layers.BatchNormalization))
    np.testing.assert_allclose(fused[0], plain[0], rtol=1e-4, atol=1e-5)
    for of_fused, of_plain in zip(fused[1] + fused[2], plain[1] + plain[2], strict=True):
        np.testing.assert_allclose(of_fused, of_plain, rtol=1e-4, atol=1e-4)


def test_its_moving_averages_are_those_of_a_definition_in_float64(images: np.ndarray):
    layer = build_batch_norm("norm")
    _, _, (_, _, mean, variance) = _run(layer, images, True)
    _fill(layer)
    start_mean, start_variance = layer.get_weights()[2:]
    pixels = images.astype(np.float64).reshape(-1, 7)
    np.testing.assert_allclose(mean, MOMENTUM * start_mean + (1 - MOMENTUM) * pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, MOMENTUM * start_variance + (1 - MOMENTUM) * pixels.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("channels_of", [lambda images: images[:, 0, 0], lambda images: images[:, 0]], ids=["vectors", "sequences"])
def test_what_is_no_image_is_left_to_keras(images: np.ndarray, channels_of):
    fused, plain = (_run(cls(), channels_of(images), True) for cls in (BatchNormalization, keras.layers.BatchNormalization))
    np.testing.assert_array_equal(fused[0], plain[0])
    for of_fused, of_plain in zip(fused[2], plain[2], strict=True):
        np.testing.assert_array_equal(of_fused, of_plain)


@pytest.mark.parametrize("options", [{"axis": 1}, {"renorm": True}], ids=str)
def test_another_axis_and_renormalisation_are_left_to_keras(images: np.ndarray, options: dict[str, object]):
    fused, plain = (_run(cls(**options), images, True)[0] for cls in (BatchNormalization, keras.layers.BatchNormalization))
    np.testing.assert_array_equal(fused, plain)


def test_float64_is_left_to_keras(images: np.ndarray):
    fused, plain = (_run(cls(dtype="float64"), images, True)[0] for cls in (BatchNormalization, keras.layers.BatchNormalization))
    np.testing.assert_array_equal(fused, plain)


def test_in_a_graph_it_does_what_it_does_outside(images: np.ndarray):
    """Training runs in graphs, which TensorFlow rewrites: a ReLU behind the layer joins its kernel."""
    outputs, layers = [], [build_batch_norm("norm") for _ in range(2)]
    for layer, wrap in zip(layers, (tf.function, lambda function: function), strict=True):
        layer.build(images.shape)
        _fill(layer)
        outputs.append(np.asarray(wrap(lambda x, layer=layer: tf.nn.relu(layer(x, training=True)))(tf.constant(images))))
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-5)
    for in_graph, outside in zip(layers[0].get_weights(), layers[1].get_weights(), strict=True):
        np.testing.assert_allclose(in_graph, outside, rtol=1e-5)


def test_files_of_keras_layers_can_be_read(tmp_path, images: np.ndarray):
    """A run's weights stay readable, whichever class wrote them."""
    def build(cls: type[keras.layers.Layer]) -> keras.Model:
        image = keras.Input(images.shape[1:])
        return keras.Model(image, cls(name="norm")(image))

    written, read = build(keras.layers.BatchNormalization), build(BatchNormalization)
    _fill(written.get_layer("norm"))
    for name in ("model.keras", "model.weights.h5"):
        (written.save if name == "model.keras" else written.save_weights)(tmp_path / name)
        read.load_weights(tmp_path / name)
        for ours, theirs in zip(read.get_weights(), written.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        read.set_weights([np.zeros_like(weight) for weight in read.get_weights()])


def test_a_mask_is_left_to_keras(images: np.ndarray):
    mask = np.random.default_rng(4).random(images.shape[:3]) < 0.5
    outputs = []
    for layer in (BatchNormalization(), keras.layers.BatchNormalization()):
        outputs.append(np.asarray(layer(images, training=True, mask=tf.constant(mask))))
    np.testing.assert_array_equal(*outputs)


def test_a_frozen_layer_uses_its_moving_averages_and_keeps_them(images: np.ndarray):
    layer = build_batch_norm("norm")
    layer.trainable = False
    layer.build(images.shape)
    _fill(layer)
    before = layer.get_weights()
    np.testing.assert_array_equal(layer(images, training=True), layer(images, training=False))
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_half_precision_keeps_float32_statistics(half_precision: str, images: np.ndarray):
    output, _, weights = _run(build_batch_norm("norm"), images, True)
    keras.config.set_dtype_policy("float32")
    expected, _, plain = _run(keras.layers.BatchNormalization(momentum=MOMENTUM), images.astype(np.float16).astype(np.float32), True)
    np.testing.assert_allclose(output, expected, atol=0.05)
    for of_fused, of_plain in zip(weights, plain, strict=True):
        assert of_fused.dtype == np.float32
        np.testing.assert_allclose(of_fused, of_plain, rtol=0.02)


def test_it_is_loaded_without_naming_it(tmp_path, images: np.ndarray):
    image = keras.Input(images.shape[1:])
    model = keras.Model(image, build_batch_norm("norm")(image))
    _fill(model.get_layer("norm"))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("norm")) is BatchNormalization
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
