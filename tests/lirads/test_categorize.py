from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import Category, NotGiven, Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.categorize import categorize

# Hand-copied from the ledger's table, one string a diameter; independent of the package's own layout.
# Columns: (washout, capsule, growth) = 000 100 010 001 110 101 011 111.
COMBINATIONS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
V2018 = {
    (0, 9.9): "33334444", (0, 10.0): "33334444", (0, 10.0001): "33334444", (0, 19.9999): "33334444", (0, 20.0): "34444444",
    (1, 9.9): "34444444", (1, 10.0): "35455555", (1, 10.0001): "35455555", (1, 19.9999): "35455555", (1, 20.0): "45555555"}
# Growth is not counted: 001 reads as 000, 101 as 100, 011 as 010, 111 as 110.
PAPER = {
    (0, 9.9): "33334334", (0, 10.0): "33334334", (0, 10.0001): "33334334", (0, 19.9999): "33334334", (0, 20.0): "34434444",
    (1, 9.9): "34434444", (1, 10.0): "35435545", (1, 10.0001): "35435545", (1, 19.9999): "35435545", (1, 20.0): "45545555"}
CELLS = [
    pytest.param(rules, Observation(diameter_mm, bool(aphe), *map(bool, combination)), f"LR-{digit}",
                 id=f"{rules}-{'aphe' if aphe else 'no-aphe'}-{diameter_mm}-{''.join(map(str, combination))}")
    for rules, table in (("v2018", V2018), ("paper", PAPER))
    for (aphe, diameter_mm), digits in table.items()
    for combination, digit in zip(COMBINATIONS, digits, strict=True)]

observations = st.builds(
    Observation, st.floats(0.01, 300), st.booleans(), st.booleans(), st.booleans(), st.booleans())
with_ancillary = st.builds(
    Observation, st.floats(0.01, 300), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans())


@pytest.mark.parametrize("rules, observation, expected", CELLS)
def test_every_cell(rules: str, observation: Observation, expected: str) -> None:
    category, reasons = categorize(observation, rules)
    assert category == expected
    assert f": {expected}" in reasons


def test_all_cells_are_covered() -> None:
    assert len(CELLS) == 2 * 2 * 5 * 8
    assert {combination for combination in product((0, 1), repeat=3)} == set(COMBINATIONS)


@given(with_ancillary, st.sampled_from(["aphe", "washout", "capsule", "threshold_growth"]), st.sampled_from(["paper", "v2018"]))
def test_adding_a_major_feature_never_lowers_the_category(observation: Observation, feature: str, rules: str) -> None:
    without, _ = categorize(replace(observation, **{feature: False}), rules)
    with_feature, _ = categorize(replace(observation, **{feature: True}), rules)
    assert with_feature.value >= without.value


@given(observations, st.floats(1, 10), st.sampled_from(["paper", "v2018"]))
def test_a_larger_lesion_is_never_lower(observation: Observation, factor: float, rules: str) -> None:
    smaller, _ = categorize(observation, rules)
    larger, _ = categorize(replace(observation, diameter_mm=observation.diameter_mm * factor), rules)
    assert larger.value >= smaller.value


@given(observations)
def test_rule_sets_agree_without_growth(observation: Observation) -> None:
    without_growth = replace(observation, threshold_growth=False)
    assert categorize(without_growth, "paper")[0] == categorize(without_growth, "v2018")[0]


@pytest.mark.parametrize("rules, observation, expected", [
    ("paper", Observation(23.0, True, True, False), (Category.LR_5, "APHE, washout, 23 mm: LR-5")),
    ("paper", Observation(19.9999, False, False, False), (Category.LR_3, "no APHE, no additional major feature, 19.9 mm: LR-3")),
    ("paper", Observation(15.0, True, False, False, True), (
        Category.LR_3, "APHE, no additional major feature, 15 mm: LR-3 (threshold growth not counted by Table 3)")),
    ("v2018", Observation(15.0, True, False, True, True), (Category.LR_5, "APHE, capsule, threshold growth, 15 mm: LR-5")),
    ("v2018", Observation(15.0, False, False, False), (
        Category.LR_3,
        "no APHE, no additional major feature, 15 mm: LR-3 (LR-2 if the reader finds a distinctive nodule without ancillary features)"))])
def test_reasons(rules: str, observation: Observation, expected: tuple[Category, str]) -> None:
    assert categorize(observation, rules) == expected


@pytest.mark.parametrize("diameter_mm", [float("nan"), 0.0, -3.0, float("inf")])
def test_a_diameter_that_is_none_is_refused(diameter_mm: float) -> None:
    with pytest.raises(InputError, match="diameter_mm: expected a positive number of mm") as caught:
        categorize(Observation(diameter_mm, True, True, True), "paper")
    assert len(caught.value.problems) == 1


def test_all_problems_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        categorize(Observation(-1.0, True, True, True), "v2017")
    assert [problem.where for problem in caught.value.problems] == ["rules", "diameter_mm"]
    assert "one of paper, v2018, found 'v2017'" in str(caught.value)


def v2018(diameter_mm, *flags, **others):
    return categorize(Observation(diameter_mm, *flags, **others), "v2018")


@pytest.mark.parametrize("flags, others, words", [
    ((True, False, False), {"ancillary_malignant": True}, "APHE, no additional major feature, 15 mm: LR-4 (LR-3 by the table, up one for malignant "
                                                          "ancillary features)"),
    ((True, True, False), {"ancillary_malignant": True}, "APHE, washout, 15 mm: LR-5 (ancillary features do not lead beyond LR-4)"),
    ((True, True, False), {"ancillary_benign": True}, "APHE, washout, 15 mm: LR-4 (LR-5 by the table, down one for benign ancillary features)"),
    ((False, False, False), {"ancillary_benign": True},
     "no APHE, no additional major feature, 15 mm: LR-2 (LR-3 by the table, down one for benign ancillary features)"),
    ((True, True, False), {"ancillary_malignant": True, "ancillary_benign": True},
     "APHE, washout, 15 mm: LR-5 (ancillary features favour malignancy and benignity: no change)"),
    ((True, True, False), {"overrides": (Category.LR_M,)}, "APHE, washout, 15 mm: LR-M (by the reader, instead of LR-5)"),
    ((True, True, False), {"overrides": (Category.LR_M, Category.LR_TIV), "ancillary_benign": True},
     "APHE, washout, 15 mm: LR-TIV (by the reader, instead of LR-4; it comes before LR-M)"),
    ((None, True, False), {"overrides": (Category.LR_2,)},
     "washout, 15 mm: LR-2 (by the reader, instead of LR-NC)"),
    ((True, False, None), {"overrides": (Category.LR_1,)}, "APHE, no additional major feature, 15 mm: LR-1 (by the reader, instead of LR-NC)"),
    ((False, False, False), {"overrides": (Category.LR_2,), "ancillary_benign": True},
     "no APHE, no additional major feature, 15 mm: LR-2 (by the reader, as the features give)"),
    ((True, True, False), {"tie": (Category.LR_4, Category.LR_5)},
     "APHE, washout, 15 mm: LR-4 (the reader is undecided between LR-4 and LR-5; without the tie LR-5)"),
    ((True, True, False), {"tie": (Category.LR_4, Category.LR_5), "ancillary_benign": True},
     "APHE, washout, 15 mm: LR-4 (LR-5 by the table, down one for benign ancillary features) "
     "(the reader is undecided between LR-4 and LR-5; without the tie LR-4)"),
    ((True, True, False), {"overrides": (Category.LR_1,), "tie": (Category.LR_2, Category.LR_1)},
     "APHE, washout, 15 mm: LR-2 (by the reader, instead of LR-5) (the reader is undecided between LR-2 and LR-1; without the tie LR-1)"),
    # With washout the capsule changes nothing.
    ((True, True, None), {}, "APHE, washout, 15 mm: LR-5 (capsule not assessed; by the major features that could be assessed)"),
    # Without APHE: LR-3, and LR-4 with the capsule; with APHE: LR-5.
    ((None, True, None), {},
     "washout, 15 mm: LR-NC (APHE, capsule not assessed; possible: LR-3, LR-4 or LR-5; LR-M by rim APHE is not excluded)"),
    ((None, False, False), {}, "no additional major feature, 15 mm: LR-3 (APHE not assessed; by the major features that could be assessed; LR-M by rim APHE is "
                               "not excluded)"),
    ((None, False, False), {"ancillary_malignant": True},
     "no additional major feature, 15 mm: LR-4 (APHE not assessed; by the major features that could be assessed; LR-M by rim APHE is not excluded; "
     "ancillary features of malignancy are counted)"),
    ((None, True, True), {}, "washout, capsule, 15 mm: LR-4 or LR-5, APHE not assessed (LR-M by rim APHE is not excluded)"),
    ((True, False, None), {"ancillary_malignant": True, "ancillary_benign": True},
     "APHE, no additional major feature, 15 mm: LR-NC (capsule not assessed; possible: LR-3 or LR-4; ancillary features of malignancy and benignity are "
     "counted)"),
    ((None, None, None), {}, "no additional major feature, 15 mm: LR-NC (APHE, washout, capsule not assessed; possible: LR-3, LR-4 or LR-5; LR-M by rim APHE "
                             "is not excluded)"),
    ((True, True, False), {"rim_aphe": True}, "rim APHE, washout, 15 mm: LR-3 (rim APHE counts as no APHE; LR-M is proposed)"),
    ((None, True, True), {"rim_aphe": True}, "rim APHE, washout, capsule, 15 mm: LR-4 (rim APHE counts as no APHE; LR-M is proposed)"),
    ((True, True, False), {"rim_aphe": True, "overrides": (Category.LR_M,)}, "rim APHE, washout, 15 mm: LR-M (by the reader, instead of LR-3)"),
    ((True, False, False), {"growth_proposed": True},
     "APHE, no additional major feature, 15 mm: LR-3 (threshold growth is proposed and not counted)"),
])
def test_the_steps_around_the_table(flags, others, words):
    category, reasons = v2018(15.0, *flags, **others)
    assert reasons == words and f": {category}" in reasons


def test_a_withheld_category_is_told_nowhere():
    found = categorize(Observation(15.0, True, True, False, overrides=(Category.LR_M,)), "v2018", "the patient is under 18")
    assert found == (NotGiven("withheld"), "APHE, washout, 15 mm: category withheld (the patient is under 18)")


@pytest.mark.parametrize("others", [{"ancillary_malignant": True}, {"threshold_growth": True}, {"tie": (Category.LR_2, Category.LR_3)}])
def test_the_note_on_lr_2_is_for_nodules_without_any_feature(others):
    assert "LR-2 if the reader" in v2018(15.0, False, False, False)[1]
    assert "LR-2 if the reader" not in v2018(15.0, False, False, False, **others)[1]
    assert "LR-2 if the reader" not in v2018(20.0, False, False, False)[1]


def test_table_3_has_no_steps_around_it():
    observation = Observation(15.0, True, True, False, True, True, False, (Category.LR_M,), (Category.LR_4, Category.LR_5))
    assert categorize(observation, "paper") == (
        "LR-5", "APHE, washout, 15 mm: LR-5 (threshold growth, ancillary features, the reader's LR-M, the reader's tie not counted by Table 3)")
    # What was not assessed is another matter than what a rule set counts.
    assert categorize(Observation(25.0, None, False, False), "paper")[0] == "LR-NC"
    assert categorize(Observation(25.0, True, False, False, rim_aphe=True, growth_proposed=True), "paper") == (
        "LR-3", "rim APHE, no additional major feature, 25 mm: LR-3 (rim APHE counts as no APHE; LR-M is proposed) (threshold growth not counted by Table 3)")


@given(with_ancillary, st.sampled_from(["paper", "v2018"]))
def test_what_remains_possible_holds_the_category_that_the_assessment_would_give(observation: Observation, rules: str) -> None:
    category, _ = categorize(observation, rules)
    found, reasons = categorize(replace(observation, aphe=None), rules)
    if found == Category.LR_NC:
        assert category in reasons.split("possible: ")[1].split(";")[0]
    else:
        assert category in (found.possible if isinstance(found, NotGiven) else (found,))


# Table 3 as printed, by the number of B2 and B3, APHE 10–19 mm from LI-RADS: what remains when a feature was not assessed, counted by hand.
@pytest.mark.parametrize("diameter_mm, flags, verdict", [
    (25.0, (None, False, False), "LR-NC"), (25.0, (None, True, False), "LR-4 or LR-5"), (25.0, (None, True, True), "LR-4 or LR-5"),
    (25.0, (True, False, None), "LR-4 or LR-5"), (25.0, (False, None, True), "LR-4"), (25.0, (True, True, None), "LR-5"), (25.0, (None, None, None), "LR-NC"),
    (25.0, (True, None, None), "LR-4 or LR-5"), (25.0, (False, None, None), "LR-NC"),
    (15.0, (None, False, False), "LR-3"), (15.0, (None, True, False), "LR-NC"), (15.0, (None, False, True), "LR-NC"),
    (15.0, (None, True, True), "LR-4 or LR-5"),
    (15.0, (True, None, True), "LR-4 or LR-5"), (15.0, (True, True, None), "LR-5"), (15.0, (True, None, False), "LR-NC"), (15.0, (False, False, None), "LR-3"),
    (5.0, (None, False, False), "LR-3"), (5.0, (None, True, True), "LR-4"), (5.0, (None, True, False), "LR-NC"), (5.0, (True, True, None), "LR-4"),
    (5.0, (False, True, None), "LR-NC")])
def test_table_3_where_a_feature_was_not_assessed(diameter_mm, flags, verdict):
    found, reasons = categorize(Observation(diameter_mm, *flags), "paper")
    assert str(found) == verdict and f": {verdict}" in reasons and "not assessed" in reasons
    assert ("by the major features that could be assessed" in reasons) == (verdict in ("LR-3", "LR-4", "LR-5"))
    assert ("LR-M by rim APHE is not excluded" in reasons) == (flags[0] is None)


@pytest.mark.parametrize("others", [
    {"overrides": (Category.LR_4,)}, {"tie": (Category.LR_3, Category.LR_5)}, {"tie": (Category.LR_3, Category.LR_4)},
    {"tie": (Category.LR_4, Category.LR_5), "overrides": (Category.LR_M,)}, {"tie": (Category.LR_4, Category.LR_5), "overrides": (Category.LR_TIV,)}])
def test_decisions_that_lirads_does_not_have_are_refused(others):
    with pytest.raises(InputError):
        v2018(15.0, True, True, False, **others)
