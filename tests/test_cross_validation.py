"""The folds of two variants on stored studies of a few kilobytes: who is given what, and what is left where."""
from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras import cross_validation
from lirads_keras.config import read_profile
from lirads_keras.cross_validation import CrossValidation, train_folds
from lirads_keras.entities import Volume
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study
from lirads_keras.progress import ignore_progress
from lirads_keras.run import RunFolder
from lirads_keras.training.segmentation import CT_CLASSES, build_segmentation_network
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"
SHAPE = (5, 40, 48)


@pytest.fixture(scope="module")
def make_job(tmp_path_factory):
    """The cross-validation of a variant in one run: four patients, two folds, after a pre-training; the last patient lacks the arterial phase."""
    folder = tmp_path_factory.mktemp("run")
    smoke = read_profile(SMOKE)
    stage = smoke.segmentation.finetune.model_copy(update={
        "epochs": 1, "samples_per_epoch": 4, "batch_size": 4, "validation_samples": 4, "patience_epochs": 1})
    profile = smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={
            "training_crop_px": 32, "decoder_filters": (8, 8, 8, 8, 8), "finetune": stage, "folds": 2, "drop_phase": 0.5})})
    run, studies = RunFolder(folder), {}
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 10:20, 10:20] = 1
    for number in range(4):
        phases = ("delayed", "portal_venous", "arterial")[:3 - (number == 3)]
        volumes = {phase: Volume(np.random.default_rng((number, place)).uniform(0, 900, SHAPE).astype(np.float32), (4.0, 2.0, 2.0),
                                 np.diag([4.0, 2.0, 2.0, 1.0])) for place, phase in enumerate(phases)}
        write_stored_study(run.store(f"P{number}"), volumes, mask, profile.preprocessing)
        studies[f"P{number}"] = read_stored_study(run.store(f"P{number}"))
    keras.utils.set_random_seed(3)
    run.pretraining.path.mkdir(parents=True)
    build_segmentation_network(profile.segmentation, CT_CLASSES, "random").save(run.pretraining.weights)

    def make(variant: str) -> CrossValidation:
        return CrossValidation(run, profile, SEGMENTATION_VARIANTS[variant], studies, list(studies), {name: number % 2 for number, name in enumerate(studies)},
                               run.pretraining.weights, "test", 1)

    return make


def read_files(job: CrossValidation) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for fold in job.folds for path in job.folder(fold).path.rglob("*") if path.is_file()}


def test_each_variant_leaves_its_own_folds_and_none_is_made_again(make_job, monkeypatch):
    # TensorFlow has begun in this process.
    monkeypatch.setattr(cross_validation, "configure_tensorflow", lambda **options: None)
    inputs = []
    predict_levels = cross_validation.predict_levels
    monkeypatch.setattr(cross_validation, "predict_levels", lambda predictor, given, *rest, **options: inputs.append(given) or predict_levels(
        predictor, given, *rest, **options))
    jobs = [make_job("delayed"), make_job("three-phase")]
    for job in jobs:
        inputs.clear()
        train_folds(job, ignore_progress)
        # Two test patients and an early-stopping one a fold.
        assert len(inputs) == 6 and {len(given.images) for given in inputs} == {len(job.variant.phases)}
        assert any(None in given.images for given in inputs) == (len(job.variant.phases) == 3)
        for fold in job.folds:
            assert job.is_finished(fold)
            assert sorted(path.name for path in job.folder(fold).path.joinpath("predictions").iterdir()) == [f"P{fold}.npy", f"P{fold + 2}.npy"]
            assert {np.load(job.folder(fold).prediction(f"P{number}")).shape for number in (fold, fold + 2)} == {SHAPE}
            assert keras.saving.load_model(job.folder(fold).weights).input.shape[-1] == job.variant.channels
    assert [job.folder(1).path.relative_to(job.run.path).as_posix() for job in jobs] == ["segmentation/delayed/fold-1", "segmentation/three-phase/fold-1"]
    before = [read_files(job) for job in jobs]
    monkeypatch.setattr(cross_validation, "SegmentationTrainer", None)
    for job in jobs:
        train_folds(job, ignore_progress)
    assert [read_files(job) for job in jobs] == before
