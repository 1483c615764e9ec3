"""What a network finds in a patient, at its own threshold and minimum volume."""
from __future__ import annotations

from typing import Any

import numpy as np

from lirads_keras.evaluation.lesion_choice import Cut, score_cuts
from lirads_keras.preprocessing.store import StoredStudy

Score = dict[str, Any]
"""`dice` (None without a reference lesion), `n_reference` lesions and `n_detected` of them, `n_predicted` components and `n_matched` of them."""


def score_levels(levels: np.ndarray, study: StoredStudy, cut: Cut, minimum_iou: float) -> Score:
    """What a prediction finds in a patient.

    Args:
        levels: uint8 (z, y, x) on the delayed grid, in steps of 1/250.
        study: the patient's, with the reference.
        cut: threshold, and the volume in mm³ from which a component is a lesion.
        minimum_iou: intersection over union from which a lesion is found.
    """
    score = score_cuts(levels, np.asarray(study.mask()), study.grid().voxel_mm3, thresholds=cut[:1], minimum_volumes_mm3=cut[1:], minimum_iou=minimum_iou)[cut]
    return {"dice": score.mean_dice if score.reference else None, "n_reference": score.reference, "n_detected": score.detected,
            "n_predicted": score.predicted, "n_matched": score.matched}
