"""The crops' batches and the characterization trainer, on crops of noise."""
from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.entities import HEAD_FEATURES
from lirads_keras.errors import InputError
from lirads_keras.inference.features import predict_features
from lirads_keras.models.trunk import build_trunk
from lirads_keras.run import NetworkFolder
from lirads_keras.training.characterization import CharacterizationTrainer, CropDataset, LesionCrops

STILL = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)
MOVING = AugmentationSettings()
HEADS = [str(feature) for feature in HEAD_FEATURES]


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


def make_crops(lesions: int = 5, *, absent: tuple[tuple[int, int], ...] = (), crop_px: int = 32) -> LesionCrops:
    """Crops that carry their own name: the corner pixel is 10 × lesion + phase, far from the noise."""
    generator = np.random.default_rng(lesions)
    images = generator.normal(size=(lesions, 3, crop_px, crop_px, 3)).astype(np.float32)
    images[:, :, 0, 0] = (10 * np.arange(lesions)[:, None] + np.arange(3))[..., None] + 100
    present = np.ones((lesions, 3), bool)
    for lesion, phase in absent:
        present[lesion, phase] = False
        images[lesion, phase] = np.nan
    return LesionCrops(images, present, generator.integers(0, 2, (lesions, 3)).astype(np.float32), np.arange(lesions) % 3, np.arange(lesions) + 1.0)


def make_dataset(crops, *, mode="adaptive", batch_size=4, augmentation=STILL, seed=1, stream=0) -> CropDataset:
    return CropDataset(crops, mode=mode, batch_size=batch_size, augmentation=augmentation, seed=seed, stream=stream)


def names_of(images) -> list[tuple[int, int]]:
    """Lesion and phase of each crop that was not augmented."""
    return [divmod(int(value) - 100, 10) for value in images[:, 0, 0, 0]]


def numbers_of(dataset, epoch: int = 0) -> range:
    """The numbers of an epoch's batches."""
    return range(epoch * dataset.batches_per_epoch, (epoch + 1) * dataset.batches_per_epoch)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 100])
def test_every_crop_comes_once_an_epoch_in_another_order_each_time(batch_size):
    crops = make_crops(absent=((1, 0), (3, 1), (3, 2)))
    dataset = make_dataset(crops, batch_size=batch_size)
    expected = sorted((int(lesion), int(phase)) for lesion, phase in np.argwhere(crops.present))
    assert len(expected) == 12 and dataset.batches_per_epoch == -(-12 // batch_size)
    orders = [[name for number in numbers_of(dataset, epoch) for name in names_of(dataset[number][0])] for epoch in range(3)]
    assert all(sorted(order) == expected for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]


@pytest.mark.parametrize("mode", ["adaptive", "plain"])
def test_labels_and_weights_are_those_of_eq_4(mode):
    crops = make_crops()
    crops.features[2, 1] = np.nan
    dataset = make_dataset(crops, mode=mode)
    for number in numbers_of(dataset):
        images, labels, weights = dataset[number]
        assert set(labels) == set(weights) == set(HEADS)
        for row, (lesion, phase) in enumerate(names_of(images)):
            for column, head in enumerate(HEADS):
                known = np.isfinite(crops.features[lesion, column])
                reads = mode == "plain" or (phase == 0) == (head == "aphe")
                assert weights[head][row] == float(known and reads)
                assert labels[head][row, 0] == (crops.features[lesion, column] if known else 0)
        assert images.dtype == np.float32 and all(label.shape == (len(images), 1) for label in labels.values())
        assert all(weight.shape == (len(images),) for weight in weights.values())


def test_a_batch_is_a_function_of_seed_stream_and_epoch():
    crops = make_crops(3)

    def images_of(epoch, **key):
        dataset = make_dataset(crops, augmentation=MOVING, **key)
        return np.concatenate([dataset[number][0] for number in numbers_of(dataset, epoch)])

    reference = images_of(2)
    np.testing.assert_array_equal(images_of(2), reference)
    for other in (images_of(1), images_of(2, seed=2), images_of(2, stream=1)):
        assert not np.array_equal(other, reference)


def test_batches_can_be_taken_in_any_order():
    dataset = make_dataset(make_crops(), augmentation=MOVING)
    backwards = {number: dataset[number][0] for number in reversed(range(7))}
    assert all(np.array_equal(backwards[number], dataset[number][0]) for number in range(7))


def test_crops_that_do_not_belong_together_are_refused():
    crops = make_crops(4)
    for change in ({"images": crops.images[:3]}, {"present": crops.present[:, :2]}, {"features": crops.features[:, :2]},
                   {"images": crops.images[:, :2], "present": crops.present[:, :2]}, {"categories": crops.categories[:3]},
                   {"diameters_mm": crops.diameters_mm[:, None]}):
        with pytest.raises(ValueError, match="do not belong together"):
            replace(crops, **change)


def test_a_subset_keeps_rows_together():
    crops = make_crops(5, absent=((4, 1),))
    chosen = crops.subset(np.array([4, 1]))
    np.testing.assert_array_equal(chosen.images, crops.images[[4, 1]])
    np.testing.assert_array_equal(chosen.present, crops.present[[4, 1]])
    np.testing.assert_array_equal(chosen.features, crops.features[[4, 1]])
    assert chosen.categories.tolist() == [1, 1] and chosen.diameters_mm.tolist() == [5, 2]
    assert not chosen.present[0, 1]


@pytest.fixture(scope="module")
def trainer(profile) -> CharacterizationTrainer:
    return CharacterizationTrainer(profile.characterization, "vgg16", seed=1, weights="random")


def weights_of(trainer) -> list[np.ndarray]:
    return [np.array(weight) for weight in trainer.model.get_weights()]


def changed_heads(trainer, crops, folder) -> set[str]:
    """Heads whose weights are others after a training on `crops`."""
    trainer._variables.reset()
    before = {head: trainer.model.get_layer(head).get_weights() for head in HEADS}
    trainer.train(crops, NetworkFolder(folder), "id", mode="adaptive", stream=0)
    return {head for head in HEADS if any(not np.array_equal(a, b) for a, b in zip(trainer.model.get_layer(head).get_weights(), before[head], strict=True))}


def test_each_phase_trains_its_own_heads_only(trainer, tmp_path):
    crops = make_crops(4)
    for phase, heads in enumerate(({"aphe"}, {"washout", "capsule"}, {"washout", "capsule"})):
        only = crops.present & (np.arange(3) == phase)
        assert changed_heads(trainer, replace(crops, present=only), tmp_path / str(phase)) == heads


def test_a_feature_without_reference_trains_nothing(trainer, tmp_path):
    crops = make_crops(4)
    crops.features[:, HEADS.index("capsule")] = np.nan
    assert changed_heads(trainer, crops, tmp_path) == {"aphe", "washout"}


def test_each_heads_labels_come_out_under_its_own_name(trainer, tmp_path):
    """Labels that are constant, and another constant for each head: an order that was swapped anywhere between table and prediction would show."""
    crops = make_crops(8)
    crops.images[:] = np.random.default_rng(0).normal(size=crops.images.shape)

    def logits() -> dict[str, float]:
        read = predict_features(trainer.model, crops.images, crops.present, "plain")
        p = {head: np.array([getattr(lesion, head) for lesion in read]) for head in HEADS}
        return {head: float(np.mean(np.log(p[head] / (1 - p[head])))) for head in HEADS}

    trainer._variables.reset()
    before = logits()
    for present, absent in permutations(HEADS, 2):
        features = np.full((8, 3), 0.5, np.float32)
        features[:, HEADS.index(present)], features[:, HEADS.index(absent)] = 1, 0
        trainer.train(replace(crops, features=features), NetworkFolder(tmp_path / f"{present}-{absent}"), "id", mode="plain", stream=0)
        risen = {head: value - before[head] for head, value in logits().items()}
        assert risen[present] > 0 > risen[absent]


def test_a_killed_training_and_a_later_one_end_with_the_same_bits(trainer, tmp_path):
    crops = make_crops(6, absent=((0, 2),))
    trainer.train(crops, NetworkFolder(tmp_path / "whole"), "id", mode="adaptive", stream=3)
    expected = weights_of(trainer)

    def kill(fraction, message):
        raise Killed

    with pytest.raises(Killed):
        trainer.train(crops, NetworkFolder(tmp_path / "killed"), "id", mode="adaptive", stream=3, progress=kill)
    trainer._variables.reset()
    trainer.train(crops, NetworkFolder(tmp_path / "killed"), "id", mode="adaptive", stream=3)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trainer), expected, strict=True))
    assert (tmp_path / "killed" / "history.csv").read_bytes() == (tmp_path / "whole" / "history.csv").read_bytes()
    # Another fold in between, as one process trains them: it has its own order, and leaves no trace.
    trainer.train(crops, NetworkFolder(tmp_path / "other"), "id", mode="adaptive", stream=4)
    assert not all(np.array_equal(a, b) for a, b in zip(weights_of(trainer), expected, strict=True))
    trainer.train(crops, NetworkFolder(tmp_path / "again"), "id", mode="adaptive", stream=3)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trainer), expected, strict=True))


def test_the_loss_is_eq_4(trainer):
    """Binary cross-entropy of each head, masked by phase, divided by all samples of the batch."""
    crops = make_crops(3)
    trainer._variables.reset()
    images, labels, weights = make_dataset(crops, batch_size=9)[0]
    predicted = trainer.model.predict_on_batch(images)
    expected = 0.0
    for head in HEADS:
        p, y = np.asarray(predicted[head], np.float64)[:, 0], labels[head][:, 0]
        expected += -np.sum(weights[head] * (y * np.log(p) + (1 - y) * np.log(1 - p))) / len(images)
    found = trainer.model.evaluate(images, labels, sample_weight=weights, batch_size=9, verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_no_crop_to_train_on_is_told(trainer, tmp_path):
    crops = make_crops(2, absent=tuple((lesion, phase) for lesion in range(2) for phase in range(3)))
    for empty in (crops, make_crops(2).subset(np.array([], int))):
        with pytest.raises(InputError, match="fold-5: expected a lesion of another patient to train on"):
            trainer.train(empty, NetworkFolder(tmp_path / "fold-5"), "id", mode="plain", stream=5)


def test_both_modes_start_alike_and_one_leaves_no_trace_in_the_other(trainer, tmp_path):
    crops = make_crops(6)
    trainer.train(crops, NetworkFolder(tmp_path / "plain"), "id", mode="plain", stream=3)
    alone = weights_of(trainer)
    trainer.train(crops, NetworkFolder(tmp_path / "adaptive"), "id", mode="adaptive", stream=3)
    assert not all(np.array_equal(a, b) for a, b in zip(weights_of(trainer), alone, strict=True))
    trainer.train(crops, NetworkFolder(tmp_path / "again"), "id", mode="plain", stream=3)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(trainer), alone, strict=True))


def test_a_trunk_starts_at_the_weights_of_its_file_and_seeds_differ_in_the_head(profile, tmp_path):
    settings = profile.characterization
    build_trunk("vgg16", crop_px=settings.crop_px, width_factor=settings.width_factor, weights="random").save_weights(tmp_path / "trunk.weights.h5")
    starts = [CharacterizationTrainer(settings, "vgg16", seed=seed, weights=tmp_path / "trunk.weights.h5").model for seed in (7, 7, 8)]
    for layer in starts[0].layers:
        first, same, other = (model.get_layer(layer.name).get_weights() for model in starts)
        assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
        if layer.weights:
            assert np.array_equal(first[0], other[0]) == layer.name.startswith("block")
