"""What `fit` is fed: every batch once and in order, from any epoch on, whatever its shape and structure."""
from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from lirads_keras.preprocessing.endless import EndlessDataset
from lirads_keras.training.feed import feed_training, feed_validation


class Numbers(EndlessDataset):
    """Three batches an epoch, the last of them smaller; each holds its number."""

    batches_per_epoch = 3

    def __getitem__(self, number):
        size = 1 if number % 3 == 2 else 4
        image = np.full((size, 2, 2, 3), number, np.float32)
        return {"image": image}, {"a": image[:, 0, 0, :1], "b": np.full(size, number % 2, np.int64)}, {"a": image[:, 0, 0, 0], "b": np.ones(size)}


class Finite(keras.utils.PyDataset):
    def __getitem__(self, number):
        return Numbers()[number]

    def __len__(self):
        return 5


@pytest.mark.parametrize("first_epoch", [0, 1, 4])
def test_training_begins_at_its_epoch_and_never_ends(first_epoch):
    for expected, batch in zip(itertools.count(3 * first_epoch), feed_training(Numbers(), first_epoch).take(20)):
        inputs, labels, weights = batch
        drawn_inputs, drawn_labels, drawn_weights = Numbers()[expected]
        for got, drawn in ((inputs, drawn_inputs), (labels, drawn_labels), (weights, drawn_weights)):
            assert got.keys() == drawn.keys()
            for name, array in drawn.items():
                assert got[name].dtype == array.dtype
                np.testing.assert_array_equal(got[name], array)
    assert expected == 3 * first_epoch + 19


def test_validation_has_its_length_and_is_the_same_each_time():
    feed = feed_validation(Finite())
    assert feed.cardinality() == 5
    for _ in range(2):
        assert [int(inputs["image"][0, 0, 0, 0]) for inputs, _, _ in feed] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("feed", [feed_training(Numbers(), 0), feed_validation(Finite())], ids=["training", "validation"])
def test_nothing_tunes_the_pipeline(feed):
    """The tuning thread is what the end of an iterator waits for."""
    assert feed.options().autotune.enabled is False


def test_an_error_of_the_dataset_reaches_whoever_draws():
    class Broken(Numbers):
        def __getitem__(self, number):
            if number == 4:
                raise ValueError("the fifth batch is broken")
            return super().__getitem__(number)

    drawn = iter(feed_training(Broken(), 0))
    for _ in range(4):
        next(drawn)
    with pytest.raises(tf.errors.InvalidArgumentError, match="the fifth batch is broken"):
        next(drawn)
