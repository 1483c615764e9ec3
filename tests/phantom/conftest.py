from __future__ import annotations

from pathlib import Path

import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.build import build_cohort
from lirads_keras.progress import ignore_progress


@pytest.fixture(scope="session")
def tiny_settings() -> CohortSettings:
    return CohortSettings(patients_positive=4, patients_negative=1, matrix_px=64, pixel_spacing_mm=6.0, slices=16, slice_spacing_mm=10.0, seed=7)


@pytest.fixture(scope="session")
def tiny_cohort(tiny_settings: CohortSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of five on a coarse grid; tests must not change it."""
    folder = tmp_path_factory.mktemp("cohort")
    build_cohort(tiny_settings, folder, jobs=1, progress=ignore_progress)
    return folder
