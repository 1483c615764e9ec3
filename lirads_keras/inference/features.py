"""From a lesion's crops to the probabilities of its features."""
from __future__ import annotations

from typing import Literal

import keras
import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, Feature, FeatureProbabilities, Phase

_WASHOUT_PHASES = (Phase.PORTAL_VENOUS, Phase.DELAYED)
FEATURE_PHASES = {Feature.APHE: (Phase.ARTERIAL,), Feature.WASHOUT: _WASHOUT_PHASES, Feature.CAPSULE: _WASHOUT_PHASES}
"""Phases that each feature is read from (§2.5.2); over two phases the mean is taken (fusion not reported: ledger item 13)."""


def predict_features(model: keras.Model, images: np.ndarray, present: np.ndarray, mode: Literal["adaptive", "plain"], *,
                     batch_size: int = 64) -> list[FeatureProbabilities]:
    """Feature probabilities of n lesions.

    Args:
        model: the multi-task network.
        images: (n, phase, y, x, 3) float32, phases in the order of ENHANCED_PHASES.
        present: (n, phase), which phases the study had; the others' images are not looked at.
        mode: "adaptive" reads each feature from its phases; "plain" takes the mean over all phases, as it was trained.

    Returns:
        One entry a lesion; a feature none of whose own phases is present was not assessed and is None, under "plain" too: what an arterial phase would
        show is not seen in others.
    """
    lesions, phases = np.nonzero(present)
    by_head = np.full((*present.shape, len(HEAD_FEATURES)), np.nan)
    for first in range(0, len(lesions), batch_size):
        batch = slice(first, first + batch_size)
        outputs = model.predict_on_batch(images[lesions[batch], phases[batch]])
        for head, feature in enumerate(HEAD_FEATURES):
            by_head[lesions[batch], phases[batch], head] = np.asarray(outputs[str(feature)])[:, 0]
    return [FeatureProbabilities(*(_fuse(by_head[lesion, :, head], present[lesion], feature, mode) for head, feature in enumerate(HEAD_FEATURES)))
            for lesion in range(len(present))]


def _fuse(probabilities: np.ndarray, present: np.ndarray, feature: Feature, mode: str) -> float | None:
    own = np.array([phase in FEATURE_PHASES[feature] for phase in ENHANCED_PHASES]) & present
    return float(probabilities[present if mode == "plain" else own].mean()) if own.any() else None
