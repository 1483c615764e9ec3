"""The folds of two variants on stored studies of a few kilobytes: who is given what, and what is left where."""
from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lirads_keras import fold_training, full_network, shared_starts
from lirads_keras.config.profile import read_profile
from lirads_keras.cross_validation import CrossValidation
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.fold_training import train_folds
from lirads_keras.full_network import is_full_finished, train_full
from lirads_keras.preprocessing import store
from lirads_keras.preprocessing.slices import CT_CLASSES
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.preprocessing.stored_studies import StoredStudies
from lirads_keras.progress import ignore_progress
from lirads_keras.run import RunFolder
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"
SHAPE = (5, 40, 48)


@pytest.fixture(scope="module")
def make_job(tmp_path_factory):
    """The cross-validation of a variant in one run: four patients and two without a lesion, two folds, after a pre-training; P3 lacks the arterial phase."""
    folder = tmp_path_factory.mktemp("run")
    smoke = read_profile(SMOKE)
    stage = smoke.segmentation.finetune.model_copy(update={
        "epochs": 1, "samples_per_epoch": 4, "batch_size": 4, "validation_samples": 4, "patience_epochs": 1})
    profile = smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={
            "training_crop_px": 32, "decoder_filters": (8, 8, 8, 8, 8), "finetune": stage, "shared_start": None, "folds": 2, "drop_phase": 0.5})})
    run, names = RunFolder(folder), [*(f"P{number}" for number in range(4)), "N0", "N1"]
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 10:20, 10:20] = 1
    for number, name in enumerate(names):
        phases = ("delayed", "portal_venous", "arterial")[:3 - (number == 3)]
        volumes = {phase: Volume(np.random.default_rng((number, place)).uniform(0, 900, SHAPE).astype(np.float32), (4.0, 2.0, 2.0),
                                 np.diag([4.0, 2.0, 2.0, 1.0])) for place, phase in enumerate(phases)}
        write_stored_study(run.store(name), volumes, mask if name.startswith("P") else None, profile.preprocessing)
    keras.utils.set_random_seed(3)
    run.pretraining.path.mkdir(parents=True)
    build_segmentation_network(profile.segmentation, CT_CLASSES, "random").save(run.pretraining.weights)

    def make(variant: str, identity: str = "test") -> CrossValidation:
        return CrossValidation(run, profile, SEGMENTATION_VARIANTS[variant], StoredStudies(run, names), names[:4],
                               {name: number % 2 for number, name in enumerate(names)}, run.pretraining.weights, identity, 1)

    return make


def read_files(job: CrossValidation) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for fold in job.folds for path in job.folder(fold).path.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_each_variant_leaves_its_own_folds_and_none_is_made_again(make_job, monkeypatch):
    # TensorFlow has begun in this process.
    monkeypatch.setattr(fold_training, "configure_tensorflow", lambda **options: None)
    inputs = []
    predict_levels = fold_training.predict_levels
    monkeypatch.setattr(fold_training, "predict_levels", lambda predictor, given, *rest, **options: inputs.append(given) or predict_levels(
        predictor, given, *rest, **options))
    jobs = [make_job("delayed"), make_job("three-phase")]
    for job in jobs:
        inputs.clear()
        train_folds(job, ignore_progress)
        # In each fold an early-stopping patient, who is the only one to choose on, too, the other fold's negative, and three test patients.
        assert len(inputs) == 10 and {len(given.images) for given in inputs} == {len(job.variant.phases)}
        assert any(None in given.images for given in inputs) == (len(job.variant.phases) == 3)
        for fold in job.folds:
            assert job.is_finished(fold)
            assert sorted(path.name for path in job.folder(fold).path.joinpath("predictions").iterdir()) == [f"N{fold}.npy", f"P{fold}.npy", f"P{fold + 2}.npy"]
            assert {np.load(job.folder(fold).prediction(f"P{number}")).shape for number in (fold, fold + 2)} == {SHAPE}
            assert keras.saving.load_model(job.folder(fold).weights).input.shape[-1] == job.variant.channels
    assert [job.folder(1).path.relative_to(job.run.path).as_posix() for job in jobs] == ["segmentation/delayed/fold-1", "segmentation/three-phase/fold-1"]
    before = [read_files(job) for job in jobs]
    monkeypatch.setattr(fold_training, "SegmentationTrainer", None)
    for job in jobs:
        train_folds(job, ignore_progress)
    assert [read_files(job) for job in jobs] == before


def test_no_file_of_a_test_patient_is_opened_before_the_choice_is_written(make_job, monkeypatch):
    monkeypatch.setattr(fold_training, "configure_tensorflow", lambda **options: None)
    store._map_version.cache_clear()
    job, opened, listening = make_job("delayed", "listened to"), [], [True]

    def listen(event: str, arguments: tuple) -> None:
        if event == "open" and listening and isinstance(arguments[0], (str, Path)):
            opened.append(Path(arguments[0]))

    # A hook cannot be taken away again.
    sys.addaudithook(listen)
    train_folds(job, ignore_progress)
    listening.clear()
    # The choice is written beside its file, and renamed.
    chosen = next(number for number, path in enumerate(opened) if path.parent == job.folder(0).path and "choices.csv" in path.name)
    in_store = [(number, path.parent.name) for number, path in enumerate(opened) if path.is_relative_to(job.run.stores)]
    before, after = ({name for number, name in in_store if (number < chosen) == early} for early in (True, False))
    # Fold 0 tests P0, P2 and N0.
    assert before == {"P1", "P3", "N1"} and {"P0", "P2", "N0"} <= after


def test_the_choice_is_the_best_of_its_table(make_job, monkeypatch):
    monkeypatch.setattr(fold_training, "configure_tensorflow", lambda **options: None)
    job = make_job("delayed", "listened to")
    train_folds(job, ignore_progress)
    for fold in job.folds:
        folder, table = job.folder(fold), pd.read_csv(job.folder(fold).choices)
        assert len(table) == 7 * 2 and (table["reference"] == 1).all() and table["f1"].between(0, 1).all()
        chosen = table[(table["threshold"] == folder.threshold) & (table["minimum_volume_mm3"] == folder.minimum_volume_mm3)]
        assert len(chosen) == 1 and chosen["f1"].item() == table["f1"].max()
        said = folder.tested.read()
        assert {job.fold_of[name] for name in (*said["stopping_patients"], *said["choice_patients"])} == {1 - fold}


@pytest.mark.slow
def test_the_network_on_all_patients_has_the_medians_of_the_folds(make_job, monkeypatch):
    for module in (fold_training, full_network, shared_starts):
        monkeypatch.setattr(module, "configure_tensorflow", lambda **options: None)
    job = make_job("three-phase", "a full network")
    with pytest.raises(InputError, match="fold-1/fold.json: expected the fold's threshold"):
        job.folder(1).tested.remove()
        train_full(job, ignore_progress)
    train_folds(job, ignore_progress)
    for fold, (threshold, volume_mm3) in enumerate(((0.3, 500.0), (0.7, 100.0))):
        job.folder(fold).write_choice(job.identity_of(fold), threshold=threshold, minimum_volume_mm3=volume_mm3, validation_dice=0.5)
    trained = []
    train = full_network.SegmentationTrainer.train
    monkeypatch.setattr(full_network.SegmentationTrainer, "train", lambda self, training, *rest, **options: trained.append(
        ([study.patient_id for study in training], rest[0], options["epochs"])) or train(self, training, *rest, **options))
    assert not is_full_finished(job)
    train_full(job, ignore_progress)
    # All with lesions, nobody held out; of two the lower median; both folds were best after their only epoch.
    assert trained == [(["P0", "P1", "P2", "P3"], (), 1)] and job.full_folder.cut == (0.3, 100.0) and is_full_finished(job)
    weights = [keras.saving.load_model(folder.weights).get_weights() for folder in (job.full_folder, job.folder(0))]
    assert [array.shape for array in weights[0]] == [array.shape for array in weights[1]]
    assert any(not np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    assert job.full_folder.path.relative_to(job.run.path).as_posix() == "segmentation/three-phase/full"
