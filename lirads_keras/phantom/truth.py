"""Truth of a lesion: features measured on the noiseless model image by stated definitions (LI-RADS v2018 names them, the numbers are ours).

The image measured is the lesion's largest axial section without noise, coil bias or motion, finer than any scan, before contrast and in
the three phases: the same patient has the same truth at every matrix.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lirads_keras.phantom.anatomy import Anatomy
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.lesion_shapes import ModelLesion
from lirads_keras.phantom.palette import Palette, with_parenchyma_marker
from lirads_keras.phantom.render import HAEMANGIOMA_FILL, render

SHELL_MM = (4.0, 8.0)
"""R is lesion over the liver in this shell outside it, vessels and other findings excluded."""

PURE_LIVER = 0.98
SECTION_STEP_MM = (0.35, 0.7)
SECTION_STEPS_PER_DIAMETER = 60

APHE_RATIO, APHE_INNER_RATIO = 1.10, 1.05
APHE_AREA_MM2, APHE_AREA_FRACTION, APHE_AREA_CAP = 25.0, 0.20, 0.5
"""Contiguous area at or above the ratio; never more than half of the section, else lesions under 5.7 mm could not have APHE."""

INNER_HALF, INNER_THREE_QUARTERS = 0.5, 0.75
WASHOUT_RATIO, WASHOUT_FALL, WASHOUT_ENHANCEMENT = 0.95, 0.05, 1.10
CAPSULE_RATIO, CAPSULE_CIRCUMFERENCE, CAPSULE_MIN_DIAMETER_MM = 1.10, 0.75, 10.0
CAPSULE_SEARCH_MM = 4.0
CAPSULE_RAYS = 72
CAPSULE_ABSENT_MARGIN = -0.5

PRE, ARTERIAL, PORTAL_VENOUS, DELAYED = range(4)


@dataclass(frozen=True)
class FeatureMargins:
    """Measured contrast minus threshold, the least of a feature's conditions: the feature is present if its margin is ≥ 0.

    `ratios` is lesion over liver before contrast, arterial, portal venous, delayed (inner three quarters).
    """

    aphe: float
    washout: float
    capsule: float
    ratios: tuple[float, float, float, float]


def measure_margins(anatomy: Anatomy, lesion: ModelLesion, palette: Palette) -> FeatureMargins:
    """Measures one lesion; the palette holds the four times before contrast, arterial, portal venous, delayed."""
    step = float(np.clip(lesion.plan.diameter_mm / SECTION_STEPS_PER_DIAMETER, *SECTION_STEP_MM))
    x, y, _ = lesion.shape.centre_mm
    reach = lesion.shape.bounds(SHELL_MM[1] + 3 * step)
    half = int(np.ceil(max(*(reach[1][:2] - (x, y)), *((x, y) - reach[0][:2])) / step))
    grid = Grid.centred((1, 2 * half + 1, 2 * half + 1), (step, step, step), (x, y, lesion.largest_section_z_mm))
    image = render(anatomy, grid, with_parenchyma_marker(palette), fill=np.array([*HAEMANGIOMA_FILL, 0.0]))[:, 0]
    coordinates = grid.coordinates()
    distance = lesion.shape.distance(coordinates)[0]
    radius = lesion.shape.relative_radius(coordinates)[0]
    shell = (distance >= SHELL_MM[0]) & (distance <= SHELL_MM[1]) & (image[4] >= PURE_LIVER)
    liver = image[:4, shell].mean(axis=1, dtype=np.float64) if shell.sum() * step ** 2 >= 25 else palette["liver"].astype(np.float64)
    relative = image[:4] / liver[:, None, None]
    tissue = distance <= -lesion.plan.capsule_mm
    ratios = _mean(relative, tissue & (radius <= INNER_THREE_QUARTERS))
    enhancement = ratios[1:] * liver[1:] / (ratios[PRE] * liver[PRE])
    capsule = _capsule_margin(relative[[PORTAL_VENOUS, DELAYED]], ratios[[PORTAL_VENOUS, DELAYED]], distance, grid, lesion)
    return FeatureMargins(
        _aphe_margin(relative[ARTERIAL], tissue, radius, step, float(enhancement[0] / (liver[ARTERIAL] / liver[PRE]))),
        _washout_margin(ratios[1:], enhancement), capsule,
        (float(ratios[0]), float(ratios[1]), float(ratios[2]), float(ratios[3])))


def _mean(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return images[:, mask].mean(axis=1, dtype=np.float64)


def _aphe_margin(arterial: np.ndarray, tissue: np.ndarray, radius: np.ndarray, step_mm: float, enhancement_over_liver: float) -> float:
    section_mm2 = tissue.sum() * step_mm ** 2
    needed_mm2 = min(max(APHE_AREA_MM2, APHE_AREA_FRACTION * section_mm2), APHE_AREA_CAP * section_mm2)
    low, high = 0.0, 4.0
    # The highest ratio that a contiguous part of the needed area reaches everywhere.
    for _ in range(14):
        middle = (low + high) / 2
        parts, _ = ndimage.label(tissue & (arterial >= middle))
        largest_mm2 = np.bincount(parts.ravel())[1:].max(initial=0) * step_mm ** 2
        low, high = (middle, high) if largest_mm2 >= needed_mm2 else (low, middle)
    inner = float(arterial[tissue & (radius <= INNER_HALF)].mean())
    return min(low - APHE_RATIO, inner - APHE_INNER_RATIO, enhancement_over_liver - 1)


def _washout_margin(ratios: np.ndarray, enhancement: np.ndarray) -> float:
    """Arterial, portal venous, delayed; the outer quarter and the rim are left out of the ratios, so that peripheral washout does not count."""
    margins = [
        min(WASHOUT_RATIO - ratios[phase], ratios[:phase].max() - ratios[phase] - WASHOUT_FALL, enhancement[phase] - WASHOUT_ENHANCEMENT)
        for phase in (1, 2)]
    return float(max(margins))


def _capsule_margin(relative: np.ndarray, inside: np.ndarray, distance: np.ndarray, grid: Grid, lesion: ModelLesion) -> float:
    """Brightest point within 4 mm inside the boundary on rays from the centre, over the liver outside and the lesion inside.

    The margin is that which three quarters of the circumference reach, in the better of both late phases.
    """
    if lesion.plan.diameter_mm < CAPSULE_MIN_DIAMETER_MM:
        return CAPSULE_ABSENT_MARGIN
    step = grid.spacing_mm[1]
    middle = (grid.shape[1] - 1) / 2
    angles = np.arange(CAPSULE_RAYS) * 2 * np.pi / CAPSULE_RAYS
    steps = np.arange(0, middle, 0.5)
    points = np.array([middle + np.sin(angles)[:, None] * steps, middle + np.cos(angles)[:, None] * steps])
    depth = ndimage.map_coordinates(distance, points, order=1)
    near_edge = (depth <= step) & (depth >= -CAPSULE_SEARCH_MM)
    margins = []
    for picture, core in zip(relative, inside, strict=True):
        along = ndimage.map_coordinates(picture, points, order=1)
        rim = np.where(near_edge, along, 0).max(axis=1)
        margins.append(np.quantile(np.minimum(rim, rim / core), 1 - CAPSULE_CIRCUMFERENCE) - CAPSULE_RATIO)
    return float(max(margins))
