"""Weights of three input channels in networks of more."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras.models.input_channels import copy_weights
from lirads_keras.models.resnet import build_resnet
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus, transfer_weights

FILTERS = (12, 11, 10, 9, 8)


def build(channels: int, classes: int = 2) -> keras.Model:
    return build_unet_plus_plus("resnet18", classes=classes, width_factor=0.125, decoder_filters=FILTERS, channels=channels)


def copy_head(source: keras.Model, target: keras.Model) -> None:
    target.get_layer("head").set_weights(source.get_layer("head").get_weights())


def test_the_number_of_channels_changes_the_first_layers_alone() -> None:
    one, three = build(3), build(9)
    assert three.input.shape == (None, None, None, 9)
    # Six more channels: beta, mean and variance of each, and 7 × 7 weights for each of 8 filters.
    assert three.count_params() - one.count_params() == 6 * (3 + 7 * 7 * 8)


@pytest.mark.parametrize("phases", [2, 3])
def test_an_image_that_is_the_same_in_all_phases_gives_the_same_activations_exactly(phases: int, randomize: Callable[[keras.Model], None]) -> None:
    """With whole numbers, whose sums are exact in any order."""
    source, target = build(3), build(3 * phases)
    randomize(source)
    generator = np.random.default_rng(0)
    kernel = source.get_layer("conv0").kernel
    kernel.assign(6.0 * generator.integers(-9, 10, kernel.shape))
    # A variance that is 1 together with epsilon.
    source.get_layer("bn_data").set_weights([np.array([1, -2, 3], np.float32), np.array([2, 0, -1], np.float32), np.full(3, 1 - 2e-5, np.float32)])
    transfer_weights(source, target)
    copy_head(source, target)
    image = generator.integers(-20, 21, (2, 32, 64, 3)).astype(np.float32)
    first, again = (keras.Model(model.input, [model.get_layer("conv0").output, model.output]) for model in (source, target))
    for expected, found in zip(first.predict_on_batch(image), again.predict_on_batch(np.tile(image, phases)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_repetition_preserves_the_sum_and_copies_all_else(randomize: Callable[[keras.Model], None]) -> None:
    source, target = build(3, classes=3), build(9)
    randomize(source)
    head = target.get_layer("head").get_weights()
    transfer_weights(source, target)
    for layer in source.layers:
        if layer.name == "conv0":
            kernel, wide = layer.get_weights()[0], target.get_layer("conv0").get_weights()[0]
            np.testing.assert_allclose(wide.sum(axis=2), kernel.sum(axis=2), atol=1e-6)
            for first in (0, 3, 6):
                np.testing.assert_array_equal(wide[:, :, first:first + 3], kernel / np.float32(3))
        elif layer.name != "head":
            for weight, found in zip(layer.get_weights(), target.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(found, np.tile(weight, 3) if layer.name == "bn_data" else weight)
    for now, then in zip(target.get_layer("head").get_weights(), head, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("channels", [(9, 3), (3, 5)])
def test_channels_that_are_no_multiple_are_refused_and_nothing_changes(channels: tuple[int, int]) -> None:
    source, target = map(build, channels)
    before = target.get_weights()
    with pytest.raises(ValueError, match="these layers differ: bn_data, conv0$"):
        transfer_weights(source, target)
    for now, then in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_layer_behind_the_input_is_not_repeated() -> None:
    """Three times the filters are another network, not three phases."""
    def build_pair(channels: int, filters: int) -> keras.Model:
        image = keras.Input((None, None, channels))
        return keras.Model(image, keras.layers.Conv2D(4, 1, name="second")(keras.layers.Conv2D(filters, 1, name="first")(image)))

    with pytest.raises(ValueError, match="differ: first, second$"):
        copy_weights(build_pair(3, 5), build_pair(9, 15), ["first", "second"])


def test_a_layer_that_one_network_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="differ: nowhere$"):
        copy_weights(build(3), build(3), ["conv0", "nowhere"])


def test_published_weights_are_repeated(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None],
                                        randomize: Callable[[keras.Model], None]) -> None:
    source = build_resnet("resnet18", width_factor=0.125, cbam=False)
    randomize(source)
    write_weight_file(source, tmp_path / "w.h5")
    model = build_resnet("resnet18", input_shape=(None, None, 9), width_factor=0.125, cbam=True, weights=tmp_path / "w.h5", input_name="image")
    kernel = source.get_layer("conv0").get_weights()[0]
    np.testing.assert_array_equal(model.get_layer("conv0").get_weights()[0], np.tile(kernel / np.float32(3), (1, 1, 3, 1)))
    beta, mean, variance = model.get_layer("bn_data").get_weights()
    np.testing.assert_array_equal(beta, np.tile(source.get_layer("bn_data").get_weights()[0], 3))
    assert mean.shape == variance.shape == (9,) and (mean == 0).all() and (variance == 1).all()
    for name in ("stage3_unit1_conv1", "bn1"):
        for written, found in zip(source.get_layer(name).get_weights(), model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, written)
