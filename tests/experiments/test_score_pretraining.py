from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from score_pretraining import build_label_predictor, score_ct

from lirads_keras.entities import Volume
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

SHAPE = (5, 32, 32)


def store(profile, folder, mask, shape=SHAPE, spacing_mm=2.0):
    image = np.random.default_rng(0).integers(-200, 300, shape).astype(np.float32)
    volume = Volume(image, (4.0, spacing_mm, spacing_mm), np.diag([4.0, spacing_mm, spacing_mm, 1.0]))
    write_stored_study(folder, {"ct": volume}, mask, profile.preprocessing)
    return read_stored_study(folder)


def answers(probabilities):
    """A network that gives the prepared probabilities (z, y, x, 3), slice by slice, whatever it sees."""
    given = iter(probabilities)
    return lambda stacks: np.stack([next(given) for _ in stacks]).astype(np.float32)


def make_labels():
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 4:20, 4:20] = 1
    mask[2, 8:12, 8:12] = 2
    return mask


@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
def test_a_perfect_network_has_dice_1_in_batches_of_any_size(profile, tmp_path, batch_size):
    mask = make_labels()
    rows = score_ct(answers(np.eye(3)[mask]), store(profile, tmp_path / "volume-3", mask), batch_size)
    assert rows == [{"ct_id": "volume-3", "label": "liver", "dice": 1.0}, {"ct_id": "volume-3", "label": "tumour", "dice": 1.0}]


def test_the_liver_has_its_tumours_in_it(profile, tmp_path):
    """Liver and tumour share the probability where the tumour lies; half the tumour is found, and a slab beside the liver."""
    mask = make_labels()
    probabilities = np.eye(3)[np.where(mask > 0, 1, 0)]
    probabilities[2, 8:12, 8:12] = [0.1, 0.55, 0.35]
    probabilities[2, 8:12, 8:10] = [0.1, 0.35, 0.55]
    probabilities[1, 20:22, 4:20] = [0.3, 0.4, 0.3]
    liver, tumour = score_ct(answers(probabilities), store(profile, tmp_path / "volume-0", mask), 4)
    assert liver["dice"] == pytest.approx(2 * 768 / (2 * 768 + 32)) and tumour["dice"] == pytest.approx(2 * 8 / (8 + 16))


def test_what_is_nowhere_has_no_dice(profile, tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 4:20, 4:20] = 1
    liver, tumour = score_ct(answers(np.eye(3)[np.zeros(SHAPE, int)]), store(profile, tmp_path / "volume-1", mask), 4)
    assert liver["dice"] == 0 and math.isnan(tumour["dice"])
    nothing = score_ct(answers(np.eye(3)[np.zeros(SHAPE, int)]), store(profile, tmp_path / "volume-2", None), 4)
    assert all(math.isnan(row["dice"]) for row in nothing)


def test_labels_are_carried_to_the_grid_of_the_volume(profile, tmp_path):
    """A volume of 64 pixels is segmented at 32: a block of the network's pixels is one of twice as many of the volume's."""
    mask = np.zeros((5, 64, 64), np.uint8)
    mask[1:4, 8:40, 8:40] = 1
    coarse = np.zeros(SHAPE, int)
    coarse[1:4, 4:20, 4:20] = 1
    study = store(profile, tmp_path / "volume-4", mask, (5, 64, 64), 1.0)
    assert study.segmentation.shape == SHAPE and study.shape == (5, 64, 64)
    assert score_ct(answers(np.eye(3)[coarse]), study, 4)[0]["dice"] == 1.0


def test_a_network_is_called_on_standardised_stacks(profile, tmp_path):
    """Its probabilities are a softmax of the three neighbouring slices themselves: the middle one decides about the liver."""
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Softmax()])
    study = store(profile, tmp_path / "volume-5", make_labels())
    predict = build_label_predictor(model)
    seen = []
    score_ct(lambda stacks: seen.append(predict(stacks)) or seen[-1], study, 2)
    assert [part.shape for part in seen] == [(2, 32, 32, 3), (2, 32, 32, 3), (1, 32, 32, 3)]
    assert all(part.dtype == np.float32 and np.allclose(part.sum(-1), 1, atol=1e-6) for part in seen)
