from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lirads_keras.config import read_profile
from lirads_keras.training.characterization import CharacterizationTrainer, CropDataset, LesionCrops, split_variant

SETTINGS = read_profile(Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml").characterization


def make_crops(lesions: int = 5, seed: int = 0) -> LesionCrops:
    """Lesion i, phase p has the pixel value 10 i + p in one corner, so that a crop can be recognised."""
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(lesions, 3, 32, 32, 3)).astype(np.float32)
    present = np.ones((lesions, 3), bool)
    present[1, 0] = False
    features = generator.integers(0, 2, (lesions, 3)).astype(np.float32)
    features[2, 1] = np.nan
    return LesionCrops(images, present, features)


def still(**changes):
    return SETTINGS.augmentation.model_copy(update={"rotation_deg": 0.0, "shift_fraction": 0.0, "flip_horizontal": 0.0, "flip_vertical": 0.0} | changes)


def dataset(crops, mode="adaptive", first_epoch=0, augmentation=None, seed=1, stream=0):
    return CropDataset(crops, mode=mode, batch_size=4, augmentation=augmentation or still(), seed=seed, stream=stream, first_epoch=first_epoch)


def recognise(crops: LesionCrops, image: np.ndarray) -> tuple[int, int]:
    lesion, phase = np.unravel_index(np.abs(crops.images - image).sum(axis=(2, 3, 4)).argmin(), crops.present.shape)
    assert np.array_equal(crops.images[lesion, phase], image)
    return int(lesion), int(phase)


@pytest.mark.parametrize("mode", ["adaptive", "plain"])
def test_every_present_crop_comes_once_an_epoch_with_its_labels_and_weights(mode):
    crops = make_crops()
    data = dataset(crops, mode)
    seen = []
    for index in range(len(data)):
        images, labels, weights = data[index]
        for row, image in enumerate(images):
            lesion, phase = recognise(crops, image)
            seen.append((lesion, phase))
            adaptive = {"aphe": phase == 0, "washout": phase > 0, "capsule": phase > 0}
            for column, name in enumerate(("aphe", "washout", "capsule")):
                known = np.isfinite(crops.features[lesion, column])
                assert weights[name][row] == (known and (mode == "plain" or adaptive[name]))
                assert labels[name][row, 0] == (crops.features[lesion, column] if known else 0)
    assert sorted(seen) == [tuple(pair) for pair in np.argwhere(crops.present)]


def test_batches_depend_on_seed_stream_and_epoch_alone():
    crops, moving = make_crops(), SETTINGS.augmentation
    first = dataset(crops, augmentation=moving)[1][0]
    assert np.array_equal(first, dataset(crops, augmentation=moving)[1][0])
    for other in ({"seed": 2}, {"stream": 1}, {"first_epoch": 1}):
        assert not np.array_equal(first, dataset(crops, augmentation=moving, **other)[1][0])
    data = dataset(crops, augmentation=moving)
    # Keras ends an epoch once before the first, then after each.
    data.on_epoch_end()
    data.on_epoch_end()
    assert np.array_equal(data[1][0], dataset(crops, augmentation=moving, first_epoch=1)[1][0])


def test_crops_that_do_not_belong_together_are_refused():
    crops = make_crops()
    with pytest.raises(ValueError, match="do not belong together"):
        LesionCrops(crops.images, crops.present[:2], crops.features)


@pytest.mark.parametrize("variant, expected", [("vgg16-adaptive", ("vgg16", "adaptive")), ("resnet50-plain", ("resnet50", "plain"))])
def test_variants_are_a_trunk_and_a_mode(variant, expected):
    assert split_variant(variant) == expected


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="adaptive or plain"):
        split_variant("vgg16-direct")


def test_a_fold_does_not_depend_on_the_folds_trained_before_it(tmp_path):
    trainer = CharacterizationTrainer(SETTINGS, "vgg16-adaptive", seed=3)
    trainer.train(make_crops(6, 1), tmp_path / "a", "x", fold=1)
    expected = trainer.model.get_weights()
    trainer.train(make_crops(6, 2), tmp_path / "b", "x", fold=0)
    assert not all(np.array_equal(a, b) for a, b in zip(trainer.model.get_weights(), expected))
    trainer.train(make_crops(6, 1), tmp_path / "c", "x", fold=1)
    assert all(np.array_equal(a, b) for a, b in zip(trainer.model.get_weights(), expected, strict=True))
