from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.cohort import (
    DIAGNOSIS_POSITIVE,
    SIZE_BANDS,
    PatientPlan,
    allocate,
    build_cohort_table,
    choose_patients,
    compute_diameters_mm,
)


def settings(positive: int, negative: int, seed: int = 2023) -> CohortSettings:
    return CohortSettings(
        patients_positive=positive, patients_negative=negative, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=seed)


@pytest.fixture(scope="module")
def table() -> tuple[PatientPlan, ...]:
    return build_cohort_table(settings(111, 92))


def test_printed_counts(table: tuple[PatientPlan, ...]) -> None:
    assert len(table) == 203
    assert Counter(plan.group for plan in table) == {"positive": 111, "negative": 92}
    assert Counter(plan.sex for plan in table) == {"M": 141, "F": 62}
    assert Counter(plan.diagnosis_method for plan in table if plan.group == "positive") == DIAGNOSIS_POSITIVE
    assert Counter(plan.diagnosis_method for plan in table if plan.group == "negative") == {
        "puncture": 2, "CT/MRI follow-up": 18, "comprehensive clinical diagnosis": 72}
    ages = np.array([plan.age_years for plan in table])
    assert ages.mean() == pytest.approx(58.53, abs=0.005)
    assert ages.std(ddof=1) == pytest.approx(11.14, abs=0.005)


def test_lesions(table: tuple[PatientPlan, ...]) -> None:
    assert Counter(len(plan.lesions) for plan in table) == {0: 92, 1: 74, 2: 22, 3: 8, 4: 4, 5: 2, 6: 1}
    lesions = [lesion for plan in table for lesion in plan.lesions]
    diameters = np.array([lesion.diameter_mm for lesion in lesions])
    assert len(lesions) == 174 and (diameters < 20).sum() == 78 and (diameters < 10).sum() == 39
    assert diameters.min() == 4.0 and diameters.max() == 164.0
    assert diameters.mean() == pytest.approx(31.5, abs=0.1) and diameters.std(ddof=1) == pytest.approx(29.5, abs=0.1)
    for band in SIZE_BANDS:
        members = [lesion for lesion in lesions if band.low_mm <= lesion.diameter_mm < band.high_mm]
        for name, fraction in band.class_fraction.items():
            assert sum(lesion.tissue_class == name for lesion in members) == pytest.approx(fraction * len(members), abs=1)
        assert sum(lesion.capsule_mm > 0 for lesion in members) == pytest.approx(band.capsule_fraction * len(members), abs=0.5)
    rims = np.array([lesion.capsule_mm for lesion in lesions if lesion.capsule_mm])
    assert rims.min() >= 0.8 and rims.max() <= 3.0
    assert all([lesion.mask_label for lesion in plan.lesions] == list(range(1, len(plan.lesions) + 1)) for plan in table)
    assert all(sum(lesion.diameter_mm for lesion in plan.lesions) <= 150 for plan in table if len(plan.lesions) > 1)


def test_times(table: tuple[PatientPlan, ...]) -> None:
    assert all(10 <= plan.arrival_s <= 22 and 20 <= plan.arterial_s <= 40 for plan in table)
    assert all(50 <= plan.portal_venous_s <= 60 and plan.delayed_s == 180 for plan in table)
    after_arrival = np.array([plan.arterial_s - plan.arrival_s for plan in table])
    assert after_arrival.mean() == pytest.approx(14, abs=0.7) and after_arrival.std() == pytest.approx(3, abs=0.5)


def test_same_settings_give_the_same_table_and_another_seed_another() -> None:
    assert build_cohort_table(settings(5, 2)) == build_cohort_table(settings(5, 2))
    assert build_cohort_table(settings(5, 2)) != build_cohort_table(settings(5, 2, seed=1))


def test_groups_are_mixed_along_the_numbers(table: tuple[PatientPlan, ...]) -> None:
    assert [plan.patient_id for plan in table] == [f"VC-{number:04d}" for number in range(1, 204)]
    assert 40 <= sum(plan.group == "positive" for plan in table[:111]) <= 80


@hypothesis_settings(max_examples=30)
@given(st.integers(1, 203))
def test_some_patients_are_as_mixed_as_all(table: tuple[PatientPlan, ...], count: int) -> None:
    chosen = choose_patients(table, count)
    assert len(chosen) == count and list(chosen) == [plan for plan in table if plan in chosen]
    assert abs(sum(plan.group == "positive" for plan in chosen) - count * 111 / 203) < 1
    assert set(plan.index for plan in choose_patients(table, max(count - 7, 1))) <= set(plan.index for plan in chosen)


def test_one_patient_has_lesions_and_two_are_one_of_each_group(table: tuple[PatientPlan, ...]) -> None:
    assert [plan.group for plan in choose_patients(table, 1)] == ["positive"]
    assert {plan.group for plan in choose_patients(table, 2)} == {"positive", "negative"}
    # A cohort without negatives.
    assert len(choose_patients(build_cohort_table(settings(4, 0)), 3)) == 3


def test_small_cohort_keeps_every_size() -> None:
    table = build_cohort_table(settings(9, 3))
    lesions = [lesion for plan in table for lesion in plan.lesions]
    assert all(plan.lesions for plan in table if plan.group == "positive")
    assert not any(plan.lesions for plan in table if plan.group == "negative")
    for band in SIZE_BANDS:
        assert any(band.low_mm <= lesion.diameter_mm < band.high_mm for lesion in lesions)


@pytest.mark.parametrize(("positive", "negative"), [(1, 0), (2, 0), (1, 1), (3, 5)])
def test_tiny_cohorts(positive: int, negative: int) -> None:
    table = build_cohort_table(settings(positive, negative))
    assert Counter(plan.group for plan in table) == Counter({"positive": positive, "negative": negative})
    assert all((len(plan.lesions) > 0) == (plan.group == "positive") for plan in table)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8).filter(lambda weights: sum(weights) > 1e-3), st.integers(0, 300))
def test_allocation_adds_up_and_is_within_one(weights: list[float], total: int) -> None:
    counts = allocate({str(index): weight for index, weight in enumerate(weights)}, total)
    assert sum(counts.values()) == total
    for index, weight in enumerate(weights):
        assert abs(counts[str(index)] - weight / sum(weights) * total) < 1 + 1e-6


def test_diameters_ascend_and_scale() -> None:
    assert compute_diameters_mm(13)[[0, -1]].tolist() == [4.0, 164.0]
    assert compute_diameters_mm(0).size == 0
    assert (np.diff(compute_diameters_mm(174)) >= 0).all()
