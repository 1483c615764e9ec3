"""Nodes, parameters, shapes, precision and transfer of UNet++."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras.config.segmentation import DECODER_STRIDES, Stem
from lirads_keras.losses.segmentation import HybridSegmentationLoss
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus, expose_branches, transfer_weights

CPU_FILTERS = (64, 48, 32, 24, 16)
SMALL_FILTERS = (12, 11, 10, 9, 8)


def small_model(classes: int = 2, *, stem: Stem = "paper", deep_supervision: bool = False) -> keras.Model:
    filters = SMALL_FILTERS[:len(DECODER_STRIDES[stem])]
    return build_unet_plus_plus("resnet18", classes=classes, width_factor=0.125, decoder_filters=filters, stem=stem, deep_supervision=deep_supervision)


@pytest.mark.parametrize(("stem", "stride"), [("paper", 2), ("full_resolution", 1)])
def test_each_node_reads_what_figure_1_of_the_publication_says(stem: Stem, stride: int) -> None:
    model = small_model(stem=stem)
    skips = ("relu0", "stage2_unit1_relu1", "stage3_unit1_relu1", "stage4_unit1_relu1", "relu1")
    node = {(i, 0): name for i, name in enumerate(skips)} | {(i, j): f"x_{i}_{j}_relu2" for i in range(4) for j in range(1, 5 - i)}
    assert len(node) == 15
    for i, j in node:
        if j == 0:
            continue
        *dense, up = model.get_layer(f"x_{i}_{j}_concat").input
        assert dense == [model.get_layer(node[i, k]).output for k in range(j)]
        assert up is model.get_layer(f"x_{i}_{j}_up").output
        assert model.get_layer(f"x_{i}_{j}_up").input is model.get_layer(node[i + 1, j - 1]).output
    shapes = keras.Model(model.input, [model.get_layer(name).output for name in node.values()]).compute_output_shape((1, 64, 96, 3))
    assert [shape[1:3] for shape in shapes] == [(64 // (stride * 2 ** i), 96 // (stride * 2 ** i)) for i, _ in node]
    if stem == "paper":
        assert model.get_layer("full_up").input is model.get_layer(node[0, 4]).output
        assert model.get_layer("head").input is model.get_layer("full_relu2").output
    else:
        assert model.get_layer("head").input is model.get_layer(node[0, 4]).output
        assert not any(layer.name.startswith("full") for layer in model.layers)
    assert sum(layer.name.endswith("_concat") for layer in model.layers) == 10


def test_the_full_resolution_stem_has_a_smaller_first_kernel_and_no_node_at_full_size() -> None:
    paper, full = small_model(), small_model(stem="full_resolution")
    # 8 channels after the stem. x[0, 4] has 9 channels and the node at full size 8; the head reads the one or the other for two classes.
    node = 9 * 9 * 8 + 9 * 8 * 8 + 2 * 4 * 8
    assert paper.count_params() - full.count_params() == (7 * 7 - 3 * 3) * 3 * 8 + node - (9 - 8) * 2


def test_parameters_equal_a_hand_count() -> None:
    # ResNet-18 at a quarter of the width: 16 channels after the stem, then 16, 32, 64, 128.
    encoder = 3 * 3 + 7 * 7 * 3 * 16 + 4 * 16 + 4 * 128
    for a, f in ((16, 16), (16, 32), (32, 64), (64, 128)):
        first = 4 * a + 9 * a * f + 4 * f + 9 * f * f + a * f
        second = 4 * f + 9 * f * f + 4 * f + 9 * f * f
        encoder += first + second + 2 * (2 * f * (f // 16) + 98)
    # Input channels and filters of x[3,1]; x[2,1], x[2,2]; x[1,1] ... x[1,3]; x[0,1] ... x[0,4]; full size.
    nodes = [(64 + 128, 64), (32 + 64, 48), (32 + 48 + 64, 48), (16 + 32, 32), (16 + 32 + 48, 32), (16 + 2 * 32 + 48, 32),
             (16 + 16, 24), (16 + 24 + 32, 24), (16 + 2 * 24 + 32, 24), (16 + 3 * 24 + 32, 24), (24, 16)]
    decoder = sum(9 * inputs * f + 9 * f * f + 2 * 4 * f for inputs, f in nodes)
    model = build_unet_plus_plus("resnet18", classes=2, width_factor=0.25, decoder_filters=CPU_FILTERS)
    assert model.count_params() == encoder + decoder + 16 * 2 + 2 == 1_207_339


@pytest.mark.parametrize(("stem", "size"), [("paper", (32, 32)), ("paper", (64, 96)), ("full_resolution", (32, 64)), ("full_resolution", (16, 48))])
def test_softmax_at_full_size_for_multiples_of_the_largest_stride(stem: Stem, size: tuple[int, int]) -> None:
    probability = small_model(3, stem=stem).predict_on_batch(np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32"))
    assert probability.shape == (2, *size, 3)
    np.testing.assert_allclose(probability.sum(-1), 1, atol=1e-6)
    assert 0 < probability.min() < probability.max() < 1


def test_half_precision_gives_float32_probabilities_near_those_of_float32(half_precision: str, randomize: Callable[[keras.Model], None]) -> None:
    half = small_model()
    keras.config.set_dtype_policy("float32")
    single = small_model()
    randomize(single)
    transfer_weights(single, half)
    half.get_layer("head").set_weights(single.get_layer("head").get_weights())
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    probability = half(images)
    assert half.get_layer("x_0_4_conv1").compute_dtype == half_precision.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(probability.dtype) == "float32"
    np.testing.assert_allclose(np.sum(probability, -1), 1, atol=1e-6)
    np.testing.assert_allclose(probability, single(images), atol=0.02)
    # bfloat16 has 256 values between 1/2 and 1, fewer than the pixels here.
    assert len(np.unique(probability)) > 1000


def test_transfer_takes_everything_but_the_head(randomize: Callable[[keras.Model], None]) -> None:
    source, target = small_model(3), small_model(2)
    randomize(source)
    head = target.get_layer("head").get_weights()
    transfer_weights(source, target)
    for layer in target.layers:
        expected = head if layer.name == "head" else source.get_layer(layer.name).get_weights()
        for weight, written in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(weight, written)


def test_transfer_between_different_networks_is_refused_and_changes_nothing() -> None:
    source = build_unet_plus_plus("resnet18", classes=3, width_factor=0.125, decoder_filters=(*SMALL_FILTERS[:4], 7))
    target = small_model()
    before = target.get_weights()
    with pytest.raises(ValueError, match="full_bn1, full_bn2, full_conv1, full_conv2$"):
        transfer_weights(source, target)
    for now, then in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_saved_model_loads_elsewhere_without_naming_custom_objects(tmp_path: Path) -> None:
    model = small_model()
    model.compile("adam", HybridSegmentationLoss(dice="per_pixel", focal_gamma=1.5))
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", (
        "import keras, numpy, lirads_keras.losses.segmentation, lirads_keras.models.unet_plus_plus\n"
        "model = keras.models.load_model('model.keras')\n"
        "assert (model.loss.dice, model.loss.focal_gamma) == ('per_pixel', 1.5)\n"
        "numpy.save('probability.npy', model.predict_on_batch(numpy.load('images.npy')))\n")], cwd=tmp_path, check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    np.testing.assert_allclose(np.load(tmp_path / "probability.npy"), model.predict_on_batch(images), atol=1e-6)


@pytest.mark.parametrize(("stem", "filters", "classes", "number"), [
    ("paper", (8, 8, 8, 8), 2, 5), ("paper", SMALL_FILTERS, 1, 5), ("full_resolution", SMALL_FILTERS, 2, 4), ("full_resolution", (8, 8, 8, 8), 1, 4)])
def test_other_settings_are_refused(stem: Stem, filters: tuple[int, ...], classes: int, number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} decoder_filters with stem '{stem}'"):
        build_unet_plus_plus("resnet18", classes=classes, width_factor=0.125, decoder_filters=filters, stem=stem)


def test_parameters_of_the_papers_network_equal_a_hand_count() -> None:
    # ResNet-34 (image-classifiers' notop has 21,302,473), the CBAM count of test_resnet, and the decoder as above with 64, 64, 128, 256, 512 skips.
    nodes = [(256 + 512, 256), (128 + 256, 128), (128 + 128 + 256, 128), (64 + 128, 64), (64 + 64 + 128, 64), (64 + 2 * 64 + 128, 64),
             (64 + 64, 32), (64 + 32 + 64, 32), (64 + 2 * 32 + 64, 32), (64 + 3 * 32 + 64, 32), (32, 16)]
    decoder = sum(9 * inputs * f + 9 * f * f + 2 * 4 * f for inputs, f in nodes)
    model = build_unet_plus_plus("resnet34", classes=2, width_factor=1.0, decoder_filters=(256, 128, 64, 32, 16))
    assert model.count_params() == 21_302_473 + 158_752 + decoder + 16 * 2 + 2


def test_deep_supervision_reads_the_nodes_of_the_first_row(randomize: Callable[[keras.Model], None]) -> None:
    model, plain = small_model(3, deep_supervision=True), small_model(3)
    # Three more 1 × 1 convolutions on x[0, 1], x[0, 2], x[0, 3], of 9 channels each.
    assert model.count_params() == plain.count_params() + 3 * (9 * 3 + 3)
    for j in (1, 2, 3):
        assert model.get_layer(f"head_{j}").input is model.get_layer(f"x_0_{j}_relu2").output
    assert model.get_layer("head").input is model.get_layer("full_relu2").output
    randomize(model)
    images = np.random.default_rng(0).normal(size=(2, 32, 64, 3)).astype("float32")
    branches = expose_branches(model)
    found = branches.predict_on_batch(images)
    assert found.shape == (2, 32, 64, 3, 4)
    np.testing.assert_allclose(found.sum(axis=3), 1, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(images), found.mean(axis=-1), atol=1e-6)
    # Branches 1 to 3 stand at stride 2: two by two pixels are equal; the last is the plain network.
    np.testing.assert_array_equal(found[:, ::2, ::2, :, :3], found[:, 1::2, 1::2, :, :3])
    transfer_weights(model, plain)
    plain.get_layer("head").set_weights(model.get_layer("head").get_weights())
    np.testing.assert_allclose(plain.predict_on_batch(images), found[..., 3], atol=1e-6)
    assert {id(weight) for weight in branches.weights} == {id(weight) for weight in model.weights}


def test_branches_of_the_full_resolution_stem_are_at_full_size(randomize: Callable[[keras.Model], None]) -> None:
    model, plain = small_model(3, stem="full_resolution", deep_supervision=True), small_model(3, stem="full_resolution")
    assert model.count_params() == plain.count_params() + 3 * (9 * 3 + 3)
    for j in (1, 2, 3):
        assert model.get_layer(f"head_{j}").input is model.get_layer(f"x_0_{j}_relu2").output
    assert model.get_layer("head").input is model.get_layer("x_0_4_relu2").output
    randomize(model)
    images = np.random.default_rng(0).normal(size=(2, 32, 64, 3)).astype("float32")
    found = expose_branches(model).predict_on_batch(images)
    assert found.shape == (2, 32, 64, 3, 4)
    np.testing.assert_allclose(found.sum(axis=3), 1, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(images), found.mean(axis=-1), atol=1e-6)
    # No branch is up-sampled: neighbours differ.
    assert (np.abs(found[:, ::2] - found[:, 1::2]).max(axis=(0, 1, 2, 3)) > 1e-3).all()
    transfer_weights(model, plain)
    plain.get_layer("head").set_weights(model.get_layer("head").get_weights())
    np.testing.assert_allclose(plain.predict_on_batch(images), found[..., 3], atol=1e-6)


def test_transfer_between_stems_is_refused() -> None:
    with pytest.raises(ValueError, match="these layers differ: conv0, full_bn1, full_bn2, full_conv1, full_conv2$"):
        transfer_weights(small_model(3), small_model(2, stem="full_resolution"))


def test_without_deep_supervision_the_network_itself_is_trained() -> None:
    model = small_model()
    assert expose_branches(model) is model


def test_a_network_with_deep_supervision_loads_without_naming_custom_objects(tmp_path: Path) -> None:
    model = small_model(deep_supervision=True)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras").predict_on_batch(images), model.predict_on_batch(images))


def test_transfer_leaves_all_heads_of_deep_supervision(randomize: Callable[[keras.Model], None]) -> None:
    source, target = small_model(3, deep_supervision=True), small_model(2, deep_supervision=True)
    randomize(source)
    before = {name: target.get_layer(name).get_weights() for name in ("head", "head_1", "head_2", "head_3")}
    transfer_weights(source, target)
    for name, weights in before.items():
        for now, then in zip(target.get_layer(name).get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(target.get_layer("x_0_4_conv1").get_weights()[0], source.get_layer("x_0_4_conv1").get_weights()[0])


def test_published_weights_reach_the_encoder(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None],
                                             randomize: Callable[[keras.Model], None]) -> None:
    from lirads_keras.models.resnet import build_resnet

    source = build_resnet("resnet18", width_factor=0.125, cbam=False)
    randomize(source)
    write_weight_file(source, tmp_path / "w.h5")
    model = build_unet_plus_plus("resnet18", classes=2, width_factor=0.125, decoder_filters=SMALL_FILTERS, encoder_weights=tmp_path / "w.h5")
    for layer in source.layers:
        for found, written in zip(model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True) if layer.weights else ():
            if layer.name != "bn_data":
                np.testing.assert_array_equal(found, written)
    beta, mean, variance = model.get_layer("bn_data").get_weights()
    np.testing.assert_array_equal(beta, source.get_layer("bn_data").get_weights()[0])
    assert (mean == 0).all() and (variance == 1).all()
