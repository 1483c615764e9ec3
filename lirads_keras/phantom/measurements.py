"""What is measured on the images of a patient, for the tables that hold the cohort against the literature.

Signals are measured on noiseless renderings without coil bias or motion, organs on one grid for all patients and benign findings on a
section of their own, in voxels that hold one tissue and nothing else: the same patient measures the same at every matrix.
"""
from __future__ import annotations

import numpy as np

from lirads_keras.phantom.anatomy import Anatomy
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.palette import Palette, with_codes
from lirads_keras.phantom.render import HAEMANGIOMA_FILL, render
from lirads_keras.phantom.scan import Scan

MEASURING_SHAPE, MEASURING_SPACING_MM = (36, 70, 92), (5.0, 4.0, 4.0)
"""Covers the upper abdomen of every patient."""

ORGANS = ("spleen", "renal_cortex", "muscle", "arterial_blood", "portal_blood")
FINDINGS = {
    "haemangioma_nodules": "haemangioma", "haemangioma_core": "haemangioma", "cyst": "cyst", "transient_difference": "transient_difference",
    "siderotic_nodule": "siderotic_nodule", "focal_fat": "focal_fat"}
"""Tissues of benign findings, and the kind that each belongs to; lesions and their rims are measured with the truth."""

SECTION_STEPS, SECTION_STEP_MM = 40, 0.35
"""A finding's axial section through its middle is painted on its own in at least so many steps, and no finer than this."""

LEAST_VOXELS = 4
PURE = 0.02
"""Largest share of another tissue in a pure voxel."""

AIR_FROM_SKIN_MM = 5.0

PRE, ARTERIAL, PORTAL_VENOUS, DELAYED, CODE, CODE_SQUARED = range(6)


def measure_tissues(anatomy: Anatomy, palette: Palette) -> tuple[list[float], dict[str, list[float | None]], np.ndarray]:
    """Measures one patient.

    Args:
        anatomy: in the position of the delayed phase.
        palette: holds the four times before contrast, arterial, portal venous, delayed.

    Returns:
        The liver's signal over its own before contrast in the three phases; for each tissue that fills voxels its signal over the liver's
        in the three phases (None for a haemangioma's core after the arterial phase: by then it fills in); and points in pure liver, LPS mm
        of the anatomy (n, 3).
    """
    coded, codes = with_codes(palette)
    grid = Grid.centred(MEASURING_SHAPE, MEASURING_SPACING_MM)
    image = _paint(anatomy, grid, coded)
    liver = _find_pure(image, codes["liver"], codes["liver"], 1.0)
    if not liver.any():
        return [], {}, np.zeros((0, 3))
    reference = image[:CODE, liver].mean(axis=1, dtype=np.float64)
    found = {name: image[:CODE, _find_pure(image, codes[name], codes["liver"], 1.0)] for name in ORGANS}
    found |= _collect_findings(anatomy, coded, codes)
    ratios: dict[str, list[float | None]] = {}
    for name, voxels in found.items():
        if voxels.shape[1] >= LEAST_VOXELS:
            means = voxels[ARTERIAL:].mean(axis=1, dtype=np.float64) / reference[ARTERIAL:]
            ratios[name] = [round(float(ratio), 4) if name != "haemangioma_core" or index == 0 else None for index, ratio in enumerate(means)]
    points = np.stack([np.broadcast_to(axis, liver.shape)[liver] for axis in grid.coordinates()], axis=1)
    return [round(float(ratio), 4) for ratio in reference[ARTERIAL:] / reference[PRE]], ratios, points


def _collect_findings(anatomy: Anatomy, coded: Palette, codes: dict[str, int]) -> dict[str, np.ndarray]:
    """Voxels (4, n) of each tissue of benign findings, from their sections."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in FINDINGS}
    for confounder in anatomy.confounders:
        kind, shape = confounder.kind, confounder.shape
        size = 2 * max(shape.semi_axes_mm)
        step = max(size / SECTION_STEPS, SECTION_STEP_MM)
        count = int(np.ceil(size / step))
        grid = Grid.centred((1, count, count), (step, step, step), shape.centre_mm)
        section = _paint(anatomy, grid, coded)
        inside = shape.distance(grid.coordinates()) <= 0
        for name, owner in FINDINGS.items():
            if owner == kind.name:
                pure = inside & _find_pure(section, codes[name if kind.name == "haemangioma" else kind.signal], codes["liver"], kind.opacity)
                found[name].append(section[:CODE, pure])
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items() if parts}


def _paint(anatomy: Anatomy, grid: Grid, coded: Palette) -> np.ndarray:
    """Six images: the four times, and the codes of the tissues as they lie in the arterial phase."""
    arterial_fill = HAEMANGIOMA_FILL[ARTERIAL]
    return render(anatomy, grid, coded, fill=np.array([*HAEMANGIOMA_FILL, arterial_fill, arterial_fill]))


def measure_snr(noisy: np.ndarray, scan: Scan, anatomy: Anatomy, liver_points: np.ndarray) -> float | None:
    """Mean signal of the liver over the standard deviation of the complex noise, which air shows: its mean square is twice the variance.

    Args:
        noisy: delayed phase (z, y, x) as acquired, before slices are interpolated.
        scan: its grid.
        anatomy: the patient's.
        liver_points: in pure liver, LPS mm of the anatomy (n, 3).

    Returns:
        None if the field of view holds no liver.
    """
    grid = scan.grid
    indices = np.rint(np.linalg.solve(grid.affine[:3, :3], liver_points.T - grid.affine[:3, 3:])).astype(int)
    z, y, x = indices[:, ((indices >= 0) & (indices < np.asarray(grid.shape)[:, None])).all(axis=0)]
    if len(z) == 0:
        return None
    middle = grid.shape[0] // 2
    box = (slice(middle, middle + 1), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    air = noisy[box][anatomy.skin.distance(grid.coordinates(box)) > AIR_FROM_SKIN_MM]
    return round(float(noisy[z, y, x].mean(dtype=np.float64) / np.sqrt(np.square(air, dtype=np.float64).mean() / 2)), 3)


def _find_pure(image: np.ndarray, code: int, liver_code: int, opacity: float) -> np.ndarray:
    """Voxels (bool) of a tissue alone, or, if it is not opaque, of its share over liver."""
    mean, variance = image[CODE], image[CODE_SQUARED] - np.square(image[CODE])
    step = abs(code - liver_code)
    expected_mean, expected_variance = opacity * code + (1 - opacity) * liver_code, opacity * (1 - opacity) * step ** 2
    tolerance = PURE * max(step, 1.0) if opacity < 1 else PURE
    return (np.abs(mean - expected_mean) < tolerance) & (np.abs(variance - expected_variance) < PURE * max(expected_variance, 1.0))
