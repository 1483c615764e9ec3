from __future__ import annotations

import pytest

from lirads_keras.entities import Category, FeatureProbabilities, Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.observation import categorize_probabilities, to_observation


@pytest.mark.parametrize("probability, present", [(0.0, False), (0.4999, False), (0.5, True), (1.0, True), (None, False)])
def test_a_feature_is_present_from_the_threshold_on(probability, present):
    assert to_observation(12.0, FeatureProbabilities(probability, 0.0, 0.0), 0.5) == Observation(12.0, present, False, False)
    assert to_observation(12.0, FeatureProbabilities(0.0, probability, 0.0), 0.5) == Observation(12.0, False, present, False)
    assert to_observation(12.0, FeatureProbabilities(0.0, 0.0, probability), 0.5) == Observation(12.0, False, False, present)


def test_the_category_comes_with_its_reasons():
    observation, category, reasons = categorize_probabilities(23.0, FeatureProbabilities(0.9, 0.8, 0.1), decision_threshold=0.5, rules="paper")
    assert (observation, category, reasons) == (Observation(23.0, True, True, False), Category.LR_5, "APHE, washout, 23 mm: LR-5")


def test_features_that_no_phase_showed_are_named():
    _, category, reasons = categorize_probabilities(23.0, FeatureProbabilities(None, 0.8, None), decision_threshold=0.5, rules="v2018")
    assert category == Category.LR_4
    assert reasons.endswith("(APHE, capsule not assessed: no image of the phase)")


def test_a_bad_diameter_is_refused():
    with pytest.raises(InputError, match="diameter_mm"):
        categorize_probabilities(float("nan"), FeatureProbabilities(0.1, 0.1, 0.1), decision_threshold=0.5, rules="paper")
