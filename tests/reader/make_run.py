"""Makes what the reader's tests read: a run whose tiny networks know three virtual patients by heart, and those patients' DICOM. Under a minute on two cores.

python tests/reader/make_run.py FOLDER leaves FOLDER/run, FOLDER/studies/<name> and FOLDER/masks/<name>.nii.gz (the reference, on the delayed grid).
"""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import yaml

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.evaluation.overlap import compute_dice
from lirads_keras.io.dicom import read_study
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.patient import build_patient
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.run import RunFolder
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import SegmentationTrainer
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"
COHORT = CohortSettings(patients_positive=6, patients_negative=3, matrix_px=96, pixel_spacing_mm=3.75, slices=24, slice_spacing_mm=7.5, seed=2023)
STUDIES = {"one-lesion": "VC-0008", "oblique": "VC-0001", "no-lesion": "VC-0006"}
"""A lesion of 38 mm on a straight grid; lesions of 29 and 4 mm on an oblique one; and a straight one without any."""

DICE_AT_LEAST = 0.7
BIASES = {"aphe": 1.5, "washout": -1.5, "capsule": -1.0}
"""The heads say what these make of them: APHE without washout and capsule, so that a lesion ≥ 20 mm is LR-4, and LR-5 with washout."""


def build_profile() -> Profile:
    smoke = read_profile(SMOKE)
    stage = smoke.segmentation.finetune.model_copy(update={
        "epochs": 14, "samples_per_epoch": 48, "batch_size": 8, "learning_rate": 3e-3, "validation_samples": 8, "patience_epochs": 14})
    still = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)
    return smoke.model_copy(update={
        "name": "reader-test",
        "cohort": COHORT,
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": COHORT.matrix_px}),
        "segmentation": smoke.segmentation.model_copy(update={
            "variants": ("delayed",), "training_crop_px": COHORT.matrix_px, "width_factor": 0.25, "decoder_filters": (32, 24, 16, 16, 16),
            "augmentation": still, "finetune": stage}),
        "characterization": smoke.characterization.model_copy(update={"variants": ("vgg16-adaptive",)})})


def make_studies(folder: Path, profile: Profile) -> None:
    plans = {plan.patient_id: plan for plan in build_cohort_table(COHORT)}
    for name, patient_id in STUDIES.items():
        build_patient(plans[patient_id], COHORT, folder / "cohort", folder / "cohort" / "records" / f"{patient_id}.json")
        shutil.move(folder / "cohort" / "dicom" / patient_id, folder / "studies" / name)
        delayed = read_aligned_phases(read_study(folder / "studies" / name).phases())["delayed"]
        mask_path = folder / "cohort" / "masks" / f"{patient_id}.nii.gz"
        mask = None
        if mask_path.exists():
            (folder / "masks").mkdir(exist_ok=True)
            shutil.move(mask_path, folder / "masks" / f"{name}.nii.gz")
            mask = read_mask_on_grid(folder / "masks" / f"{name}.nii.gz", delayed)
        write_stored_study(folder / "store" / name, {"delayed": delayed}, mask, profile.preprocessing)


def train_segmentation(folder: Path, profile: Profile) -> None:
    settings = profile.segmentation
    stored = [read_stored_study(folder / "store" / name) for name in STUDIES]
    trainer = SegmentationTrainer(settings, settings.finetune, phases=("delayed",), classes=MR_CLASSES, seed=1, pretrained=None)
    network = RunFolder(folder / "run").full("delayed")
    trainer.train(stored[:2], stored[:1], network, "reader-test", stream=0)
    network.write_choice("reader-test", threshold=0.5, minimum_volume_mm3=300.0, validation_dice=1.0)


def build_characterization(folder: Path, profile: Profile) -> None:
    keras.utils.set_random_seed(1)
    model = build_characterization_network(profile.characterization, CHARACTERIZATION_VARIANTS["vgg16-adaptive"].trunk)
    for name, bias in BIASES.items():
        head = model.get_layer(name)
        head.set_weights([0.05 * head.get_weights()[0], np.array([bias], np.float32)])
    path = RunFolder(folder / "run").full("vgg16-adaptive").weights
    path.parent.mkdir(parents=True)
    model.save(path)


def check(folder: Path) -> None:
    """The whole pipeline finds the lesion of the first study."""
    from lirads_keras.inference.engine import read_run_models
    from lirads_keras.inference.run_files import find_run_files
    from lirads_keras.pipeline import analyse_study

    models = read_run_models(find_run_files(folder / "run"))
    result = analyse_study(read_study(folder / "studies" / "one-lesion"), models, models.files.profile)
    found = result.probability.array >= models.threshold
    reference = read_mask_on_grid(folder / "masks" / "one-lesion.nii.gz", result.probability) > 0
    dice = compute_dice(*(int(np.count_nonzero(part)) for part in (found & reference, found & ~reference, ~found & reference)))
    print(f"Dice {dice:.2f}; {[(lesion.lesion.lesion_id, round(lesion.lesion.diameter_mm, 1), lesion.reasons) for lesion in result.report.lesions]}")
    if not dice >= DICE_AT_LEAST:
        raise SystemExit(f"Dice of {dice:.2f}: the network did not learn its patients")


def main() -> None:
    folder, profile = Path(sys.argv[1]), build_profile()
    (folder / "studies").mkdir(parents=True)
    make_studies(folder, profile)
    configure_tensorflow(threads=2)
    (folder / "run").mkdir()
    (folder / "run" / "profile.yaml").write_text(yaml.safe_dump(profile.model_dump(mode="json")))
    (folder / "run" / "inputs.json").write_text(json.dumps({"virtual": True}))
    train_segmentation(folder, profile)
    build_characterization(folder, profile)
    check(folder)
    shutil.rmtree(folder / "cohort")
    shutil.rmtree(folder / "store")


if __name__ == "__main__":
    main()
