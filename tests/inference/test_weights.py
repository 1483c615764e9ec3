from __future__ import annotations

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.inference.weights import load_weights


def build(units: int) -> keras.Model:
    given = keras.Input((3,))
    return keras.Model(given, keras.layers.Dense(units)(given))


def test_a_model_takes_the_weights_of_its_file(tmp_path):
    trained, fresh = build(2), build(2)
    trained.save(tmp_path / "model.keras")
    load_weights(fresh, tmp_path / "model.keras")
    assert all(np.array_equal(one, other) for one, other in zip(fresh.get_weights(), trained.get_weights(), strict=True))


@pytest.mark.parametrize("damage", ["truncated", "empty", "of another network", "absent"])
def test_a_file_that_is_no_such_weights_is_named(tmp_path, damage):
    path = tmp_path / "model.keras"
    build(4 if damage == "of another network" else 2).save(path)
    if damage == "absent":
        path.unlink()
    elif damage != "of another network":
        path.write_bytes(path.read_bytes()[:1000] if damage == "truncated" else b"")
    with pytest.raises(InputError, match="model.keras: expected the weights of this run's network, found"):
        load_weights(build(2), path)
