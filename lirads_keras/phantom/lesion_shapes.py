"""Irregular lesions of a planned diameter, placed inside the liver."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lirads_keras.lesions import compute_diameter_mm
from lirads_keras.phantom.cohort import LesionPlan
from lirads_keras.phantom.grid import Coordinates, Grid
from lirads_keras.phantom.liver import Liver
from lirads_keras.phantom.shapes import Ellipsoid, StarShape, Waves

CANDIDATES = 600
SURFACE_POINTS = 48
DEEP_CLEARANCE_MM = 5.0
BETWEEN_LESIONS_MM = 8.0
COAT_MM = 7.0
"""Liver around a lesion that is larger than its lobe."""

LARGE_MM, GIANT_MM = 60.0, 90.0
NECROSIS_FROM_MM, NECROSIS_FRACTION = 40.0, 0.4
SHARE_OF_FIELD = 0.42
MEASURING_POINTS = 96


@dataclass(frozen=True, eq=False)
class ModelLesion:
    """A planned lesion with its true shape (rim included); `necrosis` is the relative radius of a dead core (0: none)."""

    plan: LesionPlan
    shape: StarShape
    largest_section_z_mm: float
    coat_mm: float
    makes_bulge: bool
    necrosis: float


def build_lesions(
        plans: tuple[LesionPlan, ...], liver: Liver, keep_clear: tuple[Ellipsoid, ...], grid: Grid, rng: np.random.Generator) -> tuple[ModelLesion, ...]:
    """Shapes and places the lesions of a patient, the largest first; they do not overlap one another."""
    placed: list[ModelLesion] = []
    for plan in sorted(plans, key=lambda lesion: (-lesion.diameter_mm, lesion.mask_label)):
        shape, section_z = _draw_shape(plan.diameter_mm, grid, rng)
        # A subcapsular lesion may look out of the liver by up to a fifth of its diameter.
        clearance = -float(rng.uniform(0.0, 0.2)) * plan.diameter_mm if plan.subcapsular else DEEP_CLEARANCE_MM
        necrosis = float(rng.uniform(0.3, 0.55)) if plan.diameter_mm >= NECROSIS_FROM_MM and rng.uniform() < NECROSIS_FRACTION else 0.0
        centre, missing = _place(shape, clearance, liver, keep_clear, [lesion.shape for lesion in placed], grid, rng)
        shape = replace(shape, centre_mm=centre)
        placed.append(ModelLesion(plan, shape, centre[2] + section_z, COAT_MM, missing > 0.5, necrosis))
    return tuple(sorted(placed, key=lambda lesion: lesion.plan.mask_label))


def _draw_shape(diameter_mm: float, grid: Grid, rng: np.random.Generator) -> tuple[StarShape, float]:
    """A shape at the origin whose longest axial diameter is `diameter_mm`, and the z of its largest section."""
    ratio_range = (0.66, 0.78) if diameter_mm > GIANT_MM else (0.72, 0.96)
    across, height = rng.uniform(*ratio_range), rng.uniform(*ratio_range)
    # The long axis of a large lesion lies across the body, where the room is.
    angle = rng.normal(0, np.deg2rad(10)) if diameter_mm > LARGE_MM else rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    field_height_mm = grid.shape[0] * grid.spacing_mm[0]
    height_axis = min(height / 2, SHARE_OF_FIELD * field_height_mm / diameter_mm)
    waves = Waves.random(6, (1.3, 3.0), float(rng.uniform(0.03, 0.08)), rng)
    unit = StarShape((0.0, 0.0, 0.0), (0.5, across / 2, height_axis), rotation, waves)
    measured, section = _measure_axial(unit)
    scale = diameter_mm / measured
    a, b, c = (axis * scale for axis in unit.semi_axes_mm)
    return StarShape(unit.centre_mm, (a, b, c), rotation, waves), section * scale


def _measure_axial(shape: StarShape) -> tuple[float, float]:
    """Longest axial diameter by the project's one definition, on a fine raster, and the z of the section with the largest area."""
    low, high = shape.bounds(0.0)
    step = float((high - low)[:2].max()) / MEASURING_POINTS
    counts = (17, MEASURING_POINTS + 2, MEASURING_POINTS + 2)
    raster = Grid.centred(counts, (float(high[2] - low[2]) / counts[0], step, step))
    mask = shape.distance(raster.coordinates()) <= 0
    areas = np.count_nonzero(mask, axis=(1, 2))
    largest = int(areas.argmax())
    diameter = max(compute_diameter_mm(section, (step, step)) for section in mask[areas >= 0.7 * areas[largest]])
    return diameter, float(raster.affine[2, 0] * largest + raster.affine[2, 3])


def _place(
        shape: StarShape, clearance_mm: float, liver: Liver, keep_clear: tuple[Ellipsoid, ...], others: list[StarShape], grid: Grid,
        rng: np.random.Generator) -> tuple[tuple[float, float, float], float]:
    """A centre for the shape, and by how much (mm) the liver must grow to hold it there.

    Among random candidates inside the liver, those that break no demand are equally likely; else the least broken wins.
    """
    low, high = liver.bounds(0.0)
    centres = rng.uniform(low, high, (CANDIDATES, 3)).astype(np.float32)
    centres = centres[liver.distance(_columns(centres)) < -1]
    directions = rng.standard_normal((SURFACE_POINTS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    unit = directions.astype(np.float32)
    reach = (1 / shape.relative_radius(_columns(unit)))[:, None] * unit
    points = centres[:, None, :] + reach[None]
    columns = _columns(points)
    outside_liver = np.maximum(liver.distance(columns) + np.float32(clearance_mm), 0).max(axis=1)
    outside_cavity = np.maximum(liver.cavity.distance(columns) + 4, 0).max(axis=1)
    penalty = outside_liver + 6 * outside_cavity
    for organ in keep_clear:
        penalty += 3 * np.maximum(3 - organ.distance(columns), 0).max(axis=1)
    for other in others:
        penalty += 20 * np.maximum(BETWEEN_LESIONS_MM - other.distance(columns), 0).max(axis=1)
        # A small lesion inside a large one has no surface point near the large one's boundary.
        penalty += 20 * np.maximum(BETWEEN_LESIONS_MM - other.distance(_columns(centres)), 0)
    indices = np.einsum("ij,cpj->cpi", np.linalg.inv(grid.affine[:3, :3]).astype(np.float32), points - grid.affine[:3, 3].astype(np.float32))
    beyond = np.maximum(-indices, indices - (np.asarray(grid.shape) - 1)) * np.asarray(grid.spacing_mm)
    penalty += 30 * np.maximum(beyond.max(axis=2) + 1, 0).max(axis=1)
    free = np.flatnonzero(penalty < 0.5)
    chosen = int(rng.choice(free)) if len(free) else int(penalty.argmin())
    x, y, z = (float(value) for value in centres[chosen])
    return (x, y, z), float(outside_liver[chosen])


def _columns(points: np.ndarray) -> Coordinates:
    return points[..., 0], points[..., 1], points[..., 2]
