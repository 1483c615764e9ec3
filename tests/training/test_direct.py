"""The direct networks' batches and trainer, on crops of noise."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.errors import InputError
from lirads_keras.models.direct import compute_log_diameter
from lirads_keras.run import NetworkFolder
from lirads_keras.training.characterization import CropDataset, LesionCrops
from lirads_keras.training.direct import DirectDataset, DirectTrainer
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

STILL = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)
MOVING = AugmentationSettings()


def make_crops(lesions: int = 5, *, absent: tuple[tuple[int, int], ...] = ()) -> LesionCrops:
    """The corner pixel of phase p of lesion l is 10 l + p + 100; the diameter is l + 1 mm, the category l mod 3."""
    generator = np.random.default_rng(lesions)
    images = generator.normal(size=(lesions, 3, 32, 32, 3)).astype(np.float32)
    images[:, :, 0, 0] = (10 * np.arange(lesions)[:, None] + np.arange(3))[..., None] + 100
    present = np.ones((lesions, 3), bool)
    for lesion, phase in absent:
        present[lesion, phase] = False
        images[lesion, phase] = np.nan
    return LesionCrops(images, present, np.zeros((lesions, 3), np.float32), np.arange(lesions) % 3, np.arange(lesions) + 1.0)


def make_dataset(crops, *, with_size=True, batch_size=4, augmentation=STILL, seed=1, stream=0) -> DirectDataset:
    return DirectDataset(crops, with_size=with_size, batch_size=batch_size, augmentation=augmentation, seed=seed, stream=stream)


def test_an_epoch_is_as_long_as_that_of_a_feature_network_and_shows_each_lesion_once_a_phase():
    crops = make_crops(absent=((1, 0), (3, 1), (3, 2)))
    dataset = make_dataset(crops)
    features = CropDataset(crops, mode="adaptive", batch_size=4, augmentation=STILL, seed=1, stream=0)
    assert dataset.batches_per_epoch == features.batches_per_epoch == 3
    lesions = [int(name) for index in range(3) for name in (dataset[index][0]["image"].max(axis=-1)[:, 0, 0] - 100) // 10]
    assert sorted(lesions) == [0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 4]


def test_phases_sizes_and_categories_belong_to_their_lesion():
    crops = make_crops(absent=((2, 0),))
    dataset = make_dataset(crops)
    for index in range(dataset.batches_per_epoch):
        inputs, categories = dataset[index]
        lesions = np.rint(inputs["image"][:, 0, 0, 1] - 101).astype(int) // 10
        for row, lesion in enumerate(lesions):
            np.testing.assert_array_equal(inputs["image"][row, 0, 0], [0 if (lesion, phase) == (2, 0) else 100 + 10 * lesion + phase for phase in range(3)])
            assert inputs["log_diameter"][row, 0] == compute_log_diameter(np.array(lesion + 1.0)) and categories[row] == lesion % 3
        assert inputs["log_diameter"].shape == (len(lesions), 1) and categories.shape == (len(lesions),)
    assert set(make_dataset(crops, with_size=False)[0][0]) == {"image"}


def test_a_batch_is_a_function_of_seed_stream_and_epoch():
    crops = make_crops(3)

    def images_of(epoch, **key):
        dataset = make_dataset(crops, augmentation=MOVING, **key)
        first = epoch * dataset.batches_per_epoch
        return np.concatenate([dataset[number][0]["image"] for number in range(first, first + dataset.batches_per_epoch)])

    reference = images_of(2)
    np.testing.assert_array_equal(images_of(2), reference)
    for other in (images_of(1), images_of(2, seed=2), images_of(2, stream=1)):
        assert not np.array_equal(other, reference)
    # The same lesion comes with another augmentation each time.
    assert len(np.unique(reference.reshape(len(reference), -1), axis=0)) == 9


def test_the_phases_of_a_lesion_are_moved_alike():
    crops = make_crops(2)
    same = LesionCrops(np.repeat(crops.images[:, :1], 3, axis=1), crops.present, crops.features, crops.categories, crops.diameters_mm)
    images = make_dataset(same, augmentation=MOVING)[0][0]["image"]
    assert np.abs(images - images[..., :1]).max() < 1e-5 and np.abs(images).max() > 1


@pytest.mark.parametrize("variant", ["direct-frozen", "direct-finetuned", "direct-finetuned-size"])
def test_each_variant_trains_what_it_should(profile, variant, tmp_path):
    trainer = DirectTrainer(profile.characterization, CHARACTERIZATION_VARIANTS[variant], seed=1, weights="random")
    before = [np.array(weight) for weight in trainer.model.get_weights()]
    trainer.train(make_crops(4), NetworkFolder(tmp_path), "id", stream=0)
    names = [weight.path.split("/")[0] for weight in trainer.model.weights]
    changed = {name for name, a, b in zip(names, before, trainer.model.get_weights(), strict=True) if not np.array_equal(a, b)}
    trunk = {name for name in names if name.startswith("block")}
    assert len(trunk) == 13
    assert changed == ({"shared", "category"} if variant == "direct-frozen" else trunk | {"shared", "category"})
    assert {path.name for path in tmp_path.iterdir()} == {"model.keras", "history.csv", "training.json"}


def test_a_network_that_is_told_the_size_learns_what_only_the_size_tells(profile, tmp_path):
    """All images alike; the category is that of the size."""
    crops = make_crops(30)
    diameters = np.tile([6.0, 20.0, 66.0], 10)
    alike = LesionCrops(np.zeros_like(crops.images), crops.present, crops.features, np.tile([0, 1, 2], 10), diameters)
    settings = profile.characterization.model_copy(update={"epochs": 12, "learning_rate": 3e-2})
    trainer = DirectTrainer(settings, CHARACTERIZATION_VARIANTS["direct-finetuned-size"], seed=1, weights="random")
    trainer.train(alike, NetworkFolder(tmp_path), "id", stream=0)
    predicted = trainer.model.predict_on_batch({"image": np.zeros((3, 32, 32, 3), np.float32), "log_diameter": compute_log_diameter(diameters[:3, None])})
    assert predicted.argmax(axis=1).tolist() == [0, 1, 2]


def test_no_crop_to_train_on_is_told(profile, tmp_path):
    trainer = DirectTrainer(profile.characterization, CHARACTERIZATION_VARIANTS["direct-frozen"], seed=1, weights="random")
    with pytest.raises(InputError, match="fold-5: expected a lesion of another patient to train on"):
        trainer.train(make_crops(2).subset(np.array([], int)), NetworkFolder(tmp_path / "fold-5"), "id", stream=5)
