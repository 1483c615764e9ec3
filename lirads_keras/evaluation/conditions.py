"""Conditions under which a segmentation network is scored on patients of a further draw."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lirads_keras.entities import Phase
from lirads_keras.preprocessing.moved_phase import move_phase
from lirads_keras.preprocessing.segmentation_input import SegmentationInput

MOVABLE = (Phase.ARTERIAL, Phase.PORTAL_VENOUS)
"""Relative to the delayed phase, on which the reference is drawn."""


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


def _moving(index: int, distance_mm: float) -> Callable[[SegmentationInput], SegmentationInput]:
    return lambda given: move_phase(given, index, distance_mm)


def _without(index: int) -> Callable[[SegmentationInput], SegmentationInput]:
    return lambda given: given.without(index)
