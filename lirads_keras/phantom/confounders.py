"""What is in a liver besides HCC and must not be called HCC: in both groups, more of the benign ones where no HCC was found.

Mean numbers a patient are our choice. Sizes: mostly small; the kinetics of each kind stand in `kinetics.TISSUES`.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.grid import Coordinates
from lirads_keras.phantom.lesion_shapes import ModelLesion
from lirads_keras.phantom.liver import Liver
from lirads_keras.phantom.shapes import Ellipsoid, StarShape, Waves

CANDIDATES = 300
CLEARANCE_MM = 3.0
FROM_LESIONS_MM = 10.0


@dataclass(frozen=True)
class Kind:
    """How often a confounder occurs (Poisson means of positive and negative patients), its sizes, and how soft its edge is."""

    name: str
    mean_positive: float
    mean_negative: float
    diameter_mm: tuple[float, float]
    cirrhotic_only: bool = False
    subcapsular: bool = False
    edge_mm: float = 0.0
    opacity: float = 1.0


KINDS = (
    Kind("cyst", 0.6, 1.0, (4, 28)),
    Kind("haemangioma", 0.15, 0.45, (8, 45)),
    Kind("transient_difference", 0.5, 0.4, (8, 28), subcapsular=True, edge_mm=5.0, opacity=0.85),
    Kind("siderotic_nodule", 0.8, 0.8, (4, 11), cirrhotic_only=True),
)


@dataclass(frozen=True, eq=False)
class Confounder:
    """One benign finding; `pattern` makes the nodular edge of a haemangioma."""

    kind: Kind
    shape: StarShape
    pattern: Waves


def build_confounders(
        plan: PatientPlan, liver: Liver, keep_clear: tuple[Ellipsoid, ...], lesions: tuple[ModelLesion, ...],
        rng: np.random.Generator) -> tuple[Confounder, ...]:
    """Draws a patient's confounders, clear of the lesions and of one another."""
    found: list[Confounder] = []
    for kind in KINDS:
        mean = kind.mean_positive if plan.group == "positive" else kind.mean_negative
        count = 0 if kind.cirrhotic_only and not plan.cirrhotic else int(rng.poisson(mean))
        for _ in range(count):
            # Small ones are common: log-uniform sizes.
            radius = float(np.exp(rng.uniform(*np.log(kind.diameter_mm)))) / 2
            axes = np.sort(radius * rng.uniform(0.7, 1.0, 3))[::-1]
            waves = Waves.random(5, (1.5, 3.0), 0.05, rng)
            centre = _place(radius, kind, liver, keep_clear, [lesion.shape for lesion in lesions] + [other.shape for other in found], rng)
            if centre is None:
                continue
            shape = StarShape(centre, (float(axes[0]), float(axes[1]), float(axes[2])), np.eye(3), waves)
            found.append(Confounder(kind, shape, Waves.random(5, (0.6, 1.2), 1.0, rng)))
    return tuple(found)


def _place(
        radius_mm: float, kind: Kind, liver: Liver, keep_clear: tuple[Ellipsoid, ...], others: list[StarShape],
        rng: np.random.Generator) -> tuple[float, float, float] | None:
    low, high = liver.bounds(0.0)
    points = rng.uniform(low, high, (CANDIDATES, 3)).astype(np.float32)
    columns: Coordinates = (points[:, 0], points[:, 1], points[:, 2])
    depth = -liver.distance(columns)
    good = (depth > 0.3 * radius_mm) & (depth < radius_mm) if kind.subcapsular else depth > radius_mm + CLEARANCE_MM
    for organ in keep_clear:
        good &= organ.distance(columns) > radius_mm + CLEARANCE_MM
    for other in others:
        good &= other.distance(columns) > radius_mm + FROM_LESIONS_MM
    free = np.flatnonzero(good)
    if len(free) == 0:
        return None
    x, y, z = (float(value) for value in points[free[0]])
    return x, y, z
