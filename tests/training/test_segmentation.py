"""The segmentation trainer on stored studies of a few kilobytes; nothing is learned here but that state is kept."""
from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lirads_keras.config.profile import Profile
from lirads_keras.config.segmentation import DECODER_STRIDES, SegmentationSettings
from lirads_keras.entities import ENHANCED_PHASES, Phase
from lirads_keras.errors import InputError
from lirads_keras.models.unet_plus_plus import HEAD
from lirads_keras.preprocessing.slices import CT_CLASSES, MR_CLASSES, SliceDataset, SliceDraw
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study, write_stored_study
from lirads_keras.run import NetworkFolder
from lirads_keras.training.callbacks import read_state
from lirads_keras.training.segmentation import SegmentationTrainer, build_segmentation_network
from lirads_keras.variants import SEGMENTATION_VARIANTS

NEVER = -1.999
"""Just above the minimum of Eq. 2, which no training here comes near."""


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


def make_trainer(profile: Profile, *, pretrained: Path | None = None, phases: tuple[Phase, ...] = (Phase.DELAYED,)) -> SegmentationTrainer:
    return SegmentationTrainer(with_threshold(profile.segmentation, NEVER), profile.segmentation.finetune, phases=phases, classes=MR_CLASSES, seed=1,
                               pretrained=pretrained)


def with_threshold(settings: SegmentationSettings, lovasz_below_loss: float) -> SegmentationSettings:
    return settings.model_copy(update={"loss": settings.loss.model_copy(update={"lovasz_below_loss": lovasz_below_loss})})


def train(trainer, studies, folder: Path, *, fold: int = 0, stop_after: int | None = None) -> list[np.ndarray]:
    """Trains with study `fold` for early stopping; the weights it ends with."""
    def count(fraction, message):
        if stop_after is not None and message.startswith(f"epoch {stop_after} "):
            raise Killed

    training = [study for number, study in enumerate(studies) if number != fold]
    trainer.train(training, [studies[fold]], NetworkFolder(folder), f"id-{fold}", stream=fold, progress=count)
    return [np.array(weight) for weight in trainer.model.get_weights()]


def history_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def equal(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def trainer(profile) -> SegmentationTrainer:
    """One for all tests: tracing its graph takes longer than all trainings together."""
    return make_trainer(profile)


@pytest.fixture(scope="module")
def without_lovasz(trainer, studies, tmp_path_factory) -> tuple[list[np.ndarray], Path]:
    """The first training of a new trainer, whose loss never comes under the threshold: final weights and folder."""
    folder = tmp_path_factory.mktemp("without")
    return train(trainer, studies, folder), folder


@pytest.fixture(scope="module")
def whole(trainer, studies, without_lovasz, tmp_path_factory) -> tuple[list[np.ndarray], Path]:
    """The same training with a threshold between the losses of the first two epochs."""
    folder = tmp_path_factory.mktemp("whole")
    first, second = history_of(without_lovasz[1])["loss"][:2]
    assert second < first
    trainer._settings = with_threshold(trainer._settings, (first + second) / 2)
    return train(trainer, studies, folder), folder


def test_lovasz_joins_in_the_epoch_after_the_threshold(without_lovasz, whole):
    without, history = history_of(without_lovasz[1]), history_of(whole[1])
    assert without["lovasz"].tolist() == [0, 0, 0, 0]
    assert history["lovasz"].tolist() == [0, 0, 1, 1]
    assert history["loss"][:2].tolist() == without["loss"][:2].tolist()
    # Eq. 3 is not negative: what it is added to is larger.
    assert history["loss"][2] > without["loss"][2]


def test_history_has_the_metrics_of_training_and_validation(whole, profile):
    history = history_of(whole[1])
    assert history.columns.tolist() == ["epoch", "dice", "loss", "val_dice", "val_loss", "lovasz"]
    assert history["epoch"].tolist() == list(range(profile.segmentation.finetune.epochs))
    record = json.loads((whole[1] / "training.json").read_text())
    assert record["best_epoch"] == history["val_dice"].idxmax() and record["identity"] == "id-0"
    assert not (whole[1] / "state.npz").exists()


@pytest.mark.parametrize("stop_after, switch", [(1, 0.0), (2, 1.0), (3, 1.0)])
def test_a_killed_training_ends_with_the_same_bits(trainer, studies, whole, tmp_path, stop_after, switch):
    with pytest.raises(Killed):
        train(trainer, studies, tmp_path, stop_after=stop_after)
    found = read_state(tmp_path / "state.npz", "id-0")
    assert found is not None and found[0].epoch == stop_after and found[1]["extra/lovasz_switch"] == switch
    # The same object goes on: its own switch and weights must not matter.
    trainer._loss.lovasz_switch.assign(1 - switch)
    assert equal(train(trainer, studies, tmp_path), whole[0])
    assert (tmp_path / "history.csv").read_bytes() == (whole[1] / "history.csv").read_bytes()


def test_a_later_fold_in_one_process_is_that_of_a_new_process(trainer, studies, without_lovasz, whole, tmp_path, monkeypatch):
    other = train(trainer, studies, tmp_path / "fold-1", fold=1)
    assert not equal(other, whole[0])
    assert equal(train(trainer, studies, tmp_path / "fold-0"), whole[0])
    monkeypatch.setattr(trainer, "_settings", with_threshold(trainer._settings, NEVER))
    assert equal(train(trainer, studies, tmp_path / "new"), without_lovasz[0])


def test_the_saved_model_predicts_what_the_trainer_does(trainer, studies, whole, profile):
    train(trainer, studies, whole[1])
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    expected = trainer.model.predict_on_batch(image)
    again = build_segmentation_network(profile.segmentation, MR_CLASSES, "random")
    again.load_weights(whole[1] / "model.keras")
    np.testing.assert_array_equal(again.predict_on_batch(image), expected)
    # Without naming a class of this package.
    np.testing.assert_array_equal(keras.saving.load_model(whole[1] / "model.keras").predict_on_batch(image), expected)


def test_fine_tuning_starts_from_the_pretrained_weights_but_the_head(profile, trainer, tmp_path):
    keras.utils.set_random_seed(99)
    pretrained = build_segmentation_network(profile.segmentation, CT_CLASSES, "random")
    # Batch statistics count as weights: transferred, too.
    pretrained.get_layer("bn0").set_weights([weight + 0.5 for weight in pretrained.get_layer("bn0").get_weights()])
    pretrained.save(tmp_path / "model.keras")
    started = make_trainer(profile, pretrained=tmp_path / "model.keras").model
    layers = [layer for layer in pretrained.layers if layer.weights and layer.name != HEAD]
    assert len(layers) > 50
    assert all(equal(layer.get_weights(), started.get_layer(layer.name).get_weights()) for layer in layers)
    assert started.output.shape[-1] == MR_CLASSES
    trainer._variables.reset()
    # The seed alone decides the rest: the head is the one of a start without pre-training.
    assert equal(started.get_layer(HEAD).get_weights(), trainer.model.get_layer(HEAD).get_weights())
    assert not equal(started.get_layer("x_0_1_conv1").get_weights(), trainer.model.get_layer("x_0_1_conv1").get_weights())


def test_scores_that_are_not_finite_name_the_patients_of_the_batch(trainer, studies, tmp_path):
    def spoil(fraction, message):
        # Every score of the next epoch's first batch is infinite.
        if message.startswith("epoch 2 "):
            kernel = trainer.model.get_layer(HEAD).kernel
            kernel.assign(np.full(kernel.shape, np.inf))

    with pytest.raises(InputError) as caught:
        trainer.train(studies[:3], studies[3:], NetworkFolder(tmp_path), "id", stream=0, progress=spoil)
    where = caught.value.problems[0].where
    drawn = SliceDataset(studies[:3], SliceDraw(phases=("delayed",), classes=2, crop_px=32, batch_size=4, samples_per_epoch=12, seed=1, stream=0,
                                                sampling="lesion_oversampled")).samples(2 * 3)
    patients = ", ".join(sorted({sample.study.patient_id for sample in drawn}))
    assert where == f"{tmp_path}, epoch 2, batch 0, patients {patients}"
    found = read_state(tmp_path / "state.npz", "id")
    assert found is not None and found[0].epoch == 2


def test_a_batch_that_devices_cannot_share_is_refused(profile, monkeypatch):
    class ThreeDevices:
        num_replicas_in_sync = 3

    monkeypatch.setattr("lirads_keras.training.segmentation.build_strategy", ThreeDevices)
    with pytest.raises(InputError, match="batch_size: expected a multiple of the 3 devices, found 4"):
        make_trainer(profile)


@pytest.mark.parametrize(("stem", "kernel_px"), [("paper", 7), ("full_resolution", 3)])
def test_the_network_has_the_stem_of_the_profile(profile, stem, kernel_px):
    settings = profile.segmentation.model_copy(update={"stem": stem, "decoder_filters": (8,) * len(DECODER_STRIDES[stem])})
    assert build_segmentation_network(settings, MR_CLASSES, "random").get_layer("conv0").kernel_size == (kernel_px, kernel_px)


@pytest.fixture(scope="module")
def phased_studies(studies, profile, tmp_path_factory) -> list[StoredStudy]:
    """The same studies with the earlier phases, in which the lesion is brighter; the last one lacks the arterial phase."""
    store = tmp_path_factory.mktemp("phased")
    for study in studies:
        delayed, mask = np.asarray(study.image("delayed")).astype(np.float32), np.asarray(study.mask())
        volumes = {phase: study.segmentation.volume(delayed + number * 100 * mask) for number, phase in enumerate(("delayed", "portal_venous", "arterial"))}
        if study is studies[-1]:
            del volumes["arterial"]
        write_stored_study(store / study.patient_id, volumes, mask, profile.preprocessing)
    return [read_stored_study(store / study.patient_id) for study in studies]


def test_three_phases_with_any_one_dropped_resume_with_the_same_bits(profile, phased_studies, tmp_path):
    """From the weights of one phase."""
    keras.utils.set_random_seed(99)
    build_segmentation_network(profile.segmentation, CT_CLASSES, "random").save(tmp_path / "ct.keras")
    trainer = make_trainer(profile, pretrained=tmp_path / "ct.keras", phases=ENHANCED_PHASES)
    assert trainer.model.input.shape[-1] == 9
    kernel = trainer.model.get_layer("conv0").get_weights()[0]
    np.testing.assert_array_equal(kernel[:, :, :3], kernel[:, :, 6:])
    expected = train(trainer, phased_studies, tmp_path / "whole")
    with pytest.raises(Killed):
        train(trainer, phased_studies, tmp_path / "killed", stop_after=2)
    assert equal(train(trainer, phased_studies, tmp_path / "killed"), expected)
    assert (tmp_path / "killed" / "history.csv").read_bytes() == (tmp_path / "whole" / "history.csv").read_bytes()
    again = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", SEGMENTATION_VARIANTS["three-phase"].channels)
    again.load_weights(tmp_path / "whole" / "model.keras")
    assert equal(again.get_weights(), expected)
    # What is dropped counts.
    trainer._settings = trainer._settings.model_copy(update={"drop_phase": 0.0})
    assert not equal(train(trainer, phased_studies, tmp_path / "kept"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["paper", "full_resolution"])
def test_deep_supervision_trains_resumes_and_leaves_one_map(profile, studies, tmp_path, stem):
    deep = profile.model_copy(update={"segmentation": profile.segmentation.model_copy(update={
        "deep_supervision": True, "stem": stem, "decoder_filters": (8,) * len(DECODER_STRIDES[stem])})})
    trainer = make_trainer(deep)
    expected = train(trainer, studies, tmp_path / "whole")
    with pytest.raises(Killed):
        train(trainer, studies, tmp_path / "killed", stop_after=2)
    assert equal(train(trainer, studies, tmp_path / "killed"), expected)
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    found = trainer.model.predict_on_batch(image)
    assert found.shape == (2, 32, 32, MR_CLASSES)
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "whole" / "model.keras").predict_on_batch(image), found)
    trainer._variables.reset()
    assert equal(train(trainer, studies, tmp_path / "whole"), expected)
    loss = history_of(tmp_path / "whole")["loss"]
    assert loss.iloc[-1] < loss.iloc[0]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_resumes_too(profile, studies, tmp_path, precision):
    """The precision of the larger profiles, whose optimiser scales the loss and has a state of its own."""
    keras.mixed_precision.set_global_policy(precision)
    try:
        trainer = make_trainer(profile)
        expected = train(trainer, studies, tmp_path / "whole")
        with pytest.raises(Killed):
            train(trainer, studies, tmp_path / "killed", stop_after=2)
        assert equal(train(trainer, studies, tmp_path / "killed"), expected)
        assert all(weight.dtype == np.float32 and np.isfinite(weight).all() for weight in expected)
        assert trainer.model.predict_on_batch(np.zeros((1, 32, 32, 3), np.float32)).dtype == np.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")
