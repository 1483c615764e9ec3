"""Images of function systems: contractions, fixed points known in advance, and pictures that are what their class says."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.preprocessing import formula_images
from lirads_keras.preprocessing.formula_images import FILLING_RATE, MAPS, STRETCH, FunctionSystem, build_formula_images, draw_function_system

PX = 32


@pytest.fixture(scope="module")
def systems() -> list[FunctionSystem]:
    return [draw_function_system(np.random.default_rng(number), PX) for number in range(12)]


def test_every_map_contracts_also_when_stretched(systems):
    for system in systems:
        for matrix in system.maps[:, :, :2]:
            for row in range(2):
                for column in range(2):
                    stretched = matrix.copy()
                    stretched[row, column] *= 1 + STRETCH
                    assert np.linalg.svd(stretched, compute_uv=False)[0] < 1
        assert np.abs(system.maps).max() <= 1


def test_maps_are_as_many_as_published_and_chosen_by_area(systems):
    assert {len(system.maps) for system in systems} <= set(range(MAPS[0], MAPS[1] + 1)) and len({len(system.maps) for system in systems}) > 2
    for system in systems:
        assert system.probabilities.sum() == pytest.approx(1) and system.probabilities.min() > 0
        areas = np.maximum([abs(a * d - b * c) for (a, b, _), (c, d, _) in system.maps], 0.01)
        np.testing.assert_allclose(system.probabilities, areas / areas.sum())


def test_points_fall_on_the_attractor_that_is_known():
    """Three halvings towards the corners of a triangle: Sierpinski's gasket, whose middle fourth is empty."""
    corners = np.array([[0, 0], [1, 0], [0, 1]])
    maps = np.stack([np.hstack([np.eye(2) / 2, corner[:, None] / 2]) for corner in corners])
    x, y = np.moveaxis(formula_images._iterate(maps[None], np.ones(3) / 3, PX, np.random.default_rng(0))[0], -1, 0)
    tolerance = 0.5 ** formula_images.SETTLING_STEPS + 1e-6
    assert ((x >= -tolerance) & (y >= -tolerance) & (x + y <= 1 + tolerance)).all()
    inside_the_gap = (x < 0.5 - tolerance) & (y < 0.5 - tolerance) & (x + y > 0.5 + tolerance)
    assert not inside_the_gap.any()
    # Every third of the gasket is met as often.
    assert np.allclose([np.mean(x >= 0.5), np.mean(y >= 0.5)], 1 / 3, atol=0.05)


def test_one_map_leads_to_its_fixed_point():
    matrix, shift = np.array([[0.3, -0.2], [0.1, 0.4]]), np.array([0.5, -0.7])
    points = formula_images._iterate(np.hstack([matrix, shift[:, None]])[None, None], np.ones(1), PX, np.random.default_rng(0))
    np.testing.assert_allclose(points[0], np.broadcast_to(np.linalg.solve(np.eye(2) - matrix, shift), points[0].shape), atol=1e-5)


def test_images_are_drawn_centred_and_scaled_with_their_shape_kept():
    """A 2 × 1 rectangle's corners, one of them met three times."""
    points = np.array([[[10, 5], [12, 5], [10, 6], [12, 6], [12, 6], [12, 6]]], np.float32)
    image = formula_images._draw(points, 20)[0]
    # 90 % of the side: x from pixel 1 to 19, y half of that around the middle, 5.5 to 14.5.
    expected = np.zeros((20, 20))
    expected[5, [1, 19]] = expected[14, 1] = np.log(2)
    expected[14, 19] = np.log(4)
    np.testing.assert_array_equal(image, np.rint(255 * expected / np.log(4)))


def test_the_images_of_a_class_are_alike_and_of_others_are_not():
    images, labels = build_formula_images(classes=6, images_per_class=8, image_px=PX, seed=3)
    assert images.shape == (48, PX, PX) and images.dtype == np.uint8 and labels.dtype == np.int32
    assert labels.tolist() == [number for number in range(6) for _ in range(8)]
    assert images.max(axis=(1, 2)).tolist() == [255] * 48 and images.std(axis=(1, 2)).min() > 5
    assert len(np.unique(images.reshape(48, -1), axis=0)) == 48
    # Turning and mirroring change no brightness: the histogram alone tells many classes apart.
    histograms = np.stack([np.histogram(image, 16, (0, 256))[0] for image in images]).reshape(6, 8, 16).astype(float)
    within = histograms.std(axis=1).mean()
    between = histograms.mean(axis=1).std(axis=0).mean()
    assert between > within


def test_a_class_depends_on_seed_and_number_alone():
    images, _ = build_formula_images(classes=3, images_per_class=2, image_px=PX, seed=3)
    np.testing.assert_array_equal(build_formula_images(classes=2, images_per_class=2, image_px=PX, seed=3)[0], images[:4])
    assert not np.array_equal(build_formula_images(classes=3, images_per_class=2, image_px=PX, seed=4)[0], images)


def test_an_attractor_fills_enough_of_the_image(systems):
    for number, system in enumerate(systems):
        points = formula_images._iterate(system.maps[None], system.probabilities, PX, np.random.default_rng(100 + number))
        assert np.mean(formula_images._draw(points, PX) > 0) > 0.8 * FILLING_RATE
