"""Adam with one kernel a weight (Kingma DP, Ba J. Adam: a method for stochastic optimization. ICLR 2015, the form before its section 2.1)."""
from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lirads_keras")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, up to rounding, with its options, state and file format; the update of a weight is one kernel and not fifteen operations.

    A narrow ResNet-50 has 161 weights, and tracing and running those operations is a part of every small training (experiments/benchmarks/fused_kernels.py
    measures the running). AMSGrad is left to Keras.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        place = self._get_variable_index(variable)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable), m=_handle(self._momentums[place]), v=_handle(self._velocities[place]), beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step), lr=tf.cast(learning_rate, dtype), beta1=beta_1, beta2=beta_2, epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype))


def _handle(variable: Any) -> tf.Tensor:
    """The resource of a variable of Keras or TensorFlow, under a strategy that of the current replica."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
