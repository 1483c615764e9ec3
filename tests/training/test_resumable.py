"""A training that is killed after any epoch ends with the same bits as one that was not."""
from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lirads_keras.errors import InputError
from lirads_keras.models.batch_norm import build_batch_norm
from lirads_keras.preprocessing.endless import EndlessDataset
from lirads_keras.run import NetworkFolder
from lirads_keras.training.adam import FusedAdam
from lirads_keras.training.callbacks import Fit, ModelVariables, read_state
from lirads_keras.training.metrics import PooledDice
from lirads_keras.training.resumable import fit_resumable

EPOCHS = 5


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


class Batches(EndlessDataset):
    """Two batches an epoch, each another one."""

    batches_per_epoch = 2

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._seed = seed

    def __getitem__(self, number):
        generator = np.random.default_rng([self._seed, number])
        image = generator.normal(size=(4, 8, 8, 3)).astype(np.float32)
        lesion = (image[..., :1] > 0.5).astype(np.float32)
        return image, np.concatenate([1 - lesion, lesion], axis=-1)


class FixedBatches(keras.utils.PyDataset):
    """Two batches in all, for validation."""

    def __getitem__(self, number):
        return Batches(100)[number]

    def __len__(self) -> int:
        return 2


@pytest.fixture(scope="module")
def trained():
    """A small segmentation network, compiled, with a switch variable that the callbacks turn on."""
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = build_batch_norm("norm")(keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    model = keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(x))
    switch = keras.Variable(0.0, trainable=False, name="switch")
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 2 * EPOCHS)
    model.compile(optimizer=FusedAdam(schedule), loss="categorical_crossentropy", metrics=[PooledDice(2)])
    return ModelVariables(model, {"switch": switch}), switch


def kill_after(epoch: int | None):
    """A progress that ends the work after an epoch."""
    def count(fraction, message):
        if epoch is not None and fraction == epoch / EPOCHS:
            raise Killed

    return count


def run(trained, folder: Path, *, stop_after: int | None = None, identity: str = "a", monitor: str | None = "val_dice", patience: int = EPOCHS) -> None:
    variables, switch = trained

    def turn_switch(logs):
        logs["switch"] = float(switch.numpy())
        switch.assign_add(1.0)

    fit_resumable(variables, NetworkFolder(folder), identity, Fit(
        Batches(), EPOCHS, FixedBatches(), monitor=monitor, patience_epochs=patience, on_epoch=turn_switch), kill_after(stop_after))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".keras"}


def weights_of(trained) -> list[np.ndarray]:
    return [np.array(weight) for weight in trained[0].model.get_weights()]


@pytest.mark.parametrize("stops", [(1,), (2, 4), (1, 2, 3, 4)])
def test_a_killed_training_ends_bit_identical(trained, tmp_path, stops):
    run(trained, tmp_path / "whole")
    expected = weights_of(trained)
    for stop in stops:
        with pytest.raises(Killed):
            run(trained, tmp_path / "killed", stop_after=stop)
        # What a new process would start with.
        trained[0].reset()
    run(trained, tmp_path / "killed")
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trained), expected, strict=True))
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    history = pd.read_csv(tmp_path / "killed" / "history.csv")
    assert history["switch"].tolist() == [0, 1, 2, 3, 4] and len(history) == EPOCHS


def test_a_second_training_in_one_process_does_not_see_the_first(trained, tmp_path):
    run(trained, tmp_path / "alone")
    expected = weights_of(trained)
    run(trained, tmp_path / "other", identity="b")
    run(trained, tmp_path / "after")
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trained), expected, strict=True))


def test_a_finished_training_is_loaded_and_not_run_again(trained, tmp_path):
    run(trained, tmp_path)
    expected, before = weights_of(trained), (tmp_path / "model.keras").stat().st_mtime_ns
    trained[0].reset()
    run(trained, tmp_path, stop_after=1)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trained), expected, strict=True))
    assert (tmp_path / "model.keras").stat().st_mtime_ns == before
    assert NetworkFolder(tmp_path).trained.made_from("a") and not NetworkFolder(tmp_path).trained.made_from("b")


def test_a_state_of_another_identity_is_not_continued(trained, tmp_path):
    with pytest.raises(Killed):
        run(trained, tmp_path, stop_after=3, identity="old")
    assert read_state(tmp_path / "state.npz", "new") is None
    run(trained, tmp_path, identity="new")
    assert json.loads((tmp_path / "training.json").read_text())["epochs"] == EPOCHS


def test_the_best_epoch_is_kept_and_patience_ends_the_training(trained, tmp_path):
    run(trained, tmp_path, patience=1)
    history = pd.read_csv(tmp_path / "history.csv")
    best = json.loads((tmp_path / "training.json").read_text())["best_epoch"]
    assert best == history["val_dice"].idxmax()
    assert len(history) == EPOCHS or len(history) == best + 2


def test_the_last_epoch_is_kept_without_a_monitor(trained, tmp_path):
    run(trained, tmp_path, monitor=None)
    assert json.loads((tmp_path / "training.json").read_text())["best_epoch"] == EPOCHS - 1


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_broken_state_is_named(trained, tmp_path, content):
    (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(InputError, match="state.npz.*delete it"):
        run(trained, tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_names_batch_and_patients_and_keeps_the_state_before(trained, tmp_path, value):
    variables, _ = trained

    class Broken(Batches):
        def __getitem__(self, number):
            image, labels = super().__getitem__(number)
            return image, np.full_like(labels, value) if number == 2 * 2 + 1 else labels

    with pytest.raises(InputError) as caught:
        fit_resumable(variables, NetworkFolder(tmp_path), "a", Fit(Broken(), EPOCHS, patients_of=lambda epoch, batch: [f"P{epoch}", f"Q{batch}"]))
    problem, = caught.value.problems
    assert problem.where == f"{tmp_path}, epoch 2, batch 1, patients P2, Q1"
    assert problem.expected == "a finite loss" and "the state after epoch 1 is kept" in problem.found
    found = read_state(tmp_path / "state.npz", "a")
    assert found is not None and found[0].epoch == 2
    assert all(np.isfinite(array).all() for array in found[1].values())


def test_weights_that_are_not_finite_are_not_written(trained, tmp_path):
    variables, _ = trained

    def spoil(logs):
        variables.model.layers[1].kernel.assign(np.full(variables.model.layers[1].kernel.shape, np.inf))

    with pytest.raises(InputError, match="epoch 0: expected finite weights.*nothing is kept yet"):
        fit_resumable(variables, NetworkFolder(tmp_path), "a", Fit(Batches(), EPOCHS, on_epoch=spoil))
    assert not (tmp_path / "state.npz").exists()


def test_a_validation_that_is_not_finite_is_refused(trained, tmp_path):
    class Broken(FixedBatches):
        def __getitem__(self, index):
            image, labels = super().__getitem__(index)
            return image, labels * np.nan

    with pytest.raises(InputError, match="epoch 0: expected a finite val_loss, found nan"):
        fit_resumable(trained[0], NetworkFolder(tmp_path), "a", Fit(Batches(), EPOCHS, Broken()))


def test_each_epoch_is_told_with_the_metric_that_is_shown(trained, tmp_path):
    told: list[tuple[float | None, str]] = []
    fit_resumable(trained[0], NetworkFolder(tmp_path), "a", Fit(Batches(), EPOCHS, FixedBatches(), shown=("val_dice", "Dice")),
                  lambda fraction, message: told.append((fraction, message)))
    dice = pd.read_csv(tmp_path / "history.csv")["val_dice"]
    assert told == [((epoch + 1) / EPOCHS, f"epoch {epoch + 1} of {EPOCHS}, Dice {value:.2f}") for epoch, value in enumerate(dice)]


def test_tensorboard_logs_go_on_after_a_kill(trained, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def run_with_logs(stop_after=None):
        fit_resumable(trained[0], NetworkFolder(tmp_path), "a", Fit(Batches(), EPOCHS, FixedBatches(), tensorboard=True), kill_after(stop_after))

    with pytest.raises(Killed):
        run_with_logs(stop_after=2)
    run_with_logs()
    steps = []
    for path in sorted((tmp_path / "tensorboard" / "validation").iterdir()):
        events = EventAccumulator(str(path)).Reload()
        steps += [event.step for event in events.Tensors("epoch_dice")]
    assert sorted(steps) == list(range(EPOCHS))


def test_tensorboard_without_its_package_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("lirads_keras.training.resumable.find_spec", lambda name: None)
    with pytest.raises(InputError, match="workflow.tensorboard: expected the package tensorboard"):
        fit_resumable(trained[0], NetworkFolder(tmp_path), "a", Fit(Batches(), EPOCHS, tensorboard=True))
    assert not any(tmp_path.iterdir())


def test_pooled_dice_against_counting():
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 3, (4, 5, 6))
    probability = generator.dirichlet([1, 1, 1], (4, 5, 6)).astype(np.float32)
    metric = PooledDice(3)
    for half in (slice(0, 2), slice(2, 4)):
        metric.update_state(np.eye(3, dtype=np.float32)[reference[half]], probability[half])
    predicted = probability >= 0.5
    expected = [2 * np.sum(predicted[..., c] & (reference == c)) / (np.sum(predicted[..., c]) + np.sum(reference == c)) for c in (1, 2)]
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_pooled_dice_of_branches_is_that_of_their_mean():
    generator = np.random.default_rng(0)
    reference = np.eye(2, dtype=np.float32)[generator.integers(0, 2, (2, 5, 6))]
    branches = generator.dirichlet([1, 1], (2, 5, 6, 3)).astype(np.float32).transpose(0, 1, 2, 4, 3)
    of_branches, of_mean = PooledDice(2), PooledDice(2)
    of_branches.update_state(reference, branches)
    of_mean.update_state(reference, branches.mean(axis=-1))
    assert 0 < float(of_branches.result()) < 1 and float(of_branches.result()) == float(of_mean.result())
