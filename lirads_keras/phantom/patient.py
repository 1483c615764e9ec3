"""Builds one virtual patient: three noisy series as DICOM, reference and true masks, and a record of all that is known."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import ENHANCED_PHASES, VIRTUAL_COHORT, Observation, Phase, Volume
from lirads_keras.io.atomic import replacing, write_json
from lirads_keras.lesions import measure_lesions
from lirads_keras.lirads.categorize import categorize
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.confounders import KINDS
from lirads_keras.phantom.dicom_writer import Acquisition, write_series
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.measurements import measure_snr, measure_tissues
from lirads_keras.phantom.motion import Motion
from lirads_keras.phantom.palette import Palette, acquisition_times, build_kinetics, build_palette
from lirads_keras.phantom.readers import Reading, build_consensus, read_lesion
from lirads_keras.phantom.render import HAEMANGIOMA_FILL, compute_coverage, render
from lirads_keras.phantom.scan import Scan, build_scan, interpolate_slices
from lirads_keras.phantom.shapes import StarShape
from lirads_keras.phantom.shift import SHIFTS, Shift
from lirads_keras.phantom.signal import SCANNERS, add_rician_noise, build_coil_bias
from lirads_keras.phantom.truth import FeatureMargins, measure_margins

RULES = "v2018"
"""The readers of §2.3 used LI-RADS 2018."""

SNR_SPREAD = 0.12
STREAMS = ("anatomy", "kinetics", "scan", "motion", "bias", "noise", "readers", "calendar")
"""Each part of a patient draws from its own random stream, so that a change in one leaves the others."""

FIRST_DAY, DAYS = datetime(2011, 1, 3), 5 * 365


def build_patient(plan: PatientPlan, settings: CohortSettings, folder: Path, record_path: Path) -> dict[str, Any]:
    """Builds one patient alone; the same plan and settings give the same bytes.

    Args:
        plan: the patient's row of the cohort table.
        settings: grid and seed of the cohort.
        folder: of the cohort; `dicom/<patient_id>/<phase>/`, `masks/` and `masks_true/` are written in it.
        record_path: JSON written last: it exists if and only if the patient is complete.

    Returns:
        The record: `patient`, `series`, `lesions` and `confounders`, rows of tables, and `measurements`.
    """
    digest = settings.digest()
    record_path.unlink(missing_ok=True)
    shutil.rmtree(folder / "dicom" / plan.patient_id, ignore_errors=True)
    streams = {name: np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(1, plan.index, number))) for number, name in enumerate(STREAMS)}
    scan = build_scan(plan, settings, streams["scan"])
    shift = SHIFTS[settings.shift]
    anatomy = build_anatomy(plan, scan.grid, streams["anatomy"], shift)
    kinetics = build_kinetics(plan, streams["kinetics"], shift)
    # From here on the plan has the time at which the arterial phase is acquired; tissues were drawn for the planned one.
    plan = replace(plan, arterial_s=round(plan.arterial_s + settings.arterial_moved_s, 1))
    palette = build_palette(kinetics, acquisition_times(plan))
    day = FIRST_DAY + timedelta(days=int(streams["calendar"].integers(DAYS)))
    injection = day + timedelta(seconds=int(streams["calendar"].integers(8 * 3600, 17 * 3600)))

    enhancement, tissues, liver_points = measure_tissues(anatomy, palette)
    measurements: dict[str, Any] = {"liver_enhancement": enhancement, "tissues": tissues, "shift_mm": {}}
    series = []
    for phase, seconds, motion, noisy in _acquire(plan, shift, anatomy, palette, scan, streams):
        if motion is None:
            measurements["liver_snr"] = measure_snr(noisy, scan, anatomy, liver_points)
        else:
            measurements["shift_mm"][str(phase)] = round(motion.shift_mm[2], 3)
        voxels = interpolate_slices(noisy, scan.written.shape[0])
        np.minimum(voxels, 65535, out=voxels)
        np.rint(voxels, out=voxels)
        place = Path("dicom") / plan.patient_id / phase
        uid = write_series(
            folder / place, plan, Acquisition(phase, seconds, voxels.astype(np.uint16)), scan.affine, scan.written.spacing_mm, digest, injection,
            thickness_mm=scan.grid.spacing_mm[0])
        series.append({"patient_id": plan.patient_id, "phase": str(phase), "path": place.as_posix(), "series_uid": uid, "time_point": 0})
    lesions: list[dict[str, Any]] = []
    mask_path = ""
    if anatomy.lesions:
        reference, true, lesions, measurements["dice_readers"] = _read(anatomy, palette, scan, plan, streams["readers"])
        mask_path = f"masks/{plan.patient_id}.nii.gz"
        _write_mask(folder / mask_path, reference, scan)
        _write_mask(folder / "masks_true" / f"{plan.patient_id}.nii.gz", true, scan)
    record = {
        "patient": _describe(plan, anatomy, mask_path), "series": series, "lesions": lesions,
        "confounders": _list_confounders(plan, anatomy, scan), "measurements": measurements}
    write_json(record_path, record)
    return record


def _acquire(
        plan: PatientPlan, shift: Shift, anatomy: Anatomy, palette: Palette, scan: Scan, streams: dict[str, np.random.Generator],
) -> Iterator[tuple[Phase, float, Motion | None, np.ndarray]]:
    """Each phase, its time, how the organs had moved (None: not), and its noisy voxels as acquired (z, y, x) float32."""
    scanner = SCANNERS[plan.scanner]
    snr = shift.snr * scanner.liver_snr * np.exp(streams["noise"].normal(0, SNR_SPREAD))
    gain = float(snr * scanner.noise_sd / palette["liver"][-1])
    bias = build_coil_bias(scan.grid.coordinates(), streams["bias"])
    for number, (phase, seconds) in enumerate(zip(ENHANCED_PHASES, acquisition_times(plan)[1:], strict=True), start=1):
        motion = None if phase == ENHANCED_PHASES[-1] else Motion.random(streams["motion"])
        image = render(anatomy, scan.grid, palette.at(number, gain), motion, np.array(HAEMANGIOMA_FILL[number:number + 1]))[0]
        image *= bias
        yield phase, float(seconds), motion, add_rician_noise(image, scanner.noise_sd, streams["noise"])


def _read(
        anatomy: Anatomy, palette: Palette, scan: Scan, plan: PatientPlan, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]], float]:
    """Reference and true label maps (uint8) on the written grid, a row for each lesion, and the Dice between both readers' masks."""
    grid = scan.written
    reference, true = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    masks = [np.zeros(grid.shape, np.uint8) for _ in range(2)]
    rows = []
    for lesion in anatomy.lesions:
        margins = measure_margins(anatomy, lesion, palette)
        readers = [read_lesion(lesion, margins, rng) for _ in range(2)]
        consensus = build_consensus(*readers)
        outlines = [_draw(np.zeros(grid.shape, np.uint8), reader.outline, grid, 1) for reader in readers]
        for mask, outline in zip(masks, outlines, strict=True):
            mask |= outline
        _draw(true, lesion.shape, grid, lesion.plan.mask_label)
        _draw(reference, consensus.outline, grid, lesion.plan.mask_label)
        rows.append({
            "patient_id": plan.patient_id, "lesion_id": lesion.plan.lesion_id, "mask_label": lesion.plan.mask_label,
            **_rate(consensus, ""), **_rate(_as_reading(margins, lesion.plan.diameter_mm, lesion.shape), "_true"),
            "tissue_class": lesion.plan.tissue_class, "capsule_mm": lesion.plan.capsule_mm, "necrosis": lesion.necrosis,
            "subcapsular": int(lesion.plan.subcapsular), **_describe_margins(margins),
            **_rate(readers[0], "_reader1"), **_rate(readers[1], "_reader2"), "dice_readers": _dice(*outlines)})
    measured = {int(lesion.lesion_id): lesion.diameter_mm for lesion in measure_lesions(reference, Volume(reference, grid.spacing_mm, scan.affine))}
    for row in rows:
        row["diameter_mm_mask"] = round(measured[row["mask_label"]], 3)
    return reference, true, rows, _dice(*masks)


def _draw(labels: np.ndarray, shape: StarShape, grid: Grid, label: int) -> np.ndarray:
    """Labels the voxels whose centre lies inside; of a lesion that misses all centres, the fullest voxels. Earlier labels stay.

    Half-full voxels instead of centres would shrink every small lesion.
    """
    box = grid.box_around(*shape.bounds(max(grid.spacing_mm)))
    local = labels[box]
    inside = (shape.distance(grid.coordinates(box)) <= 0) & (local == 0)
    if not inside.any():
        box, (share,) = compute_coverage(shape, grid)
        local = labels[box]
        inside = (share == share[local == 0].max(initial=0)) & (local == 0)
    local[inside] = label
    return labels


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return round(float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))), 4)


def _as_reading(margins: FeatureMargins, diameter_mm: float, shape: StarShape) -> Reading:
    return Reading(margins.aphe, margins.washout, margins.capsule, diameter_mm, shape)


def _rate(reading: Reading, suffix: str) -> dict[str, Any]:
    aphe, washout, capsule = reading.features
    diameter = round(reading.diameter_mm, 3)
    category, _ = categorize(Observation(diameter, aphe, washout, capsule), RULES)
    return {
        f"diameter_mm{suffix}": diameter, f"aphe{suffix}": int(aphe), f"washout{suffix}": int(washout), f"capsule{suffix}": int(capsule),
        f"category{suffix}": str(category)}


def _describe_margins(margins: FeatureMargins) -> dict[str, float]:
    ratios = zip(("precontrast", "arterial", "portal_venous", "delayed"), margins.ratios, strict=True)
    return {
        "aphe_margin": round(margins.aphe, 4), "washout_margin": round(margins.washout, 4), "capsule_margin": round(margins.capsule, 4),
        **{f"ratio_{phase}": round(ratio, 4) for phase, ratio in ratios}}


def _describe(plan: PatientPlan, anatomy: Anatomy, mask_path: str) -> dict[str, Any]:
    counts = {f"n_{kind.name}": sum(found.kind == kind for found in anatomy.confounders) for kind in KINDS}
    return {
        "patient_id": plan.patient_id, "group": plan.group, "cohort": VIRTUAL_COHORT, "age_years": plan.age_years, "sex": plan.sex,
        "scanner": plan.scanner, "diagnosis_method": plan.diagnosis_method, "mask_path": mask_path, "weight_kg": plan.weight_kg,
        "cirrhotic": int(plan.cirrhotic), "agent": plan.agent, "injection_rate_ml_s": plan.injection_rate_ml_s, "oblique": int(plan.oblique),
        "arrival_s": plan.arrival_s, "arterial_s": plan.arterial_s, "portal_venous_s": plan.portal_venous_s, "delayed_s": plan.delayed_s, **counts}


def _list_confounders(plan: PatientPlan, anatomy: Anatomy, scan: Scan) -> list[dict[str, Any]]:
    """Kind, longest axis and centre (the scanner's LPS mm, in the delayed phase) of each benign finding."""
    rows = []
    for found in anatomy.confounders:
        x, y, z = np.asarray(found.shape.centre_mm) + scan.table_offset_mm
        rows.append({
            "patient_id": plan.patient_id, "group": plan.group, "kind": found.kind.name, "diameter_mm": round(2 * max(found.shape.semi_axes_mm), 1),
            "x_mm": round(float(x), 1), "y_mm": round(float(y), 1), "z_mm": round(float(z), 1)})
    return rows


def _write_mask(path: Path, labels: np.ndarray, scan: Scan) -> None:
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing([float(value) for value in scan.written.spacing_mm[::-1]])
    image.SetOrigin([float(value) for value in scan.affine[:3, 3]])
    directions = scan.affine[:3, :3] / np.asarray(scan.written.spacing_mm)
    image.SetDirection([float(value) for value in directions[:, ::-1].ravel()])
    with replacing(path) as beside:
        sitk.WriteImage(image, str(beside), useCompression=True)
