"""The network can learn: five virtual patients by heart."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.entities import Phase
from lirads_keras.evaluation.overlap import compute_dice, compute_pixel_counts
from lirads_keras.inference.segmentation import to_levels
from lirads_keras.io.manifests import read_manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.phantom.build import build_cohort
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.slices import MR_CLASSES, stack_slices
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study, write_stored_study
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.segmentation import SegmentationTrainer

COHORT = CohortSettings(patients_positive=5, patients_negative=0, matrix_px=64, pixel_spacing_mm=5.5, slices=20, slice_spacing_mm=9.0, seed=2023)


@pytest.fixture(scope="module")
def patients(tmp_path_factory, profile) -> list[StoredStudy]:
    folder = tmp_path_factory.mktemp("five")
    build_cohort(COHORT, folder / "cohort", jobs=1, progress=ignore_progress)
    manifest = read_manifest(folder / "cohort")
    settings = profile.preprocessing.model_copy(update={"matrix_px": COHORT.matrix_px})
    studies = []
    for patient_id in manifest.patients["patient_id"]:
        delayed = read_aligned_phases({Phase.DELAYED: series_of(manifest, patient_id)[Phase.DELAYED]})[Phase.DELAYED]
        mask_path = manifest.mask_path(patient_id)
        assert mask_path is not None
        write_stored_study(folder / "store" / patient_id, {"delayed": delayed}, read_mask_on_grid(mask_path, delayed), settings)
        studies.append(read_stored_study(folder / "store" / patient_id))
    return studies


def predict(trainer: SegmentationTrainer, study: StoredStudy) -> np.ndarray:
    stacks = [stack for _, stack in stack_slices(read_segmentation_input(study, ["delayed"]), 20)]
    return np.concatenate([to_levels(np.asarray(trainer.model.predict_on_batch(stack))[..., 1]) for stack in stacks])


@pytest.mark.slow
def test_one_fold_learns_five_patients_by_heart(patients, profile, tmp_path):
    """Dice of 0.95 or more over all voxels of the five, on whole slices, with both losses; two minutes on two cores."""
    stage = profile.segmentation.finetune.model_copy(update={
        "epochs": 40, "samples_per_epoch": 240, "batch_size": 8, "learning_rate": 3e-3, "validation_samples": 40, "patience_epochs": 40})
    still = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)
    settings = profile.segmentation.model_copy(update={
        "training_crop_px": 64, "width_factor": 0.25, "decoder_filters": (32, 32, 16, 16, 16), "augmentation": still, "finetune": stage})
    trainer = SegmentationTrainer(settings, stage, phases=(Phase.DELAYED,), classes=MR_CLASSES, seed=1, pretrained=None)
    trainer.train(patients, patients, NetworkFolder(tmp_path), "id", stream=0)
    counts = [compute_pixel_counts(predict(trainer, study), np.asarray(study.segmentation_mask()) > 0).at(0.5) for study in patients]
    dice = compute_dice(*(sum(count[name] for count in counts) for name in ("tp", "fp", "fn")))
    assert dice >= 0.95
