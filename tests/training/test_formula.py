"""Pre-training on formula-generated images, small enough to see."""
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lirads_keras.models.trunk import build_trunk
from lirads_keras.run import NetworkFolder
from lirads_keras.training.formula import TRUNK_FILE, FormulaDataset, build_training_images, pretrain_trunk, steps_per_epoch


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


@pytest.fixture(scope="module")
def settings(profile):
    """Two classes of 32 × 32 pixels."""
    formula = profile.characterization.formula.model_copy(update={
        "classes": 2, "images_per_class": 24, "epochs": 3, "batch_size": 16, "learning_rate": 3e-3, "seed": 5})
    return profile.characterization.model_copy(update={"formula": formula, "width_factor": 0.125, "crop_px": 32})


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trunks") / "vgg16"
    told = []
    pretrain_trunk("vgg16", settings, *build_training_images(settings), NetworkFolder(folder), "id", lambda fraction, message: told.append(message))
    return folder, told


def test_the_images_are_those_of_the_profile(settings):
    images, labels = build_training_images(settings)
    assert images.shape == (48, 32, 32) and np.bincount(labels).tolist() == [24, 24]


def test_batches_are_standardised_grey_and_come_once_an_epoch(settings):
    images, labels = build_training_images(settings)
    dataset = FormulaDataset(images, np.arange(48), batch_size=10, seed=1)
    assert dataset.batches_per_epoch == 4 and steps_per_epoch(settings.formula) == 3
    seen = []
    for index in range(dataset.batches_per_epoch):
        batch, numbers = dataset[index]
        assert batch.shape == (10, 32, 32, 3) and batch.dtype == np.float32
        assert (batch[..., 0] == batch[..., 1]).all() and (batch[..., 0] == batch[..., 2]).all()
        np.testing.assert_allclose(batch.mean(axis=(1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(batch.std(axis=(1, 2, 3)), 1, atol=1e-4)
        # Brighter in the image is brighter in the batch.
        assert all(np.corrcoef(batch[row, ..., 0].ravel(), images[number].ravel())[0, 1] > 0.999 for row, number in enumerate(numbers))
        seen += numbers.tolist()
    assert len(set(seen)) == 40
    np.testing.assert_array_equal(dataset[6][1], FormulaDataset(images, np.arange(48), batch_size=10, seed=1)[6][1])
    later = [number for index in range(4, 8) for number in dataset[index][1].tolist()]
    assert len(set(later)) == 40 and later != seen


def test_the_trunk_is_written_as_the_networks_read_it(trained, settings):
    folder, told = trained
    history = pd.read_csv(NetworkFolder(folder).history)
    assert told == [f"epoch {done} of 3, accuracy {value:.2f}" for done, value in zip((1, 2, 3), history["accuracy"], strict=True)]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    trunk = build_trunk("vgg16", crop_px=32, width_factor=0.125, weights=folder / TRUNK_FILE)
    start = build_trunk("vgg16", crop_px=32, width_factor=0.125, weights="random")
    assert not any(np.array_equal(a, b) for a, b in zip(trunk.get_weights(), start.get_weights(), strict=True))
    assert {path.name for path in folder.iterdir()} == {"history.csv", "model.keras", "training.json", TRUNK_FILE}


def test_a_killed_training_ends_with_the_same_bits(trained, settings, tmp_path):
    images = build_training_images(settings)

    def kill(fraction, message):
        if fraction == 2 / 3:
            raise Killed

    with pytest.raises(Killed):
        pretrain_trunk("vgg16", settings, *images, NetworkFolder(tmp_path), "id", kill)
    assert (tmp_path / "state.npz").exists() and not (tmp_path / TRUNK_FILE).exists()
    again = []
    pretrain_trunk("vgg16", settings, *images, NetworkFolder(tmp_path), "id", lambda fraction, message: again.append(fraction))
    assert again == [1]
    for mine, whole in ((build_trunk("vgg16", crop_px=32, width_factor=0.125, weights=folder / TRUNK_FILE).get_weights() for folder in pair)
                        for pair in [(tmp_path, trained[0])]):
        assert all(np.array_equal(a, b) for a, b in zip(mine, whole, strict=True))
