"""The trunks and where their first weights come from."""
from __future__ import annotations

from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.models import pretrained
from lirads_keras.models.multitask import build_multitask
from lirads_keras.models.trunk import build_trunk, find_imagenet_weights
from lirads_keras.variants import TrunkName

IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")


def small(trunk: TrunkName, weights: Path | str = "random") -> keras.Model:
    return build_trunk(trunk, crop_px=32, width_factor=0.125, weights=weights)  # type: ignore[arg-type]


@pytest.mark.parametrize(("trunk", "channels"), [("vgg16", 64), ("resnet50", 256)])
def test_images_become_the_deepest_features(trunk: TrunkName, channels: int) -> None:
    model = build_trunk(trunk, crop_px=64, width_factor=0.125, weights="random")
    assert model.input_shape == (None, 64, 64, 3) and model.input.name == "image"
    assert model.output_shape == (None, 2, 2, channels)


@pytest.mark.parametrize("trunk", get_args(TrunkName))
def test_a_files_weights_come_into_every_layer_as_they_are(trunk: TrunkName, tmp_path: Path, randomize) -> None:
    source = small(trunk)
    randomize(source)
    source.save_weights(tmp_path / "trunk.weights.h5")
    loaded = small(trunk, tmp_path / "trunk.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), source.get_weights(), strict=True))
    np.testing.assert_array_equal(loaded(IMAGES), source(IMAGES))
    heads = build_multitask(trunk, crop_px=32, width_factor=0.125, head_units=8, weights=tmp_path / "trunk.weights.h5")
    for layer in source.layers:
        for a, b in zip(layer.get_weights(), heads.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("spoil", [
    lambda path: None,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"no weights"),
    lambda path: build_trunk("vgg16", crop_px=32, width_factor=0.25, weights="random").save_weights(path),
    lambda path: build_trunk("resnet50", crop_px=32, width_factor=0.125, weights="random").save_weights(path)])
def test_a_file_that_is_absent_damaged_or_of_another_network_is_told(tmp_path: Path, spoil) -> None:
    path = tmp_path / "trunk.weights.h5"
    spoil(path)
    with pytest.raises(InputError, match="trunk.weights.h5: expected the weights of a pre-trained vgg16 of this width"):
        small("vgg16", path)


def test_another_trunk_is_refused() -> None:
    with pytest.raises(ValueError, match="vgg16 or resnet50, not 'vgg19'"):
        small("vgg19")  # type: ignore[arg-type]


@pytest.mark.parametrize(("trunk", "file"), [("vgg16", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"), ("resnet50", "resnet50_imagenet_1000_no_top.h5")])
def test_imagenet_weights_that_cannot_be_had_are_named_with_their_place(trunk: TrunkName, file: str, tmp_path: Path,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments, **options):
        raise Exception("URL fetch failure")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained.keras.utils, "get_file", fail)
    with pytest.raises(InputError) as caught:
        find_imagenet_weights(trunk)
    assert caught.value.problems[0].where == str(tmp_path / "models" / file) and f"/{file}, put there by hand" in caught.value.problems[0].expected
