"""Convolutional block attention module.

Woo S, Park J, Lee J-Y, Kweon IS. CBAM: Convolutional Block Attention Module. ECCV 2018, Eqs. 1-3 (reference 9 of the paper).
"""
from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="lirads_keras")
class CBAM(keras.layers.Layer):
    """Channel attention, then spatial attention, on feature maps (n, y, x, c); the shape stays.

    Eq. 2, channel: M_c(F) = sigmoid(W1 relu(W0 avg(F)) + W1 relu(W0 max(F))), with one W0, W1 for both pooled vectors.
    Eq. 3, spatial: M_s(F) = sigmoid(f([avg_c(F); max_c(F)])), f a convolution of `kernel_size`.
    Eq. 1: F' = M_c(F) F, F'' = M_s(F') F'. As printed, none of the three maps has a bias, and none is normalised.

    Args:
        reduction: channels of F per hidden unit of the shared perceptron (16 in the publication); there is always at least one hidden unit.
        kernel_size: side of the spatial convolution in pixels (7 in the publication).
    """

    def __init__(self, reduction: int = 16, kernel_size: int = 7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if reduction < 1 or kernel_size < 1:
            raise ValueError(f"reduction and kernel_size must be at least 1, not {reduction} and {kernel_size}")
        self.reduction = reduction
        self.kernel_size = kernel_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        if len(input_shape) != 4 or channels is None:
            raise ValueError(f"CBAM needs feature maps (n, y, x, c) with known c, not {input_shape}")
        hidden = max(1, channels // self.reduction)
        self.hidden_kernel = self.add_weight(name="hidden_kernel", shape=(channels, hidden), initializer="he_normal")
        self.channel_kernel = self.add_weight(name="channel_kernel", shape=(hidden, channels), initializer="glorot_uniform")
        self.spatial_kernel = self.add_weight(
            name="spatial_kernel", shape=(self.kernel_size, self.kernel_size, 2, 1), initializer="glorot_uniform")
        self.built = True

    def call(self, inputs: Any) -> Any:
        refined = inputs * self._channel_attention(inputs)
        return refined * self._spatial_attention(refined)

    def _channel_attention(self, features: Any) -> Any:
        average = self._shared_perceptron(ops.mean(features, axis=(1, 2), keepdims=True))
        maximum = self._shared_perceptron(ops.max(features, axis=(1, 2), keepdims=True))
        return ops.sigmoid(average + maximum)

    def _shared_perceptron(self, pooled: Any) -> Any:
        return ops.matmul(ops.relu(ops.matmul(pooled, self.hidden_kernel)), self.channel_kernel)

    def _spatial_attention(self, features: Any) -> Any:
        pooled = ops.concatenate([ops.mean(features, axis=-1, keepdims=True), ops.max(features, axis=-1, keepdims=True)], axis=-1)
        return ops.sigmoid(ops.conv(pooled, self.spatial_kernel, padding="same"))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction, "kernel_size": self.kernel_size}
