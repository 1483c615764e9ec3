"""A reader's word goes through the same `categorize` as the network's."""
from __future__ import annotations

import dataclasses

import pytest

from lirads_keras.entities import ENHANCED_PHASES, Category, Feature, FeatureProbabilities, Observation, Phase
from lirads_keras.errors import InputError
from lirads_keras.lirads.categorize import categorize
from lirads_keras.lirads.growth import PriorSize
from lirads_keras.reader.findings import MeasuredLesion
from lirads_keras.reader.scoring import ReaderValues, change_values, list_decided, score_lesion


def lesion(diameter_mm: float = 23.0, aphe: float | None = 0.75) -> MeasuredLesion:
    return MeasuredLesion("P1", 0, "0" * 16, diameter_mm, 1.0, 3, (3.0, 4.0, 5.0), None, FeatureProbabilities(aphe, 0.25, 0.125))


def score(values: ReaderValues, *, rules: str = "paper", phases=ENHANCED_PHASES, of: MeasuredLesion | None = None):
    return score_lesion(of or lesion(), values, decision_threshold=0.5, rules=rules, phases=phases)


def test_the_network_alone():
    found = score(ReaderValues())
    assert (found.category, found.machine_category) == (Category.LR_4, Category.LR_4)
    assert found.reasons == "APHE, no additional major feature, 23 mm: LR-4"


def test_washout_by_the_reader_makes_lr_5_and_the_networks_category_stays_beside_it():
    found = score(ReaderValues(washout=True))
    assert found.observation == Observation(23.0, True, True, False)
    assert (found.category, found.machine_category, found.reasons) == (Category.LR_5, Category.LR_4, "APHE, washout, 23 mm: LR-5")


def test_a_reader_can_say_what_no_phase_showed():
    found = score(ReaderValues(aphe=True), phases=(Phase.PORTAL_VENOUS, Phase.DELAYED), of=lesion(aphe=None))
    assert (found.category, found.machine_category) == (Category.LR_4, Category.LR_NC), "without APHE LR-3 or LR-4 are left, which lie on both sides"
    assert found.reasons == "APHE, no additional major feature, 23 mm: LR-4 (no arterial phase)"


@pytest.mark.parametrize("values", [
    ReaderValues(), ReaderValues(aphe=False), ReaderValues(threshold_growth=True), ReaderValues(ancillary_malignant=True, ancillary_benign=True),
    ReaderValues(overrides=(Category.LR_M, Category.LR_NC)), ReaderValues(rim_aphe=True), ReaderValues(tie=(Category.LR_4, Category.LR_5), washout=True)])
@pytest.mark.parametrize("rules", ["paper", "v2018"])
def test_reasons_are_the_words_of_categorize(values, rules):
    found = score(values, rules=rules)
    assert (found.category, found.reasons) == categorize(found.observation, rules)


def test_an_override_is_final_under_v2018_and_only_told_under_the_papers_rules():
    values = ReaderValues(overrides=(Category.LR_M,))
    assert score(values, rules="v2018").category == Category.LR_M
    paper = score(values)
    assert paper.category == Category.LR_4 and "the reader's LR-M not counted by Table 3" in paper.reasons


@pytest.mark.parametrize("field, value", [
    ("aphe", False), ("washout", True), ("capsule", None), ("threshold_growth", True), ("ancillary_malignant", True), ("ancillary_benign", True),
    ("rim_aphe", True), ("prior", None), ("overrides", ["LR-NC", "LR-TIV"]), ("overrides", []), ("tie", ["LR-3", "LR-4"]), ("tie", None)])
def test_one_value_changes_and_no_other(field, value):
    before = ReaderValues(aphe=True, capsule=True, overrides=(Category.LR_1,), tie=(Category.LR_4, Category.LR_5))
    after = change_values(before, field, value)
    stored = getattr(after, field)
    assert (list(stored) if isinstance(stored, tuple) else stored) == value
    assert dataclasses.replace(after, **{field: getattr(before, field)}) == before
    # Replayed from JSON, categories are categories.
    assert all(isinstance(category, Category) for category in (*after.overrides, *(after.tie or ())))


@pytest.mark.parametrize("field, value, words", [
    ("overrides", ["LR-5"], "override: expected one of LR-NC"), ("tie", ["LR-1", "LR-5"], "tie: expected one of"), ("tie", ["LR-4", "LR-4"], "LR-4|LR-4"),
    ("prior", {"diameter_mm": 10, "days": 0, "modality": "MR", "same_untreated": True}, "prior, days: expected a positive number")])
def test_what_li_rads_does_not_have_is_refused_under_either_rules(field, value, words):
    with pytest.raises(InputError) as refused:
        change_values(ReaderValues(), field, value)
    assert words in str(refused.value)


def test_a_tie_that_no_longer_holds_the_present_category_is_told_and_not_counted():
    undecided = ReaderValues(tie=(Category.LR_3, Category.LR_4))
    assert score(undecided, rules="v2018").category == Category.LR_3
    found = score(dataclasses.replace(undecided, washout=True), rules="v2018")
    assert found.category == Category.LR_5 and found.observation.tie is None
    assert found.reasons.endswith("(the reader's tie between LR-3 and LR-4 does not hold the present category, and is not counted)")


def test_rim_aphe_makes_aphe_absent_whoever_read_it():
    for aphe in (None, True):
        found = score(ReaderValues(rim_aphe=True, aphe=aphe, washout=True), rules="v2018")
        assert found.observation.aphe is False and found.category == Category.LR_4 and found.machine_category == Category.LR_4
        assert "LR-M is proposed" in found.reasons


@pytest.mark.parametrize("prior, size_by, growth, category", [
    (PriorSize(15.0, 90, "MR", True), "reader", "present", "LR-5"), (PriorSize(15.0, 90, "MR", True), "network", "proposed", "LR-4"),
    (PriorSize(15.0, 90, "CT", False), "reader", "proposed", "LR-4"), (PriorSize(15.0, 200, "MR", True), "reader", "absent", "LR-4"),
    (PriorSize(16.0, 90, "MR", True), "reader", "absent", "LR-4")])
def test_growth_from_an_earlier_size(prior, size_by, growth, category):
    found = score_lesion(lesion(), ReaderValues(prior=prior), decision_threshold=0.5, rules="v2018", phases=ENHANCED_PHASES, size_by=size_by)
    assert (found.growth, found.category) == (growth, category)
    assert ("threshold growth is proposed and not counted" in found.reasons) == (growth == "proposed")
    # A reader's own word counts, whatever the sizes are.
    said = ReaderValues(prior=prior, threshold_growth=True)
    assert score(said, rules="v2018").category == Category.LR_5


def test_a_withheld_category_is_told_by_neither_the_network_nor_the_reader():
    found = score_lesion(lesion(), ReaderValues(overrides=(Category.LR_M,), tie=(Category.LR_M, Category.LR_4)), decision_threshold=0.5, rules="v2018",
                         phases=(Phase.ARTERIAL, Phase.DELAYED), withheld="the patient is under 18")
    assert str(found.category) == str(found.machine_category) == "withheld" and "LR-" not in found.reasons
    assert found.reasons.endswith("(no portal venous phase: washout and capsule have the delayed phase alone)")


def test_what_the_reader_decided():
    assert list_decided(ReaderValues(rim_aphe=True)) == [Feature.APHE]
    assert list_decided(ReaderValues()) == [] and list_decided(ReaderValues(tie=(Category.LR_3, Category.LR_4))) == []
    assert list_decided(ReaderValues(aphe=False, capsule=True, threshold_growth=True)) == [Feature.APHE, Feature.CAPSULE, Feature.THRESHOLD_GROWTH]


def test_aphe_that_an_early_arterial_phase_does_not_show_is_left_to_the_reader():
    def read(values: ReaderValues, aphe: float, *, is_early: bool = True):
        return score_lesion(lesion(aphe=aphe), values, decision_threshold=0.5, rules="v2018", phases=ENHANCED_PHASES, early_arterial=is_early)

    alone = read(ReaderValues(), 0.25)
    assert alone.category == Category.LR_NC and alone.observation.aphe is None and "early arterial" in alone.reasons
    for said in (True, False):
        found = read(ReaderValues(aphe=said), 0.25)
        assert found.observation.aphe is said and found.category != Category.LR_NC and "early arterial" not in found.reasons
    assert read(ReaderValues(), 0.75).observation.aphe is True
    assert read(ReaderValues(), 0.25, is_early=False).observation.aphe is False
