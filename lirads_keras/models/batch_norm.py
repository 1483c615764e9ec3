"""Batch normalisation as all networks here use it."""
from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

MOMENTUM = 0.9
"""Not reported: our choice. Keras' 0.99 averages over a hundred batches, which is a large part of a small profile's training."""


def build_batch_norm(name: str, **options: Any) -> keras.layers.BatchNormalization:
    """A layer of Keras; `options` are its own.

    Built in the scope of a strategy with several replicas it normalises by the batch of all of them, so that their number changes no result but its rounding.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return keras.layers.BatchNormalization(momentum=MOMENTUM, synchronized=replicas > 1, name=name, **options)
