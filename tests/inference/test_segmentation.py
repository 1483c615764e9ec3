from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.config.segmentation import InferenceSettings
from lirads_keras.entities import Volume
from lirads_keras.evaluation.overlap import LEVELS, compute_level
from lirads_keras.inference.segmentation import predict_levels, predict_slices, resample_slices, to_levels
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.resample import from_segmentation_grid, to_segmentation_grid
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput

SCALE = IntensityScale(80.0, 880.0, 0.4, 0.25)
WEIGHTS = np.array([0.2, -0.7, 0.4])
WHOLE, BOX = InferenceSettings(body_box=False), InferenceSettings(body_box=True)
FLIPPED = InferenceSettings(body_box=False, flip_augmentation=True)


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


class StubPredictor:
    """A sigmoid of the sum of the channels, each with its own weight, and of where the pixel lies in the slice; keeps what it was asked for."""

    window_px = 8

    def __init__(self, tilt: float = 0.0) -> None:
        self.tilt, self.asked = tilt, []

    def __call__(self, stacks, window):
        assert stacks.dtype == np.float32 and stacks.flags.c_contiguous and len(stacks)
        self.asked.append((stacks.shape, window))
        place = self.tilt * (np.arange(stacks.shape[1])[:, None] + 3 * np.arange(stacks.shape[2]))
        return sigmoid(stacks.astype(np.float64) @ WEIGHTS + place).astype(np.float32)[:, *window]

    def take_weights(self):
        raise AssertionError("nothing has changed")


def make_image(slices: int = 7, rows: int = 6, columns: int = 5) -> Volume:
    array = np.random.default_rng(slices).integers(0, 1000, (slices, rows, columns)).astype(np.uint16)
    return Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))


def make_body(slices: int = 5) -> Volume:
    """A body in the slices 1 … slices − 2 of an image of 128 × 160 pixels."""
    array = np.zeros((slices, 128, 160), np.uint16)
    array[1:-1, 40:70, 60:100] = np.random.default_rng(slices).integers(81, 1000, (slices - 2, 30, 40))
    return Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))


def one_phase(image: Volume) -> SegmentationInput:
    return SegmentationInput(image, (ScaledImage(image.array, SCALE),))


def predict(predictor, image: Volume, settings: InferenceSettings, batch_size: int) -> np.ndarray:
    """All slices; those that are not yielded are 0."""
    probability, next_slice = np.zeros(image.shape, np.float32), 0
    for first, batch in predict_slices(predictor, one_phase(image), settings, batch_size=batch_size):
        assert first >= next_slice and batch.dtype == np.float32 and 1 <= len(batch) <= batch_size
        next_slice = first + len(batch)
        probability[first:next_slice] = batch
    return probability


def predict_slowly(image: Volume) -> np.ndarray:
    """Slice by slice, the edge slices with themselves as missing neighbours."""
    scaled = SCALE.apply(image.array).astype(np.float64)
    last = len(scaled) - 1
    stacks = [np.stack([scaled[max(z - 1, 0)], scaled[z], scaled[min(z + 1, last)]], axis=-1) for z in range(len(scaled))]
    return sigmoid(np.array(stacks) @ WEIGHTS)


@pytest.mark.parametrize("slices", [1, 2, 7])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_every_slice_is_predicted_with_its_neighbours_whatever_the_batch(slices, batch_size):
    image = make_image(slices)
    found = predict(StubPredictor(), image, WHOLE, batch_size)
    np.testing.assert_allclose(found, predict_slowly(image), atol=1e-6)
    np.testing.assert_array_equal(found, predict(StubPredictor(), image, WHOLE, slices))


BODY_WINDOW = slice(32, 80), slice(56, 104)
"""Of `make_body`: rows 40 … 69 and columns 60 … 99 with a margin of 4, to multiples of 8."""


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_only_the_body_is_computed_and_the_rest_is_zero(batch_size):
    image, predictor = make_body(), StubPredictor()
    found = predict(predictor, image, BOX, batch_size)
    assert all(window == BODY_WINDOW for _, window in predictor.asked) and sum(shape[0] for shape, _ in predictor.asked) == 3
    assert {shape[1:] for shape, _ in predictor.asked} == {(128, 160, 3)}, "the network's lower half sees whole slices"
    # Slices 0 and 4 have no body: what slices 1 and 3 see of them is still what is there.
    expected = np.zeros(image.shape)
    expected[1:-1, *BODY_WINDOW] = predict_slowly(image)[1:-1, *BODY_WINDOW]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("absent", [None, 2])
def test_the_body_is_that_of_the_latest_phase_that_is_there(absent):
    """Two phases without a body outside of the box, and the delayed one."""
    image, wider = make_body(), make_body()
    wider.array[1:-1, 30:70, 60:100] = 500
    images = tuple(ScaledImage(volume.array, SCALE) for volume in (wider, image, wider))
    given = SegmentationInput(image, tuple(None if place == absent else one for place, one in enumerate(images)))
    asked = []

    class Predictor:
        window_px = 8

        def __call__(self, stacks, window):
            asked.append(window)
            assert stacks.shape[1:] == (128, 160, 9)
            return np.full((len(stacks), *(part.stop - part.start for part in window)), 0.5, np.float32)

    list(predict_slices(Predictor(), given, BOX, batch_size=8))
    # Rows 30 … 69 or 40 … 69 with a margin of 4, to multiples of 8.
    assert asked == [(slice(24, 80), BODY_WINDOW[1]) if absent is None else BODY_WINDOW]


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_an_empty_slice_between_others_is_not_computed(batch_size):
    image, predictor = make_body(7), StubPredictor()
    image.array[3] = 80
    found = predict(predictor, image, BOX, batch_size)
    assert not found[3].any() and found[2].any() and found[4].any() and sum(shape[0] for shape, _ in predictor.asked) == 4


def test_without_any_body_nothing_is_computed():
    image, predictor = make_body(), StubPredictor()
    image.array[:] = 80
    assert not predict(predictor, image, BOX, 4).any() and predictor.asked == []


@pytest.mark.parametrize("body_box", [False, True])
def test_flip_augmentation_is_the_mean_over_the_four_flip_states(body_box):
    image, predictor = make_body(), StubPredictor(tilt=0.01)
    found = predict(predictor, image, InferenceSettings(body_box=body_box, flip_augmentation=True), 2)
    scaled = SCALE.apply(image.array)
    stack = np.stack([scaled[1], scaled[2], scaled[3]], axis=-1)
    whole = (slice(0, 128), slice(0, 160))
    states = [predictor(np.ascontiguousarray(stack[None, ::up, ::left]), whole)[0, ::up, ::left] for up in (1, -1) for left in (1, -1)]
    window = BODY_WINDOW if body_box else whole
    np.testing.assert_allclose(found[2][window], np.mean(np.array(states, np.float64), axis=0)[window], atol=1e-6)
    assert np.ptp(np.array(states), axis=0)[window].max() > 0.1, "the states must differ for this to tell anything"


def test_a_network_that_is_symmetric_is_not_changed_by_flips():
    image = make_image()
    np.testing.assert_allclose(predict(StubPredictor(), image, FLIPPED, 3), predict(StubPredictor(), image, WHOLE, 3), atol=1e-7)


@pytest.mark.parametrize("settings", [WHOLE, BOX, FLIPPED])
def test_levels_lie_on_the_studys_grid(settings):
    delayed = make_image(4, 12, 20)
    image = to_segmentation_grid(delayed, 32)
    assert image.shape == (4, 32, 32)
    levels = predict_levels(StubPredictor(), one_phase(image), delayed, settings, batch_size=3)
    assert levels.shape == delayed.shape and levels.dtype == np.uint8 and levels.max() <= LEVELS
    same = predict_levels(StubPredictor(), one_phase(delayed), delayed, WHOLE, batch_size=3)
    np.testing.assert_array_equal(same, to_levels(predict(StubPredictor(), delayed, WHOLE, 2)))


def test_slices_come_back_alone_as_they_come_back_together():
    turn = np.deg2rad(20)
    affine = np.array([[0, -2 * np.sin(turn), 1.5 * np.cos(turn), 7], [0.8, 2 * np.cos(turn), 1.5 * np.sin(turn), -30], [3.9, 0, 0, 11], [0, 0, 0, 1]])
    delayed = Volume(np.zeros((9, 24, 20), np.uint16), (float(np.hypot(0.8, 3.9)), 2.0, 1.5), affine)
    image = to_segmentation_grid(delayed, 32)
    probability = np.random.default_rng(3).uniform(0, 1, image.shape).astype(np.float32)
    together = from_segmentation_grid(image.with_array(probability), delayed)
    alone = np.concatenate([resample_slices(image, first, probability[first:first + 2], delayed) for first in range(0, 9, 2)])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_every_level_is_its_own_step():
    probability = (np.arange(LEVELS + 1) / LEVELS).astype(np.float32)
    np.testing.assert_array_equal(to_levels(probability), np.arange(LEVELS + 1))


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.044, 0.952, 1.0])
def test_a_threshold_divides_levels_as_it_divides_probabilities(threshold):
    at = np.float32(threshold)
    probability = np.array([at - np.float32(2e-6), at, at + np.float32(2e-6)], np.float32).clip(0, 1)
    np.testing.assert_array_equal(to_levels(probability) >= compute_level(threshold), probability >= at)


@given(st.floats(0, 1, width=32))
def test_a_level_is_the_probability_rounded_down(probability):
    level = int(to_levels(np.array([probability], np.float32))[0])
    assert level / LEVELS <= probability + 1e-6
    assert probability < (level + 1) / LEVELS + 1e-6
