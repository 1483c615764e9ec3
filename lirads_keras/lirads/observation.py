"""From feature probabilities to the observation that the table reads, and to its category."""
from __future__ import annotations

from lirads_keras.entities import HEAD_FEATURES, Category, FeatureProbabilities, Observation
from lirads_keras.lirads.categorize import FEATURE_WORDS, categorize

NOT_ASSESSED = "not assessed: no image of the phase"
"""Stands in the reasons where a feature could not be read; the R analysis looks for its first two words."""


def to_observation(diameter_mm: float, probabilities: FeatureProbabilities, decision_threshold: float) -> Observation:
    """A feature is present if its probability is at least `decision_threshold` (ledger item 13); one that was not assessed counts as absent."""
    def present(probability: float | None) -> bool:
        return probability is not None and probability >= decision_threshold

    return Observation(diameter_mm, present(probabilities.aphe), present(probabilities.washout), present(probabilities.capsule))


def categorize_probabilities(diameter_mm: float, probabilities: FeatureProbabilities, *, decision_threshold: float,
                             rules: str) -> tuple[Observation, Category, str]:
    """The observation, its category and the reasons; the reasons name the features that no phase showed.

    Raises:
        InputError: as `categorize`.
    """
    observation = to_observation(diameter_mm, probabilities, decision_threshold)
    category, reasons = categorize(observation, rules)
    unread = [FEATURE_WORDS[feature] for feature in HEAD_FEATURES if getattr(probabilities, feature) is None]
    return observation, category, f"{reasons} ({', '.join(unread)} {NOT_ASSESSED})" if unread else reasons
