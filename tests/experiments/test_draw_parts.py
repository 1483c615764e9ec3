from __future__ import annotations

import dataclasses

import pytest
from draw_parts import list_curve_patients, list_draw_parts
from stages import write_plan

from lirads_keras.phantom.cohort import build_cohort_table


def with_variants(plan, *names):
    profile = plan.profile
    return dataclasses.replace(plan, profile=profile.model_copy(update={"segmentation": profile.segmentation.model_copy(update={"variants": names})}))


@pytest.fixture
def parts(plan):
    return list(list_draw_parts(with_variants(plan, "delayed", "three-phase").profile))


def test_the_fresh_draw_is_the_cohort_with_another_seed_and_size(plan, parts):
    cohort = plan.profile.cohort
    assert [(part.name, part.draw, part.condition.name, part.condition.amount, part.patients) for part in parts] == [
        ("fresh", "fresh", "as_acquired", None, None), ("shifted", "shifted", "as_acquired", None, None),
        ("fresh-arterial+5s", "fresh", "arterial_later", 5.0, 2)]
    size = {"patients_positive": 2, "patients_negative": 1}
    assert parts[0].settings == cohort.model_copy(update={**size, "seed": 4001})
    assert parts[1].settings == cohort.model_copy(update={**size, "seed": 4002, "shift": "shifted"})
    assert parts[2].settings == parts[0].settings.model_copy(update={"arterial_moved_s": 5.0})


def test_a_draw_is_as_large_as_the_cohort_unless_told_otherwise(plan):
    draws = plan.profile.draws.model_copy(update={"patients_positive": None, "patients_negative": None})
    fresh = next(list_draw_parts(plan.profile.model_copy(update={"draws": draws})))
    assert (fresh.settings.patients_positive, fresh.settings.patients_negative) == (9, 3)


def test_nobody_is_scanned_again_for_networks_of_the_delayed_phase(plan):
    assert [part.name for part in list_draw_parts(with_variants(plan, "delayed").profile)] == ["fresh", "shifted"]


def test_runs_share_what_is_the_same(plan, parts, tmp_path):
    other_cohort = plan.profile.model_copy(update={"cohort": plan.profile.cohort.model_copy(update={"seed": 7})})
    other = write_plan(tmp_path / "other", other_cohort, tmp_path / "data", None)
    folders = [part.folder(plan.data) for part in parts]
    assert len(set(folders)) == 3 and all(folder.parent == plan.manifest.parent for folder in folders)
    assert [part.folder(other.data) for part in list_draw_parts(with_variants(other, "delayed", "three-phase").profile)] == folders


def test_the_curves_are_of_the_patients_who_are_scanned_again(plan, parts):
    chosen = [list_curve_patients(plan, part) for part in parts]
    assert len(chosen[0]) == 2 and chosen[1:] == [set(), set()]
    groups = {patient.patient_id: patient.group for patient in build_cohort_table(parts[0].settings)}
    assert {groups[name] for name in chosen[0]} == {"positive", "negative"}
