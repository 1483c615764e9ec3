"""Two devices train as one does: same losses, gradients, clipping, batch statistics and validation, up to rounding."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf

cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from lirads_keras.config.segmentation import SegmentationSettings
from lirads_keras.models.batch_norm import BatchNormalization
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training import segmentation
from lirads_keras.training.callbacks import read_state

folder, precision = Path(sys.argv[1]), sys.argv[2]
keras.mixed_precision.set_global_policy(precision)
settings = SegmentationSettings.model_validate_json((folder / "settings.json").read_text())
studies = [read_stored_study(path) for path in sorted((folder / "store").iterdir())]
states, images = {}, np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
build_strategy = segmentation.build_strategy


class Killed(BaseException):
    pass


def train(name, stop_after, epochs):
    stage = settings.finetune.model_copy(update={"epochs": epochs})
    trainer = segmentation.SegmentationTrainer(settings, stage, phases=("delayed",), classes=2, seed=1, pretrained=None)

    def stop(fraction, message):
        if fraction == stop_after / epochs:
            raise Killed

    for attempt in range(2):
        try:
            trainer.train(studies[:3], studies[3:], NetworkFolder(folder / name), "id", stream=0, progress=stop if attempt == 0 else ignore_progress)
        except Killed:
            states[name] = read_state(folder / name / "state.npz", "id")
    assert trainer.model.predict_on_batch(images).shape == (3, 32, 32, 2)
    return trainer


two = train("two", 1, 2)
assert two._strategy.num_replicas_in_sync == 2
segmentation.build_strategy = tf.distribute.get_strategy
# One device's kernel rounds otherwise than what Keras composes for two; tests/models/test_batch_norm.py holds one against the other.
BatchNormalization.call = keras.layers.BatchNormalization.call
one = train("one", 1, 2)
assert one._strategy.num_replicas_in_sync == 1
tolerance = {"float32": 1e-3, "mixed_float16": 0.1}[precision]
(state, values, _), (state_one, values_one, _) = states["two"], states["one"]
assert state.history[0].keys() == state_one.history[0].keys()
for name, value in state_one.history[0].items():
    np.testing.assert_allclose(state.history[0][name], value, rtol=tolerance, atol=tolerance / 10, err_msg=name)
# Adam's first moment after one step is a tenth of the clipped gradient.
names = [variable.path for variable in one._variables.model.optimizer.variables]
moments = [f"optimizer/{number}" for number, name in enumerate(names) if "momentum" in name]
assert len(moments) == len(one.model.trainable_variables), names[:5]
clipped = 0
for moment in moments:
    expected = values_one[moment]
    clipped += np.isclose(np.linalg.norm(expected), 0.1 * settings.gradient_clip_norm, rtol=1e-3)
    if precision == "float32":
        np.testing.assert_allclose(values[moment], expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-6), err_msg=moment)
assert clipped > 3, clipped
# In half precision single small gradients are mostly rounding: all of them together must point the same way.
gradients = [np.concatenate([of[moment].ravel() for moment in moments]) for of in (values, values_one)]
assert gradients[0] @ gradients[1] > (1 - tolerance) * np.linalg.norm(gradients[0]) * np.linalg.norm(gradients[1])
np.testing.assert_allclose(*map(np.linalg.norm, gradients), rtol=tolerance)
for number, variable in enumerate(one._variables.model.variables):
    if "moving" in variable.path:
        np.testing.assert_allclose(values[f"model/{number}"], values_one[f"model/{number}"], rtol=tolerance, atol=tolerance / 10)
# Eq. 3 was on in the second epoch; training went on from the state on both.
history = [(folder / name / "history.csv").read_text() for name in ("two", "one")]
rows = [dict(zip(text.splitlines()[0].split(","), map(float, text.splitlines()[2].split(",")))) for text in history]
assert rows[0]["lovasz"] == rows[1]["lovasz"] == 1
np.testing.assert_allclose(rows[0]["loss"], rows[1]["loss"], rtol=20 * tolerance)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_two_devices_train_as_one_does(profile, studies, tmp_path, precision):
    """In a process of its own: logical devices are made before TensorFlow starts."""
    stage = profile.segmentation.finetune.model_copy(update={"samples_per_epoch": 4, "batch_size": 4, "learning_rate": 1e-3})
    loss = profile.segmentation.loss.model_copy(update={"lovasz_below_loss": 10.0})
    settings = profile.segmentation.model_copy(update={"finetune": stage, "loss": loss, "gradient_clip_norm": 0.02})
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    (tmp_path / "store").symlink_to(studies[0].folder.parent)
    finished = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), precision], capture_output=True, text=True, check=False,
                              cwd=Path(__file__).parents[2])
    assert finished.returncode == 0, finished.stderr[-3000:]
