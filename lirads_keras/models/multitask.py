"""Three features from one trunk (§2.5.2, Fig. 6): the multi-task network of Eq. 4."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from lirads_keras.entities import HEAD_FEATURES
from lirads_keras.models.trunk import TrunkWeights, build_trunk
from lirads_keras.variants import TrunkName


@keras.saving.register_keras_serializable(package="lirads_keras")
class MultitaskModel(keras.Model):
    """A model with outputs {feature: probability} that takes labels by name only.

    Keras orders the entries of a mapping by its sorted keys (aphe, capsule, washout). It would take a list of labels in the order of the heads
    (aphe, washout, capsule) as well, and without a word train washout on the capsule's labels.
    """

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        expected = {str(feature) for feature in HEAD_FEATURES}
        for name, given in (("labels", y), ("sample weights", sample_weight)):
            if given is not None and (not isinstance(given, Mapping) or set(given) != expected):
                found = sorted(given) if isinstance(given, Mapping) else type(given).__name__
                raise ValueError(f"{name} must be a mapping with the keys {sorted(expected)}, not {found}")
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)


def build_multitask(trunk: TrunkName, *, crop_px: int, width_factor: float, head_units: int, weights: TrunkWeights) -> MultitaskModel:
    """Builds the characterisation network: crops (n, crop_px, crop_px, 3) -> {feature: probability (n, 1)}, float32 under every policy.

    The keys are those of `HEAD_FEATURES` and also the names of the heads; labels and sample weights are mappings with the same keys, anything else is refused.

    Args:
        trunk: VGG16, or ResNet-50 without attention (Table 5); the deepest features are averaged over the crop.
        crop_px: side of the crop, at least 32.
        width_factor: multiplies the trunk's channels.
        head_units: units of the one fully connected layer that the three heads share.
        weights: of the trunk.

    Raises:
        ValueError: another trunk.
        InputError: the trunk's weights can't be had.
    """
    features = build_trunk(trunk, crop_px=crop_px, width_factor=width_factor, weights=weights)
    pooled = layers.GlobalAveragePooling2D(name="pool")(features.output)
    shared = layers.Dense(head_units, activation="relu", kernel_initializer="he_normal", name="shared")(pooled)
    heads = {str(feature): layers.Dense(1, activation="sigmoid", dtype="float32", name=str(feature))(shared) for feature in HEAD_FEATURES}
    return MultitaskModel(features.input, heads, name=f"multitask_{trunk}")
