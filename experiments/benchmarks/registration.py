"""What registration of the phases is worth: virtual patients whose motion between the breath-holds is known.

    .venv/bin/python experiments/benchmarks/registration.py [--profile experiments/profiles/cpu.yaml] [--patients 8]

Prints a Markdown table (virtual cohort). For each method of `preprocessing.registration`, over the arterial and portal venous phases: Dice of the
liver and of the lesions, carried to the delayed phase, with their place there; the distance from where tissue was brought to where it belongs,
over points of the liver; how far the lesion's contrast, read with the delayed phase's outline as the pipeline does, is from the contrast with the
phase's own outline; and the seconds of a study.
"""
from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.profile import read_profile
from lirads_keras.entities import Phase, Volume
from lirads_keras.evaluation.overlap import compute_dice
from lirads_keras.io.dicom import read_study
from lirads_keras.io.volumes import read_volume
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import PatientPlan, build_cohort_table
from lirads_keras.phantom.grid import Coordinates
from lirads_keras.phantom.motion import Motion
from lirads_keras.phantom.patient import STREAMS, build_patient
from lirads_keras.phantom.scan import build_scan
from lirads_keras.preprocessing.registration import compute_registration, resample_moved

MOVED_PHASES = (Phase.ARTERIAL, Phase.PORTAL_VENOUS)
LIVER_POINTS = 500
SHELL_MM = (3.0, 9.0)
"""Liver around a lesion that its contrast is measured against."""

Register = Callable[[Volume, Volume], sitk.Transform]
METHODS: dict[str, Register] = {
    "none": lambda fixed, moving: sitk.Transform(3, sitk.sitkIdentity),
    "rigid": lambda fixed, moving: compute_registration(fixed, moving, "rigid"),
    "bspline": lambda fixed, moving: compute_registration(fixed, moving, "bspline")}


@dataclass(frozen=True)
class Measured:
    """One phase of one patient under one method."""

    liver_dice: float
    lesion_dice: float
    distances_mm: np.ndarray
    contrast_error: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Truth:
    """The patient's anatomy where it lay in the delayed phase, its motion in the other phases, and the shift to scanner coordinates (mm)."""

    anatomy: Anatomy
    motions: dict[Phase, Motion]
    offset_mm: np.ndarray

    def masks(self, grid: Volume, phase: Phase) -> tuple[np.ndarray, np.ndarray]:
        """Liver with its lesions, and lesions, as they lie in a phase: bool (z, y, x)."""
        coordinates = self.coordinates(np.indices(grid.shape).reshape(3, -1), grid)
        if phase in self.motions:
            coordinates = self.motions[phase](coordinates)
        lesions = np.zeros(coordinates[0].shape, bool)
        for lesion in self.anatomy.lesions:
            lesions |= lesion.shape.distance(coordinates) <= 0
        liver = (self.anatomy.liver.distance(coordinates) <= 0) | lesions
        return liver.reshape(grid.shape), lesions.reshape(grid.shape)

    def coordinates(self, indices: np.ndarray, grid: Volume) -> Coordinates:
        """Voxel indices (3, n) in the anatomy's coordinates."""
        points = grid.affine[:3, :3] @ indices + (grid.affine[:3, 3] - self.offset_mm)[:, None]
        return points[0].astype(np.float32), points[1].astype(np.float32), points[2].astype(np.float32)


def build_truth(plan: PatientPlan, settings: CohortSettings) -> Truth:
    """What `build_patient` drew: every part of a patient has its own random stream."""
    streams = {name: np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(1, plan.index, number))) for number, name in enumerate(STREAMS)}
    scan = build_scan(plan, settings, streams["scan"])
    anatomy = build_anatomy(plan, scan.grid, streams["anatomy"])
    return Truth(anatomy, {phase: Motion.random(streams["motion"]) for phase in MOVED_PHASES}, scan.table_offset_mm)


def measure_phase(volumes: dict[Phase, Volume], truth: Truth, phase: Phase, register: Register) -> Measured:
    fixed, moving = volumes[Phase.DELAYED], volumes[phase]
    started = time.perf_counter()
    transform = register(fixed, moving)
    image = resample_moved(moving, fixed, transform)
    seconds = time.perf_counter() - started
    liver, lesions = truth.masks(fixed, Phase.DELAYED)
    own_liver, own_lesions = truth.masks(moving, phase)
    carried = [resample_moved(moving.with_array(mask.astype(np.uint8)), fixed, transform, labels=True) > 0 for mask in (own_liver, own_lesions)]
    inside = np.argwhere(liver).T
    chosen = inside[:, np.random.default_rng(0).choice(inside.shape[1], LIVER_POINTS, replace=False)]
    belongs = np.array(truth.coordinates(chosen, fixed))
    brought = np.array([transform.TransformPoint((belongs[:, point] + truth.offset_mm).tolist()) for point in range(LIVER_POINTS)]).T
    x, y, z = (brought - truth.offset_mm[:, None]).astype(np.float32)
    distances_mm = np.linalg.norm(np.array(truth.motions[phase]((x, y, z))) - belongs, axis=0)
    error = abs(compute_contrast(image, lesions, liver, fixed) - compute_contrast(moving.array, own_lesions, own_liver, moving))
    return Measured(overlap(carried[0], liver), overlap(carried[1], lesions), distances_mm, error, seconds)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float(compute_dice(*(int(np.count_nonzero(part)) for part in (first & second, first & ~second, second & ~first))))


def compute_contrast(image: np.ndarray, lesions: np.ndarray, liver: np.ndarray, grid: Volume) -> float:
    """Mean signal of the lesions over that of the liver around them, less 1."""
    distance_mm = ndimage.distance_transform_edt(~lesions, sampling=grid.spacing_mm)
    shell = liver & ~lesions & (distance_mm >= SHELL_MM[0]) & (distance_mm <= SHELL_MM[1])
    return float(image[lesions].mean() / image[shell].mean() - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, default=Path(__file__).parents[1] / "profiles" / "cpu.yaml")
    parser.add_argument("--patients", type=int, default=8)
    parsed = parser.parse_args()
    settings = read_profile(parsed.profile).cohort
    plans = [plan for plan in build_cohort_table(settings) if plan.lesions][:parsed.patients]
    found: dict[str, list[Measured]] = {name: [] for name in METHODS}
    for plan in plans:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            build_patient(plan, settings, folder, folder / "record.json")
            series = read_study(folder / "dicom" / plan.patient_id, None).phases()
            volumes = {phase: read_volume(series[phase]) for phase in (*MOVED_PHASES, Phase.DELAYED)}
        truth = build_truth(plan, settings)
        for method, register in METHODS.items():
            found[method] += [measure_phase(volumes, truth, phase, register) for phase in MOVED_PHASES]
    print(f"Virtual cohort, {len(plans)} patients of {parsed.profile.name}, {' × '.join(map(str, volumes[Phase.DELAYED].shape))} voxels, one thread\n")
    print("| registration | liver Dice, mean (lowest) | lesion Dice, mean (lowest) | distance in the liver, mm: mean (95th percentile) "
          "| error of the lesion's contrast, mean | s a study |\n|---|---|---|---|---|---|")
    for method, of_method in found.items():
        livers, lesions = ([getattr(one, name) for one in of_method] for name in ("liver_dice", "lesion_dice"))
        distances = np.concatenate([one.distances_mm for one in of_method])
        print(f"| {method} | {np.mean(livers):.3f} ({min(livers):.3f}) | {np.mean(lesions):.3f} ({min(lesions):.3f}) "
              f"| {distances.mean():.2f} ({np.percentile(distances, 95):.2f}) | {np.mean([one.contrast_error for one in of_method]):.3f} "
              f"| {sum(one.seconds for one in of_method) / len(plans):.1f} |")


if __name__ == "__main__":
    main()
