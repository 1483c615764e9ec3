"""One patient's anatomy from implicit surfaces, in LPS mm around the middle of the liver's height. No template from anywhere."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.confounders import Confounder, build_confounders
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.lesion_shapes import ModelLesion, build_lesions
from lirads_keras.phantom.liver import Liver, Vein, build_liver, build_veins
from lirads_keras.phantom.shapes import Ellipsoid
from lirads_keras.phantom.shift import UNSHIFTED, Shift

FIELD_MARGIN_MM = 6.0
GIANT_LESION_MM = 90.0
INFINITE = float("inf")


@dataclass(frozen=True)
class Organ:
    """A painted ellipsoid: `tissue` names its signal; organs that breathe move with the diaphragm and stay inside the abdominal cavity."""

    tissue: str
    shape: Ellipsoid
    breathes: bool = True


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Everything that is painted, in order: body wall, organs behind the liver, liver, focal fat, organs in front, veins, other confounders, lesions."""

    skin: Ellipsoid
    muscle: Ellipsoid
    cavity: Ellipsoid
    diaphragm_mm: float
    behind_liver: tuple[Organ, ...]
    liver: Liver
    before_liver: tuple[Organ, ...]
    veins: tuple[Vein, ...]
    confounders: tuple[Confounder, ...]
    lesions: tuple[ModelLesion, ...]
    fibrosis: float
    texture_seed: int


def build_anatomy(plan: PatientPlan, grid: Grid, rng: np.random.Generator, shift: Shift = UNSHIFTED) -> Anatomy:
    """Draws one patient whose liver holds the planned lesions; the grid only bounds the body and where lesions may lie."""
    largest = max((lesion.diameter_mm for lesion in plan.lesions), default=0.0)
    half_field = min(grid.shape[1] * grid.spacing_mm[1], grid.shape[2] * grid.spacing_mm[2]) / 2 - FIELD_MARGIN_MM
    build = (plan.weight_kg - 67) / 10
    # A patient with a giant tumour needs the room for it.
    half_width = 178.0 if largest > GIANT_LESION_MM else float(np.clip(160 + 6 * build + rng.normal(0, 4), 145, 180))
    half_depth = 134.0 if largest > GIANT_LESION_MM else float(np.clip(114 + 7 * build + rng.normal(0, 3), 100, 138))
    half_width = min(half_width, half_field)
    half_depth = min(half_depth, half_field)
    fat_mm = float(np.clip(15 + 5 * build + rng.normal(0, 3), 6, 30)) if largest <= GIANT_LESION_MM else 8.0
    wall_mm = float(rng.uniform(9, 13))
    skin = Ellipsoid((0, 0, 0), (half_width, half_depth, INFINITE))
    muscle = Ellipsoid((0, 0, 0), (half_width - fat_mm, half_depth - fat_mm, INFINITE))
    cavity = Ellipsoid((0, -4.0, 0), (half_width - fat_mm - wall_mm, half_depth - fat_mm - wall_mm, INFINITE))
    behind, before, impressions = _place_organs(cavity, plan.cirrhotic, rng)
    liver = build_liver(cavity, impressions, plan.cirrhotic, rng)
    fixed = tuple(organ.shape for organ in (*behind, *before) if organ.tissue in ("marrow", "arterial_blood", "caval_blood", "renal_cortex", "bile"))
    lesions = build_lesions(plan.lesions, liver, fixed, grid, rng)
    liver = replace(liver, bulges=tuple((lesion.shape, lesion.coat_mm) for lesion in lesions if lesion.makes_bulge))
    gallbladder = next(organ.shape for organ in before if organ.tissue == "bile")
    return Anatomy(
        skin, muscle, cavity, float(rng.normal(84, 3)), behind, liver, before, build_veins(liver, rng),
        build_confounders(plan, liver, gallbladder, fixed, lesions, rng, shift), lesions,
        fibrosis=float(rng.uniform(0.10, 0.35)) if plan.cirrhotic else 0.0, texture_seed=int(rng.integers(2 ** 31)))


def _place_organs(
        cavity: Ellipsoid, cirrhotic: bool, rng: np.random.Generator) -> tuple[tuple[Organ, ...], tuple[Organ, ...], tuple[Ellipsoid, ...]]:
    half_width, half_depth, _ = cavity.semi_axes_mm
    back = cavity.centre_mm[1] + half_depth

    def ellipsoid(x: float, y: float, z: float, a: float, b: float, c: float, spread: float = 3.0) -> Ellipsoid:
        dx, dy, dz = rng.normal(0, spread, 3)
        growth = 1 + rng.normal(0, 0.05)
        return Ellipsoid((x + dx, y + dy, z + dz), (a * growth, b * growth, c * growth))

    spine_y = back - 26
    spine = Ellipsoid((0, spine_y, 0), (20, 17, INFINITE))
    canal = Ellipsoid((0, spine_y + 25, 0), (9, 7, INFINITE))
    back_muscle = Ellipsoid((0, spine_y + 14, 0), (62, 27, INFINITE))
    aorta = Ellipsoid((float(rng.normal(11, 3)), spine_y - 27, 0), (10, 10, INFINITE))
    vena_cava = Ellipsoid((float(rng.normal(-22, 2)), spine_y - 24, 0), (12, 9.5, INFINITE))
    spleen_scale = 1.2 if cirrhotic else 1.0
    spleen = ellipsoid(half_width - 32, 0.30 * half_depth, 18, 30 * spleen_scale, 44 * spleen_scale, 46 * spleen_scale)
    right_kidney = ellipsoid(-0.46 * half_width, back - 38, -64, 27, 28, 54)
    left_kidney = ellipsoid(0.46 * half_width, back - 38, -44, 27, 28, 54)
    stomach = ellipsoid(0.44 * half_width, -0.30 * half_depth, 14, 0.28 * half_width, 28, 44)
    gallbladder = ellipsoid(-30, -0.42 * half_depth, -46, 13, 13, 26)
    heart = ellipsoid(22, -0.42 * half_depth, 104, 58, 42, 34)
    chamber = Ellipsoid(heart.centre_mm, (40, 27, 22))
    visceral = ellipsoid(44, 22, -66, 80, 62, 80)
    behind = [Organ("myocardium", heart), Organ("caval_blood", chamber)]
    for _ in range(9):
        loop = ellipsoid(
            float(rng.uniform(-0.7, 0.7)) * half_width, float(rng.uniform(-0.7, 0.05)) * half_depth, float(rng.uniform(-110, -55)), 20, 18, 24)
        behind += [Organ("gut_wall", loop), Organ("gut_content", _shrink(loop, 3.5))]
    for x, y, z in ((0.62, -0.15, -38), (0.25, -0.45, -42), (0.05, -0.2, -48)):
        loop = ellipsoid(x * half_width, y * half_depth, z, 19, 17, 20)
        behind += [Organ("gut_wall", loop), Organ("gut_content", _shrink(loop, 3.0))]
    behind += [
        Organ("pancreas", ellipsoid(4, 4, -24, 18, 13, 20)), Organ("pancreas", ellipsoid(32, 2, -10, 26, 10, 11)),
        Organ("pancreas", ellipsoid(60, 14, 0, 24, 9, 10)),
        Organ("gut_wall", stomach), Organ("gut_content", _shrink(stomach, 5)),
        Organ("spleen", spleen),
        Organ("renal_cortex", right_kidney), Organ("renal_medulla", _shrink(right_kidney, 8)),
        Organ("renal_cortex", left_kidney), Organ("renal_medulla", _shrink(left_kidney, 8)),
        Organ("muscle", back_muscle, False), Organ("marrow", spine, False), Organ("cerebrospinal_fluid", canal, False),
    ]
    before = (Organ("bile", gallbladder), Organ("caval_blood", vena_cava, False), Organ("arterial_blood", aorta, False))
    impressions = (
        visceral, _shrink(right_kidney, -5), _shrink(stomach, -3), Ellipsoid(spine.centre_mm, (34, 30, INFINITE)), _shrink(aorta, -5))
    return tuple(behind), before, impressions


def _shrink(ellipsoid: Ellipsoid, by_mm: float) -> Ellipsoid:
    a, b, c = (max(axis - by_mm, 1.0) for axis in ellipsoid.semi_axes_mm)
    return Ellipsoid(ellipsoid.centre_mm, (a, b, c))
