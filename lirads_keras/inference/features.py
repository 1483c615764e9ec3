"""From a lesion's crops to the probabilities of its features."""
from __future__ import annotations

import keras
import numpy as np

from lirads_keras.entities import HEAD_FEATURES, READ_PHASES, FeatureProbabilities
from lirads_keras.losses.adaptive import build_reading_table
from lirads_keras.variants import Mode


def predict_features(model: keras.Model, images: np.ndarray, present: np.ndarray, mode: Mode, *,
                     batch_size: int = 64) -> list[FeatureProbabilities]:
    """Feature probabilities of n lesions.

    Args:
        model: the multi-task network.
        images: (n, phase, y, x, 3) float32, phases in the order of READ_PHASES, of which the last may be wanting.
        present: (n, phase), which phases the study had; the others' images are not looked at.
        mode: as it was trained: "adaptive" reads each feature from its phases, "plain" from all. Over several phases the mean is taken (fusion not
            reported: ledger item 13).

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
    phases_of_study = READ_PHASES[:present.shape[1]]
    own, read = (build_reading_table(table, phases_of_study).T for table in ("adaptive", mode))
    return [FeatureProbabilities(*(
        _fuse(by_head[lesion, :, head], own[head] & present[lesion], read[head] & present[lesion]) for head in range(len(HEAD_FEATURES))))
        for lesion in range(len(present))]


def _fuse(probabilities: np.ndarray, own: np.ndarray, read: np.ndarray) -> float | None:
    """The mean of the phases that are read, if one of them is the feature's own; all (phase,)."""
    return float(probabilities[read].mean()) if own.any() else None
