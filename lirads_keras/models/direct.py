"""The comparison of §3 (Fig. 15): a network that reads the category from the image, with no features in between.

The paper feeds it the image alone. A crop that was resized to one side no longer shows how large the lesion is, and the rules of Table 3 are given the
diameter: so there is also a network that is told it, and claims are held against both.
"""
from __future__ import annotations

import keras
import numpy as np
from keras import layers

from lirads_keras.entities import SCORED_CATEGORIES
from lirads_keras.models.trunk import TrunkWeights, build_trunk
from lirads_keras.variants import TrunkName

REFERENCE_DIAMETER_MM = 20.0
"""The size at which Table 3 changes column; its logarithm is 0."""


def compute_log_diameter(diameter_mm: np.ndarray) -> np.ndarray:
    """Natural logarithm of diameter / 20 mm, float32, of the same shape: between −1.6 and 2.1 for the paper's 4.0 … 164.0 mm."""
    return np.log(np.asarray(diameter_mm, np.float64) / REFERENCE_DIAMETER_MM).astype(np.float32)


def stack_phases(images: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The phases as channels: images (n, phase, y, x, 3) -> (n, y, x, phase) float32, of each its own slice; an absent phase is 0, a crop's mean."""
    # Of three equal channels, or of a slice between its neighbours, the middle one is the slice itself.
    own = np.where(np.asarray(present, bool)[:, :, None, None], images[..., 1], np.float32(0))
    return np.ascontiguousarray(np.moveaxis(own, 1, -1), np.float32)


def build_direct(trunk: TrunkName, *, crop_px: int, width_factor: float, head_units: int, weights: TrunkWeights, frozen: bool,
                 with_size: bool) -> keras.Model:
    """Builds the three-class network: {"image": (n, crop_px, crop_px, 3)} -> probabilities (n, 3) of SCORED_CATEGORIES, float32 under every policy.

    The image's channels are the arterial, portal venous and delayed phase. The trunk (VGG16 in Fig. 15) has its deepest features averaged over the crop;
    then come one fully connected layer of `head_units` and the softmax.

    Args:
        trunk: VGG16 or ResNet-50.
        crop_px: side of the crop, at least 32.
        width_factor: multiplies the trunk's channels.
        head_units: units of the fully connected layer.
        weights: of the trunk.
        frozen: the trunk stays at `weights` and only the head is trained ("pre-trained fixed parameters").
        with_size: a second input "log_diameter" (n, 1), of `compute_log_diameter`, is appended to the averaged features.

    Raises:
        InputError: the trunk's weights can't be had.
    """
    features = build_trunk(trunk, crop_px=crop_px, width_factor=width_factor, weights=weights)
    for layer in features.layers:
        layer.trainable = not frozen
    inputs = {"image": features.input}
    x = layers.GlobalAveragePooling2D(name="pool")(features.output)
    if with_size:
        inputs["log_diameter"] = keras.Input((1,), name="log_diameter")
        x = layers.Concatenate(name="with_size")([x, inputs["log_diameter"]])
    x = layers.Dense(head_units, activation="relu", kernel_initializer="he_normal", name="shared")(x)
    category = layers.Dense(len(SCORED_CATEGORIES), activation="softmax", dtype="float32", name="category")(x)
    return keras.Model(inputs, category, name="direct")
