"""The trunk under the heads of the characterisation networks: VGG16 or ResNet-50, and where its first weights come from."""
from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import keras

from lirads_keras.errors import InputError, Problem
from lirads_keras.models.pretrained import find_weight_file
from lirads_keras.models.resnet import IMAGENET_FILES, build_resnet
from lirads_keras.models.vgg import IMAGENET_FILE, build_vgg16
from lirads_keras.variants import TrunkName

TrunkWeights = Literal["imagenet", "random"] | Path
"""ImageNet, He's initialisation, or a file of Keras' `save_weights` of the same trunk (made by training/formula.py)."""


def build_trunk(trunk: TrunkName, *, crop_px: int, width_factor: float, weights: TrunkWeights) -> keras.Model:
    """Builds the trunk: images (n, crop_px, crop_px, 3) -> deepest features (n, crop_px/32, crop_px/32, c), c = 512 or 2,048 times the width.

    Args:
        trunk: VGG16, or ResNet-50 without attention (Table 5).
        crop_px: side of the image, at least 32.
        width_factor: multiplies every number of channels.
        weights: the first weights.

    Raises:
        ValueError: another trunk.
        InputError: the weights can't be had, or their file is damaged or of another network.
    """
    shape = (crop_px, crop_px, 3)
    published: Literal["imagenet", "random"] = "random" if isinstance(weights, Path) else weights
    if trunk == "vgg16":
        model = build_vgg16(input_shape=shape, width_factor=width_factor, weights=published)
    elif trunk == "resnet50":
        encoder = build_resnet("resnet50", input_shape=shape, width_factor=width_factor, cbam=False, weights=published, input_name="image")
        model = keras.Model(encoder.input, encoder.outputs[-1], name=trunk)
    else:
        raise ValueError(f"trunk must be vgg16 or resnet50, not {trunk!r}")
    if isinstance(weights, Path):
        _load(model, weights)
    return model


def find_imagenet_weights(trunk: TrunkName) -> Path:
    """The published file with a trunk's ImageNet weights, from Keras' cache or downloaded to it.

    Raises:
        InputError: the file is damaged or can't be had; it says which file to put where.
    """
    return find_weight_file(IMAGENET_FILE if trunk == "vgg16" else IMAGENET_FILES[trunk])


def _load(model: keras.Model, path: Path) -> None:
    try:
        model.load_weights(path)
    # Keras passes on what h5py and zipfile raise, and tells other shapes by ValueError.
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(Problem(str(path), f"the weights of a pre-trained {model.name} of this width", found)) from error
