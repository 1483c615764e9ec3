from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.entities import Volume
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study, write_stored_study

PROFILES = Path(__file__).parents[2] / "experiments" / "profiles"


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The smoke profile at a matrix of 32 pixels with the narrowest network."""
    smoke = read_profile(PROFILES / "smoke.yaml")
    stage = smoke.segmentation.finetune.model_copy(update={
        "epochs": 4, "samples_per_epoch": 12, "batch_size": 4, "learning_rate": 1e-2, "validation_samples": 4, "patience_epochs": 4})
    return smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={
            "training_crop_px": 32, "decoder_filters": (8, 8, 8, 8, 8), "finetune": stage, "pretrain": stage})})


@pytest.fixture(scope="session")
def studies(tmp_path_factory, profile) -> list[StoredStudy]:
    """Four stored studies (5, 32, 32), each with a bright lesion of its own place."""
    store = tmp_path_factory.mktemp("store")
    for number in range(4):
        generator = np.random.default_rng(number)
        image = generator.uniform(100, 300, (5, 32, 32)).astype(np.float32)
        mask = np.zeros(image.shape, np.uint8)
        row, column = generator.integers(4, 18, 2)
        mask[1:4, row:row + 9, column:column + 9] = 1
        image[mask > 0] += 500
        volume = Volume(image, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
        write_stored_study(store / f"P{number}", {"delayed": volume}, mask, profile.preprocessing)
    return [read_stored_study(store / f"P{number}") for number in range(4)]
