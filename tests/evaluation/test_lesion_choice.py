from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.entities import Volume
from lirads_keras.evaluation.detection import match_lesions
from lirads_keras.evaluation.lesion_choice import CutScore, choose_cut, score_cuts
from lirads_keras.lesions import extract_lesions, measure_lesions

VOXEL_MM3 = 8.0
GRID = np.diag([2.0, 2.0, 2.0, 1.0])


def score(f1_of: tuple[int, int, int, int], *dice: float) -> CutScore:
    return CutScore(*f1_of, dice)


def test_counts_by_hand() -> None:
    """A lesion of four voxels, half of which a component of four covers; one of two voxels, missed; a speck elsewhere."""
    labels, levels = np.zeros((1, 4, 8), np.uint8), np.zeros((1, 4, 8), np.uint8)
    labels[0, 0, 0:4], labels[0, 3, 0:2] = 3, 9
    levels[0, 0, 2:6] = 150
    levels[0, 3, 7] = 200
    found = score_cuts(levels, labels, VOXEL_MM3, thresholds=(0.6, 0.7), minimum_volumes_mm3=(0, 16), minimum_iou=0.1)
    # Dice: 2 * 2 / (5 + 6) with the speck, 2 * 2 / (4 + 6) without.
    assert found[0.6, 0] == CutScore(2, 1, 2, 1, (pytest.approx(4 / 11),)) and found[0.6, 16] == CutScore(2, 1, 1, 1, (pytest.approx(0.4),))
    assert found[0.7, 0] == CutScore(2, 0, 1, 0, (0.0,)) and found[0.7, 16] == CutScore(2, 0, 0, 0, (0.0,))
    assert found[0.6, 0].f1 == pytest.approx(0.5) and found[0.6, 16].f1 == pytest.approx(2 / 3) and found[0.7, 16].f1 == 0
    # Two of six voxels are shared: an IoU of one third.
    limits = {iou: score_cuts(levels, labels, VOXEL_MM3, thresholds=(0.6,), minimum_volumes_mm3=(0,), minimum_iou=iou)[0.6, 0].detected
              for iou in (1 / 3, 0.34)}
    assert limits == {1 / 3: 1, 0.34: 0}


def test_a_patient_without_a_lesion_has_false_lesions_and_no_dice() -> None:
    levels = np.zeros((1, 4, 8), np.uint8)
    levels[0, 1, 1] = 125
    found = score_cuts(levels, np.zeros(levels.shape, np.uint8), VOXEL_MM3, thresholds=(0.5, 0.6), minimum_volumes_mm3=(0,), minimum_iou=0.1)
    assert found == {(0.5, 0): CutScore(0, 0, 1, 0, ()), (0.6, 0): CutScore(0, 0, 0, 0, ())}
    assert found[0.6, 0].mean_dice is None and (found[0.5, 0] + CutScore(1, 1, 1, 1, (0.5,))) == CutScore(1, 1, 2, 1, (0.5,))


@settings(max_examples=80)
@given(hnp.arrays(np.uint8, (3, 5, 6), elements=st.sampled_from([0, 60, 125, 200, 250])),
       hnp.arrays(np.uint8, (3, 5, 6), elements=st.sampled_from([0, 0, 0, 1, 2, 200])), st.sampled_from([0.0, 0.1, 0.5]))
def test_lesions_are_those_that_are_measured_and_matched_elsewhere(levels, labels, iou) -> None:
    found = score_cuts(levels, labels, VOXEL_MM3, thresholds=(0.2, 0.5, 0.8), minimum_volumes_mm3=(0, 16, 40), minimum_iou=iou)
    assert len(found) == 9
    grid = Volume(levels.astype(float), (2.0, 2.0, 2.0), GRID)
    reference = measure_lesions(labels, grid)
    for (threshold, volume_mm3), counted in found.items():
        predicted = extract_lesions(grid, 250 * threshold - 0.5, minimum_volume_mm3=volume_mm3)
        matches = match_lesions(reference, predicted, minimum_overlap_iou=iou)
        assert (counted.reference, counted.detected) == (len(reference), sum(matches.reference_matched))
        assert (counted.predicted, counted.matched) == (len(predicted), sum(matches.predicted_matched))
        voxels = sum(np.count_nonzero(lesion.mask) for lesion in predicted)
        kept = np.zeros(labels.shape, bool)
        for lesion in predicted:
            kept[lesion.bounding_box] |= lesion.mask
        both = voxels + np.count_nonzero(labels)
        assert counted.dice == (() if not reference else (pytest.approx(2 * np.count_nonzero(kept & (labels > 0)) / both),))


@pytest.mark.parametrize(("scores", "expected"), [
    # F1 2/3 before 1/2, whatever the Dice.
    ({(0.5, 0.0): score((2, 1, 2, 1), 0.9), (0.3, 100.0): score((2, 1, 1, 1), 0.1)}, (0.3, 100.0)),
    # Equal F1: the Dice.
    ({(0.5, 0.0): score((2, 1, 1, 1), 0.4), (0.8, 500.0): score((4, 2, 2, 2), 0.5)}, (0.8, 500.0)),
    # Equal in both: nearest to 0.5, then the smaller volume, then the lower threshold.
    ({(0.7, 0.0): score((2, 1, 1, 1), 0.4), (0.4, 250.0): score((2, 1, 1, 1), 0.4), (0.4, 100.0): score((2, 1, 1, 1), 0.4)}, (0.4, 100.0)),
    ({(0.6, 0.0): score((2, 0, 0, 0), 0.0), (0.4, 0.0): score((2, 0, 3, 0), 0.0)}, (0.4, 0.0)),
    # No lesion, no Dice: any is as good, but one that finds something there has a Dice of 0, which is no worse.
    ({(0.2, 0.0): score((0, 0, 0, 0)), (0.6, 0.0): score((0, 0, 0, 0))}, (0.6, 0.0)),
])
def test_the_choice(scores, expected) -> None:
    assert choose_cut(scores) == expected
    assert choose_cut(dict(reversed(scores.items()))) == expected


def test_a_choice_needs_something_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no threshold"):
        choose_cut({})


@given(st.integers(0, 9), st.integers(0, 9), st.data())
def test_f1_is_the_harmonic_mean(reference, predicted, data) -> None:
    detected, matched = data.draw(st.integers(0, reference)), data.draw(st.integers(0, predicted))
    f1 = CutScore(reference, detected, predicted, matched, ()).f1
    if detected and matched:
        assert f1 == pytest.approx(2 / (reference / detected + predicted / matched))
    assert 0 <= f1 <= 1 and not math.isnan(f1)


def test_a_patient_without_voxels_has_nothing() -> None:
    found = score_cuts(np.zeros((0, 4, 8), np.uint8), np.zeros((0, 4, 8), np.uint8), VOXEL_MM3, thresholds=(0.5,), minimum_volumes_mm3=(0,), minimum_iou=0.1)
    assert found == {(0.5, 0): CutScore(0, 0, 0, 0, ())}


def test_both_ways_of_matching_take_an_overlap_of_exactly_the_minimum() -> None:
    """A lesion of 7 voxels inside a component of 100: 0.07."""
    labels, levels = np.zeros((1, 10, 10), np.uint8), np.full((1, 10, 10), 250, np.uint8)
    labels[0, 0, :7] = 1
    found = score_cuts(levels, labels, VOXEL_MM3, thresholds=(0.5,), minimum_volumes_mm3=(0,), minimum_iou=0.07)
    assert found[0.5, 0].detected == found[0.5, 0].matched == 1
    grid = Volume(levels / 250, (2.0, 2.0, 2.0), GRID)
    matches = match_lesions(measure_lesions(labels, grid), extract_lesions(grid, 0.5, minimum_volume_mm3=0), minimum_overlap_iou=0.07)
    assert matches.reference_matched == matches.predicted_matched == (True,)
