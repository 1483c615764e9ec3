"""How TensorFlow is set up before the first model is built, and how several devices share a training."""
from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from lirads_keras.training.adam import FusedAdam


def configure_tensorflow(*, threads: int, precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32") -> None:
    """Fixes threads and op order, so that a run repeats bit for bit on one kind of CPU; call it before anything else of TensorFlow.

    On GPUs the same switch makes TensorFlow choose deterministic kernels. Memory of GPUs is taken as needed, since a stage may share the card.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.mixed_precision.set_global_policy(precision)


def build_strategy() -> tf.distribute.Strategy:
    """MirroredStrategy over all GPUs, or over all logical CPU devices where there is none; for one device TensorFlow's default, which changes nothing."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices]) if len(devices) > 1 else tf.distribute.get_strategy()


def build_optimizer(schedule: keras.optimizers.schedules.LearningRateSchedule, *, clip_norm: float) -> keras.optimizers.Optimizer:
    """Adam that clips each weight's gradient to `clip_norm`, in a strategy's scope of the whole batch; scales the loss under mixed_float16."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return FusedAdam(schedule, clipnorm=clip_norm)
    # What is clipped is the sum over the replicas divided by their number.
    if keras.mixed_precision.dtype_policy().name == "mixed_float16":
        return SharedLossScale(FusedAdam(schedule, clipnorm=clip_norm / replicas))
    return SharedAdam(schedule, clipnorm=clip_norm / replicas)


class SharedGradients:
    """Keras clips each replica's part of the gradient, and asks the first replica alone whether it is finite, before the parts are summed.

    Here every replica is given the sum divided by their number first; Keras' own sum over the replicas then restores it.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        replica = tf.distribute.get_replica_context()
        shared = [grad / replica.num_replicas_in_sync for grad in replica.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))]
        super().apply(shared, trainable_variables)  # type: ignore[misc]


class SharedAdam(SharedGradients, FusedAdam):
    pass


class SharedLossScale(SharedGradients, keras.optimizers.LossScaleOptimizer):
    pass
