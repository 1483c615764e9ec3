"""What Keras' fit sees of the slices: the batches in order, resumed, beside validation, and on two devices."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from slice_studies import make_dataset

from lirads_keras.preprocessing.slices import FixedSlices
from lirads_keras.training.feed import feed_training, feed_validation


class Recorder(keras.Model):
    """A model that keeps the pixel that fit() shows it first, batch by batch."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Conv2D(2, 1, activation="softmax")
        self.seen = []

    def call(self, images):
        return self.head(images)

    def train_step(self, data):
        tf.py_function(lambda images: self.seen.append(images.numpy()), [data[0]], [])
        return super().train_step(data)


def fit_and_record(dataset, *, epochs, initial_epoch=0, built=True, feed=feed_training):
    model = Recorder()
    if built:
        model(np.zeros((1, 16, 16, 3), np.float32))
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(feed(dataset, initial_epoch), steps_per_epoch=dataset.batches_per_epoch, epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0)
    return model.seen


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("samples_per_epoch", [4, 20])
@pytest.mark.parametrize("feed", [feed_training, lambda dataset, first_epoch: dataset], ids=["fed", "plain"])
def test_fit_sees_exactly_the_batches_in_order(studies, workers, built, samples_per_epoch, feed):
    """One batch an epoch, too; and with the pipeline that Keras makes of the dataset itself."""
    dataset = make_dataset(studies, workers=workers, samples_per_epoch=samples_per_epoch)
    seen = fit_and_record(dataset, epochs=3, built=built, feed=feed)
    expected = [make_dataset(studies, samples_per_epoch=samples_per_epoch)[number] for number in range(3 * dataset.batches_per_epoch)]
    assert len(seen) == len(expected)
    for images, (wanted, _) in zip(seen, expected):
        np.testing.assert_array_equal(images, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_fit_sees_the_batches_that_were_left(studies, workers):
    uninterrupted = fit_and_record(make_dataset(studies, workers=workers), epochs=4)
    resumed = fit_and_record(make_dataset(studies, workers=workers), epochs=1)
    resumed += fit_and_record(make_dataset(studies, workers=workers), epochs=4, initial_epoch=1)
    assert len(resumed) == len(uninterrupted) == 12
    for got, wanted in zip(resumed, uninterrupted):
        np.testing.assert_array_equal(got, wanted)


def test_validation_between_epochs_changes_nothing(studies):
    model = Recorder()
    model.compile("sgd", "categorical_crossentropy")
    fixed = FixedSlices(studies, phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples=8)
    model.fit(feed_training(make_dataset(studies, workers=2), 0), steps_per_epoch=3, validation_data=feed_validation(fixed), epochs=3, verbose=0)
    assert len(model.seen) == 9
    for position, images in enumerate(model.seen):
        np.testing.assert_array_equal(images, make_dataset(studies)[position][0])


REPLICAS = """
import sys
from pathlib import Path
import numpy as np, tensorflow as tf, keras
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput, read_segmentation_input
from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.training.feed import feed_training

class Recorder(keras.Model):
    def __init__(self):
        super().__init__()
        self.head, self.seen = keras.layers.Conv2D(2, 1, activation="softmax"), []
    def call(self, images):
        return self.head(images)
    def train_step(self, data):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.py_function(lambda images, replica: self.seen.append((int(replica), images.numpy())), [data[0], replica], [])
        return super().train_step(data)

cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
def make_dataset():
    return SliceDataset([read_stored_study(Path(folder)) for folder in sys.argv[1:]], SliceDraw(
        phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples_per_epoch=20, seed=11, stream=2, augmentation=AugmentationSettings()), workers=2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = Recorder()
    model(np.zeros((1, 16, 16, 3), np.float32))
    model.compile("sgd", "categorical_crossentropy")
    model.fit(feed_training(make_dataset(), 0), steps_per_epoch=5, epochs=3, verbose=0)
halves = [[images for number, images in model.seen if number == replica] for replica in (0, 1)]
assert len(halves[0]) == len(halves[1]) == 15, len(model.seen)
for position, parts in enumerate(zip(*halves)):
    np.testing.assert_array_equal(np.concatenate(parts), make_dataset()[position][0])
"""


@pytest.mark.slow
def test_two_replicas_see_exactly_the_batches_in_order(studies):
    """In a process of its own: logical devices are made before TensorFlow starts."""
    result = subprocess.run([sys.executable, "-c", REPLICAS, *(str(study.folder) for study in studies)], capture_output=True, text=True, check=False,
                            cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr[-2000:]
