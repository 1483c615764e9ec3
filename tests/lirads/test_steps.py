from __future__ import annotations

from itertools import permutations

import pytest

from lirads_keras.entities import Category
from lirads_keras.errors import InputError
from lirads_keras.lirads.steps import apply_ancillary_features, break_tie, choose_override

OFFICIAL = ["LR-NC", "LR-TIV", "LR-1", "LR-2", "LR-M"]


@pytest.mark.parametrize("size", range(1, 6))
def test_the_earliest_step_of_the_algorithm_wins(size):
    for chosen in permutations(OFFICIAL, size):
        assert choose_override([Category(name) for name in chosen]) == min(chosen, key=OFFICIAL.index)


@pytest.mark.parametrize("category", ["LR-3", "LR-4", "LR-5"])
def test_a_reader_does_not_override_with_what_the_table_gives(category):
    with pytest.raises(InputError, match=f"override: expected one of LR-NC.*found {category}"):
        choose_override([Category.LR_M, Category(category)])


# Ledger item 15: malignant up one, at most to LR-4; benign down one; both, or none: no change.
@pytest.mark.parametrize("table, malignant, benign", [("LR-3", "LR-4", "LR-2"), ("LR-4", "LR-4", "LR-3"), ("LR-5", "LR-5", "LR-4")])
def test_ancillary_features(table, malignant, benign):
    category = Category(table)
    assert apply_ancillary_features(category, True, False) == malignant
    assert apply_ancillary_features(category, False, True) == benign
    assert apply_ancillary_features(category, True, True) == apply_ancillary_features(category, False, False) == table


@pytest.mark.parametrize("first, second, lower", [
    ("LR-1", "LR-2", "LR-2"), ("LR-2", "LR-3", "LR-3"), ("LR-3", "LR-4", "LR-3"), ("LR-4", "LR-5", "LR-4"), ("LR-5", "LR-M", "LR-M"),
    ("LR-4", "LR-M", "LR-M")])
def test_ties_go_to_the_category_of_lower_certainty(first, second, lower):
    assert break_tie(Category(first), Category(second)) == break_tie(Category(second), Category(first)) == lower


@pytest.mark.parametrize("pair", [("LR-3", "LR-5"), ("LR-4", "LR-4"), ("LR-1", "LR-M"), ("LR-TIV", "LR-5")])
def test_other_pairs_are_no_tie(pair):
    with pytest.raises(InputError, match="LR-4|LR-5"):
        break_tie(*map(Category, pair))
