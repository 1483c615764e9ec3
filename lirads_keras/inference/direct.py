"""From a lesion's crops to the probabilities of its category, for the direct networks of §3 (Fig. 15)."""
from __future__ import annotations

import keras
import numpy as np

from lirads_keras.entities import SCORED_CATEGORIES
from lirads_keras.models.direct import compute_log_diameter, stack_phases


def predict_categories(model: keras.Model, images: np.ndarray, present: np.ndarray, diameters_mm: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
    """Category probabilities of n lesions.

    Args:
        model: a direct network.
        images: (n, phase, y, x, 3) float32, phases in the order of ENHANCED_PHASES.
        present: (n, phase), which phases the study had; the others' images are not looked at.
        diameters_mm: (n,); read by the network that has the size as an input.

    Returns:
        (n, 3) float64 in the order of SCORED_CATEGORIES; NaN where no phase is present.
    """
    probabilities = np.full((len(present), len(SCORED_CATEGORIES)), np.nan)
    lesions = np.flatnonzero(np.asarray(present, bool).any(axis=1))
    wanted = {tensor.name for tensor in model.inputs}
    for first in range(0, len(lesions), batch_size):
        batch = lesions[first:first + batch_size]
        inputs = {"image": stack_phases(images[batch], present[batch]), "log_diameter": compute_log_diameter(diameters_mm[batch])[:, None]}
        probabilities[batch] = model.predict_on_batch({name: array for name, array in inputs.items() if name in wanted})
    return probabilities
