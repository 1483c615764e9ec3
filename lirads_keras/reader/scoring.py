"""What a reader may change about a lesion, and the category that follows by the same `categorize` as everywhere."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from lirads_keras.entities import HEAD_FEATURES, Category, Feature, Observation, Phase
from lirads_keras.lirads.categorize import categorize
from lirads_keras.lirads.observation import UNREAD_APHE, categorize_probabilities
from lirads_keras.lirads.steps import break_tie, choose_override
from lirads_keras.reader.findings import MeasuredLesion

LesionField = Literal["aphe", "washout", "capsule", "threshold_growth", "ancillary_malignant", "ancillary_benign", "overrides", "tie"]
LESION_FIELDS: tuple[LesionField, ...] = get_args(LesionField)


@dataclass(frozen=True)
class ReaderValues:
    """What a reader said of a lesion, as in `Observation`; None of a feature: the network's word stands."""

    aphe: bool | None = None
    washout: bool | None = None
    capsule: bool | None = None
    threshold_growth: bool = False
    ancillary_malignant: bool = False
    ancillary_benign: bool = False
    overrides: tuple[Category, ...] = ()
    tie: tuple[Category, Category] | None = None


READER_VALUES = TypeAdapter(ReaderValues)


def list_decided(values: ReaderValues) -> list[Feature]:
    """The major features that the reader decided on, not the network."""
    return [feature for feature in HEAD_FEATURES if getattr(values, feature) is not None] + [Feature.THRESHOLD_GROWTH] * values.threshold_growth


@dataclass(frozen=True)
class LesionScore:
    """A lesion's category with the reader's values, and the one that the network alone would have given under the same rules."""

    observation: Observation
    category: Category
    reasons: str
    machine_category: Category


def change_values(values: ReaderValues, field: LesionField, value: Any) -> ReaderValues:
    """The values with one of them changed; `value` is a JSON value of the field's type.

    Raises:
        InputError: an override or a tie that LI-RADS does not have.
    """
    changed: ReaderValues = READER_VALUES.validate_python({**vars(values), field: value})
    # The rules "paper" count neither, and so would not look at them.
    if changed.overrides:
        choose_override(changed.overrides)
    if changed.tie is not None:
        break_tie(*changed.tie)
    return changed


def score_lesion(measured: MeasuredLesion, values: ReaderValues, *, decision_threshold: float, rules: str, phases: Collection[Phase],
                 early_arterial: bool = False) -> LesionScore:
    """The categories of a lesion, and the reasons; the reasons name the phases that the study lacks.

    Raises:
        InputError: as `categorize`.
    """
    machine, machine_category, reasons = categorize_probabilities(
        measured.diameter_mm, measured.probabilities, decision_threshold=decision_threshold, rules=rules, phases=phases, early_arterial=early_arterial)
    of_absent_phases = reasons.removeprefix(categorize(machine, rules)[1])
    if values.aphe is not None:
        of_absent_phases = of_absent_phases.removeprefix(f" ({UNREAD_APHE})")
    read = {str(feature): getattr(values, feature) for feature in HEAD_FEATURES if getattr(values, feature) is not None}
    observation = replace(
        machine, **read, threshold_growth=values.threshold_growth, ancillary_malignant=values.ancillary_malignant,
        ancillary_benign=values.ancillary_benign, overrides=values.overrides, tie=values.tie)
    category, own_reasons = categorize(observation, rules)
    return LesionScore(observation, category, own_reasons + of_absent_phases, machine_category)
