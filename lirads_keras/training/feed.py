"""Batches of a PyDataset as the tf.data pipeline that `fit` draws from, without the pipeline that Keras makes of one.

Keras lets tf.data tune that pipeline. Its tuning thread is asleep when an epoch or a validation ends, and the end may wait for it, up to two seconds
each time (experiments/benchmarks/feed.py).
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from lirads_keras.preprocessing.endless import EndlessDataset

DRAWN_AHEAD = 2
"""Batches that are ready before they are asked for; drawing one takes a small part of a training step."""


def feed_training(dataset: EndlessDataset, first_epoch: int) -> tf.data.Dataset:
    """Batches from the start of an epoch on, without end: for `fit` with `steps_per_epoch`, which then has one iterator for all epochs."""
    return _feed(dataset, first_epoch * dataset.batches_per_epoch, None)


def feed_validation(dataset: keras.utils.PyDataset) -> tf.data.Dataset:
    """All batches of a dataset that has a length, the same every time it is run through."""
    return _feed(dataset, 0, len(dataset))


def _feed(dataset: Any, first: int, count: int | None) -> tf.data.Dataset:
    def draw() -> Iterator[Any]:
        number = first
        while count is None or number < first + count:
            yield dataset[number]
            number += 1

    # The batch dimension stays open: the last batch of an epoch may be smaller.
    signature = keras.tree.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), dataset[first])
    options = tf.data.Options()
    options.autotune.enabled = False
    feed = tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(DRAWN_AHEAD).with_options(options)
    return feed if count is None else feed.apply(tf.data.experimental.assert_cardinality(count))
