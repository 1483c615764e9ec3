"""From feature probabilities to the observation that the table reads, and to its category."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, READ_FEATURE_PHASES, FeatureProbabilities, Observation, Phase, Verdict
from lirads_keras.lirads.categorize import FEATURE_WORDS, categorize
from lirads_keras.words import enumerate_words, name_phases

UNREAD_APHE = "no APHE in an early arterial phase"
"""Why APHE was not assessed though there is an arterial phase (LI-RADS v2018: the late arterial phase is strongly preferred, APHE may be seen in it alone)."""


def to_observation(diameter_mm: float, probabilities: FeatureProbabilities, decision_threshold: float) -> Observation:
    """A feature is present if its probability is at least `decision_threshold` (ledger item 13); one without a probability was not assessed."""
    def present(probability: float | None) -> bool | None:
        return None if probability is None else probability >= decision_threshold

    return Observation(diameter_mm, present(probabilities.aphe), present(probabilities.washout), present(probabilities.capsule))


def categorize_probabilities(diameter_mm: float, probabilities: FeatureProbabilities, *, decision_threshold: float, rules: str,
                             phases: Collection[Phase] = ENHANCED_PHASES, withheld: str = "", early_arterial: bool = False) -> tuple[Observation, Verdict, str]:
    """The observation, its category and the reasons; the reasons name the phases that the study lacks, and what follows.

    Args:
        diameter_mm: of the lesion.
        probabilities: None where a feature was not assessed; without an arterial phase that is APHE.
        decision_threshold: probability from which a feature is present.
        rules, withheld: as `categorize`.
        phases: that the study has.
        early_arterial: the arterial phase is an early one, in which APHE may not be seen yet: absent is not assessed.

    Raises:
        InputError: as `categorize`.
    """
    observation = to_observation(diameter_mm, probabilities, decision_threshold)
    is_unread = early_arterial and observation.aphe is False
    if is_unread:
        observation = replace(observation, aphe=None)
    category, reasons = categorize(observation, rules, withheld)
    notes = [UNREAD_APHE] * is_unread
    notes += [_describe_absence(phase, phases) for phase in ENHANCED_PHASES if phase not in phases]
    return observation, category, reasons + "".join(f" ({note})" for note in notes)


def _describe_absence(phase: Phase, phases: Collection[Phase]) -> str:
    """That the study lacks the phase, and which others its features are read from instead. A feature without any is not assessed: the category says so."""
    left: dict[tuple[Phase, ...], list[str]] = {}
    for feature in HEAD_FEATURES:
        others = tuple(other for other in READ_FEATURE_PHASES[feature] if other in phases)
        if phase in READ_FEATURE_PHASES[feature] and others:
            left.setdefault(others, []).append(FEATURE_WORDS[feature])
    notes = [f"{enumerate_words(features)} {'have' if len(features) > 1 else 'has'} the {name_phases(others)} alone" for others, features in left.items()]
    return f"no {name_phases([phase])}" + (f": {', '.join(notes)}" if notes else "")
