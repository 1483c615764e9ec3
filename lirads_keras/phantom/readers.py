"""Two simulated radiologists and their consensus, the reference that models are trained and scored on.

Each reader sees a feature's margin with Gaussian noise. The noise is such that the agreement between the readers is κ 0.72 / 0.69 / 0.66
(APHE / washout / capsule; Kang et al. 2020, meta-analysis) on the margins of the 203-patient cohort; it was fitted once and is frozen.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lirads_keras.phantom.lesion_shapes import ModelLesion
from lirads_keras.phantom.shapes import StarShape, Waves
from lirads_keras.phantom.truth import FeatureMargins

MARGIN_NOISE_SD = {"aphe": 0.145, "washout": 0.051, "capsule": 0.098}

SIZE_NOISE_FRACTION, SIZE_NOISE_MM = 0.07, 0.5
OUTLINE_NOISE_MM, OUTLINE_NOISE_FRACTION = 0.45, 0.045
"""Displacement of a reader's outline: SD of 0.45 mm plus 4.5 % of the radius, so that two readers' Dice is about 0.85–0.9, less for small lesions."""

SMALLEST_DIAMETER_MM = 1.0


@dataclass(frozen=True, eq=False)
class Reading:
    """What one reader, or the consensus of two, says of a lesion."""

    aphe_margin: float
    washout_margin: float
    capsule_margin: float
    diameter_mm: float
    outline: StarShape

    @property
    def features(self) -> tuple[bool, bool, bool]:
        """APHE, washout and capsule present."""
        return self.aphe_margin >= 0, self.washout_margin >= 0, self.capsule_margin >= 0


def read_lesion(lesion: ModelLesion, margins: FeatureMargins, rng: np.random.Generator) -> Reading:
    """One reader looks at one lesion."""
    aphe, washout, capsule, size_relative, size_mm = rng.standard_normal(5)
    diameter = lesion.plan.diameter_mm * (1 + SIZE_NOISE_FRACTION * size_relative) + SIZE_NOISE_MM * size_mm
    spread = OUTLINE_NOISE_MM + OUTLINE_NOISE_FRACTION * lesion.plan.diameter_mm / 2
    return Reading(
        margins.aphe + MARGIN_NOISE_SD["aphe"] * aphe, margins.washout + MARGIN_NOISE_SD["washout"] * washout,
        margins.capsule + MARGIN_NOISE_SD["capsule"] * capsule, max(float(diameter), SMALLEST_DIAMETER_MM),
        replace(lesion.shape, offset_mm=Waves.random(8, (1.2, 4.0), spread, rng)))


def build_consensus(first: Reading, second: Reading) -> Reading:
    """The mean of both readers' margins, diameters and outlines."""
    waves = [reading.outline.offset_mm for reading in (first, second)]
    both = Waves(
        np.concatenate([wave.vectors for wave in waves if wave]), np.concatenate([wave.phases for wave in waves if wave]),
        np.concatenate([wave.amplitudes for wave in waves if wave]) / np.float32(2))
    return Reading(
        (first.aphe_margin + second.aphe_margin) / 2, (first.washout_margin + second.washout_margin) / 2,
        (first.capsule_margin + second.capsule_margin) / 2, (first.diameter_mm + second.diameter_mm) / 2,
        replace(first.outline, offset_mm=both))
