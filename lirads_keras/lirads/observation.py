"""From feature probabilities to the observation that the table reads."""
from __future__ import annotations

from lirads_keras.entities import FeatureProbabilities, Observation


def to_observation(diameter_mm: float, probabilities: FeatureProbabilities, decision_threshold: float) -> Observation:
    """A feature is present if its probability is at least `decision_threshold` (ledger item 13); one that was not assessed counts as absent."""
    def present(probability: float | None) -> bool:
        return probability is not None and probability >= decision_threshold

    return Observation(diameter_mm, present(probabilities.aphe), present(probabilities.washout), present(probabilities.capsule))
