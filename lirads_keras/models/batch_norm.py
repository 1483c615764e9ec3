"""Batch normalisation as all networks here use it."""
from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

MOMENTUM = 0.9
"""Not reported: our choice. Keras' 0.99 averages over a hundred batches, which is a large part of a small profile's training."""


@keras.saving.register_keras_serializable(package="lirads_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer for images (n, y, x, c), whose training step is one kernel each way.

    Keras composes mean, variance and scaling of a dozen operations, each a pass over the feature maps. Arguments, weights, moving averages and outputs are
    Keras' up to rounding, and so is the class's name, by which files of weights call its group. What the kernel does not do is left to Keras: inference, the
    common batch of several replicas, masks, renormalisation, float64, another axis than the last. experiments/benchmarks/fused_kernels.py measures it.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        last = self.axis in (-1, len(inputs.shape) - 1)
        kernel_does_it = last and len(inputs.shape) == 4 and self.compute_dtype != "float64" and mask is None and not self.synchronized and not self.renorm
        if not (training and self.trainable and kernel_does_it):
            return super().call(inputs, training=training, mask=mask)
        channels = self.moving_mean.shape
        gamma = tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(channels)
        beta = tf.cast(self.beta, tf.float32) if self.center else tf.zeros(channels)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(x=inputs, scale=gamma, offset=beta, mean=tf.zeros([0]), variance=tf.zeros([0]),
                                                                  epsilon=self.epsilon, data_format="NHWC", is_training=True)
        # The kernel normalises by the batch's own variance, but tells the estimate with n - 1, which Keras does not average.
        pixels = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
        variance *= (pixels - 1) / pixels
        for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.cast(of_batch, moving.dtype) * (1 - self.momentum))
        return outputs


def build_batch_norm(name: str, **options: Any) -> keras.layers.BatchNormalization:
    """A layer of Keras with a faster training step; `options` are Keras' own.

    Built in the scope of a strategy with several replicas it normalises by the batch of all of them, so that their number changes no result but its rounding.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return BatchNormalization(momentum=MOMENTUM, synchronized=replicas > 1, name=name, **options)
