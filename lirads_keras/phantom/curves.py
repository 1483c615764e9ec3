"""Signal over time of every tissue at its nominal kinetics: no patient, no jitter, no noise."""
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lirads_keras.phantom.kinetics import TISSUES, BolusInputs, compute_inputs
from lirads_keras.phantom.signal import compute_blood_signal, compute_tissue_signal

ARRIVAL_S = 15.0
AGENT = "Gd-DTPA"
FIELDS_T = (1.5, 3.0)
LAST_TIME_S = 300.0
TIMES_S = np.concatenate([np.arange(0, 90, 1.0), np.arange(90, LAST_TIME_S + 1, 5.0)])
"""Seconds after the start of injection: every second while curves are steep."""

LABELS = {
    "cirrhotic_liver": "cirrhotic liver", "normal_liver": "normal liver", "class_a": "class A: HCC, APHE and washout", "class_b": "class B: APHE only",
    "class_c": "class C: isovascular, washout", "class_d": "class D: hypovascular", "capsule": "capsule (rim)",
    "haemangioma_nodules": "haemangioma, nodules", "haemangioma_core": "haemangioma, core", "cyst": "cyst",
    "transient_difference": "transient intensity difference", "siderotic_nodule": "siderotic nodule", "focal_fat": "focal fat", "spleen": "spleen",
    "renal_cortex": "renal cortex", "muscle": "muscle", "arterial_blood": "aorta", "portal_blood": "portal vein"}
"""Tissues by the names that people use, in the order of the tables."""


def build_contrast_curves() -> list[dict[str, Any]]:
    """Rows of contrast_curves.csv: each tissue's signal over its own before contrast and over cirrhotic liver at the same time, at both fields."""
    rows = []
    for name in (name for name in LABELS if name != "focal_fat"):
        for field in FIELDS_T:
            before = compute_nominal_signal(name, np.array([-1.0]), field)
            signal = compute_nominal_signal(name, TIMES_S, field)
            liver = compute_nominal_signal("cirrhotic_liver", TIMES_S, field)
            rows += [
                {"tissue": LABELS[name], "field_strength_t": field, "time_s": time, "signal_over_precontrast": own, "signal_over_liver": relative}
                for time, own, relative in zip(TIMES_S, signal / before, signal / liver, strict=True)]
    return rows


def compute_nominal_signal(name: str, times_s: np.ndarray, field_t: float) -> np.ndarray:
    """Signal of a tissue of `TISSUES`, or of `arterial_blood` or `portal_blood`, for a bolus that arrives 15 s after the start of injection."""
    inputs = _nominal_inputs()
    if name in TISSUES:
        return compute_tissue_signal(TISSUES[name], inputs, times_s, field_t, AGENT)
    plasma = {"arterial_blood": inputs.arterial, "portal_blood": inputs.portal}[name]
    return compute_blood_signal(plasma, inputs, times_s, field_t, AGENT)


@lru_cache(maxsize=1)
def _nominal_inputs() -> BolusInputs:
    return compute_inputs(ARRIVAL_S, LAST_TIME_S + 1)
