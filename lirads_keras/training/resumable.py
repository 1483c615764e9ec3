"""One resumable fit: a model trains on one data set after another, and every part that was finished or killed is found again."""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import keras
import pandas as pd

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing, write_json, write_text
from lirads_keras.preprocessing.endless import EndlessDataset
from lirads_keras.training.callbacks import Checkpoint, FiniteLoss, ModelVariables, TrainingState, read_state
from lirads_keras.training.feed import feed_training, feed_validation

EpochProgress = Callable[[int, dict[str, float]], None]


def fit_resumable(variables: ModelVariables, folder: Path, identity: str, *, training: EndlessDataset,
                  validation: keras.utils.PyDataset | None, epochs: int, patience_epochs: int, monitor: str | None,
                  on_epoch: Callable[[dict[str, float]], None] | None = None, progress: EpochProgress | None = None,
                  patients_of: Callable[[int, int], Sequence[str]] | None = None, tensorboard: bool = False) -> None:
    """Trains from the variables' start, or from the last epoch in `folder`, and leaves the best weights in the model and in `folder`.

    Args:
        variables: of the compiled model; reset to their start where nothing was trained yet.
        folder: gets `state.npz` while training lasts, then `model.keras`, `history.csv` and `training.json`.
        identity: what the result depends on; a folder of another identity is trained anew.
        training: its batches from the first epoch on.
        monitor: metric to be maximised for early stopping and best weights; None: all epochs, last weights.
        on_epoch: sees the logs of each epoch, may add to them.
        progress: called with the number of finished epochs and the last logs.
        patients_of: patients of (epoch, batch), for the message when the loss is not finite.
        tensorboard: event files in `folder`/tensorboard, too.

    Raises:
        InputError: a loss or a weight is not finite (the state of the epoch before stays), or the package tensorboard is asked for and not installed.
    """
    model = variables.model
    if is_trained(folder, identity):
        variables.network.load_weights(folder / "model.keras")
        return
    callbacks: list[keras.callbacks.Callback] = [FiniteLoss(folder, patients_of)]
    if tensorboard:
        if not find_spec("tensorboard"):
            raise InputError(Problem("workflow.tensorboard", "the package tensorboard, for true (pip install tensorboard)", "no such package"))
        callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    state_path = folder / "state.npz"
    variables.reset()
    found = read_state(state_path, identity)
    state, best = TrainingState(identity), None
    if found:
        state, values, best = found
        variables.assign(values)
    if not state.finished:
        checkpoint = Checkpoint(state_path, variables, state, epochs=epochs, patience_epochs=patience_epochs, monitor=monitor, on_epoch=on_epoch,
                                progress=progress)
        checkpoint.best_weights = best
        model.fit(feed_training(training, state.epoch), steps_per_epoch=training.batches_per_epoch,
                  validation_data=None if validation is None else feed_validation(validation), initial_epoch=state.epoch, epochs=epochs, shuffle=False,
                  verbose=0, callbacks=[*callbacks, checkpoint])
        best = checkpoint.best_weights
    if best is None:
        raise RuntimeError(f"{folder}: training ended without an epoch")
    for variable, array in zip(model.variables, best, strict=True):
        variable.assign(array)
    # The optimiser's moments are of no use to a finished model and make two thirds of the file.
    with replacing(folder / "model.keras") as beside:
        variables.network.save(beside, include_optimizer=False)
    history = pd.DataFrame(state.history).rename_axis("epoch").reset_index()
    write_text(folder / "history.csv", history.to_csv(index=False, float_format="%.6g"))
    write_json(folder / "training.json", {"identity": identity, "epochs": state.epoch, "best_epoch": state.best_epoch})
    state_path.unlink(missing_ok=True)
    for unfinished in folder.glob(".*"):
        # What a write that was killed left beside its file.
        unfinished.unlink()


def is_trained(folder: Path, identity: str) -> bool:
    """Whether `folder` holds a finished training of this identity."""
    try:
        return json.loads((folder / "training.json").read_text())["identity"] == identity
    except (OSError, ValueError, KeyError):
        return False
