"""Weights of a network for a network that differs from it in the channels of its input alone."""
from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np


def copy_weights(source: keras.Model, target: keras.Model, names: Sequence[str]) -> None:
    """Copies the weights of the layers `names` of `source` into those of `target`.

    Where `target` has m times the input channels of `source`, what reads the input is repeated m times along its channels, and a kernel divided by m: its sum
    is preserved, and an image that is the same in all m parts gives the activations that it gave in `source`.

    Raises:
        ValueError: the layers have other shapes, or are not in both models; `target` is then unchanged.
    """
    channels = source.input.shape[-1]
    times, rest = divmod(target.input.shape[-1], channels)
    found = {name: _match(_weights_of(source, name), _shapes_of(target, name), channels, 1 if rest else times) for name in names}
    differing = sorted(name for name, weights in found.items() if weights is None)
    if differing:
        raise ValueError(f"weights can't be transferred, these layers differ: {', '.join(differing)}")
    for name, weights in found.items():
        if weights:
            target.get_layer(name).set_weights(weights)


def _weights_of(model: keras.Model, name: str) -> list[np.ndarray] | None:
    return next((layer.get_weights() for layer in model.layers if layer.name == name), None)


def _shapes_of(model: keras.Model, name: str) -> list[tuple[int, ...]] | None:
    return next(([tuple(weight.shape) for weight in layer.weights] for layer in model.layers if layer.name == name), None)


def _match(weights: list[np.ndarray] | None, shapes: list[tuple[int, ...]] | None, channels: int, times: int) -> list[np.ndarray] | None:
    """The weights in these shapes; None where they cannot be brought there."""
    if weights is None or shapes is None or len(weights) != len(shapes):
        return None
    matched = [weight if weight.shape == shape else _repeat(weight, channels, times) for weight, shape in zip(weights, shapes, strict=True)]
    return matched if all(weight.shape == shape for weight, shape in zip(matched, shapes, strict=True)) else None


def _repeat(weight: np.ndarray, channels: int, times: int) -> np.ndarray:
    """A kernel (y, x, c, filters) or a number a channel (c,) of a layer that reads the input's `channels`; any other weight as it is."""
    if weight.ndim == 4 and weight.shape[2] == channels:
        return np.tile(weight, (1, 1, times, 1)) / np.asarray(times, weight.dtype)
    return np.tile(weight, times) if weight.shape == (channels,) else weight
