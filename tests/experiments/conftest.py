"""The stage scripts are no package: their folder is put on the path once."""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
sys.path.insert(0, str(EXPERIMENTS))

from lirads_keras.config.profile import Profile, read_profile  # noqa: E402
from lirads_keras.entities import Volume  # noqa: E402
from lirads_keras.preprocessing.store import write_stored_study  # noqa: E402


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The smoke profile at a matrix of 32 pixels, with two folds, three thresholds, one segmentation and two characterisation variants, no trained trunk."""
    smoke = read_profile(EXPERIMENTS / "profiles" / "smoke.yaml")
    return smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={"variants": ("delayed",), "training_crop_px": 32, "folds": 2}),
        "characterization": smoke.characterization.model_copy(update={"variants": ("vgg16-adaptive", "vgg16-plain"), "weights": "random", "epochs": 1}),
        "lesions": smoke.lesions.model_copy(update={"thresholds": (0.3, 0.5, 0.7)}),
        "evaluation": smoke.evaluation.model_copy(update={"thresholds": (0.3, 0.5, 0.7), "pixel_thresholds": 3})})


@pytest.fixture
def plan(profile, tmp_path):
    """The plan of a run in tmp_path/run with a virtual cohort in tmp_path/data; nothing is built."""
    from stages import write_plan

    return write_plan(tmp_path / "run", profile, tmp_path / "data", None)


@pytest.fixture
def store_study(profile, tmp_path):
    """Writes a stored study (6, 32, 32) of noise with the given mask and phases."""
    def store(patient_id: str, mask, phases=("arterial", "portal_venous", "delayed")) -> Path:
        volumes = {phase: Volume(np.random.default_rng(number).uniform(100, 900, (6, 32, 32)).astype(np.float32), (4.0, 2.0, 2.0),
                                 np.diag([4.0, 2.0, 2.0, 1.0])) for number, phase in enumerate(phases)}
        write_stored_study(tmp_path / "run" / "store" / patient_id, volumes, mask, profile.preprocessing)
        return tmp_path / "run" / "store" / patient_id

    return store
