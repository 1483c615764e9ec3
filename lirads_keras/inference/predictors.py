"""One call for every engine: 2.5D stacks in, lesion probabilities of a window out."""
from __future__ import annotations

from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from lirads_keras.config.segmentation import Engine
from lirads_keras.inference.halves import Window, split_network
from lirads_keras.inference.openvino_predictor import OpenVinoPredictor, check_engine


class Predictor(Protocol):
    """A segmentation network with two classes, ready to predict.

    `window_px`: windows begin and end at multiples of it (`NetworkSplit`).
    """

    window_px: int

    def __call__(self, stacks: np.ndarray, window: Window) -> np.ndarray:
        """Lesion probability float32 (n, rows, columns) of standardised stacks float32 (n, y, x, c), y and x multiples of 32, in a window from and
        to multiples of `window_px`."""

    def take_weights(self) -> None:
        """Goes over to the weights that the network has now; to be called whenever they have changed."""


def build_predictor(model: keras.Model, engine: Engine, threads: int | None = None) -> Predictor:
    """The network on an engine of the profile.

    Args:
        model: a UNet++, images (n, y, x, c) -> softmax (n, y, x, 2).
        engine: "keras" computes in the precision the model was built for; "openvino-f32" and "openvino-bf16" in theirs, whatever the model's.
        threads: of OpenVINO, all cores if None; Keras has those that TensorFlow was configured with.

    Raises:
        InputError: OpenVINO is asked for and not installed.
    """
    check_engine(engine)
    if engine == "keras":
        return KerasPredictor(model)
    return OpenVinoPredictor(model, "f32" if engine == "openvino-f32" else "bf16", threads)


class KerasPredictor:
    """Keras on TensorFlow. The graph is open in all sizes, so that windows of any shape are traced once; it reads the model's weights where they are."""

    def __init__(self, model: keras.Model) -> None:
        split = split_network(model)
        self.window_px = split.window_px

        def predict(stacks: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
            maps = split.lower(stacks, training=False)
            return split.upper(split.cut_maps(maps, (slice(rows[0], rows[1]), slice(columns[0], columns[1]))), training=False)[..., 1]

        pair = tf.TensorSpec((2,), tf.int32)
        self._predict = tf.function(predict, input_signature=[tf.TensorSpec((None, None, None, model.input.shape[-1]), tf.float32), pair, pair])

    def __call__(self, stacks: np.ndarray, window: Window) -> np.ndarray:
        rows, columns = ([part.start, part.stop] for part in window)
        return self._predict(tf.convert_to_tensor(stacks), tf.constant(rows), tf.constant(columns)).numpy()

    def take_weights(self) -> None:
        """Nothing to do: the graph holds the model's own variables."""
