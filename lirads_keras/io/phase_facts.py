"""What is known of a time point before its phase is told, and what was found out about it."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from lirads_keras.entities import ArterialTiming, Phase
from lirads_keras.io.suitability import Obstacle


@dataclass(frozen=True)
class SeriesFacts:
    """What the phase of one time point of a series is told from.

    `seconds_after_contrast` counts from ContrastBolusStartTime; `acquired_s` from any moment that the study's series share. Series
    of equal `kind` are of one dynamic protocol (matrix, orientation, echo time). `orientation` is ImageOrientationPatient, empty where it is not known.
    `contrast_agent` is what names it, in words.
    """

    description: str = ""
    protocol: str = ""
    image_type: tuple[str, ...] = ()
    seconds_after_contrast: float | None = None
    acquired_s: float | None = None
    kind: Hashable = None
    modality: str = "MR"
    orientation: tuple[float, ...] = ()
    echo_time_ms: float | None = None
    b_value: float | None = None
    contrast_agent: str = ""


@dataclass(frozen=True)
class PhaseFinding:
    """A phase with its evidence in words; where it is None, `candidates` are the phases that are in question.

    Where an `obstacle` stands against its being a contrast phase, the phase is `other`, and `candidates` are those that its name tells nevertheless; so it is
    where a study has a late arterial series and this one is early. `arterial_timing` is what the name says of an arterial series. `is_by_time`: no word tells
    the phase, but a time after injection, in the name or by the clock.
    """

    phase: Phase | None
    evidence: str
    candidates: tuple[Phase, ...] = ()
    obstacle: Obstacle | None = None
    arterial_timing: ArterialTiming | None = None
    is_by_time: bool = False
