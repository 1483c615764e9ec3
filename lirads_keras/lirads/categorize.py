"""From an observation to its LI-RADS category, with the reasons in words."""
from __future__ import annotations

from math import floor, inf

from lirads_keras.entities import Category, Feature, Observation
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.lirads.diagnostic_table import RULE_SETS, find_cell

FEATURE_WORDS = {
    Feature.APHE: "APHE", Feature.WASHOUT: "washout", Feature.CAPSULE: "capsule", Feature.THRESHOLD_GROWTH: "threshold growth"}

DISTINCTIVE_NODULE_BELOW_MM = 20.0
"""LI-RADS v2018: a distinctive nodule under this size without any major or ancillary feature of malignancy is LR-2."""


def categorize(observation: Observation, rules: str) -> tuple[Category, str]:
    """Reads the diagnostic table for an untreated observation of a high-risk patient (§2.5.3, Table 3).

    Args:
        observation: diameter in mm (continuous) and the major features.
        rules: `paper` (Table 3, its missing column from LI-RADS v2018; threshold growth is not counted) or `v2018`.

    Returns:
        The category, and the reasons such as "APHE, washout, 23 mm: LR-5". The size in the reasons is rounded down to
        0.1 mm, so that it never seems to stand in the next column.

    Raises:
        InputError: an unknown rule set, or a diameter that is not a positive number.

    Example:
        >>> categorize(Observation(23.0, aphe=True, washout=True, capsule=False), "paper")
        (<Category.LR_5: 'LR-5'>, 'APHE, washout, 23 mm: LR-5')
    """
    problems = []
    if rules not in RULE_SETS:
        problems.append(Problem("rules", f"one of {', '.join(RULE_SETS)}", repr(rules)))
    # The comparison is false for NaN.
    if not 0 < observation.diameter_mm < inf:
        problems.append(Problem("diameter_mm", "a positive number of mm", f"{observation.diameter_mm:g}"))
    raise_if_any(problems)

    rule_set = RULE_SETS[rules]
    present = {
        Feature.WASHOUT: observation.washout, Feature.CAPSULE: observation.capsule, Feature.THRESHOLD_GROWTH: observation.threshold_growth}
    additional = tuple(feature for feature in rule_set.additional_features if present[feature])
    category = find_cell(observation.aphe, observation.diameter_mm, additional)

    words = [FEATURE_WORDS[Feature.APHE] if observation.aphe else f"no {FEATURE_WORDS[Feature.APHE]}"]
    words += [FEATURE_WORDS[feature] for feature in additional]
    if not additional:
        words.append("no additional major feature")
    words.append(f"{floor(observation.diameter_mm * 10) / 10:g} mm")
    reasons = f"{', '.join(words)}: {category}"

    uncounted = [FEATURE_WORDS[feature] for feature in present if present[feature] and feature not in rule_set.additional_features]
    if uncounted:
        reasons += f" ({', '.join(uncounted)} not counted by {rule_set.source})"
    if (rule_set.distinctive_nodule_is_lr2 and not observation.aphe and not additional
            and observation.diameter_mm < DISTINCTIVE_NODULE_BELOW_MM):
        reasons += " (LR-2 if the reader finds a distinctive nodule without ancillary features)"
    return category, reasons
