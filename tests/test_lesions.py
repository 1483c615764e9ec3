from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.entities import Volume
from lirads_keras.lesions import compute_diameter_mm, drop_small_components, extract_lesions, find_boxes, label_components, mark_lesions, measure_lesions


def make_grid(array: np.ndarray, spacing_mm: tuple[float, float, float] = (4.0, 2.0, 2.0), origin: tuple[float, ...] = (10.0, 20.0, 30.0)) -> Volume:
    """An axial grid: index z along patient z, y along patient y, x along patient x."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, spacing_mm[2]], [0, spacing_mm[1], 0], [spacing_mm[0], 0, 0]])
    affine[:3, 3] = origin
    return Volume(array, spacing_mm, affine)


def slow_diameter_mm(mask: np.ndarray, spacing_yx_mm: tuple[float, float]) -> float:
    pixels = [(y * spacing_yx_mm[0], x * spacing_yx_mm[1]) for y, x in zip(*np.nonzero(mask), strict=True)]
    longest = max(hypot(a[0] - b[0], a[1] - b[1]) for a in pixels for b in pixels)
    return longest + 0.4 * (spacing_yx_mm[0] + spacing_yx_mm[1]) / 2


def ellipse(semi_axis_px: float, ratio: float, offset: tuple[float, float], angle: float = 0.0) -> np.ndarray:
    size = int(2 * semi_axis_px) + 5
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    y, x = y - offset[0], x - offset[1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (along / semi_axis_px) ** 2 + (across / (ratio * semi_axis_px)) ** 2 <= 1


CENTRED = (0.5, 0.5)
"""With `ellipse`, which draws on diameter + 5 pixels: an odd diameter's centre lies on a pixel, an even one's between pixels."""


@pytest.mark.parametrize("diameter_px", range(4, 61))
def test_digital_discs_are_right_within_half_a_pixel(diameter_px: int) -> None:
    disc = ellipse(diameter_px / 2, 1.0, CENTRED)
    assert abs(compute_diameter_mm(disc, (1.5, 1.5)) / 1.5 - diameter_px) <= 0.5


def test_larger_discs_are_right_within_half_a_pixel_wherever_they_lie() -> None:
    rng = np.random.default_rng(1)
    for diameter_px, dy, dx in zip(rng.uniform(10, 60, 300), rng.uniform(-0.5, 0.5, 300), rng.uniform(-0.5, 0.5, 300)):
        assert abs(compute_diameter_mm(ellipse(diameter_px / 2, 1.0, (dy, dx)), (1.5, 1.5)) / 1.5 - diameter_px) <= 0.5


@pytest.mark.parametrize("diameter_px", range(4, 61))
@pytest.mark.parametrize("angle", [0.0, np.pi / 2])
def test_digital_ellipses_are_right_within_a_pixel(diameter_px: int, angle: float) -> None:
    mask = ellipse(diameter_px / 2, 0.7, CENTRED, angle)
    assert abs(compute_diameter_mm(mask, (1.0, 1.0)) - diameter_px) <= 1.0


def test_larger_ellipses_are_right_within_a_pixel_at_any_angle() -> None:
    rng = np.random.default_rng(2)
    for diameter_px, dy, dx, angle in zip(rng.uniform(20, 60, 300), rng.uniform(-0.5, 0.5, 300), rng.uniform(-0.5, 0.5, 300), rng.uniform(0, np.pi, 300)):
        assert abs(compute_diameter_mm(ellipse(diameter_px / 2, 0.7, (dy, dx), angle), (1.0, 1.0)) - diameter_px) <= 1.0


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(np.any), st.floats(0.3, 5), st.floats(0.3, 5))
def test_diameter_equals_the_search_over_all_pairs(mask: np.ndarray, dy: float, dx: float) -> None:
    assert compute_diameter_mm(mask, (dy, dx)) == pytest.approx(slow_diameter_mm(mask, (dy, dx)), rel=1e-12)


@pytest.mark.parametrize("mask, expected", [
    (np.array([[1]]), 0.4),
    (np.array([[0, 1, 1, 1]]), 2.4),
    (np.array([[0], [1], [1]]), 1.4),
    (np.eye(4), 3 * 2 ** 0.5 + 0.4)])
def test_pixels_and_lines_have_a_diameter(mask: np.ndarray, expected: float) -> None:
    assert compute_diameter_mm(mask, (1.0, 1.0)) == pytest.approx(expected)


def test_an_empty_mask_has_none() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        compute_diameter_mm(np.zeros((3, 3)), (1.0, 1.0))


def test_extract_measures_what_was_drawn() -> None:
    probability = np.zeros((6, 12, 12), np.float32)
    probability[1, 2:4, 2:5] = 0.75         # six voxels
    probability[2, 2:5, 2:5] = 0.5          # nine voxels below it: one lesion of 15
    probability[4, 9, 9:11] = 1.0           # another of two
    probability[0, 11, 0] = 0.99            # too small
    probability[5, 0, 0:6] = 0.4999         # under the threshold
    large, small = extract_lesions(make_grid(probability), 0.5, minimum_volume_mm3=32)

    assert (large.lesion_id, small.lesion_id) == ("P1", "P2")
    assert large.bounding_box == (slice(1, 3), slice(2, 5), slice(2, 5))
    assert large.mask.shape == (2, 3, 3) and large.mask.sum() == 15
    assert large.largest_slice == 2
    assert large.volume_ml == pytest.approx(15 * 16 / 1000)
    assert large.diameter_mm == pytest.approx(hypot(4, 4) + 0.4 * 2)
    # z: (6·1 + 9·2)/15 = 1.6; y: (6·2.5 + 9·3)/15 = 2.8; x: 3.
    assert large.centroid_lps_mm == pytest.approx((10 + 2 * 3, 20 + 2 * 2.8, 30 + 4 * 1.6))
    assert large.mean_probability == pytest.approx((6 * 0.75 + 9 * 0.5) / 15)
    assert small.diameter_mm == pytest.approx(2 + 0.8) and small.largest_slice == 4
    marked = mark_lesions(make_grid(probability), 0.5, minimum_volume_mm3=32)
    assert marked.dtype == bool and marked.sum() == 15 + 2 and marked[large.bounding_box].sum() == 15


def test_small_components_are_dropped() -> None:
    mask = np.zeros((3, 6, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True    # three that touch at corners
    mask[0, 5, 4:6] = True                                  # two
    assert drop_small_components(mask, 0, 0.7).sum() == 5 and drop_small_components(mask, 1.4, 0.7).sum() == 5
    kept = drop_small_components(mask, 1.41, 0.7)
    assert kept.dtype == bool and kept.sum() == 3 and kept[0, 0, 0]
    # Three voxels of 0.7 are 2.0999999999999996 in floating point, and still 2.1.
    assert 3 * 0.7 < 2.1 and drop_small_components(mask, 2.1, 0.7).sum() == 3
    assert not drop_small_components(mask, 2.2, 0.7).any() and not drop_small_components(np.zeros((2, 2, 2), bool), 0, 1.0).any()


def test_corners_connect_and_gaps_divide() -> None:
    mask = np.zeros((3, 4, 4), np.float32)
    mask[0, 0, 0] = mask[1, 1, 1] = 1       # touch at a corner
    mask[1, 1, 3] = 1                       # a voxel away
    lesions = extract_lesions(make_grid(mask), 0.5, minimum_volume_mm3=0)
    assert [lesion.mask.sum() for lesion in lesions] == [2, 1]


def test_nothing_gives_no_lesion() -> None:
    assert extract_lesions(make_grid(np.zeros((2, 3, 3), np.float32)), 0.5, minimum_volume_mm3=0) == []
    assert measure_lesions(np.zeros((2, 3, 3), np.uint8), make_grid(np.zeros((2, 3, 3)))) == []


def test_a_threshold_between_stored_levels_is_exact() -> None:
    stored = np.arange(251, dtype=np.uint8).reshape(1, 1, 251)
    for threshold in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        lesion, = extract_lesions(make_grid(stored / 250), threshold, minimum_volume_mm3=0)
        assert lesion.mask.sum() == 251 - round(threshold * 250)


def test_measure_keeps_labels_apart_even_where_they_touch() -> None:
    labels = np.zeros((2, 4, 8), np.uint16)
    labels[0, 1, 1:3] = 7
    labels[0, 1, 3:8] = 300
    labels[1, 3, 0] = 7                     # a part elsewhere belongs to lesion 7 all the same
    seven, other = measure_lesions(labels, make_grid(labels))
    assert (seven.lesion_id, other.lesion_id) == ("7", "300")
    assert seven.mask.sum() == 3 and other.diameter_mm == pytest.approx(4 * 2 + 0.8)
    assert seven.mean_probability is None


def test_measure_refuses_what_is_no_label_map() -> None:
    grid = make_grid(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match=r"\(2, 4, 5\)"):
        measure_lesions(np.zeros((2, 4, 5), np.uint8), grid)
    with pytest.raises(ValueError, match="float64"):
        measure_lesions(np.zeros((2, 4, 4)), grid)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)))
def test_components_equal_a_flood_fill(mask: np.ndarray) -> None:
    labels, count = label_components(mask)
    assert np.array_equal(labels > 0, mask)
    left, found = {tuple(map(int, voxel)) for voxel in np.argwhere(mask)}, 0
    while left:
        found += 1
        edge, component = [left.pop()], set()
        while edge:
            voxel = edge.pop()
            component.add(voxel)
            neighbours = {other for other in left if max(abs(a - b) for a, b in zip(voxel, other, strict=True)) <= 1}
            left -= neighbours
            edge += neighbours
        assert len({labels[voxel] for voxel in component}) == 1
    assert count == found


@given(hnp.arrays(np.uint8, (3, 6, 6), elements=st.integers(0, 2)), st.floats(0.5, 3), st.floats(0.5, 3))
def test_diameter_is_the_largest_over_the_slices(labels: np.ndarray, dy: float, dx: float) -> None:
    for lesion in measure_lesions(labels, make_grid(labels, (4.0, dy, dx))):
        of_slices = [slow_diameter_mm(labels[z] == int(lesion.lesion_id), (dy, dx)) for z in range(3) if (labels[z] == int(lesion.lesion_id)).any()]
        assert lesion.diameter_mm == pytest.approx(max(of_slices), rel=1e-12)


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 5), (3, 5, 0), (0, 0, 0)])
def test_a_mask_without_voxels_has_no_lesion(shape: tuple[int, int, int]) -> None:
    empty = np.zeros(shape, bool)
    labels, count = label_components(empty)
    assert (labels.shape, count) == (shape, 0) and find_boxes(empty.view(np.uint8)) == []
    assert drop_small_components(empty, 10, 2).shape == shape
    assert extract_lesions(make_grid(np.zeros(shape)), 0.5, minimum_volume_mm3=0) == measure_lesions(np.zeros(shape, np.uint8), make_grid(empty)) == []
    with pytest.raises(ValueError, match="an empty mask has no diameter"):
        compute_diameter_mm(np.zeros(shape[1:], bool), (2, 2))
