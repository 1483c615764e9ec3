from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.phantom.grid import Coordinates, Grid, is_empty
from lirads_keras.phantom.render import compute_coverage
from lirads_keras.phantom.shapes import Ellipsoid, StarShape, Tube, Waves, coverage, cut, join

STILL = Waves(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))


def points(*rows: tuple[float, float, float]) -> Coordinates:
    x, y, z = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    return x, y, z


def sphere(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> StarShape:
    return StarShape(centre, (radius, radius, radius), np.eye(3), STILL)


@given(st.floats(2, 80), st.tuples(*[st.floats(-100, 100)] * 3))
def test_sphere_distance_is_exact(radius: float, direction: tuple[float, float, float]) -> None:
    vector = np.array(direction) + 1e-3
    vector /= np.linalg.norm(vector)
    for offset in (-0.5, 0.0, 0.5):
        place = points(tuple(vector * (radius + offset)))
        assert sphere(radius).distance(place)[0] == pytest.approx(offset, abs=2e-3)
        assert Ellipsoid((0, 0, 0), (radius, radius, radius)).distance(place)[0] == pytest.approx(offset, abs=2e-3)


def test_ellipsoid_axes_and_cylinder() -> None:
    ellipsoid = Ellipsoid((1, 2, 3), (10, 20, 30))
    np.testing.assert_allclose(ellipsoid.distance(points((11, 2, 3), (1, 22, 3), (1, 2, 33))), 0, atol=1e-4)
    assert ellipsoid.distance(points((1, 2, 3)))[0] < -5
    cylinder = Ellipsoid((0, 0, 0), (10, 10, float("inf")))
    np.testing.assert_allclose(cylinder.distance(points((10, 0, 500), (0, 11, -900))), (0, 1), atol=1e-3)


def test_star_shape_distance_on_an_ellipsoids_axes() -> None:
    shape = StarShape((0, 0, 0), (10, 20, 40), np.eye(3), STILL)
    np.testing.assert_allclose(shape.distance(points((11, 0, 0), (0, 19, 0), (0, 0, 41))), (1, -1, 1), atol=1e-3)
    assert np.isfinite(shape.distance(points((0, 0, 0)))).all() and shape.relative_radius(points((0, 0, 0)))[0] < 1e-3


def test_star_shape_rotation_and_offset() -> None:
    angle = np.deg2rad(30)
    rotation = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shape = StarShape((5, 0, 0), (30, 10, 10), rotation, STILL)
    tip = (5 + 30 * np.cos(angle), 30 * np.sin(angle), 0.0)
    assert shape.distance(points(tip))[0] == pytest.approx(0, abs=1e-3)
    everywhere = Waves(np.zeros((1, 3), np.float32), np.full(1, np.pi / 2, np.float32), np.full(1, 2.0, np.float32))
    assert StarShape((0, 0, 0), (9, 9, 9), np.eye(3), STILL, everywhere).distance(points((11, 0, 0)))[0] == pytest.approx(0, abs=1e-3)


@given(st.integers(0, 2 ** 31 - 1))
def test_bounds_enclose_the_shape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shape = StarShape((3.0, -4.0, 5.0), (20.0, 14.0, 8.0), rotation, Waves.random(6, (1.3, 3.0), 0.08, rng), Waves.random(4, (1.2, 4), 0.8, rng))
    low, high = shape.bounds(0.0)
    grid = Grid.centred((40, 40, 40), (2.0, 2.0, 2.0), (3.0, -4.0, 5.0))
    inside = shape.distance(grid.coordinates()) <= 0
    assert inside.any()
    for axis, smallest, largest in zip(grid.coordinates(), low, high, strict=True):
        occupied = np.broadcast_to(axis, inside.shape)[inside]
        assert smallest <= occupied.min() and occupied.max() <= largest


def test_tube_distance() -> None:
    tube = Tube((0, 0, 0), (0, 0, 20), 4, 2)
    np.testing.assert_allclose(tube.distance(points((5, 0, 0), (4, 0, 10), (0, 0, 23), (0, 0, 10))), (1, 1, 1, -3), atol=1e-5)


def test_union_and_cut_away_from_the_seam() -> None:
    first, second = np.array([-3.0, 5.0, 40.0]), np.array([40.0, -6.0, 41.0])
    np.testing.assert_allclose(join(first, second, 10)[:2], (-3, -6))
    assert join(first, second, 10)[2] < 40
    # Outside both: the tool leaves the body alone; inside the tool, nothing is left.
    np.testing.assert_allclose(cut(np.array([5.0, -20.0]), np.array([50.0, -30.0]), 10), (5, 30))


def test_waves_have_the_stated_spread() -> None:
    rng = np.random.default_rng(3)
    place = points(*rng.uniform(-500, 500, (20000, 3)))
    spreads = [Waves.random(8, (20, 40), 2.0, rng)(place).std() for _ in range(20)]
    assert np.mean(spreads) == pytest.approx(2.0, rel=0.02)


def test_coverage_of_a_plane() -> None:
    np.testing.assert_allclose(coverage(np.array([-5.0, -1.0, 0.0, 0.5, 5.0]), 2.0), (1, 1, 0.5, 0.25, 0))


@pytest.mark.parametrize(("radius", "centre"), [(2.0, (0.3, -0.7, 1.1)), (7.5, (0.0, 0.0, 0.0)), (20.0, (-3.0, 2.2, 0.4))])
def test_supersampled_coverage_keeps_the_volume(radius: float, centre: tuple[float, float, float]) -> None:
    grid = Grid.centred((20, 40, 40), (4.4, 2.4, 2.4))
    box, (whole, core) = compute_coverage(sphere(radius, centre), grid, rims_mm=(1.0,))
    voxel = 4.4 * 2.4 * 2.4
    assert whole.sum() * voxel == pytest.approx(4 / 3 * np.pi * radius ** 3, rel=0.05)
    assert core.sum() * voxel == pytest.approx(4 / 3 * np.pi * (radius - 1) ** 3, rel=0.06)
    assert (core <= whole + 1e-6).all() and whole.max() <= 1


def test_coverage_outside_the_grid_is_empty() -> None:
    box, (share,) = compute_coverage(sphere(5.0, (900.0, 0.0, 0.0)), Grid.centred((4, 8, 8), (5.0, 5.0, 5.0)))
    assert is_empty(box) and share.size == 0


def test_grid_boxes_hold_all_voxels_between_the_corners() -> None:
    rotation = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    grid = Grid.centred((10, 30, 30), (5.0, 3.0, 3.0), (4.0, 1.0, -2.0), rotation)
    x, y, z = grid.coordinates()
    low, high = np.array([-10, -20, -12.0]), np.array([15, 8, 9.0])
    inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]) & (z >= low[2]) & (z <= high[2])
    box = grid.box_around(low, high)
    assert inside[box].sum() == inside.sum() > 0
    np.testing.assert_allclose(x[box], grid.coordinates(box)[0], atol=1e-4)
    np.testing.assert_allclose(grid.affine @ (4.5, 14.5, 14.5, 1), (4.0, 1.0, -2.0, 1), atol=1e-9)
