"""The trunk against keras.applications."""
from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.models import vgg
from lirads_keras.models.vgg import IMAGENET_SD_BGR, build_vgg16

IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def library() -> keras.Model:
    return keras.applications.VGG16(include_top=False, weights=None)


def test_is_the_librarys_trunk_at_width_1(library: keras.Model) -> None:
    model = build_vgg16()
    assert [layer.name for layer in model.layers[1:]] == [layer.name for layer in library.layers[1:]]
    assert [weight.shape for weight in model.weights] == [weight.shape for weight in library.weights]
    library.set_weights(model.get_weights())
    expected = library.predict_on_batch(IMAGES)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(model.predict_on_batch(IMAGES), expected, rtol=1e-5, atol=1e-6)


def test_width_factor_multiplies_the_channels() -> None:
    model = build_vgg16(width_factor=0.25)
    assert [model.get_layer(f"block{block}_conv1").filters for block in range(1, 6)] == [16, 32, 64, 128, 128]
    assert model.output_shape == (None, None, None, 128)


def test_random_weights_carry_the_signal_through_thirteen_layers() -> None:
    # Glorot's initialisation halves the second moment at every ReLU: 2^-13 would be left.
    model = build_vgg16(width_factor=0.25)
    inner = keras.Model(model.input, model.get_layer("block5_conv3").output)
    images = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype("float32")
    assert 0.05 < np.mean(inner.predict_on_batch(images) ** 2) < 20


def test_imagenet_weights_see_a_standardised_image_as_a_photograph(
        library: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_weight_file: Callable[[keras.Model, Path], None]) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / vgg.IMAGENET_FILE.name
    library.get_layer("block1_conv1").bias.assign(np.random.default_rng(2).normal(0, 10, 64))
    write_weight_file(library, path)
    monkeypatch.setattr(vgg, "IMAGENET_FILE", replace(vgg.IMAGENET_FILE, md5=hashlib.md5(path.read_bytes()).hexdigest()))
    model = build_vgg16(weights="imagenet")
    photograph = (IMAGES * IMAGENET_SD_BGR).astype("float32")
    np.testing.assert_allclose(model.predict_on_batch(IMAGES), library.predict_on_batch(photograph), rtol=1e-3, atol=1e-3)
    for mine, theirs in zip(model.layers[2:], library.layers[2:], strict=True):
        for loaded, written in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(loaded, written)


def test_imagenet_weights_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="width_factor: expected 1"):
        build_vgg16(width_factor=0.5, weights="imagenet")
