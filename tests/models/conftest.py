"""Fixtures of the model tests."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    keras.utils.set_random_seed(7)


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def half_precision(request: pytest.FixtureRequest) -> Iterator[str]:
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.fixture()
def write_weight_file() -> Callable[[keras.Model, Path], None]:
    """Writes a model's weights as Keras 2 did (the layout of the published files): one group a layer, attribute `weight_names`."""
    def write(model: keras.Model, path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
            for layer in model.layers:
                group = file.create_group(layer.name)
                names = [f"{layer.name}/{weight.name}:0".encode() for weight in layer.weights]
                group.attrs["weight_names"] = names
                for name, array in zip(names, layer.get_weights(), strict=True):
                    group[name.decode()] = array
    return write


@pytest.fixture()
def randomize() -> Callable[[keras.Model], None]:
    """Gives every weight a random value, so that an initial 0 or 1 cannot pass for a copied weight; variances stay positive."""
    def fill(model: keras.Model) -> None:
        rng = np.random.default_rng(3)
        for weight in model.weights:
            values = rng.normal(0, 0.1, weight.shape)
            weight.assign(0.5 + np.abs(values) if weight.name in ("moving_variance", "gamma") else values)
    return fill
