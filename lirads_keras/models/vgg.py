"""The convolutional trunk of VGG16 (§2.5.2).

Simonyan K, Zisserman A. Very deep convolutional networks for large-scale image recognition. ICLR 2015, configuration D (reference 12 of the paper),
with the layer names of keras.applications: at width 1, names, shapes and outputs are those of keras.applications.VGG16(include_top=False).
"""
from __future__ import annotations

from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers

from lirads_keras.errors import InputError, Problem
from lirads_keras.models.pretrained import WeightFile, find_weight_file, load_layer_weights
from lirads_keras.models.width import scale_channels

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""(channels, convolutions) of the five blocks."""

IMAGENET_FILE = WeightFile(
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "6d6bbae143d832006294945121d1f1fc")

IMAGENET_SD_BGR = (57.375, 57.12, 58.395)
"""Standard deviation of ImageNet's channels in 0-255 (0.225, 0.224, 0.229 of 255), in the order blue, green, red of these weights."""


def build_vgg16(*, input_shape: tuple[int | None, int | None, int] = (None, None, 3), width_factor: float = 1.0,
                weights: Literal["imagenet", "random"] | Path = "random", input_name: str = "image") -> keras.Model:
    """Builds the trunk: images (n, y, x, 3) -> features (n, y/32, x/32, 512 × width_factor), after `block5_pool`.

    Args:
        input_shape: (y, x, 3).
        width_factor: multiplies every number of channels (at least 8 remain).
        weights: "random" is He's initialisation, without which thirteen convolutions with no normalisation between them don't start to learn.
            "imagenet" and a path fill every layer by name. Those weights were trained on images with the mean subtracted but not divided by the standard
            deviation; the first kernel is multiplied by it, so that a standardised image meets the weights as a photograph did.

    Raises:
        InputError: ImageNet weights asked for another width than 1, or the file is absent, damaged or of another network.
    """
    image = keras.Input(input_shape, name=input_name)
    x = image
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1):
        for convolution in range(1, convolutions + 1):
            x = layers.Conv2D(scale_channels(channels, width_factor), 3, padding="same", activation="relu", kernel_initializer="he_normal",
                              name=f"block{block}_conv{convolution}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    model = keras.Model(image, x, name="vgg16")
    if weights != "random":
        if weights == "imagenet":
            if width_factor != 1:
                raise InputError(Problem("width_factor", "1 with the ImageNet weights of vgg16", f"{width_factor}"))
            weights = find_weight_file(IMAGENET_FILE)
        load_layer_weights(model.layers, Path(weights))
        first = model.get_layer("block1_conv1")
        kernel, bias = first.get_weights()
        first.set_weights([kernel * np.reshape(IMAGENET_SD_BGR, (1, 1, 3, 1)), bias])
    return model
