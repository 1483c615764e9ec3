"""Settings of how masks become lesions, and of the thresholds at which masks are scored."""
from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lirads_keras.config.base import Fraction, NonNegativeFloat, Settings, each_once

Iou = Annotated[float, Field(ge=0, lt=1)]

# The tables are written with six digits: thresholds that differ after them would be one row.
Thresholds = Annotated[tuple[Fraction, ...], AfterValidator(lambda values: tuple(float(text) for text in each_once(
    "thresholds", tuple(f"{value:.6g}" for value in values))))]
TABLE_4_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class LesionSettings(Settings):
    """From probabilities to lesions: what each fold chooses from, by lesion F1 on patients it neither tests nor trains on, and which region a lesion has."""

    thresholds: Thresholds = Field(TABLE_4_THRESHOLDS, description="each fold chooses one of them; Table 4 prints these")
    minimum_volumes_mm3: Annotated[tuple[NonNegativeFloat, ...], AfterValidator(lambda values: each_once("minimum_volumes_mm3", values))] = Field(
        (0.0, 100.0, 250.0, 500.0), description="each fold chooses one of them; smaller predicted components are dropped; not reported: our choice")
    choice_iou: Iou = Field(0.1, description="intersection over union from which a lesion counts as found when a fold chooses; not reported: our choice")
    minimum_overlap_iou: Iou = Field(0.0, description="of a lesion's automatic region; 0: any shared voxel (ledger item 17)")


class EvaluationSettings(Settings):
    """Thresholds at which masks are scored; Table 4 prints 0.2 … 0.8."""

    thresholds: Thresholds = (0.1, *TABLE_4_THRESHOLDS, 0.9)
    pixel_thresholds: Annotated[int, Field(ge=2)] = Field(21, description="evenly spaced thresholds on [0, 1] of pixel_counts.csv")
