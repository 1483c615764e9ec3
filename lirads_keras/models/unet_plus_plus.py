"""UNet++ on a ResNet + CBAM encoder (§2.5.1).

Zhou Z, Siddiquee MMR, Tajbakhsh N, Liang J. UNet++: redesigning skip connections to exploit multiscale features in image segmentation.
IEEE Trans Med Imaging 2019;39:1856-67 (reference 8 of the paper).
"""
from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from lirads_keras.config.segmentation import DECODER_STRIDES, Stem
from lirads_keras.models.batch_norm import build_batch_norm
from lirads_keras.models.depths import ResNetDepth
from lirads_keras.models.input_channels import copy_weights
from lirads_keras.models.resnet import build_resnet

HEAD = "head"
"""Name of the 1 × 1 convolution, the one layer whose shape depends on the number of classes; `head_1` … are those of deep supervision."""

_PROBABILITY = "probability"


def build_unet_plus_plus(encoder: ResNetDepth, *, classes: int, width_factor: float, decoder_filters: tuple[int, ...], channels: int = 3,
                         stem: Stem = "paper", cbam: bool = True, deep_supervision: bool = False,
                         encoder_weights: Literal["imagenet", "random"] | Path = "random") -> keras.Model:
    """Builds the segmentation network: images (n, y, x, channels), y and x multiples of 32 -> softmax (n, y, x, classes), float32 under every policy.

    Node x[i, j] of the publication's Fig. 1 stands at stride 2^(i + 1), or 2^i with the full-resolution stem: x[i, 0] are the encoder's five skips, and
    x[i, j] = H([x[i, 0], ..., x[i, j - 1], U(x[i + 1, j - 1])]), with U nearest-neighbour up-sampling by 2 and H two 3 × 3 convolutions, each with batch
    normalisation and ReLU. With the paper's stem the last node x[0, 4] goes through U and H once more to full size, where it stands already with the other.
    Then a 1 × 1 convolution gives a score for each class.

    Args:
        encoder: depth of the ResNet.
        classes: 3 for pre-training on CT (background, liver, lesion), 2 for fine-tuning (background, lesion).
        width_factor: multiplies the encoder's channels.
        decoder_filters: channels of the nodes in rows i = 3, 2, 1, 0, and with the paper's stem of the node at full size (`DECODER_STRIDES`).
        channels: of the image, three a phase.
        stem: as for `build_resnet`.
        cbam: attention in the encoder's residual blocks.
        deep_supervision: x[0, 1], x[0, 2] and x[0, 3] have a 1 × 1 convolution and a softmax of their own, brought to full size by U where they are not at
            it, and the probability is the mean of the four (the publication's "accurate mode"). `expose_branches` gives the model to train.
        encoder_weights: as for `build_resnet`.

    Raises:
        ValueError: not as many numbers of filters as the stem needs, or fewer than two classes.
        InputError: as `build_resnet`.
    """
    rows = len(DECODER_STRIDES[stem])
    if len(decoder_filters) != rows or classes < 2:
        raise ValueError(f"needs {rows} decoder_filters with stem {stem!r} and two classes or more, not {decoder_filters} and {classes}")
    trunk = build_resnet(encoder, input_shape=(None, None, channels), width_factor=width_factor, stem=stem, cbam=cbam, weights=encoder_weights,
                         input_name="image")
    x = {(i, 0): skip for i, skip in enumerate(trunk.outputs)}
    deepest = max(i for i, _ in x)
    for j in range(1, deepest + 1):
        for i in range(deepest + 1 - j):
            up = layers.UpSampling2D(2, name=f"x_{i}_{j}_up")(x[i + 1, j - 1])
            dense = layers.Concatenate(name=f"x_{i}_{j}_concat")([x[i, k] for k in range(j)] + [up])
            x[i, j] = _convolve_twice(dense, decoder_filters[deepest - 1 - i], f"x_{i}_{j}")
    full = x[0, deepest]
    if stem == "paper":
        full = _convolve_twice(layers.UpSampling2D(2, name="full_up")(full), decoder_filters[-1], "full")
    if deep_supervision:
        branches = [_classify(x[0, j], classes, f"{HEAD}_{j}", f"branch_{j}") for j in range(1, deepest)]
        if stem == "paper":
            branches = [layers.UpSampling2D(2, dtype="float32", name=f"branch_{j}_up")(branch) for j, branch in enumerate(branches, start=1)]
        probability = layers.Average(dtype="float32", name=_PROBABILITY)([*branches, _classify(full, classes, HEAD, "branch_full")])
    else:
        probability = _classify(full, classes, HEAD, _PROBABILITY)
    return keras.Model(trunk.input, probability, name=f"unet_plus_plus_{encoder}")


def expose_branches(network: keras.Model) -> keras.Model:
    """The model to train, which shares all layers with `network`: with deep supervision images -> (n, y, x, classes, branch), else `network` itself."""
    branches = network.get_layer(_PROBABILITY).input
    if not isinstance(branches, list):
        return network
    return keras.Model(network.input, keras.ops.stack(branches, axis=-1), name=f"{network.name}_branches")


def _classify(x: Any, classes: int, head: str, softmax: str) -> Any:
    score = layers.Conv2D(classes, 1, kernel_initializer="glorot_uniform", dtype="float32", name=head)(x)
    return layers.Softmax(dtype="float32", name=softmax)(score)


def _convolve_twice(x: Any, filters: int, name: str) -> Any:
    for n in (1, 2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_uniform", name=f"{name}_conv{n}")(x)
        x = build_batch_norm(f"{name}_bn{n}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{n}")(x)
    return x


def transfer_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies every weight of `source` into the layer of `target` with the same name, except the heads (ledger item 9).

    Weights of one phase, a CT's say, come into a network of several by repetition (`copy_weights`).

    Raises:
        ValueError: besides the heads, the models don't have the same layers with the same shapes; `target` is then unchanged.
    """
    names = {layer.name for model in (source, target) for layer in model.layers
             if layer.weights and layer.name != HEAD and not layer.name.startswith(f"{HEAD}_")}
    copy_weights(source, target, sorted(names))
