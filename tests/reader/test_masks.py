"""Masks come back as they were packed, and lesions keep their names by what they share."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.entities import Volume
from lirads_keras.lesions import extract_lesions, measure_lesions
from lirads_keras.reader.findings import name_lesions
from lirads_keras.reader.masks import (
    CRUMB_MM3,
    compute_voxels_digest,
    find_first_voxel,
    label_lesions,
    match_lesions,
    pack_mask,
    select_components,
    unpack_mask,
)

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))


def on_grid(array: np.ndarray) -> Volume:
    return Volume(array, (3.0, 1.0, 1.0), np.diag([3.0, 1.0, 1.0, 1.0]))


@given(MASKS)
def test_a_mask_comes_back(mask):
    packed = pack_mask(mask)
    unpacked = unpack_mask(packed)
    assert unpacked.dtype == bool and np.array_equal(unpacked, mask) and pack_mask(unpacked.astype(np.uint8) * 7) == packed


@settings(max_examples=60)
@given(MASKS, st.sampled_from([0, 15, 30, 60, 100, 500]))
def test_lesions_are_those_of_the_pipeline(mask, minimum_volume_mm3):
    """Run measures by `extract_lesions`, Next by labels: of one mask both have the same lesions in the same order, down to crumbs of 60 mm³."""
    grid = Volume(mask, (3.0, 5.0, 1.0), np.diag([3.0, 5.0, 1.0, 1.0]))
    labels, ignored = label_lesions(mask, minimum_volume_mm3, 15.0)
    of_run = extract_lesions(grid.with_array(mask.astype(np.float32)), 0.5, minimum_volume_mm3=min(minimum_volume_mm3, CRUMB_MM3))
    of_next = measure_lesions(labels, grid)
    everything, none = label_lesions(mask, 0, 15.0)
    assert len(of_run) == len(of_next) == labels.max(initial=0) and none == 0
    assert ignored == everything.max(initial=0) - len(of_next)
    for run, following in zip(of_run, of_next, strict=True):
        assert compute_voxels_digest(run) == compute_voxels_digest(following)
        assert (run.diameter_mm, run.volume_ml, run.largest_slice) == (following.diameter_mm, following.volume_ml, following.largest_slice)


@settings(max_examples=60)
@given(MASKS)
def test_a_first_voxel_finds_its_lesion_again(mask):
    labels, _ = label_lesions(mask, 0, 1.0)
    lesions = measure_lesions(labels, on_grid(mask))
    if lesions:
        assert np.array_equal(select_components(mask, [find_first_voxel(lesion, mask.shape) for lesion in lesions]), labels)
        assert len({compute_voxels_digest(lesion) for lesion in lesions}) == len(lesions)


def test_a_voxel_outside_or_twice_in_one_component_is_refused():
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 0, :2] = True
    for voxels in ([5], [0, 1]):
        with pytest.raises(ValueError, match="component of its own"):
            select_components(mask, voxels)


def line(*runs: tuple[int, int, int]) -> np.ndarray:
    """Labels in one row: (label, from, to)."""
    labels = np.zeros((1, 1, 40), np.int32)
    for label, start, stop in runs:
        labels[..., start:stop] = label
    return labels


@pytest.mark.parametrize("previous, current, expected", [
    (line((1, 0, 5), (2, 10, 15)), line((1, 11, 14), (2, 0, 4)), {1: 2, 2: 1}),
    (line((1, 0, 10)), line((1, 0, 3), (2, 4, 10)), {2: 1}),
    (line((1, 0, 4), (2, 6, 15)), line((1, 0, 15)), {1: 2}),
    (line((1, 0, 4)), line((1, 20, 25)), {}),
    (line((1, 0, 4)), line(), {}),
    (line(), line((1, 0, 4)), {}),
    # Greedy by size: the pair of 6 first, so that the small part cannot take the large one's name.
    (line((1, 0, 10), (2, 10, 13)), line((1, 0, 4), (2, 4, 13)), {2: 1, 1: None}),
    (line((1, 0, 2), (2, 2, 4)), line((1, 0, 4)), {1: 1}),
], ids=["swapped", "divided", "grown together", "elsewhere", "erased", "new", "moved border", "equal overlaps"])
def test_who_is_who(previous, current, expected):
    assert match_lesions(previous, current) == {now: was for now, was in expected.items() if was is not None}


@given(hnp.arrays(np.int32, (2, 5, 6), elements=st.integers(0, 4)), hnp.arrays(np.int32, (2, 5, 6), elements=st.integers(0, 4)))
def test_a_match_is_one_to_one_and_shares_voxels(previous, current):
    partners = match_lesions(previous, current)
    assert len(set(partners.values())) == len(partners)
    assert all(((previous == was) & (current == now)).any() for now, was in partners.items())
    best = max((np.count_nonzero((previous == was) & (current == now)) for was in range(1, 5) for now in range(1, 5)), default=0)
    assert not best or any(np.count_nonzero((previous == was) & (current == now)) == best for now, was in partners.items())


def test_new_lesions_get_the_next_numbers():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 0, :4] = mask[0, 3, :3] = mask[0, 6, :2] = True
    labels, _ = label_lesions(mask, 0, 1.0)
    named = name_lesions(measure_lesions(labels, on_grid(mask)), {2: "P1"}, 7)
    assert [lesion.lesion_id for lesion in named] == ["P7", "P1", "P8"]


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 5), (0, 0, 0)])
def test_a_mask_without_voxels_has_no_lesion(shape):
    empty = np.zeros(shape, bool)
    assert np.array_equal(unpack_mask(pack_mask(empty)), empty) and label_lesions(empty, 60, 1)[1] == 0
    assert select_components(empty, []).shape == shape and match_lesions(empty.view(np.uint8), empty.view(np.uint8)) == {}
