"""One resumable fit: a model trains on one data set after another, and every part that was finished or killed is found again."""
from __future__ import annotations

from importlib.util import find_spec

import keras
import pandas as pd

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing, write_text
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.callbacks import Checkpoint, FiniteLoss, Fit, ModelVariables, TrainingState, read_state
from lirads_keras.training.feed import feed_training, feed_validation


def fit_resumable(variables: ModelVariables, folder: NetworkFolder, identity: str, fit: Fit, progress: Progress = ignore_progress) -> None:
    """Trains from the variables' start, or from the last epoch in `folder`, and leaves the best weights in the model and in `folder`.

    Args:
        variables: of the compiled model; reset to their start where nothing was trained yet.
        folder: gets its state while training lasts, then weights, history and the record `trained`.
        identity: what the result depends on; a folder of another identity is trained anew.
        fit: data and epochs.
        progress: told after each epoch.

    Raises:
        InputError: a loss or a weight is not finite (the state of the epoch before stays), or the package tensorboard is asked for and not installed.
    """
    model = variables.model
    if folder.trained.made_from(identity):
        variables.network.load_weights(folder.weights)
        return
    callbacks: list[keras.callbacks.Callback] = [FiniteLoss(folder.path, fit.patients_of)]
    if fit.tensorboard:
        if not find_spec("tensorboard"):
            raise InputError(Problem("workflow.tensorboard", "the package tensorboard, for true (pip install tensorboard)", "no such package"))
        callbacks.append(keras.callbacks.TensorBoard(str(folder.tensorboard), write_graph=False))
    variables.reset()
    found = read_state(folder.state, identity)
    state, best = TrainingState(identity), None
    if found:
        state, values, best = found
        variables.assign(values)
    if not state.finished:
        checkpoint = Checkpoint(folder.state, variables, state, fit, progress)
        checkpoint.best_weights = best
        model.fit(feed_training(fit.training, state.epoch), steps_per_epoch=fit.training.batches_per_epoch,
                  validation_data=None if fit.validation is None else feed_validation(fit.validation), initial_epoch=state.epoch, epochs=fit.epochs,
                  shuffle=False, verbose=0, callbacks=[*callbacks, checkpoint])
        best = checkpoint.best_weights
    if best is None:
        raise RuntimeError(f"{folder.path}: training ended without an epoch")
    for variable, array in zip(model.variables, best, strict=True):
        variable.assign(array)
    # The optimiser's moments are of no use to a finished model and make two thirds of the file.
    with replacing(folder.weights) as beside:
        variables.network.save(beside, include_optimizer=False)
    history = pd.DataFrame(state.history).rename_axis("epoch").reset_index()
    write_text(folder.history, history.to_csv(index=False, float_format="%.6g"))
    folder.trained.write(identity, epochs=state.epoch, best_epoch=state.best_epoch)
    folder.state.unlink(missing_ok=True)
    for unfinished in folder.path.glob(".*"):
        # What a write that was killed left beside its file.
        unfinished.unlink()
