from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.preprocessing.half_split import PAPER_TEST_SHARE, split_half

COHORT = {f"P{number:03d}": int(count) for number, count in enumerate(np.random.default_rng(0).permutation([1] * 70 + [2] * 24 + [3] * 12 + [4] * 5))}
"""111 patients with 70 + 48 + 36 + 20 = 174 lesions."""


def test_a_cohort_of_the_papers_size_is_tested_on_88_lesions():
    test = split_half(COHORT, 2023)
    assert sum(COHORT.values()) == 174 and sum(COHORT[name] for name in test) == 88
    assert len(test) == len(set(test)) == 55 and set(test) < set(COHORT)


def test_depends_on_ids_and_seed_alone():
    backwards = dict(reversed(COHORT.items()))
    assert split_half(backwards, 1) == split_half(COHORT, 1) == sorted(split_half(COHORT, 1))
    assert split_half(COHORT, 1) != split_half(COHORT, 2)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=7), st.integers(0, 2**32))
def test_few_patients_are_split_as_near_as_can_be(counts, seed):
    lesions_of = {f"P{number}": count for number, count in enumerate(counts)}
    wanted = PAPER_TEST_SHARE * sum(counts)
    nearest = min(abs(sum(chosen) - wanted) for chosen in combinations(counts, len(counts) // 2))
    # So few halves are all drawn among 200, up to a rare one (35 halves: each is left out with a chance of 0.3 %).
    found = abs(sum(lesions_of[name] for name in split_half(lesions_of, seed)) - wanted)
    assert found <= nearest + (0 if len(counts) < 5 else max(counts))


@pytest.mark.parametrize("lesions_of", [{}, {"P1": 3}])
def test_one_patient_cannot_be_split(lesions_of):
    with pytest.raises(ValueError, match="two patients"):
        split_half(lesions_of, 0)
