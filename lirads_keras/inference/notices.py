"""What whoever reads a result is told of how it came about."""
from __future__ import annotations

from collections.abc import Collection

from lirads_keras.entities import Phase, find_grid_phase
from lirads_keras.variants import SegmentationVariant
from lirads_keras.words import name_phases

TRAINED_ON = "This study was among those the networks were trained on: its result is no test."
DROPPED_IN_TRAINING = 1
"""Phases that a training sample may lack (`segmentation.drop_phase`)."""


def list_notices(segmentation: SegmentationVariant, phases: Collection[Phase], *, trained_on: bool) -> tuple[str, ...]:
    """Sentences on the result of a study with these phases, which the segmentation variant read; `trained_on`: and its networks had seen in their training."""
    read = segmentation.select_phases(phases)
    notices = [TRAINED_ON] if trained_on else []
    notices += [f"Lesions were segmented by the variant {segmentation.name}, from the {name_phases(read)}."]
    lacking = len(segmentation.phases) - len(read)
    if lacking > DROPPED_IN_TRAINING:
        notices.append(f"This study lacks {lacking} of the phases that the variant {segmentation.name} reads; it was trained with one missing at most.")
    grid_phase = find_grid_phase(phases)
    if grid_phase != Phase.DELAYED:
        notices.append(f"Without a delayed phase the study was read on the grid of the {name_phases([grid_phase])}.")
    return tuple(notices)
