from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.errors import InputError
from lirads_keras.preprocessing.splits import hold_out, split_folds, validation_patients

IDS = st.lists(st.text("abcXYZ019-", min_size=1, max_size=6), unique=True, max_size=60)


def test_111_positive_patients_give_three_folds_of_13_and_six_of_12():
    positive = [f"P{k:03d}" for k in range(111)]
    negative = [f"N{k:03d}" for k in range(92)]
    fold_of = split_folds(positive, negative, 9, seed=2023)
    assert sorted(Counter(fold_of[patient] for patient in positive).values()) == [12] * 6 + [13] * 3
    assert sorted(Counter(fold_of[patient] for patient in negative).values()) == [10] * 7 + [11] * 2
    assert set(Counter(fold_of.values()).values()) == {22, 23}
    assert len(fold_of) == 203 and list(fold_of) == sorted(fold_of)


@given(IDS, st.integers(2, 9), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_folds_are_a_balanced_partition_that_ignores_the_input_order(ids, folds, seed, shuffler):
    half = max(folds, len(ids) // 2)
    positive, negative = ids[:half], ids[half:]
    if len(positive) < folds:
        with pytest.raises(InputError, match=f"at least {folds}"):
            split_folds(positive, negative, folds, seed)
        return
    fold_of = split_folds(positive, negative, folds, seed)
    assert set(fold_of) == set(ids)
    for group in (positive, negative):
        sizes = [sum(fold_of[patient] == fold for patient in group) for fold in range(folds)]
        assert sum(sizes) == len(group) and max(sizes) - min(sizes) <= 1
    totals = Counter(fold_of.values())
    assert max(totals.values()) - min(totals.values()) <= 1
    mixed = [list(positive), list(negative)]
    for group in mixed:
        shuffler.shuffle(group)
    assert split_folds(*mixed, folds, seed) == fold_of
    assert {patient: fold for patient, fold in fold_of.items() if patient in positive} == split_folds(positive, [], folds, seed)


def test_another_seed_gives_other_folds():
    ids = [f"P{k}" for k in range(40)]
    assert split_folds(ids, [], 4, 1) != split_folds(ids, [], 4, 2)


def test_a_patient_that_comes_twice_is_named():
    with pytest.raises(InputError) as raised:
        split_folds(["A", "B", "C"], ["C", "B", "D"], 2, 0)
    assert [problem.where for problem in raised.value.problems] == ["patient B", "patient C"]


@given(st.lists(st.text("abc01", min_size=1, max_size=6), unique=True, min_size=2, max_size=60), st.floats(0.01, 0.99), st.integers(0, 99),
       st.integers(0, 8), st.randoms(use_true_random=False))
def test_validation_patients_are_some_of_the_training_patients(ids, fraction, seed, fold, shuffler):
    chosen = validation_patients(ids, fraction, seed, fold)
    assert set(chosen) < set(ids) and chosen == sorted(set(chosen))
    assert len(chosen) == min(max(round(fraction * len(ids)), 1), len(ids) - 1)
    mixed = list(ids)
    shuffler.shuffle(mixed)
    assert validation_patients(mixed, fraction, seed, fold) == chosen


def test_a_tenth_of_98_training_patients_is_10_and_differs_between_folds():
    ids = [f"P{k:03d}" for k in range(98)]
    assert len(validation_patients(ids, 0.1, 1, 0)) == 10
    assert validation_patients(ids, 0.1, 1, 0) != validation_patients(ids, 0.1, 1, 1)


def test_one_training_patient_cannot_be_split():
    with pytest.raises(InputError, match="at least 2 training patients"):
        validation_patients(["A"], 0.1, 0, 3)


@given(st.integers(4, 60), st.integers(0, 60), st.floats(0.05, 0.6), st.integers(0, 30), st.integers(0, 99))
def test_nobody_of_the_fold_is_held_out_and_the_halves_share_nobody(positives, negatives, fraction, count, seed):
    with_lesion, without = [f"P{number}" for number in range(positives)], [f"N{number}" for number in range(negatives)]
    fold_of = split_folds(with_lesion, without, 2, seed)
    held_out = hold_out(with_lesion, fold_of, (1,), fraction=fraction, negatives=count, seed=seed)
    for part in (held_out.stopping, held_out.choice):
        assert part == sorted(set(part)) and all(fold_of[name] == 0 for name in part) and any(name in with_lesion for name in part)
    other = [name for name in with_lesion if fold_of[name] == 0]
    drawn = [name for name in (*held_out.stopping, *held_out.choice) if name in without]
    assert len(drawn) == len(set(drawn)) == min(count, sum(fold_of[name] == 0 for name in without))
    held = validation_patients(other, fraction, seed, 1)
    assert {name for name in (*held_out.stopping, *held_out.choice) if name in with_lesion} == set(held)
    if len(held) > 1:
        assert not set(held_out.stopping) & set(held_out.choice)
        assert sum(name in with_lesion for name in held_out.stopping) == (len(held) + 1) // 2


def test_folds_with_a_shared_start_hold_the_same_patients_out_and_none_of_their_own():
    positives, negatives = [f"P{k:03d}" for k in range(111)], [f"N{k:03d}" for k in range(92)]
    fold_of = split_folds(positives, negatives, 9, 1)
    held_out = hold_out(positives, fold_of, (1, 4, 7), fraction=0.15, negatives=20, seed=1)
    assert {fold_of[name] for name in (*held_out.stopping, *held_out.choice)} <= {0, 2, 3, 5, 6, 8}
    # 15 % of the 74 or so of the other six folds.
    others = sum(fold_of[name] not in (1, 4, 7) for name in positives)
    assert sum(name in positives for name in (*held_out.stopping, *held_out.choice)) == round(0.15 * others) == 11
    assert hold_out(positives, fold_of, (7, 4, 1), fraction=0.15, negatives=20, seed=1) == held_out


def test_a_tenth_of_99_and_twenty_negatives_are_halved():
    positives, negatives = [f"P{k:03d}" for k in range(111)], [f"N{k:03d}" for k in range(92)]
    held_out = hold_out(positives, split_folds(positives, negatives, 9, 1), (8,), fraction=0.1, negatives=20, seed=1)
    assert [sum(name[0] == kind for name in part) for part in (held_out.stopping, held_out.choice) for kind in "PN"] == [5, 10, 5, 10]
    assert hold_out(list(reversed(positives)), split_folds(positives, negatives, 9, 1), (8,), fraction=0.1, negatives=20, seed=1) == held_out
    assert hold_out(positives, split_folds(positives, negatives, 9, 1), (7,), fraction=0.1, negatives=20, seed=1) != held_out
