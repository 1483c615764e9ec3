"""Eq. 4: L_all = (1 − x) L(aphe) + x L(washout) + x L(capsule), as sample weights of three binary cross-entropies.

The switch x is 0 for a crop of the arterial phase and 1 for one of the portal venous or delayed phase (§2.5.2). It travels with the data, so that a batch
mixes phases. Keras' reduction "sum_over_batch_size" divides each head's sum by all N samples of the batch, masked ones included (ledger item 13): so the
gradient of a masked head is exactly zero, and that of another is n_phase / N times the one of a network that saw the n_phase samples alone.
"""
from __future__ import annotations

from typing import Literal

import numpy as np

from lirads_keras.entities import HEAD_FEATURES, Feature, Phase

PHASE_SWITCH = {Phase.ARTERIAL: 0, Phase.PORTAL_VENOUS: 1, Phase.DELAYED: 1}
"""x of Eq. 4."""


def phase_masks(x: np.ndarray, mode: Literal["adaptive", "plain"] = "adaptive") -> dict[str, np.ndarray]:
    """Weight (n,) float32 of each sample in each head's loss, from the switch `x` (n,) of 0 and 1.

    "adaptive" is Eq. 4. "plain" is the comparison without adaptive learning (Table 5): every sample counts in every head.

    Raises:
        ValueError: `x` is not a vector of 0 and 1, or another mode.
    """
    switch = np.asarray(x, np.float32)
    if switch.ndim != 1 or not np.isin(switch, (0, 1)).all():
        raise ValueError(f"x must be a vector of 0 and 1, not {np.array2string(switch, threshold=10)}")
    if mode == "plain":
        return {str(feature): np.ones_like(switch) for feature in HEAD_FEATURES}
    if mode != "adaptive":
        raise ValueError(f"mode must be adaptive or plain, not {mode!r}")
    return {str(Feature.APHE): 1 - switch, str(Feature.WASHOUT): switch, str(Feature.CAPSULE): switch.copy()}
