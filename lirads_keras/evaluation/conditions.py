"""Conditions under which a segmentation network is scored on patients of a further draw, and what it finds there."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lirads_keras.entities import Phase
from lirads_keras.evaluation.lesion_choice import Cut, score_cuts
from lirads_keras.preprocessing.moved_phase import move_phase
from lirads_keras.preprocessing.segmentation_input import SegmentationInput
from lirads_keras.preprocessing.store import StoredStudy

MOVABLE = (Phase.ARTERIAL, Phase.PORTAL_VENOUS)
"""Relative to the delayed phase, on which the reference is drawn."""

Score = dict[str, Any]
"""`dice` (None without a reference lesion), `n_reference` lesions and `n_detected` of them, `n_predicted` components and `n_matched` of them."""


@dataclass(frozen=True, eq=False)
class Condition:
    """`name` and `amount` (mm, s, or None where there is none) as in draws.csv; `change` makes of a study what the network is given."""

    name: str
    amount: float | None
    change: Callable[[SegmentationInput], SegmentationInput] = lambda given: given


AS_ACQUIRED = Condition("as_acquired", None)


def acquire_arterial_later(seconds: float) -> Condition:
    """That of patients who were scanned again, with the arterial phase so much later; negative: earlier."""
    return Condition("arterial_later", seconds)


def list_changes(phases: Sequence[Phase], moved_mm: Sequence[float]) -> Iterator[Condition]:
    """The conditions that can be made of a stored study: each movable phase moved by each distance, then each phase missing.

    A network of one phase has none: what happens to phases that it does not read changes nothing, and without its own it says nothing.

    Args:
        phases: of the network, in its order.
        moved_mm: distances.
    """
    if len(phases) < 2:
        return
    for index, phase in enumerate(phases):
        if phase in MOVABLE:
            for distance in moved_mm:
                yield Condition(f"{phase}_moved", distance, _moving(index, distance))
    for index, phase in enumerate(phases):
        yield Condition(f"{phase}_missing", None, _without(index))


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


def _moving(index: int, distance_mm: float) -> Callable[[SegmentationInput], SegmentationInput]:
    return lambda given: move_phase(given, index, distance_mm)


def _without(index: int) -> Callable[[SegmentationInput], SegmentationInput]:
    return lambda given: given.without(index)
