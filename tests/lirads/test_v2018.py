"""The whole of LI-RADS v2018, every combination, against a transcription of its own: criteria of each category as sentences, not the table's cells.

Sources: ACR, CT/MRI LI-RADS v2018 core, p. 8 (diagnostic table, order of the steps), p. 9 (ancillary features), p. 10 (ties), p. 22 (rim APHE).
"""
from __future__ import annotations

from itertools import product

import pytest

from lirads_keras.entities import Category, NotGiven, Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.categorize import categorize

SIZES_MM = (9.99, 10.0, 19.99, 20.0)
STATES = (True, False, None)
OVERRIDES = ((), ("LR-NC",), ("LR-TIV",), ("LR-1",), ("LR-2",), ("LR-M",), ("LR-M", "LR-TIV"), ("LR-2", "LR-1", "LR-NC"))
TIES = (None, ("LR-1", "LR-2"), ("LR-3", "LR-2"), ("LR-3", "LR-4"), ("LR-5", "LR-4"), ("LR-4", "LR-M"), ("LR-M", "LR-5"), ("LR-3", "LR-5"))

OFFICIAL_ORDER = "LR-NC LR-TIV LR-1 LR-2 LR-M".split()
LESS_CERTAIN = {"1 2": "2", "2 3": "3", "3 4": "3", "4 5": "4", "4 M": "M", "5 M": "M"}


def is_lr_5(size: float, aphe: bool, washout: bool, capsule: bool, growth: bool) -> bool:
    """Nonrim APHE and: from 20 mm any other major feature; from 10 mm washout or threshold growth."""
    return aphe and (size >= 20 and (washout or capsule or growth) or size >= 10 and (washout or growth))


def is_lr_4(size: float, aphe: bool, washout: bool, capsule: bool, growth: bool) -> bool:
    """Not LR-5, and: a large lesion with any major feature, or a small one with APHE and another, or with two others."""
    others = [washout, capsule, growth].count(True)
    return size >= 20 and (aphe or others >= 1) or aphe and others >= 1 or others >= 2


def digit(size: float, *features: bool) -> int:
    return 5 if is_lr_5(size, *features) else 4 if is_lr_4(size, *features) else 3


def adjust(number: int, malignant: bool, benign: bool) -> int:
    """Up to LR-4 at most, down one; both: nothing."""
    if malignant and not benign:
        return max(number, min(4, number + 1))
    return number - 1 if benign and not malignant else number


def complete(*states: bool | None) -> list[tuple[bool, ...]]:
    return list(product(*([True, False] if state is None else [state] for state in states)))


def by_features(size, aphe, washout, capsule, growth, malignant, benign, rim) -> str:
    found = sorted({adjust(digit(size, *features, growth), malignant, benign) for features in complete(False if rim else aphe, washout, capsule)})
    if len(found) > 1 and found[0] <= 3 and found[-1] >= 4:
        return "LR-NC"
    return " or ".join(f"LR-{number}" for number in found)


def by_reader(present: str, overrides, tie) -> str | None:
    """None: the tie has no rule, or does not hold the present category."""
    for category in OFFICIAL_ORDER:
        if category in overrides:
            present = category
            break
    if tie is None:
        return present
    pair = " ".join(sorted(category[3:] for category in tie))
    return f"LR-{LESS_CERTAIN[pair]}" if pair in LESS_CERTAIN and present in tie else None


@pytest.mark.parametrize("aphe", STATES)
@pytest.mark.parametrize("rim", [False, True])
def test_every_combination(aphe, rim):
    seen = set()
    for size, washout, capsule, growth, malignant, benign in product(SIZES_MM, STATES, STATES, *[(False, True)] * 3):
        features = by_features(size, aphe, washout, capsule, growth, malignant, benign, rim)
        for overrides, tie in product(OVERRIDES, TIES):
            case = (size, aphe, washout, capsule, growth, malignant, benign, tuple(map(Category, overrides)), tie and tuple(map(Category, tie)), rim)
            expected = by_reader(features, overrides, tie)
            try:
                category, reasons = categorize(Observation(*case), "v2018")
            except InputError:
                assert expected is None, case
                continue
            assert str(category) == expected and f" mm: {expected}" in reasons, case
            assert isinstance(category, NotGiven) == (" or " in expected), case
            # Nothing is displaced without a word.
            if overrides:
                assert features in reasons.split(" mm: ")[1] or f"{expected} (by the reader, as the features give" in reasons, case
            elif expected != features:
                assert f"without the tie {features}" in reasons, case
            seen.add(expected)
    assert {"LR-1", "LR-2", "LR-3", "LR-4", "LR-M", "LR-NC", "LR-TIV"} <= seen
    assert ("LR-5" in seen) == (aphe is True and not rim)
    assert ("LR-4 or LR-5" in seen) == (aphe is not False and not rim) and "LR-2 or LR-3" in seen


def test_the_transcription_is_that_of_the_printed_table():
    """A control of the sentences themselves: the rows none, washout, capsule, growth, two of the table as it is printed."""
    printed = {(False, 15.0): "33334", (False, 25.0): "34444", (True, 5.0): "34444", (True, 15.0): "35455", (True, 25.0): "45555"}
    rows = ((False, False, False), (True, False, False), (False, True, False), (False, False, True), (True, True, False))
    for (aphe, size), digits in printed.items():
        assert "".join(str(digit(size, aphe, *row)) for row in rows) == digits
