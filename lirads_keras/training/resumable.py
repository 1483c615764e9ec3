"""One resumable fit: a model trains on one data set after another, and every part that was finished or killed is found again."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import pandas as pd

from lirads_keras.io.atomic import replacing, write_json, write_text
from lirads_keras.training.callbacks import Checkpoint, ModelVariables, TrainingState, read_state

EpochProgress = Callable[[int, dict[str, float]], None]


def fit_resumable(variables: ModelVariables, folder: Path, identity: str, *, training: Callable[[int], keras.utils.PyDataset],
                  validation: keras.utils.PyDataset | None, epochs: int, patience_epochs: int, monitor: str | None,
                  on_epoch: Callable[[dict[str, float]], None] | None = None, progress: EpochProgress | None = None) -> None:
    """Trains from the variables' start, or from the last epoch in `folder`, and leaves the best weights in the model and in `folder`.

    Args:
        variables: of the compiled model; reset to their start where nothing was trained yet.
        folder: gets `state.npz` while training lasts, then `model.keras`, `history.csv` and `training.json`.
        identity: what the result depends on; a folder of another identity is trained anew.
        training: makes the data set that begins at a given epoch.
        monitor: metric to be maximised for early stopping and best weights; None: all epochs, last weights.
        on_epoch: sees the logs of each epoch, may add to them.
        progress: called with the number of finished epochs and the last logs.
    """
    model = variables.model
    if is_trained(folder, identity):
        model.load_weights(folder / "model.keras")
        return
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
        model.fit(training(state.epoch), validation_data=validation, initial_epoch=state.epoch, epochs=epochs, shuffle=False, verbose=0,
                  callbacks=[checkpoint])
        best = checkpoint.best_weights
    if best is None:
        raise RuntimeError(f"{folder}: training ended without an epoch")
    for variable, array in zip(model.variables, best, strict=True):
        variable.assign(array)
    # The optimiser's moments are of no use to a finished model and make two thirds of the file.
    with replacing(folder / "model.keras") as beside:
        model.save(beside, include_optimizer=False)
    history = pd.DataFrame(state.history).rename_axis("epoch").reset_index()
    write_text(folder / "history.csv", history.to_csv(index=False, float_format="%.6g"))
    write_json(folder / "training.json", {"identity": identity, "epochs": state.epoch, "best_epoch": state.best_epoch})
    state_path.unlink(missing_ok=True)


def is_trained(folder: Path, identity: str) -> bool:
    """Whether `folder` holds a finished training of this identity."""
    try:
        return json.loads((folder / "training.json").read_text())["identity"] == identity
    except (OSError, ValueError, KeyError):
        return False
