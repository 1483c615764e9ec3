from __future__ import annotations

import dataclasses

import pytest
from describe_cohort import describe_cohort
from results_tables import COHORT_TABLES, TABLES

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import Phase
from lirads_keras.io.dicom import read_volume
from lirads_keras.io.manifests import read_manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.phantom.build import DESCRIPTION_COLUMNS, build_cohort
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.progress import ignore_progress

SETTINGS = CohortSettings(patients_positive=3, patients_negative=1, matrix_px=48, pixel_spacing_mm=7.0, slices=10, slice_spacing_mm=14.0, seed=3)


@pytest.fixture
def described(plan):
    """The plan with a virtual cohort of four on the coarsest grid, in the store."""
    build_cohort(SETTINGS, plan.manifest, jobs=1, progress=ignore_progress)
    manifest = read_manifest(plan.manifest)
    for patient_id in manifest.patients["patient_id"]:
        volumes = {str(phase): read_volume(series) for phase, series in series_of(manifest, patient_id).items()}
        path = manifest.mask_path(patient_id)
        mask = read_mask_on_grid(path, volumes[str(Phase.DELAYED)]) if path else None
        write_stored_study(plan.run.path / "store" / patient_id, volumes, mask, plan.profile.preprocessing)
    return plan


def test_the_cohorts_tables_reach_the_results_unchanged_with_a_picture(described):
    describe_cohort(described)
    results = described.run.results
    assert sorted(path.name for path in results.iterdir()) == sorted([*(f"{name}.csv" for name in COHORT_TABLES), "cohort_montage.png"])
    for name in COHORT_TABLES:
        assert (results / f"{name}.csv").read_bytes() == (described.manifest / f"{name}.csv").read_bytes()
    picture = (results / "cohort_montage.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 1_500_000
    describe_cohort(described)
    assert (results / "cohort_montage.png").read_bytes() == picture


def test_a_users_own_cohort_has_none_of_it(plan, tmp_path):
    describe_cohort(dataclasses.replace(plan, user_manifest=tmp_path))
    assert not (plan.run.path / "results").exists()


def test_cohort_and_results_mean_the_same_columns():
    assert {name: tuple(column.name for column in TABLES[name]) for name in COHORT_TABLES} == DESCRIPTION_COLUMNS
