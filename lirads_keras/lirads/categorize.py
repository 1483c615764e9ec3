"""From an observation to its LI-RADS category, with the reasons in words."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import floor, inf

from lirads_keras.entities import Category, Feature, Observation
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.lirads.diagnostic_table import RULE_SETS, RuleSet, find_cell
from lirads_keras.lirads.steps import apply_ancillary_features, break_tie, choose_override

FEATURE_WORDS = {
    Feature.APHE: "APHE", Feature.WASHOUT: "washout", Feature.CAPSULE: "capsule", Feature.THRESHOLD_GROWTH: "threshold growth"}

DISTINCTIVE_NODULE_BELOW_MM = 20.0
"""LI-RADS v2018: a distinctive nodule under this size without any major or ancillary feature of malignancy is LR-2."""


@dataclass(frozen=True)
class Explanation:
    """A category and its reasons, which are the same for all sizes of a column of the table: `before` and `after` stand around the size."""

    category: Category
    before: str
    after: str

    def reasons(self, size: str) -> str:
        return f"{self.before}{size}{self.after}"


def categorize(observation: Observation, rules: str) -> tuple[Category, str]:
    """Categorizes an untreated observation of a high-risk patient (§2.5.3, Table 3; ledger item 15).

    In this order: the reader's overrides (NC, TIV, LR-1, LR-2, LR-M), the table, ancillary features, the reader's tie. Without an assessment of
    APHE the table cannot be read: LR-NC, and the reasons list the categories that remain possible. A washout or capsule that was not
    assessed counts as absent, as what a reader is unsure of does (tie-breaking), and the reasons say so.

    Args:
        observation: diameter in mm (continuous), the features, and what the reader decided.
        rules: `paper` (Table 3, its missing column from LI-RADS v2018; threshold growth and the reader's steps are not counted) or `v2018`.

    Returns:
        The category, and the reasons such as "APHE, washout, 23 mm: LR-5". The size in the reasons is rounded down to
        0.1 mm, so that it never seems to stand in the next column.

    Raises:
        InputError: an unknown rule set, a diameter that is not a positive number, or an override or tie that LI-RADS does not have.

    Example:
        >>> categorize(Observation(23.0, aphe=True, washout=True, capsule=False), "paper")
        (<Category.LR_5: 'LR-5'>, 'APHE, washout, 23 mm: LR-5')
    """
    explanation = explain(observation, rules)
    return explanation.category, explanation.reasons(describe_size(observation.diameter_mm))


def explain(observation: Observation, rules: str) -> Explanation:
    """`categorize` without the size in the reasons: equal for all observations that differ in nothing but a size within one column of the table.

    Raises:
        InputError: as `categorize`.
    """
    problems = []
    if rules not in RULE_SETS:
        problems.append(Problem("rules", f"one of {', '.join(RULE_SETS)}", repr(rules)))
    # The comparison is false for NaN.
    if not 0 < observation.diameter_mm < inf:
        problems.append(Problem("diameter_mm", "a positive number of mm", f"{observation.diameter_mm:g}"))
    raise_if_any(problems)

    rule_set = RULE_SETS[rules]
    additional = _additional_features(observation, rule_set)
    words = [] if observation.aphe is None else ["APHE" if observation.aphe else "no APHE"]
    words += [FEATURE_WORDS[feature] for feature in additional] or ["no additional major feature"]
    category, notes = _decide(observation, rule_set, additional)
    if uncounted := _list_uncounted(observation, rule_set):
        notes.append(f"{', '.join(uncounted)} not counted by {rule_set.source}")
    return Explanation(category, f"{', '.join(words)}, ", f": {category}{''.join(f' ({note})' for note in notes)}")


def describe_size(diameter_mm: float) -> str:
    """The size as the reasons print it."""
    return f"{floor(diameter_mm * 10) / 10:g} mm"


def _additional_features(observation: Observation, rule_set: RuleSet) -> tuple[Feature, ...]:
    return tuple(feature for feature in rule_set.additional_features if getattr(observation, feature))


def _decide(observation: Observation, rule_set: RuleSet, additional: tuple[Feature, ...]) -> tuple[Category, list[str]]:
    """The category, and what the reasons say behind it."""
    if rule_set.has_reader_steps and observation.overrides:
        category = choose_override(observation.overrides)
        later = [other for other in observation.overrides if other != category]
        return category, [f"by the reader; it comes before {' and '.join(later)}" if later else "by the reader"]
    unread = [feature for feature in (Feature.APHE, Feature.WASHOUT, Feature.CAPSULE) if getattr(observation, feature) is None]
    unread_words = f"{', '.join(FEATURE_WORDS[feature] for feature in unread)} not assessed"
    if Feature.APHE in unread:
        return Category.LR_NC, [f"{unread_words}; possible: {_join_or(_possible_categories(observation, rule_set, unread))}"]
    table = find_cell(bool(observation.aphe), observation.diameter_mm, additional)
    notes = [f"{unread_words}, counted as absent"] if unread else []
    if not rule_set.has_reader_steps:
        return table, notes
    category = apply_ancillary_features(table, observation.ancillary_malignant, observation.ancillary_benign)
    if note := _describe_ancillary(observation, table, category):
        notes.append(note)
    if observation.tie:
        category = break_tie(*observation.tie)
        notes.append(f"the reader is undecided between {observation.tie[0]} and {observation.tie[1]}")
    elif not (observation.aphe or additional or observation.ancillary_malignant or observation.ancillary_benign
              ) and observation.diameter_mm < DISTINCTIVE_NODULE_BELOW_MM:
        notes.append("LR-2 if the reader finds a distinctive nodule without ancillary features")
    return category, notes


def _possible_categories(observation: Observation, rule_set: RuleSet, unread: list[Feature]) -> list[Category]:
    """What the table and the ancillary features would give, whatever the features are that were not assessed."""
    found = set()
    for values in product((False, True), repeat=len(unread)):
        assumed = dict(zip(unread, values, strict=True))
        additional = tuple(feature for feature in rule_set.additional_features if assumed.get(feature, getattr(observation, feature)))
        category = find_cell(assumed[Feature.APHE], observation.diameter_mm, additional)
        if rule_set.has_reader_steps:
            category = apply_ancillary_features(category, observation.ancillary_malignant, observation.ancillary_benign)
        found.add(category)
    return sorted(found)


def _describe_ancillary(observation: Observation, table: Category, category: Category) -> str:
    if observation.ancillary_malignant and observation.ancillary_benign:
        return "ancillary features favour malignancy and benignity: no change"
    if observation.ancillary_malignant:
        return f"{table} by the table, up one for malignant ancillary features" if category != table else "ancillary features do not lead beyond LR-4"
    return f"{table} by the table, down one for benign ancillary features" if observation.ancillary_benign else ""


def _list_uncounted(observation: Observation, rule_set: RuleSet) -> list[str]:
    """What the observation holds and the rule set has no place for."""
    uncounted = []
    if observation.threshold_growth and Feature.THRESHOLD_GROWTH not in rule_set.additional_features:
        uncounted.append(FEATURE_WORDS[Feature.THRESHOLD_GROWTH])
    if not rule_set.has_reader_steps:
        if observation.ancillary_malignant or observation.ancillary_benign:
            uncounted.append("ancillary features")
        if observation.overrides:
            uncounted.append(f"the reader's {' and '.join(observation.overrides)}")
        if observation.tie:
            uncounted.append("the reader's tie")
    return uncounted


def _join_or(categories: list[Category]) -> str:
    return " or ".join(part for part in (", ".join(categories[:-1]), categories[-1]) if part)
