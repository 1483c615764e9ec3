from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from lirads_keras.training.runtime import configure_tensorflow
configure_tensorflow(threads=1, precision="mixed_bfloat16")
import keras, tensorflow as tf
from tensorflow.python.framework import config
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads(),
      config.is_op_determinism_enabled(), keras.mixed_precision.dtype_policy().name, keras.layers.Dense(1).compute_dtype)
"""


def test_threads_determinism_and_precision_hold_for_what_is_built_later():
    """In a process of its own: TensorFlow takes these settings once, before anything else."""
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["1", "1", "True", "mixed_bfloat16", "bfloat16"]
