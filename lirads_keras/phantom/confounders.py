"""What is in a liver besides HCC and must not be called HCC: in both groups, more of the benign ones where no HCC was found.

Mean numbers a patient are our choice. Sizes: mostly small; the kinetics of each kind stand in `kinetics.TISSUES`. Focal fat lies where it
usually does, has no mass effect and lets vessels through (Hamer et al., RadioGraphics 2006;26:1637-1653; Prasad et al., RadioGraphics
2005;25:321-331).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.grid import Coordinates
from lirads_keras.phantom.lesion_shapes import ModelLesion
from lirads_keras.phantom.liver import Liver
from lirads_keras.phantom.shapes import Ellipsoid, StarShape, Waves
from lirads_keras.phantom.shift import UNSHIFTED, Shift

CANDIDATES = 300
CLEARANCE_MM = 3.0
FROM_LESIONS_MM = 10.0

FAT_FRACTION = 0.20
"""Share of fat in focal fat: that of moderate steatosis, 17.4 to 22.1 % (proton density fat fraction; Tang et al., Radiology
2013;267:422-431). Fat suppression takes its signal away; the rest enhances as the liver around it."""

FALCIFORM_X_MM, FALCIFORM_DEPTH_MM = (-20.0, 4.0), 25.0
"""The falciform ligament meets the liver's front along a sagittal plane between the lobes; focal fat lies this near to it."""

GALLBLADDER_REACH_MM = 14.0


@dataclass(frozen=True)
class Kind:
    """How often a confounder occurs (Poisson means of positive and negative patients), its sizes, and how soft its edge is.

    `tissue` names its signal (default: its own name), of which `opacity` is its share, the rest being liver. One with `landmarks` is focal
    fat's: near the falciform ligament or the gallbladder, with an uneven outline, and beneath the vessels.
    """

    name: str
    mean_positive: float
    mean_negative: float
    diameter_mm: tuple[float, float]
    cirrhotic_only: bool = False
    subcapsular: bool = False
    edge_mm: float = 0.0
    opacity: float = 1.0
    landmarks: bool = False
    tissue: str = ""

    @property
    def signal(self) -> str:
        """Name of its signal in the palette."""
        return self.tissue or self.name


KINDS = (
    Kind("cyst", 0.6, 1.0, (4, 28)),
    Kind("haemangioma", 0.15, 0.45, (8, 45)),
    Kind("transient_difference", 0.5, 0.4, (8, 28), subcapsular=True, edge_mm=5.0, opacity=0.85),
    Kind("siderotic_nodule", 0.8, 0.8, (4, 11), cirrhotic_only=True),
    Kind("focal_fat", 0.12, 0.20, (12, 35), edge_mm=3.0, opacity=FAT_FRACTION, tissue="suppressed_fat", landmarks=True),
)


@dataclass(frozen=True, eq=False)
class Confounder:
    """One benign finding; `pattern` makes the nodular edge of a haemangioma."""

    kind: Kind
    shape: StarShape
    pattern: Waves


def build_confounders(
        plan: PatientPlan, liver: Liver, gallbladder: Ellipsoid, keep_clear: tuple[Ellipsoid, ...], lesions: tuple[ModelLesion, ...],
        rng: np.random.Generator, shift: Shift = UNSHIFTED) -> tuple[Confounder, ...]:
    """Draws a patient's confounders, clear of the lesions and of one another."""
    found: list[Confounder] = []
    for kind in KINDS:
        # Focal fat has a stream of its own: what is drawn after the confounders does not depend on it.
        stream = rng.spawn(1)[0] if kind.landmarks else rng
        mean = kind.mean_positive if plan.group == "positive" else kind.mean_negative
        mean *= shift.confounders
        count = 0 if kind.cirrhotic_only and not plan.cirrhotic else int(stream.poisson(mean))
        for _ in range(count):
            # Small ones are common: log-uniform sizes.
            radius = float(np.exp(stream.uniform(*np.log(kind.diameter_mm)))) / 2
            others = [lesion.shape for lesion in lesions] + [other.shape for other in found]
            if kind.landmarks:
                shape = _place_at_landmark(radius, liver, gallbladder, others, stream)
            else:
                shape = _place_anywhere(radius, kind, liver, keep_clear, others, stream)
            if shape is not None:
                found.append(Confounder(kind, shape, Waves.random(5, (0.6, 1.2), 1.0, stream)))
    return tuple(found)


def _place_anywhere(
        radius_mm: float, kind: Kind, liver: Liver, keep_clear: tuple[Ellipsoid, ...], others: list[StarShape],
        rng: np.random.Generator) -> StarShape | None:
    axes = np.sort(radius_mm * rng.uniform(0.7, 1.0, 3))[::-1]
    waves = Waves.random(5, (1.5, 3.0), 0.05, rng)
    points = rng.uniform(*liver.bounds(0.0), (CANDIDATES, 3)).astype(np.float32)
    columns: Coordinates = (points[:, 0], points[:, 1], points[:, 2])
    depth = -liver.distance(columns)
    good = (depth > 0.3 * radius_mm) & (depth < radius_mm) if kind.subcapsular else depth > radius_mm + CLEARANCE_MM
    for organ in keep_clear:
        good &= organ.distance(columns) > radius_mm + CLEARANCE_MM
    for other in others:
        good &= other.distance(columns) > radius_mm + FROM_LESIONS_MM
    return _shape_at_first(points[good], axes, waves)


def _place_at_landmark(
        radius_mm: float, liver: Liver, gallbladder: Ellipsoid, others: list[StarShape], rng: np.random.Generator) -> StarShape | None:
    """A geographic region along the falciform ligament, thin across it, or beside the gallbladder, in equal shares."""
    at_ligament = bool(rng.uniform() < 0.5)
    axes = radius_mm * rng.uniform(0.7, 1.0, 3) * ((0.5, 1.0, 1.0) if at_ligament else (1.0, 1.0, 1.0))
    waves = Waves.random(6, (0.8, 2.0), 0.10, rng)
    low, high = liver.bounds(0.0) if at_ligament else gallbladder.bounds(GALLBLADDER_REACH_MM)
    if at_ligament:
        (low[0], high[0]), high[1] = FALCIFORM_X_MM, liver.lobes[1].centre_mm[1]
    points = rng.uniform(low, high, (CANDIDATES, 3)).astype(np.float32)
    columns: Coordinates = (points[:, 0], points[:, 1], points[:, 2])
    depth = -liver.distance(columns)
    good = depth > 0.5 * radius_mm
    if at_ligament:
        good &= depth < FALCIFORM_DEPTH_MM
    else:
        beside = gallbladder.distance(columns)
        good &= (beside > 0) & (beside < GALLBLADDER_REACH_MM)
    for other in others:
        good &= other.distance(columns) > radius_mm + FROM_LESIONS_MM
    return _shape_at_first(points[good], axes, waves)


def _shape_at_first(centres: np.ndarray, axes: np.ndarray, waves: Waves) -> StarShape | None:
    if len(centres) == 0:
        return None
    x, y, z = (float(value) for value in centres[0])
    return StarShape((x, y, z), (float(axes[0]), float(axes[1]), float(axes[2])), np.eye(3), waves)
