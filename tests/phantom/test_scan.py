from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.scan import build_scan, interpolate_slices


@given(st.integers(1, 9), st.integers(0, 20))
def test_interpolation_against_numpy(slices: int, more: int) -> None:
    count = slices + more
    voxels = np.random.default_rng(slices).uniform(0, 1000, (slices, 2, 3)).astype(np.float32)
    # Slice centres in units of the acquired thickness, from the lower face of the volume.
    acquired, wanted = np.arange(slices) + 0.5, (np.arange(count) + 0.5) * slices / count
    expected = np.array([[[np.interp(wanted, acquired, voxels[:, y, x]) for x in range(3)] for y in range(2)]]).reshape(2, 3, count).transpose(2, 0, 1)
    np.testing.assert_allclose(interpolate_slices(voxels, count), expected, rtol=1e-5, atol=1e-3)


def test_as_many_slices_as_acquired_are_left_alone() -> None:
    voxels = np.random.default_rng(0).uniform(0, 1, (4, 3, 3)).astype(np.float32)
    assert interpolate_slices(voxels, 4) is voxels
    grid = Grid.centred((4, 3, 3), (5.0, 2.0, 2.0))
    assert grid.with_slices(4) is grid


def test_more_slices_fill_the_same_height() -> None:
    angle = 0.1
    rotation = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    grid = Grid.centred((48, 20, 20), (4.0, 3.0, 3.0), (5.0, -7.0, 11.0), rotation)
    fine = grid.with_slices(300)
    assert fine.shape == (300, 20, 20) and fine.spacing_mm == (pytest.approx(0.64), 3.0, 3.0)
    np.testing.assert_allclose(np.linalg.norm(fine.affine[:3, :3], axis=0), (0.64, 3, 3))
    for corner in ((-0.5, 0, 0), (-0.5, 19, 3)):
        np.testing.assert_allclose(fine.affine @ (*corner, 1), grid.affine @ (*corner, 1), atol=1e-9)
        top = np.array([*corner, 1.0])
        np.testing.assert_allclose(fine.affine @ (top + (300, 0, 0, 0)), grid.affine @ (top + (48, 0, 0, 0)), atol=1e-9)


def test_the_scan_has_both_grids() -> None:
    settings = CohortSettings(
        patients_positive=3, patients_negative=3, matrix_px=64, pixel_spacing_mm=6, slices=14, slice_spacing_mm=10, slices_interpolated=30, seed=1)
    plan = next(plan for plan in build_cohort_table(settings) if plan.oblique)
    scan = build_scan(plan, settings, np.random.default_rng(0))
    assert (scan.grid.shape, scan.written.shape) == ((14, 64, 64), (30, 64, 64))
    np.testing.assert_allclose(scan.affine[:3, 3] - scan.written.affine[:3, 3], scan.table_offset_mm)


@pytest.mark.parametrize("interpolated", [13, 1])
def test_fewer_slices_than_acquired_are_refused(interpolated: int) -> None:
    with pytest.raises(ValueError, match=f"at least slices .14., not {interpolated}"):
        CohortSettings(patients_positive=3, matrix_px=64, pixel_spacing_mm=6, slices=14, slice_spacing_mm=10, slices_interpolated=interpolated, seed=1)
