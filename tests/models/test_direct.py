"""The direct networks: three phases in, three categories out."""
from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras.models.direct import build_direct, compute_log_diameter, stack_phases
from lirads_keras.models.trunk import build_trunk

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 32, 32, 3)).astype("float32")


def small(*, frozen: bool = False, with_size: bool = False, weights: Path | str = "random") -> keras.Model:
    return build_direct("vgg16", crop_px=32, width_factor=0.125, head_units=8, weights=weights, frozen=frozen, with_size=with_size)  # type: ignore[arg-type]


def inputs(diameter_mm: float | None) -> dict[str, np.ndarray]:
    sizes = {} if diameter_mm is None else {"log_diameter": compute_log_diameter(np.full((6, 1), diameter_mm))}
    return {"image": IMAGES, **sizes}


@pytest.mark.parametrize("with_size", [False, True])
def test_three_probabilities_that_sum_to_1(with_size: bool) -> None:
    p = small(with_size=with_size).predict_on_batch(inputs(20.0 if with_size else None))
    assert (p.shape, p.dtype) == ((6, 3), np.float32)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("with_size", [False, True])
def test_half_precision_gives_float32_probabilities(with_size: bool, half_precision: str) -> None:
    model = small(with_size=with_size)
    assert model.get_layer("shared").compute_dtype == half_precision.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(model(inputs(20.0 if with_size else None)).dtype) == "float32"


def test_the_size_is_one_number_beside_the_features() -> None:
    plain, sized = small(), small(with_size=True)
    # 512 x 0.125 = 64 features, and the size.
    assert plain.get_layer("shared").kernel.shape == (64, 8) and sized.get_layer("shared").kernel.shape == (65, 8)
    assert not np.allclose(sized.predict_on_batch(inputs(5.0)), sized.predict_on_batch(inputs(80.0)))
    assert {tensor.name for tensor in plain.inputs} == {"image"} and {tensor.name for tensor in sized.inputs} == {"image", "log_diameter"}


@pytest.mark.parametrize("with_size", [False, True])
def test_a_frozen_trunk_keeps_its_weights_and_the_head_learns(with_size: bool, tmp_path: Path) -> None:
    source = build_trunk("vgg16", crop_px=32, width_factor=0.125, weights="random")
    source.save_weights(tmp_path / "trunk.weights.h5")
    for frozen in (True, False):
        model = small(frozen=frozen, with_size=with_size, weights=tmp_path / "trunk.weights.h5")
        model.compile(keras.optimizers.Adam(1e-2), loss="sparse_categorical_crossentropy", run_eagerly=True)
        head = [np.array(weight) for weight in model.get_layer("category").get_weights()]
        model.train_on_batch(inputs(12.0 if with_size else None), np.array([0, 1, 2, 0, 1, 2]))
        same = [np.array_equal(a, b) for layer in source.layers for a, b in zip(layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True)]
        assert all(same) if frozen else not any(same)
        assert not np.array_equal(model.get_layer("category").get_weights()[0], head[0])


def test_log_diameter_is_0_where_the_table_changes_column() -> None:
    np.testing.assert_allclose(compute_log_diameter(np.array([[20.0], [40.0], [10.0]])), [[0], [np.log(2)], [-np.log(2)]], rtol=1e-6)
    assert compute_log_diameter(np.array([4.0, 164.0])).round(1).tolist() == pytest.approx([-1.6, 2.1])
    assert compute_log_diameter(np.array([3])).dtype == np.float32 and np.isnan(compute_log_diameter(np.array([np.nan]))).all()


def test_phases_become_channels_in_order_of_time() -> None:
    images = RNG.normal(size=(2, 3, 4, 5, 3)).astype("float32")
    present = np.array([[True, True, True], [False, True, False]])
    images[1, 0] = np.nan
    stacked = stack_phases(images, present)
    assert stacked.shape == (2, 4, 5, 3) and stacked.dtype == np.float32
    for phase in range(3):
        # With neighbours in the channels, the lesion's own slice is the middle one.
        np.testing.assert_array_equal(stacked[0, :, :, phase], images[0, phase, :, :, 1])
    np.testing.assert_array_equal(stacked[1, :, :, 1], images[1, 1, :, :, 1])
    assert (stacked[1, :, :, [0, 2]] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("frozen", "with_size"), [(True, False), (False, False), (False, True)])
def test_one_training_step_at_full_size(frozen: bool, with_size: bool) -> None:
    """About 10 s each."""
    model = build_direct("vgg16", crop_px=224, width_factor=1, head_units=256, weights="random", frozen=frozen, with_size=with_size)
    model.compile(keras.optimizers.Adam(1e-5), loss="sparse_categorical_crossentropy")
    batch = {"image": RNG.normal(size=(8, 224, 224, 3)).astype("float32"), "log_diameter": RNG.normal(size=(8, 1)).astype("float32")}
    before = model.get_layer("shared").get_weights()[0]
    loss = model.train_on_batch({tensor.name: batch[tensor.name] for tensor in model.inputs}, np.arange(8) % 3)
    assert np.isfinite(loss)
    assert np.abs(model.get_layer("shared").get_weights()[0] - before).max() > 0
