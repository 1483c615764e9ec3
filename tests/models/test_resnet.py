"""The encoder against the image-classifiers package, and the weights that come into it."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.models import resnet
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.depths import ResNetDepth
from lirads_keras.models.resnet import build_resnet

SKIPS = ("relu0", "stage2_unit1_relu1", "stage3_unit1_relu1", "stage4_unit1_relu1", "relu1")
IMAGES = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype("float32")


def library_resnet(depth: str) -> keras.Model:
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    from classification_models.tfkeras import Classifiers
    builder, _ = Classifiers.get(depth)
    return builder(input_shape=(None, None, 3), include_top=False, weights=None)


@pytest.mark.parametrize("depth", get_args(ResNetDepth))
def test_is_the_librarys_network_at_width_1_without_cbam(depth: ResNetDepth, randomize: Callable[[keras.Model], None]) -> None:
    model, library = build_resnet(depth, cbam=False), library_resnet(depth)
    mine = {layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in model.layers}
    theirs = {layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in library.layers}
    # Paddings and additions have no name of their own in the library.
    named = {name for name in theirs if not name.startswith(("zero_padding", "add"))}
    assert named == {name for name in mine if not name.endswith(("_pad", "_add"))}
    assert all(mine[name] == theirs[name] for name in named)

    randomize(model)
    for name in named:
        library.get_layer(name).set_weights(model.get_layer(name).get_weights())
    tapped = keras.Model(library.input, [library.get_layer(name).output for name in SKIPS])
    for stride, found, expected in zip((2, 4, 8, 16, 32), model.predict_on_batch(IMAGES), tapped.predict_on_batch(IMAGES), strict=True):
        assert found.shape[:3] == (2, 64 // stride, 96 // stride)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_skips_are_where_segmentation_models_takes_them() -> None:
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    from segmentation_models.backbones.backbones_factory import Backbones
    for depth in get_args(ResNetDepth):
        assert tuple(reversed(Backbones.get_feature_layers(depth, n=4))) == SKIPS[:4]


def convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3 × 3 convolution with stride 1 and a border of zeros: (y, x, c), (3, 3, c, f) -> (y, x, f)."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    return sum(padded[dy:dy + image.shape[0], dx:dx + image.shape[1]] @ kernel[dy, dx] for dy in range(3) for dx in range(3))


@pytest.mark.parametrize("depth", get_args(ResNetDepth))
def test_the_full_resolution_stem_halves_every_stride(depth: ResNetDepth, randomize: Callable[[keras.Model], None]) -> None:
    model, paper = build_resnet(depth, width_factor=0.125, stem="full_resolution", cbam=True), build_resnet(depth, width_factor=0.125, cbam=True)
    randomize(model)
    found = model.predict_on_batch(IMAGES[:, :48])
    assert [skip.shape[1:3] for skip in found] == [(48 // stride, 96 // stride) for stride in (1, 2, 4, 8, 16)]
    # All layers with weights keep their names, and all but the first convolution their shapes.
    shapes, papers = ({layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in network.layers if layer.weights}
                      for network in (model, paper))
    assert shapes.pop("conv0") == [(3, 3, 3, 8)] and papers.pop("conv0") == [(7, 7, 3, 8)]
    assert shapes == papers


def test_the_full_resolution_stem_is_a_convolution_of_stride_1_and_two_by_two_maxima(randomize: Callable[[keras.Model], None]) -> None:
    model = build_resnet("resnet18", width_factor=0.125, stem="full_resolution", cbam=True)
    randomize(model)
    image = IMAGES[:1, :32, :64]
    normalized, convolved, pooled = keras.Model(model.input, [model.get_layer(name).output for name in ("bn_data", "conv0", "pooling0")])(image)
    np.testing.assert_allclose(convolved[0], convolve(np.asarray(normalized[0]), model.get_layer("conv0").get_weights()[0]), atol=1e-4)
    first = np.asarray(model(image)[0][0])
    np.testing.assert_array_equal(pooled[0], first.reshape(16, 2, 32, 2, 8).max(axis=(1, 3)))


@pytest.mark.parametrize(("depth", "blocks", "last_convolution"), [("resnet18", 8, "conv2"), ("resnet34", 16, "conv2"), ("resnet50", 16, "conv3")])
def test_cbam_closes_every_residual_block_before_the_addition(depth: ResNetDepth, blocks: int, last_convolution: str) -> None:
    model = build_resnet(depth, width_factor=0.125, cbam=True)
    attention = [layer for layer in model.layers if isinstance(layer, CBAM)]
    assert len(attention) == blocks
    for layer in attention:
        block = layer.name.removesuffix("cbam")
        assert layer.input is model.get_layer(block + last_convolution).output
        assert model.get_layer(block + "add").input[0] is layer.output


def test_cbam_adds_its_own_parameters_only() -> None:
    # ResNet-34: 3, 4, 6 and 3 blocks of 64, 128, 256 and 512 channels; a block of c channels has 2 c c/16 + 98.
    added = sum(blocks * (2 * c * c // 16 + 98) for blocks, c in ((3, 64), (4, 128), (6, 256), (3, 512)))
    assert added == 158_752
    assert build_resnet("resnet34", cbam=True).count_params() - build_resnet("resnet34", cbam=False).count_params() == added


@pytest.mark.parametrize(("depth", "channels"), [("resnet18", [16, 16, 32, 64, 128]), ("resnet50", [16, 64, 128, 256, 512])])
def test_width_factor_multiplies_the_channels(depth: ResNetDepth, channels: list[int]) -> None:
    assert [skip.shape[-1] for skip in build_resnet(depth, width_factor=0.25, cbam=True).outputs] == channels


def check_weights_came_in(model: keras.Model, source: keras.Model) -> None:
    for layer in model.layers:
        if not layer.weights or isinstance(layer, CBAM):
            continue
        for weight, written in zip(layer.weights, source.get_layer(layer.name).get_weights(), strict=True):
            expected: Any = written
            if layer.name == "bn_data" and weight.name.startswith("moving"):
                expected = {"moving_mean": 0, "moving_variance": 1}[weight.name]
            np.testing.assert_array_equal(weight, expected, err_msg=f"{layer.name} {weight.name}")


def test_every_weight_but_cbams_comes_from_a_file(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None],
                                                  randomize: Callable[[keras.Model], None]) -> None:
    source = build_resnet("resnet50", width_factor=0.125, cbam=False)
    randomize(source)
    write_weight_file(source, tmp_path / "w.h5")
    check_weights_came_in(build_resnet("resnet50", width_factor=0.125, cbam=True, weights=tmp_path / "w.h5"), source)


def test_imagenet_weights_come_from_keras_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, randomize: Callable[[keras.Model], None],
                                                write_weight_file: Callable[[keras.Model, Path], None]) -> None:
    source = library_resnet("resnet18")
    randomize(source)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "resnet18_imagenet_1000_no_top.h5"
    write_weight_file(source, path)
    published = replace(resnet.IMAGENET_FILES["resnet18"], md5=hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setitem(resnet.IMAGENET_FILES, "resnet18", published)
    check_weights_came_in(build_resnet("resnet18", cbam=True, weights="imagenet"), source)


def test_published_files_are_the_librarys() -> None:
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    from classification_models.weights import WEIGHTS_COLLECTION
    for depth, file in resnet.IMAGENET_FILES.items():
        entry, = (item for item in WEIGHTS_COLLECTION if item["model"] == depth and item["dataset"] == "imagenet" and not item["include_top"])
        assert (file.name, file.url, file.md5) == (entry["name"], entry["url"], entry["md5"])


def test_imagenet_weights_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="width_factor: expected 1"):
        build_resnet("resnet18", width_factor=0.5, cbam=True, weights="imagenet")


def test_imagenet_weights_of_another_stem_are_refused() -> None:
    with pytest.raises(InputError, match="stem: expected paper with the ImageNet weights of resnet18, found full_resolution"):
        build_resnet("resnet18", stem="full_resolution", cbam=True, weights="imagenet")


def test_a_file_of_another_stem_is_refused(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None]) -> None:
    write_weight_file(build_resnet("resnet18", width_factor=0.125, cbam=False), tmp_path / "w.h5")
    with pytest.raises(InputError, match="conv0"):
        build_resnet("resnet18", width_factor=0.125, stem="full_resolution", cbam=True, weights=tmp_path / "w.h5")


def test_a_file_of_another_depth_is_refused(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None]) -> None:
    write_weight_file(build_resnet("resnet18", width_factor=0.125, cbam=False), tmp_path / "w.h5")
    with pytest.raises(InputError, match="stage1_unit3_bn1.*no such layer"):
        build_resnet("resnet34", width_factor=0.125, cbam=True, weights=tmp_path / "w.h5")
