"""From an observation to its LI-RADS category, with the reasons in words."""
from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import floor, inf

from lirads_keras.entities import HEAD_FEATURES, Category, Feature, NotGiven, Observation, Verdict
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.lirads.diagnostic_table import RULE_SETS, RuleSet, find_cell
from lirads_keras.lirads.steps import apply_ancillary_features, break_tie, check_tie, choose_override

FEATURE_WORDS = {
    Feature.APHE: "APHE", Feature.WASHOUT: "washout", Feature.CAPSULE: "capsule", Feature.THRESHOLD_GROWTH: "threshold growth"}

DISTINCTIVE_NODULE_BELOW_MM = 20.0
"""LI-RADS v2018: a distinctive nodule under this size without any major or ancillary feature of malignancy is LR-2."""

BENIGN_SIDE = frozenset({Category.LR_1, Category.LR_2, Category.LR_3})
"""The other side is LR-4, LR-5 and LR-M."""

WITHHELD = NotGiven("withheld")
RIM_NOT_EXCLUDED = "LR-M by rim APHE is not excluded"


@dataclass(frozen=True)
class Explanation:
    """A category and its reasons, which are the same for all sizes of a column of the table: `before` and `after` stand around the size."""

    category: Verdict
    before: str
    after: str

    def reasons(self, size: str) -> str:
        return f"{self.before}{size}{self.after}"


def categorize(observation: Observation, rules: str, withheld: str = "") -> tuple[Verdict, str]:
    """Categorizes an untreated observation of a high-risk patient (§2.5.3, Table 3; ledger item 15).

    In this order: the reader's overrides (NC, TIV, LR-1, LR-2, LR-M), the table, ancillary features, the reader's tie; what an override or a tie displaces
    stands in the reasons. A feature of which a reader is in doubt is absent, and is given as such (core, p. 8). One that was not assessed, because its phase
    is missing or degraded, is neither: every category that it leaves possible is found.

    - They lie on both sides, LR-1/2/3 and LR-4/5/M: LR-NC. LI-RADS gives it to what image degradation or omission keeps from being categorized
      (CT/MRI LI-RADS v2018 core, p. 7 and step 1 on p. 8), which the ACR reads as "not meaningfully" (RADS support, LI-RADS FAQ-027): one that can be
      narrowed down is not LR-NC.
    - One is left: that category, by the major features that could be assessed.
    - Several on one side: a `NotGiven` such as "LR-4 or LR-5".

    Rim APHE (core, p. 22: targetoid, LR-M) makes APHE, which is nonrim, absent; LR-M is proposed then, and for the reader to give.

    Args:
        observation: diameter in mm (continuous), the features, and what the reader decided.
        rules: `paper` (Table 3, its missing column from LI-RADS v2018; threshold growth and the reader's steps are not counted) or `v2018`.
        withheld: why LI-RADS is not for the patient or the lesion (`find_reason_to_withhold`), empty where it is: then neither category nor reasons tell one.

    Returns:
        The category, and the reasons such as "APHE, washout, 23 mm: LR-5". The size in the reasons is rounded down to
        0.1 mm, so that it never seems to stand in the next column.

    Raises:
        InputError: an unknown rule set, a diameter that is not a positive number, an override or tie that LI-RADS does not have, or a tie between two
            categories of which neither is the present one.

    Example:
        >>> categorize(Observation(23.0, aphe=True, washout=True, capsule=False), "paper")
        (<Category.LR_5: 'LR-5'>, 'APHE, washout, 23 mm: LR-5')
    """
    explanation, size = explain(observation, rules), describe_size(observation.diameter_mm)
    if withheld:
        return WITHHELD, f"{explanation.before}{size}{describe_withheld(withheld)}"
    return explanation.category, explanation.reasons(size)


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
    if observation.rim_aphe:
        observation = replace(observation, aphe=False)
    additional = _additional_features(observation, rule_set)
    words = [] if observation.aphe is None else ["rim APHE" if observation.rim_aphe else "APHE" if observation.aphe else "no APHE"]
    words += [FEATURE_WORDS[feature] for feature in additional] or ["no additional major feature"]
    decided = _decide(observation, rule_set, additional)
    notes = [*decided.notes, *_list_open_points(observation, rule_set)]
    return Explanation(decided.verdict, f"{', '.join(words)}, ", f": {decided.words}{''.join(f' ({note})' for note in notes)}")


def describe_size(diameter_mm: float) -> str:
    """The size as the reasons print it."""
    return f"{floor(diameter_mm * 10) / 10:g} mm"


def describe_range(possible: tuple[Category, ...]) -> NotGiven:
    """What is said in the place of a category where several remain: "LR-4 or LR-5"."""
    return NotGiven(_join_or(possible), possible)


def describe_withheld(why: str) -> str:
    """What the reasons say behind the size, where the category is withheld."""
    return f": category withheld ({why})"


@dataclass(frozen=True)
class _Decision:
    """`words` are the verdict's in the reasons, which tell of a range what was not assessed; `notes` stand behind them."""

    verdict: Verdict
    words: str
    notes: tuple[str, ...] = ()


def _additional_features(observation: Observation, rule_set: RuleSet) -> tuple[Feature, ...]:
    return tuple(feature for feature in rule_set.additional_features if getattr(observation, feature))


def _decide(observation: Observation, rule_set: RuleSet, additional: tuple[Feature, ...]) -> _Decision:
    unread = [feature for feature in HEAD_FEATURES if getattr(observation, feature) is None]
    found = _read_incomplete(observation, rule_set, unread) if unread else _read_complete(observation, rule_set, additional)
    if not rule_set.has_reader_steps:
        return found
    if observation.overrides:
        category = choose_override(observation.overrides)
        instead = "as the features give" if category == found.verdict else f"instead of {found.words}"
        later = [other for other in observation.overrides if other != category]
        order = f"; it comes before {' and '.join(later)}" if later else ""
        found = _Decision(category, category, (f"by the reader, {instead}{order}",))
    if observation.tie:
        check_tie(observation.tie, found.verdict)
        category = break_tie(*observation.tie)
        without = f"the reader is undecided between {observation.tie[0]} and {observation.tie[1]}; without the tie {found.words}"
        return _Decision(category, category, (*found.notes, without))
    if not (unread or observation.overrides or observation.aphe or observation.rim_aphe or additional or observation.ancillary_malignant
            or observation.ancillary_benign) and observation.diameter_mm < DISTINCTIVE_NODULE_BELOW_MM:
        return replace(found, notes=(*found.notes, "LR-2 if the reader finds a distinctive nodule without ancillary features"))
    return found


def _read_complete(observation: Observation, rule_set: RuleSet, additional: tuple[Feature, ...]) -> _Decision:
    """The table and the ancillary features, where every feature was assessed."""
    table, category = _read_table(observation, rule_set, additional)
    note = _describe_ancillary(observation, table, category) if rule_set.has_reader_steps else ""
    return _Decision(category, category, (note,) if note else ())


def _read_incomplete(observation: Observation, rule_set: RuleSet, unread: list[Feature]) -> _Decision:
    """What is left by the table and the ancillary features, where some features were not assessed."""
    possible = _find_possible_categories(observation, rule_set, unread)
    unread_words = f"{', '.join(FEATURE_WORDS[feature] for feature in unread)} not assessed"
    remarks = [RIM_NOT_EXCLUDED] if Feature.APHE in unread else []
    if rule_set.has_reader_steps and (observation.ancillary_malignant or observation.ancillary_benign):
        remarks.append(f"ancillary features of {_name_ancillary(observation)} are counted")
    if len(possible) == 1:
        return _Decision(possible[0], possible[0], ("; ".join([unread_words, "by the major features that could be assessed", *remarks]),))
    if len({category in BENIGN_SIDE for category in possible}) > 1:
        return _Decision(Category.LR_NC, Category.LR_NC, ("; ".join([unread_words, f"possible: {_join_or(possible)}", *remarks]),))
    verdict = describe_range(possible)
    return _Decision(verdict, f"{verdict}, {unread_words}", ("; ".join(remarks),) if remarks else ())


def _find_possible_categories(observation: Observation, rule_set: RuleSet, unread: list[Feature]) -> tuple[Category, ...]:
    """What the table and the ancillary features would give, whatever the features are that were not assessed."""
    found = set()
    for values in product((False, True), repeat=len(unread)):
        known = {feature: getattr(observation, feature) for feature in HEAD_FEATURES} | dict(zip(unread, values, strict=True))
        assumed = replace(observation, aphe=known[Feature.APHE], washout=known[Feature.WASHOUT], capsule=known[Feature.CAPSULE])
        found.add(_read_table(assumed, rule_set, _additional_features(assumed, rule_set))[1])
    return tuple(category for category in Category if category in found)


def _read_table(observation: Observation, rule_set: RuleSet, additional: tuple[Feature, ...]) -> tuple[Category, Category]:
    """The category by the table alone, and with the ancillary features."""
    table = find_cell(bool(observation.aphe), observation.diameter_mm, additional)
    if not rule_set.has_reader_steps:
        return table, table
    return table, apply_ancillary_features(table, observation.ancillary_malignant, observation.ancillary_benign)


def _name_ancillary(observation: Observation) -> str:
    kinds = (("malignancy", observation.ancillary_malignant), ("benignity", observation.ancillary_benign))
    return " and ".join(words for words, present in kinds if present)


def _describe_ancillary(observation: Observation, table: Category, category: Category) -> str:
    if observation.ancillary_malignant and observation.ancillary_benign:
        return "ancillary features favour malignancy and benignity: no change"
    if observation.ancillary_malignant:
        return f"{table} by the table, up one for malignant ancillary features" if category != table else "ancillary features do not lead beyond LR-4"
    return f"{table} by the table, down one for benign ancillary features" if observation.ancillary_benign else ""


def _list_open_points(observation: Observation, rule_set: RuleSet) -> list[str]:
    """What is for the reader to decide, and what the observation holds and the rule set has no place for."""
    points = []
    if observation.rim_aphe and Category.LR_M not in observation.overrides:
        points.append("rim APHE counts as no APHE; LR-M is proposed")
    if observation.growth_proposed and not observation.threshold_growth and Feature.THRESHOLD_GROWTH in rule_set.additional_features:
        points.append("threshold growth is proposed and not counted")
    if uncounted := _list_uncounted(observation, rule_set):
        points.append(f"{', '.join(uncounted)} not counted by {rule_set.source}")
    return points


def _list_uncounted(observation: Observation, rule_set: RuleSet) -> list[str]:
    """What the observation holds and the rule set has no place for."""
    uncounted = []
    if (observation.threshold_growth or observation.growth_proposed) and Feature.THRESHOLD_GROWTH not in rule_set.additional_features:
        uncounted.append(FEATURE_WORDS[Feature.THRESHOLD_GROWTH])
    if not rule_set.has_reader_steps:
        if observation.ancillary_malignant or observation.ancillary_benign:
            uncounted.append("ancillary features")
        if observation.overrides:
            uncounted.append(f"the reader's {' and '.join(observation.overrides)}")
        if observation.tie:
            uncounted.append("the reader's tie")
    return uncounted


def _join_or(categories: tuple[Category, ...]) -> str:
    return " or ".join(part for part in (", ".join(categories[:-1]), categories[-1]) if part)
