from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from extract_lesions import crop_patient, predicted_lesions

from lirads_keras.evaluation.findings import Finding
from lirads_keras.preprocessing.store import read_stored_study

SHAPE = (6, 32, 32)
FOUND, MISSED = (slice(1, 3), slice(4, 12), slice(4, 10)), (slice(4, 5), slice(20, 23), slice(20, 23))


@pytest.fixture
def mask() -> np.ndarray:
    """Lesion 3 is found by the prediction, lesion 7 is missed."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[FOUND], mask[MISSED] = 3, 7
    return mask


@pytest.fixture
def prediction(tmp_path) -> Path:
    """A component of 8 × 8 pixels at 0.6 over the found lesion, one of two voxels that is too small, one at 0.3 over the missed lesion."""
    levels = np.zeros(SHAPE, np.uint8)
    levels[1:3, 4:12, 4:12] = 150
    levels[5, 30, 0:2] = 250
    levels[MISSED] = 75
    np.save(tmp_path / "P1.npy", levels)
    return tmp_path / "P1.npy"


MINIMUM_VOLUME_MM3 = 48
"""Three voxels."""


def crop_all(store, prediction, profile, *, threshold=0.5, ids=None, diameters=None, findings=(), **others):
    return crop_patient(store, {"delayed": (prediction, (threshold, MINIMUM_VOLUME_MM3)), **others}, profile, ids or {"3": "L1", "7": "L2"},
                        diameters or {"3": 17.5, "7": None}, findings)


def crop(*args, **settings):
    """The rows of reference lesions alone."""
    rows, images, present = crop_all(*args, **settings)
    kept = [number for number, row in enumerate(rows) if row["roi"] != "predicted_lesion"]
    return [rows[number] for number in kept], images[kept], present[kept]


def test_each_lesion_has_a_row_for_both_regions_and_a_missed_one_is_empty(store_study, mask, prediction, profile):
    rows, images, present = crop(store_study("P1", mask), prediction, profile)
    assert [(row["roi"], row["segmentation"], row["lesion_id"], row["detected"]) for row in rows] == [
        ("reference_roi", None, "L1", 1), ("reference_roi", None, "L2", 1), ("automatic_roi", "delayed", "L1", 1), ("automatic_roi", "delayed", "L2", 0)]
    # The manifest's diameter, the mask's where it has none (3 × 3 pixels of 2 mm), the component's (8 × 8 pixels), none.
    assert [row["diameter_mm"] for row in rows] == [17.5, pytest.approx(4 * 2 ** 0.5 + 0.8), pytest.approx(14 * 2 ** 0.5 + 0.8), None]
    assert images.shape == (4, 3, 32, 32, 3) and images.dtype == np.float32
    np.testing.assert_array_equal(present, [[True] * 3] * 3 + [[False] * 3])
    assert not images[3].any() and all(images[row].any() for row in range(3))
    # The regions differ, and so do their crops.
    assert not np.array_equal(images[0], images[2])


def test_each_segmentation_variant_has_its_own_regions_and_changes_no_other(store_study, mask, prediction, profile, tmp_path):
    store = store_study("P1", mask)
    alone, both = crop(store, prediction, profile), crop(store, prediction, profile, **{"three-phase": (prediction, (0.25, 0.0))})
    # At 0.25 the lesion that is missed at 0.5 is found by its own voxels.
    assert both[0][:4] == alone[0]
    assert [(row["roi"], row["segmentation"], row["lesion_id"], row["detected"]) for row in both[0][4:]] == [
        ("automatic_roi", "three-phase", "L1", 1), ("automatic_roi", "three-phase", "L2", 1)]
    for of_both, of_one in zip(both[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(of_both[:4], of_one)
    np.testing.assert_array_equal(both[1][5], both[1][1])
    assert len(both[1]) == len(both[2]) == 6 and both[2].all(axis=1).tolist() == [True, True, True, False, True, True]


def test_the_threshold_decides_what_is_missed(store_study, mask, prediction, profile):
    store = store_study("P1", mask)
    detected = {threshold: [row["detected"] for row in crop(store, prediction, profile, threshold=threshold)[0][2:]] for threshold in (0.3, 0.304, 0.6, 0.604)}
    assert detected == {0.3: [1, 1], 0.304: [1, 0], 0.6: [1, 0], 0.604: [0, 0]}


def test_a_missing_phase_is_absent_from_every_crop(store_study, mask, prediction, profile):
    rows, images, present = crop(store_study("P1", mask, phases=("portal_venous", "delayed")), prediction, profile)
    np.testing.assert_array_equal(present, [[False, True, True]] * 3 + [[False] * 3])
    assert not images[:, 0].any() and len(rows) == 4


@pytest.mark.parametrize("mask_of_patient", [None, np.zeros(SHAPE, np.uint8)])
def test_a_patient_without_lesions_has_the_predicted_ones_alone(store_study, prediction, profile, mask_of_patient):
    """A positive patient may have lesions of other categories only."""
    store = store_study("P1", mask_of_patient)
    rows, images, present = crop_all(store, prediction, profile)
    assert [(row["roi"], row["lesion_id"], row["reference_lesion_id"], row["iou"], row["detected"]) for row in rows] == [("predicted_lesion", "P1", None, 0, 1)]
    assert images.shape == (1, 3, 32, 32, 3) and images.any(axis=(2, 3, 4)).all() and present.all()
    rows, images, present = crop_all(store, prediction, profile, threshold=0.8)
    assert rows == [] and images.shape == (0, 3, 32, 32, 3) and present.shape == (0, 3)
    assert images.dtype == np.float32 and present.dtype == bool


def test_every_predicted_lesion_has_a_row_false_ones_too(store_study, mask, prediction, profile):
    """At 0.3 the speck is too small, and the false component lies on a cyst."""
    levels = np.load(prediction)
    levels[1:3, 24:28, 24:28] = 200
    np.save(prediction, levels)
    store = store_study("P1", mask)
    study = read_stored_study(store)
    # The centre of the false component's first slice.
    cyst = Finding("cyst", tuple((study.affine[:3, :3] @ (1, 25.5, 25.5) + study.affine[:3, 3]).tolist()), 6.0)
    rows, images, present = crop_all(store, prediction, profile, threshold=0.3, findings=[cyst])
    found = {row["lesion_id"]: row for row in rows if row["roi"] == "predicted_lesion"}
    # 128, 32 and 9 voxels; 96 of 128 are the first lesion's, all 9 the second's.
    assert [(name, row["reference_lesion_id"], row["iou"], row["finding"]) for name, row in found.items()] == [
        ("P1", "L1", 0.75, None), ("P2", None, 0, "cyst"), ("P3", "L2", 1, None)]
    assert present.all() and len(rows) == 2 + 2 + 3
    # What was found of a reference lesion is the crop of the predicted lesion itself.
    by_row = {(row["roi"], row["lesion_id"]): image for row, image in zip(rows, images, strict=True)}
    np.testing.assert_array_equal(by_row["automatic_roi", "L1"], by_row["predicted_lesion", "P1"])
    assert not np.array_equal(by_row["predicted_lesion", "P2"], by_row["predicted_lesion", "P1"])


def test_predicted_lesions_are_components_at_the_threshold(store_study, mask, prediction):
    study = read_stored_study(store_study("P1", mask))
    found = predicted_lesions(study, prediction, 0.6, MINIMUM_VOLUME_MM3)
    assert [(lesion.lesion_id, np.count_nonzero(lesion.mask)) for lesion in found] == [("P1", 128)]
    assert found[0].mean_probability == pytest.approx(0.6)
    assert len(predicted_lesions(study, prediction, 0.3, MINIMUM_VOLUME_MM3)) == 2
    # The speck has two voxels of 16 mm³: from 32 mm³ on it counts.
    assert [len(predicted_lesions(study, prediction, 0.6, volume_mm3)) for volume_mm3 in (0, 32, 32.1)] == [2, 2, 1]
    assert predicted_lesions(study, prediction, 1.0, MINIMUM_VOLUME_MM3) == []
