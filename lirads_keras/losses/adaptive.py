"""Eq. 4: L_all = (1 − x) L(aphe) + x L(washout) + x L(capsule), as sample weights of three binary cross-entropies.

The switch x is 0 for a crop of the arterial phase and 1 for one of the portal venous or delayed phase (§2.5.2): a crop counts in the heads whose
features its phase shows, FEATURE_PHASES. The phase travels with the data, so that a batch mixes phases. Keras' reduction "sum_over_batch_size" divides
each head's sum by all N samples of the batch, masked ones included (ledger item 13): so the gradient of a masked head is exactly zero, and that of
another is n_phase / N times the one of a network that saw the n_phase samples alone.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, READ_FEATURE_PHASES, Phase
from lirads_keras.variants import Mode


def build_reading_table(mode: Mode, phases: Sequence[Phase] = ENHANCED_PHASES) -> np.ndarray:
    """Which features a network of this mode reads from which phase: bool (phase, feature), in the order of `phases` and HEAD_FEATURES.

    "adaptive" is Eq. 4. "plain" is the comparison without adaptive learning (Table 5): every feature from every phase it was trained on; from another, what
    that phase shows.

    Raises:
        ValueError: another mode.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be {' or '.join(get_args(Mode))}, not {mode!r}")
    return np.array([
        [mode == "plain" and phase in ENHANCED_PHASES or phase in READ_FEATURE_PHASES[feature] for feature in HEAD_FEATURES] for phase in phases])


def phase_masks(phases: np.ndarray, mode: Mode = "adaptive") -> dict[str, np.ndarray]:
    """Weight (n,) float32 of each sample in each head's loss, by `build_reading_table`: under "adaptive" 1 − x, x and x of Eq. 4.

    Args:
        phases: (n,) integers, the position of each sample's phase in ENHANCED_PHASES.
        mode: as `build_reading_table`.

    Raises:
        ValueError: `phases` are not such positions, or another mode.
    """
    positions = np.asarray(phases)
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or not np.isin(positions, np.arange(len(ENHANCED_PHASES))).all():
        raise ValueError(f"phases must be a vector of integers from 0 to {len(ENHANCED_PHASES) - 1}, not {np.array2string(positions, threshold=10)}")
    weights = build_reading_table(mode)[positions].astype(np.float32)
    return {str(feature): weights[:, column].copy() for column, feature in enumerate(HEAD_FEATURES)}
