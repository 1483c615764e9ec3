"""Networks of others beside which this project's is set, and how they are trained: on the same samples, with the same loss, with AdamW.

The loss is Eq. 2 alone: Eq. 3 joins between epochs, and these trainings are one epoch.
"""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from lirads_keras.config.profile import Profile
    from lirads_keras.inference.predictors import Predictor
    from lirads_keras.preprocessing.slices import SliceDataset
    from lirads_keras.preprocessing.store import StoredStudy
    from lirads_keras.variants import SegmentationVariant

STREAM = 500
"""Random stream of all trainings that are compared, which no fold has."""


def build_plain_unet(channels: int, filters: tuple[int, ...] = (16, 32, 64, 128, 160, 160)) -> keras.Model:
    """Images (n, y, x, channels), y and x multiples of 32 -> softmax (n, y, x, 2): two convolutions a level, strided ones down, transposed ones up."""
    import keras
    from keras import layers

    def convolve(x: Any, width: int, strides: int = 1) -> Any:
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_uniform")(x)
        return layers.LeakyReLU(negative_slope=0.01)(layers.BatchNormalization(momentum=0.9)(x))

    image = keras.Input((None, None, channels))
    x, skips = image, []
    for level, width in enumerate(filters):
        x = convolve(convolve(x, width, 1 if level == 0 else 2), width)
        skips.append(x)
    for width, skip in zip(filters[-2::-1], skips[-2::-1], strict=True):
        x = layers.Concatenate()([layers.Conv2DTranspose(width, 2, strides=2)(x), skip])
        x = convolve(convolve(x, width), width)
    return keras.Model(image, layers.Softmax()(layers.Conv2D(2, 1)(x)), name="plain_unet")


def build_library_unet(channels: int) -> keras.Model:
    """The U-Net of the package segmentation-models on its ResNet-18."""
    os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
    import segmentation_models

    return segmentation_models.Unet("resnet18", input_shape=(None, None, channels), classes=2, activation="softmax", encoder_weights=None)


YARDSTICKS: dict[str, Callable[[int], keras.Model]] = {"plain_unet": build_plain_unet, "segmentation_models": build_library_unet}
"""What builds each of them for so many channels."""


class WholeSlices:
    """A network without halves as a `Predictor`."""

    window_px = 32

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf

        self._predict = tf.function(lambda stacks: model(stacks, training=False)[..., 1],
                                    input_signature=[tf.TensorSpec((None, None, None, model.input.shape[-1]), tf.float32)])

    def __call__(self, stacks: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        rows, columns = window
        return np.asarray(self._predict(stacks))[:, rows, columns]

    def take_weights(self) -> None:
        pass


def train_yardstick(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], minutes: float, steps: int | None,
                    build: Callable[[int], keras.Model]) -> tuple[keras.Model, Predictor, int]:
    """The network after its last step, ready to predict, and the number of steps: those that fit into the minutes, where no steps are given."""
    import keras

    from lirads_keras.losses.segmentation import HybridSegmentationLoss
    from lirads_keras.training.feed import feed_training

    settings, stage = profile.segmentation, profile.segmentation.finetune

    def compiled(count: int) -> keras.Model:
        keras.utils.set_random_seed(settings.seeds[0])
        model = build(variant.channels)
        model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(stage.learning_rate, count)),
                      loss=HybridSegmentationLoss.from_settings(settings.loss))
        return model

    if steps is None:
        steps = max(int(60 * minutes / time_step(compiled(1), draw_samples(profile, variant, training, 1))), 1)
    model = compiled(steps)
    model.fit(feed_training(draw_samples(profile, variant, training, steps), 0), steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    return model, WholeSlices(model), steps


def time_step(model: keras.Model, drawn: SliceDataset) -> float:
    """Median seconds in which a batch is drawn and trained on, one after the other; the weights of the compiled model change."""
    model.train_on_batch(*drawn[0])
    seconds = []
    for number in range(1, 9):
        started = time.perf_counter()
        model.train_on_batch(*drawn[number])
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def draw_samples(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], steps: int) -> SliceDataset:
    """The batches of all networks that are compared, drawn by one thread."""
    from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw

    settings, stage = profile.segmentation, profile.segmentation.finetune
    timed = stage.model_copy(update={"samples_per_epoch": steps * stage.batch_size})
    return SliceDataset(training, SliceDraw.of_stage(settings, timed, phases=variant.phases, classes=2, seed=settings.seeds[0], stream=STREAM), workers=1)
