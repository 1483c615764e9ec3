from __future__ import annotations

import itertools

import pytest

from lirads_keras.entities import Category, Feature, FeatureProbabilities, NotGiven, Observation, Phase
from lirads_keras.errors import InputError
from lirads_keras.lirads import observation
from lirads_keras.lirads.observation import categorize_probabilities, to_observation


@pytest.mark.parametrize("flags", list(itertools.product([False, True, None], repeat=3)))
def test_each_feature_is_decided_by_its_own_probability(flags):
    probabilities = FeatureProbabilities(*(None if flag is None else 0.7 if flag else 0.3 for flag in flags))
    assert to_observation(12.5, probabilities, 0.5) == Observation(12.5, *flags)


def test_a_probability_at_the_threshold_is_present():
    below, at = 0.7999999, 0.8
    assert to_observation(5.0, FeatureProbabilities(below, at, 1.0), 0.8) == Observation(5.0, False, True, True)
    assert to_observation(5.0, FeatureProbabilities(0.0, 0.0, 0.0), 0.0) == Observation(5.0, True, True, True)


def test_a_feature_without_a_probability_was_not_assessed():
    # Not even at a threshold of 0, which every probability reaches.
    assert to_observation(5.0, FeatureProbabilities(None, None, None), 0.0) == Observation(5.0, None, None, None)


def test_growth_is_not_read_from_one_study():
    assert not to_observation(30.0, FeatureProbabilities(1.0, 1.0, 1.0), 0.5).threshold_growth


def score(*probabilities, diameter_mm=25.0, rules="paper", decision_threshold=0.5, **phases):
    return categorize_probabilities(diameter_mm, FeatureProbabilities(*probabilities), decision_threshold=decision_threshold, rules=rules, **phases)


def test_probabilities_become_an_observation_and_its_category():
    assert score(0.9, 0.8, 0.1) == (Observation(25.0, True, True, False), Category.LR_5, "APHE, washout, 25 mm: LR-5")
    assert score(0.9, 0.8, 0.1, decision_threshold=0.85)[1] == Category.LR_4
    assert score(0.1, 0.1, 0.9, diameter_mm=15.0)[1] == Category.LR_3


@pytest.mark.parametrize("probabilities, phases, category, words", [
    ((None, 0.8, 0.1), (Phase.PORTAL_VENOUS, Phase.DELAYED), "LR-4 or LR-5",
     "washout, 25 mm: LR-4 or LR-5, APHE not assessed (LR-M by rim APHE is not excluded) (no arterial phase)"),
    ((0.9, 0.8, 0.1), (Phase.ARTERIAL, Phase.DELAYED), "LR-5",
     "APHE, washout, 25 mm: LR-5 (no portal venous phase: washout and capsule have the delayed phase alone)"),
    ((0.9, 0.8, 0.1), (Phase.ARTERIAL, Phase.PORTAL_VENOUS), "LR-5",
     "APHE, washout, 25 mm: LR-5 (no delayed phase: washout and capsule have the portal venous phase alone)"),
    ((0.9, None, None), (Phase.ARTERIAL,), "LR-4 or LR-5",
     "APHE, no additional major feature, 25 mm: LR-4 or LR-5, washout, capsule not assessed (no portal venous phase) (no delayed phase)"),
    ((None, 0.1, 0.1), (Phase.DELAYED,), "LR-NC",
     "no additional major feature, 25 mm: LR-NC (APHE not assessed; possible: LR-3 or LR-4; LR-M by rim APHE is not excluded) (no arterial phase) "
     "(no portal venous phase: washout and capsule have the delayed phase alone)"),
])
def test_a_study_without_a_phase_says_what_follows(probabilities, phases, category, words):
    found = score(*probabilities, phases=phases)
    assert (str(found[1]), found[2]) == (category, words)


A, V, D = Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED


@pytest.mark.parametrize("aphe, washout, capsule, phases, notes", [
    ((A,), (V, D), (A, V, D), (V, D), "(no arterial phase: capsule has the portal venous and delayed phases alone)"),
    ((A,), (V, D), (A, V, D), (A, D), "(no portal venous phase: washout has the delayed phase alone, capsule has the arterial and delayed phases alone)"),
    ((A,), (V, D), (A, V, D), (A,), "(no portal venous phase: capsule has the arterial phase alone) (no delayed phase: capsule has the arterial phase alone)"),
    ((A, V), (V, D), (V, D), (V, D), "(no arterial phase: APHE has the portal venous phase alone)"),
    ((A, V, D), (A, V, D), (A, V, D), (A, D), "(no portal venous phase: APHE, washout and capsule have the arterial and delayed phases alone)"),
    # Features that are read from the same phases and are no neighbours.
    ((A, V), (D,), (A, V), (A, D), "(no portal venous phase: APHE and capsule have the arterial phase alone)"),
    # A phase that no feature is read from, and one that is the only one.
    ((A,), (D,), (D,), (A, D), "(no portal venous phase)"),
    ((A,), (D,), (D,), (A, V), "(no delayed phase)"),
])
def test_another_table_of_features_and_phases_gives_other_words(monkeypatch, aphe, washout, capsule, phases, notes):
    monkeypatch.setattr(observation, "READ_FEATURE_PHASES", {Feature.APHE: aphe, Feature.WASHOUT: washout, Feature.CAPSULE: capsule})
    assert score(0.9, 0.8, 0.1, phases=phases)[2] == f"APHE, washout, 25 mm: LR-5 {notes}"


def test_a_withheld_category_keeps_the_words_on_the_phases():
    _, category, reasons = score(0.9, 0.8, 0.1, phases=(Phase.ARTERIAL, Phase.DELAYED), withheld="the patient is under 18")
    assert str(category) == "withheld" and reasons == ("APHE, washout, 25 mm: category withheld (the patient is under 18) "
                                                       "(no portal venous phase: washout and capsule have the delayed phase alone)")


def test_both_rule_sets_are_obeyed():
    assert "LR-2 if the reader" in score(0.1, 0.1, 0.1, diameter_mm=15.0, rules="v2018")[2]
    assert "LR-2" not in score(0.1, 0.1, 0.1, diameter_mm=15.0)[2]


def test_bad_rules_and_diameters_are_refused():
    with pytest.raises(InputError, match="rules.*v2014"):
        score(0.1, 0.1, 0.1, rules="v2014")
    with pytest.raises(InputError, match="diameter_mm"):
        score(0.1, 0.1, 0.1, diameter_mm=float("nan"))


@pytest.mark.parametrize("aphe, is_early, expected", [
    (0.3, True, None), (0.3, False, False), (0.7, True, True), (0.7, False, True), (None, True, None)])
def test_aphe_that_an_early_arterial_phase_does_not_show_is_not_assessed(aphe, is_early, expected):
    observed, category, reasons = categorize_probabilities(
        23.0, FeatureProbabilities(aphe, 0.9, 0.1), decision_threshold=0.5, rules="v2018", early_arterial=is_early)
    assert observed.aphe is expected
    # Washout of 23 mm: LR-4 without APHE, LR-5 with it.
    assert isinstance(category, NotGiven) == (expected is None)
    assert ("early arterial" in reasons) == (aphe == 0.3 and is_early)
