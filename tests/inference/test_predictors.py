"""The engines against the Keras network itself."""
from __future__ import annotations

import subprocess
import sys
from typing import get_args

import keras
import numpy as np
import pytest

from lirads_keras.config.segmentation import DECODER_STRIDES, Engine, InferenceSettings, Stem
from lirads_keras.errors import InputError
from lirads_keras.inference.halves import Window, split_network
from lirads_keras.inference.openvino_predictor import check_engine
from lirads_keras.inference.predictors import build_predictor
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus

ENGINES: list[Engine] = ["keras", "openvino-f32", "openvino-bf16"]
TOLERANCE = {"keras": 1e-5, "openvino-f32": 1e-4}


@pytest.fixture(scope="module", params=get_args(Stem))
def unet_plus_plus(request: pytest.FixtureRequest) -> keras.Model:
    """A small one whose statistics and scales are not those of a new network, so that every weight counts."""
    keras.utils.set_random_seed(1)
    filters = (8,) * len(DECODER_STRIDES[request.param])
    model = build_unet_plus_plus("resnet18", classes=2, width_factor=0.125, decoder_filters=filters, stem=request.param)
    shake(model, 1)
    return model


def build_tiny() -> keras.Model:
    """Maps of the strides of a UNet++'s, with as little as possible in each: what does not hang on depth is tested on it."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((None, None, 3))
    maps = []
    for stride in (2, 4, 8):
        x = CBAM(reduction=4)(layers.BatchNormalization()(layers.Conv2D(4, stride, strides=stride)(image)))
        maps.append(layers.UpSampling2D(stride)(layers.Activation("relu")(x)))
    score = layers.Conv2D(2, 3, padding="same", dtype="float32")(layers.Concatenate()(maps))
    return keras.Model(image, layers.Softmax(dtype="float32")(score))


def shake(model: keras.Model, seed: int) -> None:
    generator = np.random.default_rng(seed)
    model.set_weights([weight * generator.uniform(0.8, 1.2, weight.shape).astype(np.float32) + (weight.ndim == 1) * 0.1 for weight in model.get_weights()])


@pytest.fixture
def model() -> keras.Model:
    return build_tiny()


def make_stacks(n: int = 2, rows: int = 32, columns: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, rows, columns, 3)).astype(np.float32)


def whole(stacks: np.ndarray) -> Window:
    return slice(0, stacks.shape[1]), slice(0, stacks.shape[2])


def expect(model: keras.Model, stacks: np.ndarray) -> np.ndarray:
    return np.asarray(model(stacks, training=False))[..., 1]


@pytest.mark.parametrize("engine", TOLERANCE)
def test_every_exact_engine_gives_the_networks_lesion_probability_at_every_shape(unet_plus_plus, engine):
    model = unet_plus_plus
    predictor = build_predictor(model, engine, threads=1)
    for stacks in (make_stacks(), make_stacks(1, 64, 32, seed=1), make_stacks(3, seed=2)):
        found, expected = predictor(stacks, whole(stacks)), expect(model, stacks)
        assert found.shape == stacks.shape[:3] and found.dtype == np.float32
        assert np.ptp(expected) > 0.1, "a network that says the same everywhere would tell nothing"
        np.testing.assert_allclose(found, expected, atol=TOLERANCE[engine])
        np.testing.assert_array_equal(found, predictor(stacks, whole(stacks)))


def test_bfloat16_is_near_and_not_the_same(model):
    stacks = make_stacks(4, 64, 64)
    predictor = build_predictor(model, "openvino-bf16", threads=1)
    found, expected = predictor(stacks, whole(stacks)), expect(model, stacks)
    assert found.dtype == np.float32 and np.abs(found - expected).mean() < 0.01 and np.abs(found - expected).max() < 0.1
    np.testing.assert_array_equal(found, predictor(stacks, whole(stacks)))


@pytest.mark.parametrize("engine, window", [
    ("keras", (slice(32, 64), slice(0, 64))), ("keras", (slice(0, 56), slice(72, 96))), ("openvino-f32", (slice(40, 96), slice(32, 56)))])
def test_a_window_of_the_tiny_network_is_that_part_of_the_whole(model, engine, window):
    """Its upper half reaches one pixel, and beyond that nothing knows of the cut: attention has seen the whole slice."""
    stacks = make_stacks(2, 96, 96)
    found, expected = build_predictor(model, engine, threads=1)(stacks, window), expect(model, stacks)[:, *window]
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=TOLERANCE[engine])
    assert np.abs(found - expected).max() > 1e-3, "the cut edge differs"


def test_beyond_the_upper_halfs_reach_a_window_is_exactly_that_part_of_the_whole(unet_plus_plus):
    stacks = make_stacks(1, 160, 96)
    window = (slice(24, 120), slice(0, 96))
    reach = split_network(unet_plus_plus).reach_px
    found = build_predictor(unet_plus_plus, "keras")(stacks, window)
    difference = np.abs(found - expect(unet_plus_plus, stacks)[:, *window]).max(axis=(0, 2))
    assert difference[reach:-reach].max() < 1e-5
    # No farther than it has to be: just inside of it the cut is felt, if little.
    assert difference[reach - 8:reach].max() > 1e-6 and min(difference[0], difference[-1]) > 1e-3


@pytest.mark.parametrize("engine", TOLERANCE)
@pytest.mark.parametrize("rows, columns", [((8, 152), (0, 72)), ((56, 160), (24, 128)), ((0, 88), (40, 120))])
def test_odd_windows_differ_from_the_whole_near_their_cut_edges_alone(unet_plus_plus, engine, rows, columns):
    stacks = make_stacks(2, 160, 128, seed=3)
    predictor, reach = build_predictor(unet_plus_plus, engine, threads=1), split_network(unet_plus_plus).reach_px
    found, expected = predictor(stacks, (slice(*rows), slice(*columns))), expect(unet_plus_plus, stacks)[:, slice(*rows), slice(*columns)]
    # Where the window ends with the slice nothing is cut.
    inner = tuple(slice(reach if start else 0, None if stop == size else -reach) for (start, stop), size in ((rows, 160), (columns, 128)))
    assert found.shape == expected.shape and found[:, *inner].size
    np.testing.assert_allclose(found[:, *inner], expected[:, *inner], atol=TOLERANCE[engine])
    assert np.abs(found - expected).max() > 1e-3


@pytest.mark.parametrize("engine", ["keras", "openvino-f32"])
def test_a_network_of_three_phases_is_computed_in_nine_channels(engine):
    keras.utils.set_random_seed(1)
    network = build_unet_plus_plus("resnet18", classes=2, width_factor=0.125, decoder_filters=(8, 8, 8, 8, 8), channels=9)
    stacks = np.random.default_rng(0).normal(size=(2, 32, 64, 9)).astype(np.float32)
    np.testing.assert_allclose(build_predictor(network, engine, threads=1)(stacks, whole(stacks)), expect(network, stacks), atol=TOLERANCE[engine])


@pytest.mark.parametrize("engine", ["keras", "openvino-f32"])
def test_an_engine_takes_over_weights_that_have_changed(model, engine):
    stacks = make_stacks()
    predictor = build_predictor(model, engine, threads=1)
    before = predictor(stacks, whole(stacks))
    shake(model, 7)
    predictor.take_weights()
    after = predictor(stacks, whole(stacks))
    np.testing.assert_allclose(after, expect(model, stacks), atol=TOLERANCE[engine])
    assert np.abs(after - before).max() > 0.01


def test_both_halves_share_the_networks_weights(unet_plus_plus):
    split = split_network(unet_plus_plus)
    weights = [{id(weight) for weight in half.weights} for half in (split.lower, split.upper)]
    assert not weights[0] & weights[1] and weights[0] | weights[1] == {id(weight) for weight in unet_plus_plus.weights}


def test_a_network_for_mixed_precision_is_converted_from_its_float32_weights(model):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = build_tiny()
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in mixed.layers} > {"float32"}
    mixed.set_weights(model.get_weights())
    stacks = make_stacks()
    found = build_predictor(mixed, "openvino-f32", threads=1)(stacks, whole(stacks))
    np.testing.assert_allclose(found, expect(model, stacks), atol=1e-4)


def test_keras_traces_once_whatever_the_shape(model):
    predictor = build_predictor(model, "keras")
    for stacks in (make_stacks(), make_stacks(1, 64, 32), make_stacks(3, 96, 32)):
        predictor(stacks, whole(stacks))
        predictor(stacks, (slice(8, 32), slice(0, 16)))
    assert predictor._predict.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("engine", ["openvino-f32", "openvino-bf16"])
def test_an_absent_package_is_told_and_keras_needs_none(monkeypatch, model, engine):
    monkeypatch.setattr("lirads_keras.inference.openvino_predictor.find_spec", lambda name: None)
    check_engine("keras")
    for ask in (lambda: check_engine(engine), lambda: build_predictor(model, engine)):
        with pytest.raises(InputError, match=f"inference.engine: expected the package openvino, for {engine}"):
            ask()


def test_an_absent_package_is_told_without_tensorflow():
    program = "import sys, lirads_keras.inference.openvino_predictor; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_the_command_line_offers_the_engines_of_the_profile():
    from lirads_keras.commands.predict import ENGINES as OFFERED

    assert [InferenceSettings(engine=engine).engine for engine in OFFERED] == ENGINES
