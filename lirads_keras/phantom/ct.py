"""Virtual contrast-enhanced abdominal CT in HU with liver and tumours, in the file layout of LiTS (Bilic et al., Med Image Anal 2023;84:102680).

The anatomy is that of the MR patients; tissues have portal-venous attenuation. Used to pre-train where LiTS is absent.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from lirads_keras.config.cohorts import CtSettings
from lirads_keras.io.atomic import replacing, write_json
from lirads_keras.phantom.anatomy import build_anatomy
from lirads_keras.phantom.cohort import LesionPlan, PatientPlan, compute_diameters_mm
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.palette import Palette
from lirads_keras.phantom.render import render

ATTENUATION_HU = {
    "air": -1000.0, "suppressed_fat": -100.0, "muscle": 60.0, "lung": -830.0, "marrow": 190.0, "cerebrospinal_fluid": 15.0,
    "myocardium": 110.0, "pancreas": 105.0, "gut_wall": 85.0, "gut_content": 15.0, "spleen": 122.0, "renal_cortex": 185.0, "renal_medulla": 160.0, "bile": 8.0,
    "liver": 108.0, "capsule": 112.0, "necrosis": 25.0, "cyst": 8.0, "haemangioma_nodules": 150.0, "haemangioma_core": 70.0,
    "transient_difference": 122.0, "siderotic_nodule": 120.0, "arterial_blood": 150.0, "portal_blood": 172.0, "hepatic_blood": 165.0,
    "caval_blood": 135.0,
}
"""Typical portal-venous values; our choice."""

LIVER_SPREAD_HU = 10.0
TUMOUR_BELOW_LIVER_HU = (15.0, 60.0)
HYPERDENSE_FRACTION = 0.15
TEXTURE = 0.6
NOISE_SD_HU = (9.0, 18.0)
NOISE_BLUR_PX = 0.6
HEALTHY_FRACTION = 0.1
MOST_TUMOURS = 8
LARGEST_TUMOUR_MM = 110.0
HU_RANGE = (-1024, 3071)
AIR_HU = -1000.0


def build_ct_volume(number: int, settings: CtSettings, folder: Path, record_path: Path) -> None:
    """Builds volume and segmentation `number`; the record is written last."""
    record_path.unlink(missing_ok=True)
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(2, number)))
    plan = _plan(number, rng)
    grid = Grid.centred(
        (settings.slices, settings.matrix_px, settings.matrix_px), (settings.slice_spacing_mm, settings.pixel_spacing_mm, settings.pixel_spacing_mm))
    anatomy = build_anatomy(plan, grid, rng)
    image = render(anatomy, grid, _build_palette(plan, rng))[0] + np.float32(AIR_HU)
    noise = ndimage.gaussian_filter(rng.standard_normal(grid.shape, np.float32), (0, NOISE_BLUR_PX, NOISE_BLUR_PX))
    image += noise * np.float32(rng.uniform(*NOISE_SD_HU) / noise.std())
    labels = np.zeros(grid.shape, np.uint8)
    liver = np.maximum(anatomy.liver.distance(grid.coordinates()), -anatomy.before_liver[1].shape.distance(grid.coordinates()))
    labels[liver <= 0] = 1
    for lesion in anatomy.lesions:
        box = grid.box_around(*lesion.shape.bounds(0.0))
        labels[box][lesion.shape.distance(grid.coordinates(box)) <= 0] = 2
    _write(folder / f"volume-{number}.nii.gz", np.clip(np.rint(image), *HU_RANGE).astype(np.int16), grid)
    _write(folder / f"segmentation-{number}.nii.gz", labels, grid)
    write_json(record_path, {"number": number, "tumours_mm": [lesion.diameter_mm for lesion in plan.lesions]})


def _plan(number: int, rng: np.random.Generator) -> PatientPlan:
    """A patient with none to eight tumours of the cohort's sizes."""
    count = 0 if rng.uniform() < HEALTHY_FRACTION else int(min(1 + rng.geometric(0.4), MOST_TUMOURS))
    sizes = compute_diameters_mm(174)
    diameters = rng.choice(sizes[sizes <= LARGEST_TUMOUR_MM / max(count, 1) ** 0.5], count, replace=False)
    lesions = tuple(
        LesionPlan(f"L{index}", index, float(diameter), "class_d", 0.0, bool(rng.uniform() < 0.3)) for index, diameter in enumerate(diameters, start=1))
    return PatientPlan(
        index=number, patient_id=f"CT-{number}", group="positive", age_years=60, sex="M", weight_kg=float(np.clip(rng.normal(70, 11), 45, 110)),
        cirrhotic=bool(rng.uniform() < 0.3), diagnosis_method="", scanner="", agent="", injection_rate_ml_s=3.0, oblique=False, arrival_s=15.0,
        arterial_s=30.0, portal_venous_s=60.0, delayed_s=180.0, lesions=lesions)


def _build_palette(plan: PatientPlan, rng: np.random.Generator) -> Palette:
    """Attenuation above air, since painting starts from zero."""
    values = dict(ATTENUATION_HU)
    values["liver"] += rng.normal(0, LIVER_SPREAD_HU)
    for lesion in plan.lesions:
        below = rng.uniform(*TUMOUR_BELOW_LIVER_HU) * (-0.7 if rng.uniform() < HYPERDENSE_FRACTION else 1)
        values[f"lesion:{lesion.lesion_id}"] = values["liver"] - below
        values[f"capsule:{lesion.lesion_id}"] = values["capsule"]
    return Palette({name: np.array([value - AIR_HU], np.float32) for name, value in values.items()}, np.array([TEXTURE * 0.1], np.float32))


def _write(path: Path, array: np.ndarray, grid: Grid) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(value) for value in grid.spacing_mm[::-1]])
    image.SetOrigin([float(value) for value in grid.affine[:3, 3]])
    with replacing(path) as beside:
        sitk.WriteImage(image, str(beside), useCompression=True)
