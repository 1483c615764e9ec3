"""Published weights: where their files are, and how every weight of a file comes into a model, or none.

Nothing is taken silently: a file that is absent, damaged or of another architecture is an InputError that says which file to put where.
"""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from lirads_keras.errors import InputError, Problem, raise_if_any


@dataclass(frozen=True)
class WeightFile:
    """A published HDF5 weight file; `md5` is the publisher's digest."""

    name: str
    url: str
    md5: str


def find_weight_file(file: WeightFile) -> Path:
    """Path of `file` in Keras' cache ($KERAS_HOME/models, by default ~/.keras/models), downloaded if it is not there.

    Raises:
        InputError: the cached file is not the published one (it is left as it is), or it can't be downloaded.
    """
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    cached = home / "models" / file.name
    # keras.utils.get_file would delete a file with another digest before it knows that it can fetch the right one.
    if cached.exists():
        digest = hashlib.md5(cached.read_bytes(), usedforsecurity=False).hexdigest()
        if digest != file.md5:
            raise InputError(Problem(str(cached), f"the file published at {file.url} (MD5 {file.md5})", f"another file (MD5 {digest})"))
        return cached
    try:
        return Path(keras.utils.get_file(file.name, file.url, cache_dir=str(home), cache_subdir="models", file_hash=file.md5))
    except Exception as error:  # get_file raises bare Exception for every network failure
        raise InputError(Problem(
            str(cached), f"the file {file.url}, put there by hand, since it could not be downloaded (or choose random weights in the profile)",
            " ".join(str(error).split()) or type(error).__name__)) from error


def load_layer_weights(layers: Iterable[keras.layers.Layer], path: Path) -> None:
    """Fills every weight of `layers` from a Keras HDF5 weight file, matched by layer name; further layers of the file are ignored.

    Raises:
        InputError: not an HDF5 weight file, or a layer is missing in it or has other shapes (all such layers are listed, and no layer is changed).
    """
    found: list[tuple[keras.layers.Layer, list[np.ndarray]]] = []
    problems = []
    try:
        with h5py.File(path) as file:
            groups = file["model_weights"] if "model_weights" in file else file
            for layer in layers:
                if layer.weights:
                    group = groups.get(layer.name)
                    names = [] if group is None else group.attrs.get("weight_names", [])
                    arrays = [np.asarray(group[name]) for name in names]
                    expected = [tuple(weight.shape) for weight in layer.weights]
                    shapes = [array.shape for array in arrays]
                    if shapes != expected:
                        problems.append(Problem(f"{path}, layer {layer.name}", f"weights of shapes {expected}", f"{shapes or 'no such layer'}"))
                    found.append((layer, arrays))
    except (OSError, AttributeError, KeyError) as error:
        raise InputError(Problem(str(path), "a Keras HDF5 weight file", " ".join(str(error).split()) or type(error).__name__)) from error
    raise_if_any(problems)
    for layer, arrays in found:
        layer.set_weights(arrays)
