"""The steps of LI-RADS v2018 before and after its table: the reader's overrides, ancillary features, tie-breaking (CT/MRI core, p. 8 to 10)."""
from __future__ import annotations

from collections.abc import Sequence

from lirads_keras.entities import Category, Verdict
from lirads_keras.errors import InputError, Problem

OVERRIDE_ORDER = (Category.LR_NC, Category.LR_TIV, Category.LR_1, Category.LR_2, Category.LR_M)
"""Categories that a reader gives before the table is read, in the order in which the algorithm asks for them."""

TIE = "tie"
"""What problems with a reader's tie are called."""

LADDER = (Category.LR_1, Category.LR_2, Category.LR_3, Category.LR_4, Category.LR_5)
HIGHEST_BY_ANCILLARY = Category.LR_4
"""Ancillary features never make an LR-5."""

TIES = {
    frozenset(pair): lower for *pair, lower in (
        (Category.LR_1, Category.LR_2, Category.LR_2),
        (Category.LR_2, Category.LR_3, Category.LR_3),
        (Category.LR_3, Category.LR_4, Category.LR_3),
        (Category.LR_4, Category.LR_5, Category.LR_4),
        (Category.LR_4, Category.LR_M, Category.LR_M),
        (Category.LR_5, Category.LR_M, Category.LR_M))}
"""The category of lower certainty of each pair; of a hepatocellular carcinoma and another malignancy, LR-M."""


def choose_override(overrides: Sequence[Category]) -> Category:
    """The first of the reader's categories in the official order.

    Raises:
        InputError: a category that the table gives, not the reader.
    """
    if wrong := [category for category in overrides if category not in OVERRIDE_ORDER]:
        raise InputError(Problem("override", f"one of {', '.join(OVERRIDE_ORDER)}", ", ".join(wrong)))
    return min(overrides, key=OVERRIDE_ORDER.index)


def apply_ancillary_features(category: Category, malignant: bool, benign: bool) -> Category:
    """Moves a category of the table: up one for malignancy, at most to LR-4; down one for benignity; both, or none: no change."""
    step = LADDER.index(category)
    if malignant and not benign:
        return LADDER[max(step, min(step + 1, LADDER.index(HIGHEST_BY_ANCILLARY)))]
    if benign and not malignant:
        return LADDER[max(step - 1, 0)]
    return category


def break_tie(first: Category, second: Category) -> Category:
    """The category that an undecided reader gives.

    Raises:
        InputError: LI-RADS has no rule for this pair.
    """
    try:
        return TIES[frozenset((first, second))]
    except KeyError:
        pairs = ", ".join("|".join(sorted(pair)) for pair in TIES)
        raise InputError(Problem(TIE, f"one of {pairs}", f"{first}|{second}")) from None


def check_tie(tie: tuple[Category, Category], present: Verdict) -> None:
    """A reader is undecided between the present category and another (core, p. 10): a tie between two others would hide it.

    Raises:
        InputError: the tie does not hold the present category, or LI-RADS has no rule for it.
    """
    break_tie(*tie)
    if present not in tie:
        raise InputError(Problem(TIE, f"a tie between {present}, the present category, and another", "|".join(tie)))
