"""The liver: two lobes with impressions of its neighbours, a nodular surface, and its portal and hepatic veins."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.grid import Coordinates
from lirads_keras.phantom.shapes import Ellipsoid, StarShape, Tube, Waves, cut, join

LOBE_SEAM_MM = 30.0
IMPRESSION_EDGE_MM = 12.0
BULGE_SEAM_MM = 15.0
WALL_GAP_MM = 3.0

BRANCH_SHRINK = (0.62, 0.82)
BRANCH_ANGLE = 0.55
SMALLEST_VEIN_RADIUS_MM = 1.1
VEIN_DEPTH_MM = 3.0


@dataclass(frozen=True, eq=False)
class Liver:
    """Implicit surface of the liver. `bulges` are lesions that the liver grows around, each with a coat of parenchyma (mm; negative: exophytic)."""

    lobes: tuple[Ellipsoid, Ellipsoid]
    impressions: tuple[Ellipsoid, ...]
    cavity: Ellipsoid
    surface: Waves
    bulges: tuple[tuple[StarShape, float], ...] = ()

    def distance(self, coordinates: Coordinates) -> np.ndarray:
        result = join(self.lobes[0].distance(coordinates), self.lobes[1].distance(coordinates), LOBE_SEAM_MM)
        for impression in self.impressions:
            result = cut(result, impression.distance(coordinates), IMPRESSION_EDGE_MM)
        result += self.surface(coordinates)
        for lesion, coat_mm in self.bulges:
            result = join(result, lesion.distance(coordinates) - np.float32(coat_mm), BULGE_SEAM_MM)
        return np.maximum(result, self.cavity.distance(coordinates) + np.float32(WALL_GAP_MM))

    def bounds(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Corners of an enclosing box, widened by a margin."""
        boxes = [lobe.bounds(margin_mm + 6) for lobe in self.lobes] + [lesion.bounds(margin_mm + max(coat, 0) + 4) for lesion, coat in self.bulges]
        return np.min([low for low, _ in boxes], axis=0), np.max([high for _, high in boxes], axis=0)


@dataclass(frozen=True)
class Vein:
    """A piece of a vein and the blood in it: `portal_blood` or `hepatic_blood`."""

    tube: Tube
    blood: str


def build_liver(cavity: Ellipsoid, impressions: tuple[Ellipsoid, ...], cirrhotic: bool, rng: np.random.Generator) -> Liver:
    """A liver inside the abdominal cavity; cirrhosis shrinks the right lobe, enlarges the left, and makes the surface nodular."""
    half_width, half_depth, _ = cavity.semi_axes_mm
    scale = float(np.clip(rng.normal(1, 0.06), 0.88, 1.12))
    right, left = (0.95, 1.12) if cirrhotic else (1.0, 1.0)
    lobes = (
        Ellipsoid(
            (-0.50 * half_width, 0.04 * half_depth, float(rng.normal(0, 3))),
            (0.56 * half_width * scale * right, 0.90 * half_depth * scale * right, 78 * scale * right)),
        Ellipsoid(
            (float(rng.normal(0.05, 0.03)) * half_width, -0.48 * half_depth, float(rng.normal(20, 4))),
            (0.55 * half_width * scale * left, 0.42 * half_depth * scale * left, 42 * scale * left)),
    )
    smooth = Waves.random(6, (70, 150), 2.5, rng)
    nodular = Waves.random(5, (12, 24), 0.9 if cirrhotic else 0.2, rng)
    surface = Waves(*(np.concatenate(pair) for pair in zip(
        (smooth.vectors, smooth.phases, smooth.amplitudes), (nodular.vectors, nodular.phases, nodular.amplitudes), strict=True)))
    return Liver(lobes, impressions, cavity, surface)


def build_veins(liver: Liver, rng: np.random.Generator) -> tuple[Vein, ...]:
    """Portal tree from the hilum and three hepatic veins into the vena cava, each branching until thin or out of the liver."""
    (right_x, right_y, _), (left_x, left_y, left_z) = liver.lobes[0].centre_mm, liver.lobes[1].centre_mm
    jitter = rng.normal(0, 3, (6, 3))
    hilum = np.array([-20.0, 2.0, -8.0]) + jitter[0]
    trunk_start = np.array([14.0, 12.0, -52.0]) + jitter[1]
    veins = [Vein(Tube(_point(trunk_start), _point(hilum), 6.5, 6.0), "portal_blood")]
    _branch(veins, liver, hilum, np.array([right_x + 8, right_y + 4, -4.0]) + jitter[2] - hilum, 5.0, "portal_blood", rng)
    _branch(veins, liver, hilum, np.array([left_x, left_y + 8, left_z - 6]) + jitter[3] - hilum, 4.5, "portal_blood", rng)
    confluence = np.array([-20.0, 14.0, 50.0]) + jitter[4]
    for target in ([right_x - 4, right_y + 6, 10.0], [right_x / 2, left_y / 2, 18.0], [left_x, left_y, left_z + 2]):
        _branch(veins, liver, confluence, np.asarray(target) + rng.normal(0, 4, 3) - confluence, 4.5, "hepatic_blood", rng)
    return tuple(veins)


def _branch(
        veins: list[Vein], liver: Liver, start: np.ndarray, step: np.ndarray, radius_mm: float, blood: str, rng: np.random.Generator) -> None:
    end = start + step
    shrink = rng.uniform(*BRANCH_SHRINK)
    veins.append(Vein(Tube(_point(start), _point(end), radius_mm, radius_mm * shrink ** 0.5), blood))
    points = end.astype(np.float32).reshape(3, 1)
    outside = float(liver.distance((points[0], points[1], points[2]))[0]) > -VEIN_DEPTH_MM
    if outside or radius_mm * shrink < SMALLEST_VEIN_RADIUS_MM:
        return
    length = float(np.linalg.norm(step))
    across = rng.standard_normal(3)
    across -= step * (across @ step) / length ** 2
    across /= np.linalg.norm(across)
    for side in (1.0, -1.0):
        direction = step / length + side * BRANCH_ANGLE * rng.uniform(0.7, 1.4) * across + rng.normal(0, 0.12, 3)
        child = direction / np.linalg.norm(direction) * max(length * rng.uniform(0.6, 0.85), 12.0)
        _branch(veins, liver, end, child, radius_mm * shrink, blood, rng)


def _point(position: np.ndarray) -> tuple[float, float, float]:
    return float(position[0]), float(position[1]), float(position[2])
