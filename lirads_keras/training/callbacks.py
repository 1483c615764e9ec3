"""Training that can be killed at any moment: one atomic file an epoch holds all that the next epoch depends on.

Keras' BackupAndRestore writes weights and epoch separately and leaves the callbacks' state out, so a kill between its writes repeats an
epoch or forgets the best weights. Here weights, optimiser, Lovász switch, best weights, patience and history are one .npz.
"""
from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_bytes
from lirads_keras.preprocessing.endless import EndlessDataset
from lirads_keras.progress import Progress


@dataclass(frozen=True, eq=False)
class Fit:
    """What a model is trained on, and for how long.

    `training`: its batches from the first epoch on. `validation`: scored after each epoch. `patience_epochs`: epochs without a better `monitor`, a metric to
    be maximised, before training ends; without a monitor all epochs are trained and the last weights kept. `shown`: metric that the progress tells, and its
    name for people. `on_epoch` sees the logs of each epoch and may add to them. `patients_of`: patients of (epoch, batch), for the message when the loss is
    not finite. `tensorboard`: event files in the network's folder, too.
    """

    training: EndlessDataset
    epochs: int
    validation: keras.utils.PyDataset | None = None
    monitor: str | None = None
    patience_epochs: int | None = None
    shown: tuple[str, str] | None = None
    on_epoch: Callable[[dict[str, float]], None] | None = None
    patients_of: Callable[[int, int], Sequence[str]] | None = None
    tensorboard: bool = False


@dataclass
class TrainingState:
    """Where a training stands. `epoch` counts finished epochs; `history` has one row per epoch, metric → value."""

    identity: str
    epoch: int = 0
    best_value: float = -math.inf
    best_epoch: int = -1
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class ModelVariables:
    """All variables of a compiled model that training changes, with their values at the start.

    Resetting to the start lets one process train fold after fold on one traced graph (tracing costs more than a small fold). `network` is what is
    saved, the model itself by default: a model with the same variables and without what only training needs.
    """

    def __init__(self, model: keras.Model, extra: dict[str, keras.Variable], *, network: keras.Model | None = None) -> None:
        model.optimizer.build(model.trainable_variables)
        self.model, self.network = model, network or model
        self._named: dict[str, keras.Variable] = {f"model/{i}": variable for i, variable in enumerate(model.variables)}
        self._named |= {f"optimizer/{i}": variable for i, variable in enumerate(model.optimizer.variables)}
        self._named |= {f"extra/{name}": variable for name, variable in extra.items()}
        self._initial = self.values()

    def values(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._named.items()}

    def assign(self, values: dict[str, np.ndarray]) -> None:
        for name, variable in self._named.items():
            variable.assign(values[name])

    def reset(self) -> None:
        self.assign(self._initial)

    def begin_from(self, weights: Path) -> None:
        """Makes the weights of a saved `network` the start, with the optimiser and all else as they were at the start before."""
        self.reset()
        self.network.load_weights(weights)
        self._initial = self.values()

    def weights(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.model.variables]


class FiniteLoss(keras.callbacks.Callback):
    """Stops at the first batch whose loss is not finite, before any of it is written.

    A score that is NaN or infinite makes the softmax NaN, and with it the loss. `patients_of` tells the patients of (epoch, batch).

    Raises:
        InputError: names the folder, the epoch and batch (both from 0), and the patients.
    """

    def __init__(self, folder: Path, patients_of: Callable[[int, int], Sequence[str]] | None) -> None:
        super().__init__()
        self._folder, self._patients_of = folder, patients_of
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # The mean since the epoch began: one value that is not finite stays in it.
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            patients = f", patients {', '.join(self._patients_of(self._epoch, batch))}" if self._patients_of else ""
            raise InputError(Problem(f"{self._folder}, epoch {self._epoch}, batch {batch}{patients}", "a finite loss", _describe(loss, self._epoch)))


class Checkpoint(keras.callbacks.Callback):
    """Writes the state after each epoch, keeps the weights of the best epoch, and stops when patience is spent or all epochs are done.

    `fit.on_epoch` is called with the logs before the state is written and may add to them (the Lovász switch does).

    Raises:
        InputError: a metric or a weight is not finite; the state of the epoch before stays.
    """

    def __init__(self, path: Path, variables: ModelVariables, state: TrainingState, fit: Fit, progress: Progress) -> None:
        super().__init__()
        self._path, self._variables, self.state, self._fit, self._progress = path, variables, state, fit, progress
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {name: float(value) for name, value in (logs or {}).items()}
        raise_if_any([Problem(f"{self._path.parent}, epoch {epoch}", f"a finite {name}", _describe(value, epoch))
                      for name, value in row.items() if not math.isfinite(value)])
        fit, state = self._fit, self.state
        if fit.on_epoch:
            fit.on_epoch(row)
        values = self._variables.values()
        if not all(np.isfinite(array).all() for array in values.values()):
            raise InputError(Problem(f"{self._path.parent}, epoch {epoch}", "finite weights", _describe(math.nan, epoch)))
        state.history.append(row)
        state.epoch = epoch + 1
        value = row[fit.monitor] if fit.monitor else float(epoch)
        if value > state.best_value:
            state.best_value, state.best_epoch = value, epoch
            self.best_weights = self._variables.weights()
        patience_spent = fit.patience_epochs is not None and epoch - state.best_epoch >= fit.patience_epochs
        state.finished = state.epoch >= fit.epochs or patience_spent
        write_state(self._path, state, values, self.best_weights)
        if state.finished:
            self.model.stop_training = True
        shown = f", {fit.shown[1]} {row[fit.shown[0]]:.2f}" if fit.shown else ""
        self._progress(state.epoch / fit.epochs, f"epoch {state.epoch} of {fit.epochs}{shown}")


def write_state(path: Path, state: TrainingState, values: dict[str, np.ndarray], best_weights: list[np.ndarray] | None) -> None:
    """Writes everything into one .npz, atomically."""
    arrays = dict(values) | {f"best/{i}": array for i, array in enumerate(best_weights or [])}
    arrays["state"] = np.frombuffer(json.dumps(asdict(state)).encode(), dtype=np.uint8)
    # mypy reads the first keyword of savez as its own option, hence the ignore.
    write_bytes(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_state(path: Path, identity: str) -> tuple[TrainingState, dict[str, np.ndarray], list[np.ndarray] | None] | None:
    """The state at `path`, or None if there is none or it belongs to another identity (other settings, data or code).

    Raises:
        InputError: the file is not a state file.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        state = TrainingState(**json.loads(arrays.pop("state").tobytes()))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(Problem(str(path), "a training state (delete it to train this part again)", f"{type(error).__name__}: {error}")) from error
    if state.identity != identity:
        return None
    best = [arrays.pop(f"best/{i}") for i in range(sum(name.startswith("best/") for name in arrays))]
    return state, arrays, best or None


def _describe(value: float, epoch: int) -> str:
    return f"{value}; " + (f"the state after epoch {epoch - 1} is kept" if epoch else "nothing is kept yet")
