"""The fused optimiser is Adam: against its definition in float64, and against Keras' class with every option."""
from __future__ import annotations

import keras
import numpy as np
import pytest

from lirads_keras.training.adam import FusedAdam

GRADIENTS = np.random.default_rng(0).normal(size=(6, 3, 4)) * 10.0 ** np.arange(-3, 3)[:, None, None]


def _optimise(optimizer: keras.optimizers.Optimizer, gradients: np.ndarray = GRADIENTS) -> list[np.ndarray]:
    """The weight after each step, then the optimiser's state."""
    weight = keras.Variable(np.linspace(-1, 1, 12).reshape(3, 4), dtype="float32")
    path = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weight])
        path.append(np.asarray(weight))
    return path + [np.asarray(variable) for variable in optimizer.variables]


def test_it_follows_the_publication():
    """Algorithm 1 with the efficient order of section 2, in float64."""
    rate, beta_1, beta_2, epsilon = 0.01, 0.8, 0.95, 1e-6
    weight, m, v = np.linspace(-1, 1, 12).reshape(3, 4), 0.0, 0.0
    path = _optimise(FusedAdam(rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon))
    for step, gradient in enumerate(GRADIENTS, start=1):
        m, v = beta_1 * m + (1 - beta_1) * gradient, beta_2 * v + (1 - beta_2) * gradient ** 2
        weight = weight - rate * np.sqrt(1 - beta_2 ** step) / (1 - beta_1 ** step) * m / (np.sqrt(v) + epsilon)
        np.testing.assert_allclose(path[step - 1], weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"global_clipnorm": 0.5}, {"weight_decay": 0.1}, {"amsgrad": True}, {"use_ema": True},
                                     {"gradient_accumulation_steps": 2}], ids=str)
def test_it_goes_where_keras_goes(options: dict[str, object]):
    """The kernel takes 1 - beta_2 of a float32, which is 1e-3 to 5e-5 of itself; Keras takes it of a float64."""
    for of_fused, of_keras in zip(_optimise(FusedAdam(0.01, **options)), _optimise(keras.optimizers.Adam(0.01, **options)), strict=True):
        np.testing.assert_allclose(of_fused, of_keras, rtol=5e-5, atol=1e-6)


def test_a_schedule_is_read_at_each_step():
    schedules = [keras.optimizers.schedules.CosineDecay(0.1, 5) for _ in range(2)]
    for of_fused, of_keras in zip(_optimise(FusedAdam(schedules[0])), _optimise(keras.optimizers.Adam(schedules[1])), strict=True):
        np.testing.assert_allclose(of_fused, of_keras, rtol=5e-5, atol=1e-6)


def test_its_state_has_the_names_and_shapes_of_keras():
    """A state file is read by number: order and shapes must be Keras'."""
    states = []
    for optimizer in (FusedAdam(), keras.optimizers.Adam()):
        optimizer.build([keras.Variable(np.zeros((2, 3)), name="kernel"), keras.Variable(np.zeros(3), name="bias")])
        states.append([(variable.path.split("/")[-1], variable.shape) for variable in optimizer.variables])
    assert states[0] == states[1]


def test_a_model_compiled_with_it_is_loaded_without_naming_it(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(FusedAdam(0.01), loss="mse")
    model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is FusedAdam
    np.testing.assert_array_equal(loaded.optimizer.variables[2], model.optimizer.variables[2])
