from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from lirads_keras.evaluation.surface import SurfaceDistances, compute_surface_distances, find_surface

MASKS = hnp.arrays(np.bool_, (3, 5, 6))
SPACINGS = st.tuples(*[st.floats(0.5, 5)] * 3)


def box(shape, *sides):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def list_surface(mask):
    """Face neighbours one by one."""
    padded = np.pad(mask, 1)
    steps = [np.roll(padded, step, axis) for axis in range(3) for step in (-1, 1)]
    return np.argwhere(mask & ~np.logical_and.reduce(steps)[1:-1, 1:-1, 1:-1])


@given(MASKS)
def test_the_surface_has_a_face_outside(mask):
    np.testing.assert_array_equal(find_surface(mask), list_surface(mask))


def test_the_surface_of_a_block_is_all_but_its_inside():
    mask = box((7, 9, 9), (1, 6), (2, 7), (2, 7))
    assert len(find_surface(mask)) == 5 ** 3 - 3 ** 3
    # At the border of the volume there is nothing beyond: the whole volume has a surface, too.
    assert len(find_surface(np.ones((4, 4, 4), bool))) == 4 ** 3 - 2 ** 3
    assert find_surface(np.zeros((2, 3, 4), bool)).shape == (0, 3)


@given(MASKS, MASKS, SPACINGS)
def test_distances_equal_those_of_every_pair(prediction, reference, spacing_mm):
    found = compute_surface_distances(prediction, reference, spacing_mm)
    a, b = (list_surface(mask) * np.array(spacing_mm) for mask in (prediction, reference))
    if not len(a) or not len(b):
        assert found == SurfaceDistances(None, None)
        return
    pairs = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    assert found.mean_mm == pytest.approx((pairs.min(1).sum() + pairs.min(0).sum()) / (len(a) + len(b)), abs=1e-12)
    assert found.hausdorff95_mm == pytest.approx(max(np.percentile(pairs.min(1), 95), np.percentile(pairs.min(0), 95)), abs=1e-12)
    assert compute_surface_distances(reference, prediction, spacing_mm) == SurfaceDistances(
        pytest.approx(found.mean_mm, abs=1e-12), pytest.approx(found.hausdorff95_mm, abs=1e-12))
    assert compute_surface_distances(prediction, prediction, spacing_mm) == SurfaceDistances(0.0, 0.0)


def test_planes_that_are_shifted():
    """One slice each, 3 slices of 4 mm apart: every distance is 12 mm."""
    shape = (8, 6, 6)
    shifted = compute_surface_distances(box(shape, (1, 2), (1, 5), (1, 5)), box(shape, (4, 5), (1, 5), (1, 5)), (4.0, 0.7, 0.7))
    assert shifted == SurfaceDistances(pytest.approx(12.0), pytest.approx(12.0))


def test_two_voxels_by_hand():
    """A row of 3 voxels against its first, 2 mm apart: 0, 2 and 4 mm one way, 0 mm the other; the mean is over 3 + 1 voxels."""
    shape = (1, 1, 5)
    found = compute_surface_distances(box(shape, (0, 1), (0, 1), (0, 3)), box(shape, (0, 1), (0, 1), (0, 1)), (4.0, 1.0, 2.0))
    assert found == SurfaceDistances(pytest.approx((0 + 2 + 4 + 0) / 4), pytest.approx(2 + 0.9 * 2))


def test_a_distant_speck_moves_the_mean_but_not_the_95th_percentile():
    """1 of 93 voxels of the prediction is far off."""
    reference = box((9, 40, 40), (1, 6), (1, 6), (1, 5))
    prediction = reference.copy()
    prediction[8, 39, 39] = True
    found = compute_surface_distances(prediction, reference, (1.0, 1.0, 1.0))
    assert found.hausdorff95_mm == 0 and 0 < found.mean_mm < 1


def test_distances_equal_those_of_distance_maps():
    """On blobs."""
    rng = np.random.default_rng(3)
    prediction, reference = (ndimage.gaussian_filter(rng.normal(size=(12, 30, 34)), 3) > 0.03 for _ in range(2))
    spacing_mm = (4.4, 1.3, 0.8)
    found = compute_surface_distances(prediction, reference, spacing_mm)
    directed = []
    for mask, other in ((prediction, reference), (reference, prediction)):
        own, target = (np.zeros(mask.shape, bool) for _ in range(2))
        own[tuple(list_surface(mask).T)] = target[tuple(list_surface(other).T)] = True
        directed.append(ndimage.distance_transform_edt(~target, sampling=spacing_mm)[own])
    assert found.mean_mm == pytest.approx(np.concatenate(directed).mean(), abs=1e-9)
    assert found.hausdorff95_mm == pytest.approx(max(np.percentile(part, 95) for part in directed), abs=1e-9)


@pytest.mark.parametrize(("prediction", "reference"), [(False, False), (True, False), (False, True)])
def test_a_distance_to_nothing_has_no_value(prediction, reference):
    masks = [np.full((2, 3, 3), full) for full in (prediction, reference)]
    assert compute_surface_distances(*masks, (1.0, 1.0, 1.0)) == SurfaceDistances(None, None)


def test_other_arrays_are_refused():
    mask = np.ones((2, 3, 3), bool)
    for bad in ((mask.astype(np.uint8), mask), (mask, mask[:1]), (mask[0], mask[0])):
        with pytest.raises(ValueError, match="two masks"):
            compute_surface_distances(*bad, (1.0, 1.0, 1.0))
    for spacing_mm in ((1.0, 0.0, 1.0), (1.0, float("nan"), 1.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match="spacings above 0"):
            compute_surface_distances(mask, mask, spacing_mm)


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 5), (0, 0, 0)])
def test_masks_without_voxels_have_no_surface(shape):
    empty = np.zeros(shape, bool)
    assert find_surface(empty).shape == (0, 3) and compute_surface_distances(empty, empty, (4, 1, 1)) == SurfaceDistances(None, None)
