"""How TensorFlow is set up before the first model is built."""
from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf


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
