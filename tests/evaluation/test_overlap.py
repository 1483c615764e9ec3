from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix, f1_score

from lirads_keras.errors import InputError
from lirads_keras.evaluation.overlap import LEVELS, compute_dice, compute_level, compute_pixel_counts, overlap_suffices, score_mask

SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)


@given(st.data())
def test_counts_at_every_level_equal_those_of_brute_force(data):
    shape = data.draw(SHAPES)
    prediction = data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 250)))
    reference = data.draw(hnp.arrays(np.bool_, shape))
    counts = compute_pixel_counts(prediction, reference)
    for level in range(LEVELS + 1):
        predicted = prediction >= level
        assert counts.tp[level] == (predicted & reference).sum()
        assert counts.fp[level] == (predicted & ~reference).sum()
        assert counts.fn[level] == (~predicted & reference).sum()
        assert counts.tn[level] == (~predicted & ~reference).sum()


def test_counts_and_dice_equal_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    reference = rng.random((4, 20, 20)) > 0.8
    prediction = np.clip(rng.normal(90 + 60 * reference, 40), 0, 250).astype(np.uint8)
    counts = compute_pixel_counts(prediction, reference)
    for threshold in (0.1, 0.35, 0.5, 0.9, 1.0):
        predicted = prediction >= 250 * threshold
        tn, fp, fn, tp = confusion_matrix(reference.ravel(), predicted.ravel(), labels=[False, True]).ravel()
        assert counts.at(threshold) == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        assert counts.dice(threshold) == pytest.approx(f1_score(reference.ravel(), predicted.ravel()), abs=1e-12)


def test_counts_by_hand():
    prediction = np.array([[[0, 125, 250, 124]]], np.uint8)
    reference = np.array([[[True, True, False, False]]])
    counts = compute_pixel_counts(prediction, reference)
    assert counts.at(0.5) == {"tp": 1, "fp": 1, "fn": 1, "tn": 1} and counts.dice(0.5) == 0.5
    assert counts.at(0.0) == {"tp": 2, "fp": 2, "fn": 0, "tn": 0}
    assert counts.at(0.504) == {"tp": 0, "fp": 1, "fn": 2, "tn": 1} and counts.dice(0.504) == 0
    assert counts.tp.shape == (251,) and counts.tp.dtype == counts.tn.dtype == np.int64


@given(st.integers(0, 1000))
def test_a_threshold_of_three_decimals_lies_on_the_level_of_exact_arithmetic(thousandths):
    exact = Fraction(thousandths, 1000) * 250
    assert compute_level(thousandths / 1000) == -(-exact.numerator // exact.denominator)


def test_the_printed_thresholds_lie_on_levels():
    assert [compute_level(threshold) for threshold in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)] == [25, 50, 75, 100, 125, 150, 175, 200, 225]
    # 0.1 · 3 is a little more than 0.3, and still the same level.
    assert compute_level(0.1 * 3) == 75


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
def test_thresholds_lie_in_the_unit_interval(threshold):
    with pytest.raises(ValueError, match="lies in"):
        compute_level(threshold)


def test_dice_of_empty_masks():
    """Both empty: undefined; one empty: 0; equal: 1."""
    np.testing.assert_array_equal(compute_dice(np.array([0, 0, 0, 5]), np.array([0, 3, 0, 0]), np.array([0, 0, 2, 0])), [np.nan, 0, 0, 1])
    empty = np.zeros((2, 3, 3), bool)
    assert np.isnan(compute_pixel_counts(np.zeros((2, 3, 3), np.uint8), empty).dice(0.5))
    assert compute_pixel_counts(np.full((2, 3, 3), 200, np.uint8), empty).dice(0.5) == 0
    assert compute_pixel_counts(np.zeros((2, 3, 3), np.uint8), ~empty).dice(0.5) == 0
    assert compute_pixel_counts(np.full((2, 3, 3), 250, np.uint8), ~empty).dice(1.0) == 1


def test_a_memory_mapped_prediction_is_read(tmp_path):
    prediction = np.random.default_rng(0).integers(0, 251, (3, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "p.npy", prediction)
    reference = prediction > 100
    mapped = compute_pixel_counts(np.load(tmp_path / "p.npy", mmap_mode="r"), reference)
    np.testing.assert_array_equal(mapped.tp, compute_pixel_counts(prediction, reference).tp)


def test_other_arrays_are_refused():
    prediction, reference = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), bool)
    for bad in [(prediction.astype(float), reference), (prediction, reference.astype(np.uint8)), (prediction, reference[:1])]:
        with pytest.raises(ValueError, match="prediction uint8 and reference bool"):
            compute_pixel_counts(*bad)
    with pytest.raises(InputError, match="levels 0 … 250, found 255"):
        compute_pixel_counts(np.full((2, 3, 3), 255, np.uint8), reference)


def test_dice_of_a_mask() -> None:
    reference = np.array([True, True, False, False])
    assert score_mask(np.array([True, False, True, False]), reference) == 0.5
    assert score_mask(np.zeros(4, bool), reference) == 0
    assert math.isnan(score_mask(np.zeros(4, bool), np.zeros(4, bool)))


@given(st.integers(1, 100), st.integers(1, 30), st.sampled_from([-1, 0, 1]))
def test_an_overlap_of_exactly_the_minimum_suffices(percent, hundreds, more):
    """In whole numbers: shared / union against percent / 100, where the product of binary fractions may come out above."""
    union = 100 * hundreds
    shared = percent * hundreds + more
    assert bool(overlap_suffices(np.array(shared), np.array(union), percent / 100)) == (shared > 0 and more >= 0)


def test_some_products_come_out_above_and_no_voxel_is_no_overlap():
    assert 0.07 * 100 > 7 and overlap_suffices(np.array([7, 6, 0]), np.array([100, 100, 100]), 0.07).tolist() == [True, False, False]
    assert overlap_suffices(np.array([0, 1]), np.array([10**9, 10**8]), 0).tolist() == [False, True]
