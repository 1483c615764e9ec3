"""Three heads, whose labels can't be swapped in silence."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.losses.adaptive import phase_masks
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.multitask import MultitaskModel, build_multitask

Trunk = Literal["vgg16", "resnet50"]
RNG = np.random.default_rng(0)
CROPS = RNG.normal(size=(4, 32, 32, 3)).astype("float32")
LABELS = {"capsule": np.array([0, 0, 0, 1], np.float32), "washout": np.ones(4, np.float32), "aphe": np.zeros(4, np.float32)}


def small_model(trunk: Trunk = "vgg16") -> MultitaskModel:
    return build_multitask(trunk, crop_px=32, width_factor=0.125, head_units=8, weights="random")


def compiled(model: keras.Model) -> keras.Model:
    model.compile("sgd", loss={name: "binary_crossentropy" for name in model.output}, run_eagerly=True)
    return model


@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_three_named_probabilities(trunk: Trunk) -> None:
    model = small_model(trunk)
    probability = model(CROPS, training=True)
    assert list(probability) == ["aphe", "washout", "capsule"]
    for values in map(np.asarray, probability.values()):
        assert (values.shape, values.dtype) == ((4, 1), np.float32)
        assert 0 < values.min() < values.max() < 1
    assert model.input_shape == (None, 32, 32, 3)
    assert model.input.name == "image"
    assert not any(isinstance(layer, CBAM) for layer in model.layers)


def test_the_heads_share_one_dense_layer() -> None:
    model = small_model()
    # 512 x 0.125 = 64 features, 8 shared units, three heads of one unit.
    trunk = sum(layer.count_params() for layer in model.layers if layer.name.startswith("block"))
    assert model.count_params() - trunk == (64 * 8 + 8) + 3 * (8 + 1)
    assert {model.get_layer(name).input.name for name in LABELS} == {model.get_layer("shared").output.name}


@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_half_precision_gives_float32_probabilities(trunk: Trunk, half_precision: str) -> None:
    model = small_model(trunk)
    assert model.get_layer("shared").compute_dtype == half_precision.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(values.dtype) for values in model(CROPS).values()} == {"float32"}


def test_each_head_is_scored_with_the_labels_of_its_name() -> None:
    model = compiled(small_model())
    probability = model.predict_on_batch(CROPS)
    losses = model.test_on_batch(CROPS, LABELS, return_dict=True)
    for name, y in LABELS.items():
        p = probability[name][:, 0].astype(float)
        assert losses[f"{name}_loss"] == pytest.approx(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), rel=1e-4)
    assert losses["loss"] == pytest.approx(sum(losses[f"{name}_loss"] for name in LABELS), rel=1e-5)


IN_ORDER = [LABELS["aphe"], LABELS["washout"], LABELS["capsule"]]


@pytest.mark.parametrize("labels", [IN_ORDER, tuple(IN_ORDER), np.stack(IN_ORDER, 1), {"aphe": IN_ORDER[0], "washout": IN_ORDER[1]},
                                    {"aphe": IN_ORDER[0], "washout": IN_ORDER[1], "capsul": IN_ORDER[2]}])
def test_labels_without_names_are_refused(labels: Any) -> None:
    with pytest.raises(ValueError, match="labels must be a mapping with the keys"):
        compiled(small_model()).train_on_batch(CROPS, labels)


@pytest.mark.parametrize("masks", [{"aphe": np.ones(4)}, {"aphe": np.ones(4), "washout": np.ones(4), "other": np.ones(4)}])
def test_sample_weights_without_names_are_refused(masks: Any) -> None:
    with pytest.raises(ValueError, match="sample weights must be a mapping with the keys"):
        compiled(small_model()).train_on_batch(CROPS, LABELS, sample_weight=masks)


def test_the_refusal_survives_saving(tmp_path: Path) -> None:
    model = compiled(small_model())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, MultitaskModel)
    for name, values in loaded.predict_on_batch(CROPS).items():
        np.testing.assert_array_equal(values, model.predict_on_batch(CROPS)[name])
    with pytest.raises(ValueError, match="labels must be a mapping"):
        loaded.train_on_batch(CROPS, IN_ORDER)


def test_a_narrow_vgg16_without_normalisation_learns_from_random_weights() -> None:
    crops = RNG.normal(0, 0.3, size=(12, 32, 32, 3)).astype("float32")
    label = np.float32(np.arange(12) % 2)
    crops[label == 1, 8:24, 8:24] += 1
    model = small_model()
    model.compile(keras.optimizers.Adam(2e-3), loss={name: "binary_crossentropy" for name in model.output})
    labels = {"aphe": label, "washout": 1 - label, "capsule": label}
    first = model.test_on_batch(crops, labels)[0]
    for _ in range(40):
        model.train_on_batch(crops, labels)
    assert model.test_on_batch(crops, labels)[0] < 0.2 * first


def test_another_trunk_is_refused() -> None:
    with pytest.raises(ValueError, match="vgg16 or resnet50, not 'vgg19'"):
        build_multitask("vgg19", crop_px=32, width_factor=1, head_units=8, weights="random")  # type: ignore[arg-type]


@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_imagenet_weights_of_a_narrow_trunk_are_refused(trunk: Trunk) -> None:
    with pytest.raises(InputError, match="width_factor"):
        build_multitask(trunk, crop_px=32, width_factor=0.25, head_units=8, weights="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["adaptive", "plain"])
@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_one_training_step_at_full_size(trunk: Trunk, mode: Literal["adaptive", "plain"]) -> None:
    model = build_multitask(trunk, crop_px=224, width_factor=1, head_units=256, weights="random")
    model.compile(keras.optimizers.Adam(1e-5), loss={name: "binary_crossentropy" for name in model.output})
    crops = RNG.normal(size=(8, 224, 224, 3)).astype("float32")
    phases = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    before = model.get_layer("shared").get_weights()[0]
    loss = model.train_on_batch(crops, {name: np.float32(np.arange(8) % 2) for name in LABELS}, sample_weight=phase_masks(phases, mode))[0]
    assert np.isfinite(loss)
    assert np.abs(model.get_layer("shared").get_weights()[0] - before).max() > 0
