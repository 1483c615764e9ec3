"""What the folds of a group begin from, on stored studies of a few kilobytes: whom it sees, and that the folds go on from it."""
from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from lirads_keras import fold_training, full_network, shared_starts
from lirads_keras.config.profile import read_profile
from lirads_keras.config.segmentation import SharedStartSettings
from lirads_keras.cross_validation import CrossValidation
from lirads_keras.entities import Volume
from lirads_keras.fold_training import train_folds
from lirads_keras.full_network import train_full
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.preprocessing.stored_studies import StoredStudies
from lirads_keras.progress import ignore_progress
from lirads_keras.run import RunFolder
from lirads_keras.shared_starts import FULL, is_start_finished, train_full_start, train_starts
from lirads_keras.training.segmentation import SegmentationTrainer
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"
SHAPE = (5, 40, 48)
STAGE = {"epochs": 1, "samples_per_epoch": 4, "batch_size": 4, "validation_samples": 4, "patience_epochs": 1}
ALMOST_NOTHING = 1e-30


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Eight patients and four without a lesion in four folds, of which 0 and 2 share a start, and 1 and 3; the folds' own training changes no kernel."""
    folder = tmp_path_factory.mktemp("run")
    smoke = read_profile(SMOKE)
    stage = smoke.segmentation.finetune.model_copy(update={**STAGE, "learning_rate": ALMOST_NOTHING})
    profile = smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={
            "training_crop_px": 32, "decoder_filters": (8, 8, 8, 8, 8), "finetune": stage, "folds": 4, "validation_fraction": 0.5,
            "shared_start": SharedStartSettings(groups=2, learning_rate=1e-3, **STAGE)})})
    run, names = RunFolder(folder), [*(f"P{number}" for number in range(8)), *(f"N{number}" for number in range(4))]
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 10:20, 10:20] = 1
    for number, name in enumerate(names):
        volumes = {"delayed": Volume(np.random.default_rng(number).uniform(0, 900, SHAPE).astype(np.float32), (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))}
        write_stored_study(run.store(name), volumes, mask if name.startswith("P") else None, profile.preprocessing)
    return CrossValidation(run, profile, SEGMENTATION_VARIANTS["delayed"], StoredStudies(run, names), names[:8],
                           {name: number % 4 for number, name in enumerate(names)}, None, "test", 1)


@pytest.fixture(autouse=True)
def begun(monkeypatch):
    """TensorFlow has begun in this process."""
    for module in (fold_training, full_network, shared_starts):
        monkeypatch.setattr(module, "configure_tensorflow", lambda **options: None)


@pytest.fixture
def trained(monkeypatch):
    """Folder, patients who are trained on and patients who stop each training that is asked for."""
    seen = []
    train = SegmentationTrainer.train

    def listen(self, training, validation, folder, *rest, **options):
        seen.append((folder.path.name, {study.patient_id for study in training}, {study.patient_id for study in validation}))
        train(self, training, validation, folder, *rest, **options)

    monkeypatch.setattr(SegmentationTrainer, "train", listen)
    return seen


def read_kernels(folder) -> list[np.ndarray]:
    return [array for array in keras.saving.load_model(folder.weights).get_weights() if array.ndim == 4]


@pytest.mark.slow
def test_folds_of_a_group_are_tested_on_none_of_whom_their_start_has_seen(job, trained):
    train_starts(job, ignore_progress)
    train_folds(job, ignore_progress)
    assert job.groups == [(0, 2), (1, 3)] and [name for name, *_ in trained] == ["start-0", "start-1", "fold-0", "fold-1", "fold-2", "fold-3"]
    of = {name: (training, stopping) for name, training, stopping in trained}
    for group, folds in enumerate(job.groups):
        training, stopping = of[f"start-{group}"]
        assert training and {job.fold_of[name] for name in (*training, *stopping)} <= set(range(4)) - set(folds)
        for fold in folds:
            own, own_stopping = of[f"fold-{fold}"]
            choice = set(job.folder(fold).tested.read()["choice_patients"])
            assert own_stopping == stopping and not choice & (training | own) and training < own
            # The other fold of the group is trained on here, and was not there.
            assert {job.fold_of[name] for name in own - training} == set(folds) - {fold}
    trained.clear()
    assert all(is_start_finished(job, group) for group in (0, 1))
    train_starts(job, ignore_progress)
    assert not trained


def test_each_fold_goes_on_from_its_groups_start(job):
    train_starts(job, ignore_progress)
    train_folds(job, ignore_progress)
    starts = [read_kernels(job.start_folder(group)) for group in (0, 1)]
    assert any(not np.array_equal(one, other) for one, other in zip(*starts, strict=True))
    for fold in job.folds:
        for mine, begun in zip(read_kernels(job.folder(fold)), starts[fold % 2], strict=True):
            np.testing.assert_allclose(mine, begun, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_network_on_all_patients_goes_on_from_a_start_on_all_patients(job, trained):
    train_starts(job, ignore_progress)
    train_folds(job, ignore_progress)
    trained.clear()
    train_full(job, ignore_progress)
    everybody = {f"P{number}" for number in range(8)}
    assert trained == [("start-full", everybody, set()), ("full", everybody, set())]
    for mine, begun in zip(read_kernels(job.full_folder), read_kernels(job.start_folder(FULL)), strict=True):
        np.testing.assert_allclose(mine, begun, rtol=0, atol=1e-12)


def test_without_a_shared_start_each_fold_stands_alone(job):
    alone = job.profile.segmentation.model_copy(update={"shared_start": None})
    other = CrossValidation(**{**vars(job), "profile": job.profile.model_copy(update={"segmentation": alone}), "identity": "alone"})
    assert other.groups == [(0,), (1,), (2,), (3,)]
    train_starts(other, ignore_progress)
    train_full_start(other, ignore_progress)
    assert not any(is_start_finished(other, group) for group in range(4))
