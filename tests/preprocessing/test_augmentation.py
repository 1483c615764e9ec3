from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.preprocessing.augmentation import Augmenter

FLIPS_ONLY = AugmentationSettings(rotation_deg=0, shift_fraction=0)
NOTHING = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(24, 30, 3)).astype(np.float32)


@pytest.fixture
def mask():
    return (np.random.default_rng(1).random((24, 30)) > 0.7).astype(np.uint8) * 2


def test_all_four_flip_states_occur_about_equally_often(image, mask):
    """With `seed=` both flips fire together in albumentations 2.0.8: two of these four states would be missing."""
    augment = Augmenter(FLIPS_ONLY)
    states = {(h, v): image[::-1 if v else 1, ::-1 if h else 1] for h in (False, True) for v in (False, True)}
    seen: Counter = Counter()
    for position in range(400):
        flipped, flipped_mask = augment(image, mask, (5, 0, position))
        state = [state for state, expected in states.items() if np.array_equal(flipped, expected)]
        assert len(state) == 1
        h, v = state[0]
        np.testing.assert_array_equal(flipped_mask, mask[::-1 if v else 1, ::-1 if h else 1])
        seen[state[0]] += 1
    # 400 draws with p = 1/4: standard deviation 8.7.
    assert len(seen) == 4 and min(seen.values()) > 100 - 5 * 8.7


def test_each_flip_has_its_own_probability(image):
    always = Augmenter(AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=1, flip_vertical=0))
    for position in range(5):
        np.testing.assert_array_equal(always(image, None, (0, position))[0], image[:, ::-1])


def test_a_key_gives_the_same_sample_in_any_order_and_from_any_thread(image, mask):
    augment = Augmenter(AugmentationSettings())
    keys = [(2023, 3, position) for position in range(40)]
    expected = {key: augment(image, mask, key, -0.5) for key in keys}
    assert len({expected[key][0].tobytes() for key in keys}) == len(keys)
    shuffled = random.Random(0).sample(keys * 3, 120)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda key: augment(image, mask, key, -0.5), shuffled))
    for key, (moved, moved_mask) in zip(shuffled, results):
        np.testing.assert_array_equal(moved, expected[key][0])
        np.testing.assert_array_equal(moved_mask, expected[key][1])
    another = Augmenter(AugmentationSettings())(image, mask, keys[7], -0.5)
    np.testing.assert_array_equal(another[0], expected[keys[7]][0])


def test_the_mask_moves_with_the_image_and_keeps_its_labels():
    """A disc carried as image and as mask still coincides after any rotation, shift and flip."""
    y, x = np.mgrid[:64, :64]
    disc = ((y - 25) ** 2 + (x - 36) ** 2 < 12**2)
    augment = Augmenter(AugmentationSettings(rotation_deg=90))
    for position in range(20):
        moved, moved_mask = augment(np.repeat(disc[..., None], 3, axis=-1).astype(np.float32), disc.astype(np.uint8) * 2, (1, position))
        assert moved.dtype == np.float32 and moved_mask.dtype == np.uint8 and set(np.unique(moved_mask)) <= {0, 2}
        inside = moved_mask == 2
        assert abs(int(inside.sum()) - int(disc.sum())) < 0.05 * disc.sum()
        # The nearest pixel weighs at least a quarter in a linear interpolation (which OpenCV rounds to 1/32 of a pixel).
        assert moved[inside].min() > 0.25 - 0.05 and moved[~inside].max() < 0.75 + 0.05


def test_padding_is_the_background_of_each_channel_and_label_0():
    augment = Augmenter(AugmentationSettings(rotation_deg=0, shift_fraction=0.5, flip_horizontal=0, flip_vertical=0))
    image, mask = np.ones((20, 20, 3), np.float32), np.ones((20, 20), np.uint8)
    padded = 0
    for position in range(10):
        moved, moved_mask = augment(image, mask, (9, position), (-1.0, -2.0, -3.0))
        outside = moved_mask == 0
        np.testing.assert_array_equal(moved[outside], np.broadcast_to([-1, -2, -3], (int(outside.sum()), 3)))
        np.testing.assert_array_equal(moved[~outside], 1)
        padded += int(outside.sum())
    assert padded > 0


@pytest.mark.parametrize("channels", [6, 9])
def test_the_phases_move_alike_and_each_channel_has_its_own_padding(channels, mask):
    """As if each three channels were an image by themselves."""
    image = np.random.default_rng(2).normal(size=(24, 30, channels)).astype(np.float32)
    padding = -np.arange(1.0, channels + 1)
    augment = Augmenter(AugmentationSettings(rotation_deg=30, shift_fraction=0.3))
    for position in range(10):
        moved, moved_mask = augment(image, mask, (4, position), padding)
        assert moved.shape == image.shape and moved.dtype == np.float32 and moved.flags.c_contiguous
        for first in range(0, channels, 3):
            alone, alone_mask = augment(image[..., first:first + 3], mask, (4, position), padding[first:first + 3])
            np.testing.assert_array_equal(moved[..., first:first + 3], alone)
            np.testing.assert_array_equal(moved_mask, alone_mask)
        np.testing.assert_array_equal(augment(image, None, (4, position), padding)[0], moved)


def test_padding_before_and_after_standardisation_is_the_same():
    """Eq. 1's image padded with zeros and then standardised = the standardised image padded with −mean/SD."""
    eq1 = np.random.default_rng(3).random((32, 32, 3)).astype(np.float32)
    mean, deviation = 0.31, 0.27
    augment = Augmenter(AugmentationSettings(rotation_deg=30, shift_fraction=0.2))
    for position in range(10):
        before, _ = augment(eq1, None, (4, position), 0.0)
        after, _ = augment((eq1 - np.float32(mean)) / np.float32(deviation), None, (4, position), -mean / deviation)
        np.testing.assert_allclose(after, (before - mean) / deviation, atol=2e-5)


@given(st.floats(0, 180), st.floats(0, 1))
def test_any_range_keeps_shape_and_type(rotation, shift):
    settings = AugmentationSettings(rotation_deg=rotation, shift_fraction=shift)
    moved, moved_mask = Augmenter(settings)(np.ones((16, 20, 3), np.float32), np.ones((16, 20), np.uint8), (0, 0))
    assert moved.shape == (16, 20, 3) and moved.dtype == np.float32
    assert moved_mask.shape == (16, 20) and moved_mask.dtype == np.uint8


def test_nothing_to_do_changes_nothing(image, mask):
    moved, moved_mask = Augmenter(NOTHING)(image, mask, (1, 2, 3))
    np.testing.assert_array_equal(moved, image)
    np.testing.assert_array_equal(moved_mask, mask)


def test_the_input_is_left_as_it_is(image, mask):
    original, original_mask = image.copy(), mask.copy()
    for position in range(5):
        Augmenter(AugmentationSettings())(image, mask, (0, position))
    np.testing.assert_array_equal(image, original)
    np.testing.assert_array_equal(mask, original_mask)


def test_an_image_and_a_mask_of_other_sizes_are_refused(image):
    with pytest.raises(ValueError, match="does not go with"):
        Augmenter(NOTHING)(image, np.zeros((4, 4), np.uint8), (0,))
