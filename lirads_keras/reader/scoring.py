"""What a reader may change about a lesion, and the category that follows by the same `categorize` as everywhere."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from lirads_keras.entities import HEAD_FEATURES, Category, Feature, Observation, Phase, Verdict
from lirads_keras.errors import InputError
from lirads_keras.lirads.categorize import categorize
from lirads_keras.lirads.growth import Growth, MeasuredBy, PriorSize, judge_growth
from lirads_keras.lirads.observation import UNREAD_APHE, categorize_probabilities
from lirads_keras.lirads.steps import break_tie, choose_override
from lirads_keras.reader.findings import MeasuredLesion

LesionField = Literal[
    "aphe", "rim_aphe", "washout", "capsule", "threshold_growth", "prior", "ancillary_malignant", "ancillary_benign", "overrides", "tie"]
LESION_FIELDS: tuple[LesionField, ...] = get_args(LesionField)


@dataclass(frozen=True)
class ReaderValues:
    """What a reader said of a lesion, as in `Observation`; None of a feature: the network's word stands. `prior` is an earlier size of it."""

    aphe: bool | None = None
    washout: bool | None = None
    capsule: bool | None = None
    threshold_growth: bool = False
    ancillary_malignant: bool = False
    ancillary_benign: bool = False
    overrides: tuple[Category, ...] = ()
    tie: tuple[Category, Category] | None = None
    rim_aphe: bool = False
    prior: PriorSize | None = None


READER_VALUES = TypeAdapter(ReaderValues)


def list_decided(values: ReaderValues) -> list[Feature]:
    """The major features that the reader decided on, not the network."""
    decided = {feature for feature in HEAD_FEATURES if getattr(values, feature) is not None} | ({Feature.APHE} if values.rim_aphe else set())
    return [feature for feature in HEAD_FEATURES if feature in decided] + [Feature.THRESHOLD_GROWTH] * values.threshold_growth


@dataclass(frozen=True)
class LesionScore:
    """A lesion's category with the reader's values, and the one that the network alone would have given under the same rules. `growth` is what the earlier
    size tells, None where there is none."""

    observation: Observation
    category: Verdict
    reasons: str
    machine_category: Verdict
    growth: Growth | None = None


def change_values(values: ReaderValues, field: LesionField, value: Any) -> ReaderValues:
    """The values with one of them changed; `value` is a JSON value of the field's type.

    Raises:
        InputError: an override or a tie that LI-RADS does not have, or an earlier size that is none.
    """
    changed: ReaderValues = READER_VALUES.validate_python({**vars(values), field: value})
    # The rules "paper" count neither, and so would not look at them.
    if changed.overrides:
        choose_override(changed.overrides)
    if changed.tie is not None:
        break_tie(*changed.tie)
    if changed.prior is not None:
        judge_growth(changed.prior.diameter_mm, changed.prior.by, changed.prior)
    return changed


def score_lesion(measured: MeasuredLesion, values: ReaderValues, *, decision_threshold: float, rules: str, phases: Collection[Phase],
                 size_by: MeasuredBy = "network", withheld: str = "", early_arterial: bool = False) -> LesionScore:
    """The categories of a lesion, and the reasons; the reasons name the phases that the study lacks.

    Args:
        size_by: whose outline was measured.
        withheld: as in `categorize`.

    Raises:
        InputError: as `categorize`; but a tie that does not hold the present category (any more) is told in the reasons, and not counted.
    """
    machine, machine_category, reasons = categorize_probabilities(
        measured.diameter_mm, measured.probabilities, decision_threshold=decision_threshold, rules=rules, phases=phases, withheld=withheld,
        early_arterial=early_arterial)
    of_absent_phases = reasons.removeprefix(categorize(machine, rules, withheld)[1])
    if values.aphe is not None:
        of_absent_phases = of_absent_phases.removeprefix(f" ({UNREAD_APHE})")
    growth = None if values.prior is None else judge_growth(measured.diameter_mm, size_by, values.prior)
    read = {str(feature): getattr(values, feature) for feature in HEAD_FEATURES if getattr(values, feature) is not None}
    observation = replace(
        machine, **read | ({"aphe": False} if values.rim_aphe else {}), rim_aphe=values.rim_aphe,
        threshold_growth=values.threshold_growth or growth == Growth.PRESENT, growth_proposed=growth == Growth.PROPOSED,
        ancillary_malignant=values.ancillary_malignant, ancillary_benign=values.ancillary_benign, overrides=values.overrides)
    category, own_reasons = categorize(observation, rules, withheld)
    if values.tie is not None:
        tied = replace(observation, tie=values.tie)
        try:
            category, own_reasons = categorize(tied, rules, withheld)
        except InputError:
            own_reasons += f" (the reader's tie between {' and '.join(values.tie)} does not hold the present category, and is not counted)"
        else:
            observation = tied
    return LesionScore(observation, category, own_reasons + of_absent_phases, machine_category, growth)
