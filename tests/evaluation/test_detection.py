from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from lirads_keras.entities import Lesion
from lirads_keras.evaluation.detection import LesionMatches, PatientDetection, count_shared_voxels, detect_patient, match_lesions

SHAPE = (3, 10, 12)


def make_lesions(labels):
    """One lesion a label; only what matching reads is right."""
    return [
        Lesion(str(label), box, labels[box] == label, 0, 1.0, 1.0, (0.0, 0.0, 0.0))
        for label, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None]


def make_labels(*boxes):
    labels = np.zeros(SHAPE, np.int32)
    for label, (z, rows, columns) in enumerate(boxes, start=1):
        labels[z, rows, columns] = label
    return make_lesions(labels)


def test_one_shared_voxel_is_a_detection():
    reference = make_labels((1, slice(2, 6), slice(2, 6)), (1, slice(8, 10), slice(8, 12)))
    predicted = make_labels((1, slice(5, 9), slice(5, 7)), (0, slice(0, 2), slice(0, 2)))
    matches = match_lesions(reference, predicted, minimum_overlap_iou=0)
    # 16 and 8 voxels share one.
    assert matches == LesionMatches((True, False), (True, False), (0, None), (0, None), (1 / 23, 0), (1 / 23, 0))
    assert detect_patient(matches) == PatientDetection(True, True, True, 1 / 23)


def test_touching_without_sharing_is_none():
    reference = make_labels((1, slice(2, 6), slice(2, 6)))
    predicted = make_labels((1, slice(6, 8), slice(2, 6)), (2, slice(2, 6), slice(2, 6)))
    assert match_lesions(reference, predicted, minimum_overlap_iou=0) == LesionMatches((False,), (False, False), (None,), (None, None), (0,), (0, 0))


def test_a_minimum_overlap_counts_from_its_own_value_on():
    """16 and 8 voxels sharing 8: IoU = 8 / 16 = 0.5."""
    reference, predicted = make_labels((1, slice(2, 6), slice(2, 6))), make_labels((1, slice(2, 6), slice(2, 4)))
    assert match_lesions(reference, predicted, minimum_overlap_iou=0.5).reference_matched == (True,)
    assert match_lesions(reference, predicted, minimum_overlap_iou=0.51).reference_matched == (False,)
    strict = match_lesions(reference, predicted, minimum_overlap_iou=0.51)
    assert strict.best_prediction == strict.best_reference == (None,)
    # The overlap itself is told whatever the rule.
    assert match_lesions(reference, predicted, minimum_overlap_iou=0.51).reference_iou == (0.5,)


def test_one_component_may_cover_two_lesions_and_the_larger_share_is_best():
    reference = make_labels((1, slice(0, 2), slice(0, 4)), (1, slice(5, 9), slice(0, 4)))
    predicted = make_labels((1, slice(0, 6), slice(0, 4)), (1, slice(7, 9), slice(0, 4)))
    # 8 voxels of 24; 4 shared of 16 and 24, and 8 of 16.
    expected = LesionMatches((True, True), (True, True), (0, 1), (0, 1), (1 / 3, 1 / 2), (1 / 3, 1 / 2))
    assert match_lesions(reference, predicted, minimum_overlap_iou=0) == expected


def test_two_components_may_belong_to_one_lesion_which_has_one_best():
    reference = make_labels((1, slice(0, 8), slice(0, 4)), (1, slice(8, 10), slice(0, 1)))
    predicted = make_labels((1, slice(0, 2), slice(0, 4)), (1, slice(4, 10), slice(0, 4)))
    matches = match_lesions(reference, predicted, minimum_overlap_iou=0)
    # The second component shares 16 voxels with the first lesion and 2 with the second one.
    assert matches.best_prediction == (1, 1) and matches.best_reference == (0, 0)


def test_the_box_of_another_lesion_is_not_the_lesion():
    """An L and what lies in its corner: the boxes overlap, the masks do not."""
    labels = np.zeros(SHAPE, np.int32)
    labels[1, 2:8, 2] = labels[1, 7, 2:8] = 1
    assert match_lesions(make_lesions(labels), make_labels((1, slice(2, 5), slice(5, 8))), minimum_overlap_iou=0).reference_matched == (False,)


@pytest.mark.parametrize(("reference", "predicted", "expected"), [
    ([], [], PatientDetection(False, False, False, 0)),
    ([(1, slice(2, 6), slice(2, 6))], [], PatientDetection(True, False, False, 0)),
    ([], [(1, slice(2, 6), slice(2, 6))], PatientDetection(False, True, False, 0)),
    ([(1, slice(2, 4), slice(2, 4))], [(1, slice(6, 8), slice(2, 6))], PatientDetection(True, True, False, 0)),
])
def test_patients_without_lesions_or_components(reference, predicted, expected):
    assert detect_patient(match_lesions(make_labels(*reference), make_labels(*predicted), minimum_overlap_iou=0)) == expected


@given(hnp.arrays(np.int32, SHAPE, elements=st.integers(0, 3)), hnp.arrays(np.int32, SHAPE, elements=st.integers(0, 4), fill=st.just(0)),
       st.sampled_from([0.0, 0.05, 0.3]))
def test_matches_equal_those_of_whole_masks(reference_labels, predicted_labels, minimum):
    reference, predicted = make_lesions(reference_labels), make_lesions(predicted_labels)
    matches = match_lesions(reference, predicted, minimum_overlap_iou=minimum)
    masks = [[labels == int(lesion.lesion_id) for lesion in lesions] for labels, lesions in ((reference_labels, reference), (predicted_labels, predicted))]
    pairs = [[(a & b).sum() > 0 and (a & b).sum() / (a | b).sum() >= minimum for b in masks[1]] for a in masks[0]]
    assert matches.reference_matched == tuple(any(row) for row in pairs)
    assert matches.predicted_matched == tuple(any(row[column] for row in pairs) for column in range(len(predicted)))
    overlaps = np.array([[(a & b).sum() / (a | b).sum() for b in masks[1]] for a in masks[0]]).reshape(len(reference), len(predicted))
    assert matches.reference_iou == tuple(overlaps.max(axis=1, initial=0)) and matches.predicted_iou == tuple(overlaps.max(axis=0, initial=0))
    for row, best in enumerate(matches.best_prediction):
        shared = [(masks[0][row] & mask).sum() if pairs[row][column] else 0 for column, mask in enumerate(masks[1])]
        assert (best is None) == (not any(pairs[row]))
        assert best is None or shared[best] == max(shared)
    for i, a in enumerate(reference):
        for j, b in enumerate(predicted):
            assert count_shared_voxels(a, b) == count_shared_voxels(b, a) == (masks[0][i] & masks[1][j]).sum()
