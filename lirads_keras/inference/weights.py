"""Weights of a trained network."""
from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import keras

from lirads_keras.errors import InputError, Problem


def load_weights(model: keras.Model, weights: Path) -> None:
    """Gives a model the weights of a file.

    Raises:
        InputError: the file is damaged or of another network.
    """
    try:
        with warnings.catch_warnings():
            # Of another network's file Keras warns layer by layer, and raises at the end.
            warnings.simplefilter("ignore", UserWarning)
            model.load_weights(weights)
    # Keras passes on what zipfile and h5py raise, and tells other shapes by ValueError.
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(Problem(str(weights), "the weights of this run's network", found)) from error
