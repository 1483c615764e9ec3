"""ResNet encoders with CBAM in every residual block (§2.5.1, ledger item 8).

He K, Zhang X, Ren S, Sun J. Identity mappings in deep residual networks. ECCV 2016 (the pre-activation form), with the layer names of the
image-classifiers package on which segmentation-models stands: at width 1 and without CBAM, names, shapes and outputs are that library's.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from lirads_keras.config.segmentation import Stem
from lirads_keras.errors import InputError, Problem
from lirads_keras.models.batch_norm import build_batch_norm
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.depths import BLOCKS_PER_STAGE, ResNetDepth
from lirads_keras.models.input_channels import copy_weights
from lirads_keras.models.pretrained import WeightFile, find_weight_file, load_layer_weights
from lirads_keras.models.width import scale_channels

EPSILON = 2e-5
"""Of batch normalisation, as in the library's networks."""

_RELEASE = "https://github.com/qubvel/classification_models/releases/download/0.0.1/"
IMAGENET_FILES = {
    name: WeightFile(f"{name}_imagenet_1000_no_top.h5", f"{_RELEASE}{name}_imagenet_1000_no_top.h5", md5)
    for name, md5 in (("resnet18", "318e3ac0cd98d51e917526c9f62f0b50"), ("resnet34", "8caaa0ad39d927cb8ba5385bf945d582"),
                      ("resnet50", "db3b217156506944570ac220086f09b6"))}


def build_resnet(depth: ResNetDepth, *, input_shape: tuple[int | None, int | None, int] = (None, None, 3), width_factor: float = 1.0,
                 stem: Stem = "paper", cbam: bool, weights: Literal["imagenet", "random"] | Path = "random", input_name: str = "data") -> keras.Model:
    """Builds the encoder: images (n, y, x, c) -> [skips (n, y/s, x/s, c) for s = 2, 4, 8, 16, 32, or 1, 2, 4, 8, 16 with the full-resolution stem].

    The skips are taken after an activation: `relu0`, `stage2_unit1_relu1`, `stage3_unit1_relu1`, `stage4_unit1_relu1` (where
    segmentation-models takes them) and `relu1`.

    Args:
        depth: 18 and 34 have two 3 × 3 convolutions a block, 50 has bottlenecks.
        input_shape: (y, x, c); multiples of 32 give whole strides.
        width_factor: multiplies every number of channels (at least 8 remain).
        stem: "paper" begins with the publication's 7 × 7 convolution and 3 × 3 pooling, both with stride 2. "full_resolution" begins with a 3 × 3 convolution
            with stride 1 and 2 × 2 pooling, so that every stage stands at half the stride; the layers' names stay.
        cbam: closes every residual block with CBAM, before the addition, as in Fig. 3 of the CBAM publication.
        weights: "imagenet" and a path fill every layer but CBAM by name. The file's `bn_data` holds mean and variance of raw RGB images in 0-255;
            they are reset to 0 and 1, so that a standardised image meets the weights as a standardised photograph did. The weights are of three channels;
            for a multiple of three they are repeated (`copy_weights`).

    Raises:
        InputError: ImageNet weights asked for another width than 1 or another stem than the paper's, or the file is absent, damaged or of another network.
    """
    image = keras.Input(input_shape, name=input_name)
    x = build_batch_norm("bn_data", scale=False, epsilon=EPSILON)(image)
    channels = scale_channels(64, width_factor)
    if stem == "paper":
        x = layers.ZeroPadding2D(3, name="conv0_pad")(x)
        x = _convolve(x, channels, 7, "conv0", strides=2, padding="valid")
    else:
        x = _convolve(x, channels, 3, "conv0")
    x = _normalize(x, "bn0", "relu0")
    skips = [x]
    if stem == "paper":
        x = layers.ZeroPadding2D(1, name="pooling0_pad")(x)
        x = layers.MaxPooling2D(3, strides=2, name="pooling0")(x)
    else:
        x = layers.MaxPooling2D(2, name="pooling0")(x)

    block = _bottleneck_branch if depth == "resnet50" else _basic_branch
    expansion = 4 if depth == "resnet50" else 1
    for stage, repetitions in enumerate(BLOCKS_PER_STAGE[depth], start=1):
        filters = scale_channels(64 * 2 ** (stage - 1), width_factor)
        for unit in range(1, repetitions + 1):
            name = f"stage{stage}_unit{unit}_"
            strides = 2 if unit == 1 and stage > 1 else 1
            activated = _normalize(x, f"{name}bn1", f"{name}relu1")
            if unit == 1:
                if stage > 1:
                    skips.append(activated)
                shortcut = _convolve(activated, filters * expansion, 1, f"{name}sc", strides=strides)
            else:
                shortcut = x
            x = block(activated, filters, name, strides)
            if cbam:
                x = CBAM(name=f"{name}cbam")(x)
            x = layers.Add(name=f"{name}add")([x, shortcut])
    skips.append(_normalize(x, "bn1", "relu1"))
    model = keras.Model(image, skips, name=depth)
    if weights != "random":
        _load_weights(model, depth, weights, width_factor, stem)
    return model


def _basic_branch(activated: Any, filters: int, name: str, strides: int) -> Any:
    x = _convolve(activated, filters, 3, f"{name}conv1", strides=strides)
    x = _normalize(x, f"{name}bn2", f"{name}relu2")
    return _convolve(x, filters, 3, f"{name}conv2")


def _bottleneck_branch(activated: Any, filters: int, name: str, strides: int) -> Any:
    x = _convolve(activated, filters, 1, f"{name}conv1")
    x = _normalize(x, f"{name}bn2", f"{name}relu2")
    x = _convolve(x, filters, 3, f"{name}conv2", strides=strides)
    x = _normalize(x, f"{name}bn3", f"{name}relu3")
    return _convolve(x, filters * 4, 1, f"{name}conv3")


def _convolve(x: Any, filters: int, kernel_size: int, name: str, *, strides: int = 1, padding: str = "same") -> Any:
    if kernel_size == 3 and strides == 2:
        # "same" would pad an even image at its lower right border only; the library pads both borders.
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=False, kernel_initializer="he_uniform", name=name)(x)


def _normalize(x: Any, bn_name: str, relu_name: str) -> Any:
    return layers.Activation("relu", name=relu_name)(build_batch_norm(bn_name, epsilon=EPSILON)(x))


def _load_weights(model: keras.Model, depth: ResNetDepth, weights: str | Path, width_factor: float, stem: Stem) -> None:
    if weights == "imagenet":
        if stem != "paper":
            raise InputError(Problem("stem", f"paper with the ImageNet weights of {depth}", stem))
        if width_factor != 1:
            raise InputError(Problem("width_factor", f"1 with the ImageNet weights of {depth}", f"{width_factor}"))
        weights = find_weight_file(IMAGENET_FILES[depth])
    published = model if model.input.shape[-1] == 3 else build_resnet(depth, width_factor=width_factor, stem=stem, cbam=False)
    load_layer_weights([layer for layer in published.layers if not isinstance(layer, CBAM)], Path(weights))
    if published is not model:
        copy_weights(published, model, [layer.name for layer in published.layers if layer.weights])
    statistics = model.get_layer("bn_data")
    statistics.moving_mean.assign(keras.ops.zeros_like(statistics.moving_mean))
    statistics.moving_variance.assign(keras.ops.ones_like(statistics.moving_variance))
