"""Benign findings under predicted lesions, on a grid of 2 × 2 × 4 mm that stands oblique in the patient."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.evaluation.findings import Finding, find_kind
from lirads_keras.lesions import measure_lesions

ANGLE = np.deg2rad(20)
DIRECTIONS = np.array([[0, 0, 1], [-np.sin(ANGLE), np.cos(ANGLE), 0], [np.cos(ANGLE), np.sin(ANGLE), 0]])
"""Rows: where z, y and x of the grid lead in the patient (x, y, z)."""

SPACING_MM = (4.0, 2.0, 2.0)
ORIGIN_MM = np.array([-50.0, 30.0, 900.0])


@pytest.fixture
def grid() -> Volume:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = DIRECTIONS.T * SPACING_MM, ORIGIN_MM
    labels = np.zeros((5, 20, 20), np.uint8)
    labels[2, 8:12, 5] = 1
    return Volume(labels, SPACING_MM, affine)


@pytest.fixture
def lesion(grid):
    """Four voxels in a row along y, 8 to 11."""
    (lesion,) = measure_lesions(grid.array, grid)
    return lesion


def place(z: float, y: float, x: float) -> tuple[float, float, float]:
    """A point of the grid in the patient, mm."""
    point = ORIGIN_MM + np.array([z, y, x]) * SPACING_MM @ DIRECTIONS
    return (float(point[0]), float(point[1]), float(point[2]))


def test_a_finding_counts_from_its_own_radius_on(lesion, grid):
    """The nearest voxel of the lesion is three voxels of 2 mm from the centre."""
    assert find_kind(lesion, grid, [Finding("cyst", place(2, 14, 5), 12.001)]) == "cyst"
    assert find_kind(lesion, grid, [Finding("cyst", place(2, 14, 5), 11.999)]) is None
    # Along the slices a voxel is 4 mm.
    assert find_kind(lesion, grid, [Finding("cyst", place(4, 9, 5), 16.001)]) == "cyst"
    assert find_kind(lesion, grid, [Finding("cyst", place(4, 9, 5), 15.999)]) is None


def test_a_finding_smaller_than_a_voxel_is_still_met(lesion, grid):
    half_diagonal = np.sqrt(16 + 4 + 4) / 2
    off = half_diagonal / 2 * 0.999
    assert find_kind(lesion, grid, [Finding("siderotic_nodule", place(2, 11 + off, 5), 0.5)]) == "siderotic_nodule"
    assert find_kind(lesion, grid, [Finding("siderotic_nodule", place(2, 11 + off * 1.01, 5), 0.5)]) is None


def test_of_several_the_one_that_it_lies_deepest_in_counts(lesion, grid):
    near, around = Finding("cyst", place(2, 13, 5), 8.0), Finding("haemangioma", place(2, 14, 5), 40.0)
    # 4 of 4 mm from the first one's centre, 6 of 20 mm from the second one's.
    assert find_kind(lesion, grid, [near, around]) == find_kind(lesion, grid, [around, near]) == "haemangioma"
    assert find_kind(lesion, grid, [near, Finding("haemangioma", place(2, 14, 5), 4.0)]) == "cyst"
    # Two of one kind: the nearer one counts.
    assert find_kind(lesion, grid, [Finding("cyst", place(2, 19, 19), 4.0), near]) == "cyst"


def test_without_findings_there_is_none(lesion, grid):
    assert find_kind(lesion, grid, []) is None
