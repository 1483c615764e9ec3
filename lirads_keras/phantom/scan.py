"""Where the scanner looked: the grid of a patient's series, and how the patient lay in it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from lirads_keras.config.cohorts import CohortSettings, CtSettings
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.grid import Grid

SMALLEST_FIELD_MM = 300.0
SMALLEST_HEIGHT_MM = 120.0
OBLIQUE_SD_DEG = (3.0, 1.5, 3.0)
OBLIQUE_LIMIT_DEG = 8.0


@dataclass(frozen=True, eq=False)
class Scan:
    """Grids in the anatomy's coordinates, and the shift from there to the scanner's LPS coordinates (mm).

    `grid` is what was acquired; `written` is the same volume in as many slices as the files hold.
    """

    grid: Grid
    written: Grid
    table_offset_mm: np.ndarray

    @property
    def affine(self) -> np.ndarray:
        """4 × 4: index (z, y, x, 1) of the written grid to the scanner's LPS mm."""
        affine = self.written.affine.copy()
        affine[:3, 3] += self.table_offset_mm
        return affine


def check_field_of_view(section: str, settings: CohortSettings | CtSettings) -> None:
    """Raises InputError if a patient does not fit the grid; `section` of the profile is named in the problems."""
    width, height = settings.matrix_px * settings.pixel_spacing_mm, settings.slices * settings.slice_spacing_mm
    problems = []
    if width < SMALLEST_FIELD_MM:
        problems.append(Problem(f"{section}.matrix_px × {section}.pixel_spacing_mm", f"a field of view of at least {SMALLEST_FIELD_MM:g} mm", f"{width:g} mm"))
    if height < SMALLEST_HEIGHT_MM:
        problems.append(Problem(f"{section}.slices × {section}.slice_spacing_mm", f"at least {SMALLEST_HEIGHT_MM:g} mm", f"{height:g} mm"))
    raise_if_any(problems)


def build_scan(plan: PatientPlan, settings: CohortSettings, rng: np.random.Generator) -> Scan:
    """One prescription for all phases of a patient; in some patients slightly oblique."""
    angles = np.clip(rng.normal(0, OBLIQUE_SD_DEG), -OBLIQUE_LIMIT_DEG, OBLIQUE_LIMIT_DEG)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() if plan.oblique else np.eye(3)
    # Positions are written with 0.1 mm, as consoles do.
    offset = rng.normal((0, -15, -20), (6, 8, 40)).round(1)
    grid = Grid.centred(
        (settings.slices, settings.matrix_px, settings.matrix_px),
        (settings.slice_spacing_mm, settings.pixel_spacing_mm, settings.pixel_spacing_mm), rotation=rotation)
    return Scan(grid, grid.with_slices(settings.slices_written), offset)


def interpolate_slices(voxels: np.ndarray, count: int) -> np.ndarray:
    """Voxels (z, y, x) as `count` slices over the same height, linear between slice centres and constant beyond the outermost (float32).

    Scanners fill in slices by zero padding in the Fourier domain; linear is our choice.
    """
    slices = len(voxels)
    if count == slices:
        return voxels
    places = np.clip((np.arange(count) + 0.5) * slices / count - 0.5, 0, slices - 1)
    below = np.minimum(places.astype(int), max(slices - 2, 0))
    above = np.minimum(below + 1, slices - 1)
    result = np.empty((count, *voxels.shape[1:]), np.float32)
    for index, (first, second, share) in enumerate(zip(below, above, (places - below).astype(np.float32), strict=True)):
        result[index] = voxels[first] + share * (voxels[second] - voxels[first])
    return result
