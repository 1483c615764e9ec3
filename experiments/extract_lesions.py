"""Stage lesions: reference and predicted lesions of every patient, false ones too, their diameters and their crops (§2.4)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stage import run_stage
from stage_data import PREDICTED, REGIONS, fold_of_patients, fresh_folder, read_table
from stages import Plan

from lirads_keras.config.profile import Profile
from lirads_keras.entities import HEAD_FEATURES, Lesion, Phase
from lirads_keras.evaluation.detection import match_lesions
from lirads_keras.evaluation.findings import Finding, find_kind
from lirads_keras.evaluation.lesion_choice import Cut
from lirads_keras.evaluation.overlap import LEVELS, compute_level
from lirads_keras.io.atomic import write_array, write_text
from lirads_keras.io.manifests import read_manifest
from lirads_keras.lesions import extract_lesions, measure_lesions
from lirads_keras.preprocessing.crops import crop_lesions
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study
from lirads_keras.progress import Progress, tell_count


def crop_patient(store: Path, predictions: Mapping[str, tuple[Path, Cut]], profile: Profile, reference_ids: dict[str, str],
                 reference_diameters_mm: dict[str, float | None], findings: Sequence[Finding] = ()) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Rows, images (n, phase, y, x, 3) and present (n, phase) of a patient: each reference lesion by its own region, then of each segmentation variant
    each reference lesion by the region that was found there, and each predicted lesion.

    `predictions` are those of each segmentation variant, with what makes lesions of them. A row names the reference lesion that it belongs to;
    a predicted lesion, which may have none, also has the largest intersection over union with one, and the kind of benign finding that it lies on.
    """
    study = read_stored_study(store)
    reference = measure_lesions(np.asarray(study.mask()), study.grid())
    names = [reference_ids[lesion.lesion_id] for lesion in reference]
    regions: list[tuple[dict[str, Any], Lesion | None]] = [
        ({"roi": REGIONS[0], "segmentation": None, "lesion_id": name, "reference_lesion_id": name}, lesion)
        for name, lesion in zip(names, reference, strict=True)]
    for segmentation, (prediction, cut) in predictions.items():
        predicted = predicted_lesions(study, prediction, *cut)
        matches = match_lesions(reference, predicted, minimum_overlap_iou=profile.lesions.minimum_overlap_iou)
        regions += [({"roi": REGIONS[1], "segmentation": segmentation, "lesion_id": name, "reference_lesion_id": name},
                     None if best is None else predicted[best]) for name, best in zip(names, matches.best_prediction, strict=True)]
        regions += [({"roi": PREDICTED, "segmentation": segmentation, "lesion_id": lesion.lesion_id,
                      "reference_lesion_id": None if best is None else names[best], "iou": iou, "finding": find_kind(lesion, study.grid(), findings)}, lesion)
                    for lesion, best, iou in zip(predicted, matches.best_reference, matches.predicted_iou, strict=True)]
    volumes = {Phase(name): study.volume(name) for name in study.phases}
    scales = {Phase(name): study.scales[name] for name in study.phases}
    crops, phases = crop_lesions(volumes, scales, [region for _, region in regions if region is not None], profile.characterization)
    # A positive patient may have no lesion of these categories, and a region may be missing.
    images, present = np.zeros((len(regions), *crops.shape[1:]), np.float32), np.zeros((len(regions), *phases.shape[1:]), bool)
    found = [number for number, (_, region) in enumerate(regions) if region is not None]
    images[found], present[found] = crops, phases
    diameters_mm = dict(zip(names, (reference_diameters_mm[lesion.lesion_id] for lesion in reference), strict=True))
    rows = []
    for row, region in regions:
        diameter_mm = None if region is None else region.diameter_mm
        if row["roi"] == REGIONS[0]:
            diameter_mm = diameters_mm[row["lesion_id"]] or diameter_mm
        rows.append({**row, "detected": int(region is not None), "diameter_mm": diameter_mm})
    return rows, images, present


def predicted_lesions(study: StoredStudy, prediction: Path, threshold: float, minimum_volume_mm3: float) -> list[Lesion]:
    """Lesions of a stored prediction at a threshold, from a volume on."""
    levels = np.load(prediction, mmap_mode="r")
    probability = study.grid().with_array(levels.astype(np.float32) / np.float32(LEVELS))
    # Half a level lower, so that single precision cannot lose the level that the threshold lies on.
    return extract_lesions(probability, (compute_level(threshold) - 0.5) / LEVELS, minimum_volume_mm3=minimum_volume_mm3)


def read_findings(plan: Plan) -> dict[str, list[Finding]]:
    """Benign findings of each virtual patient; of a user's patients none are known."""
    findings: dict[str, list[Finding]] = {}
    for row in read_table(plan.manifest / "confounders.csv").to_dict("records") if plan.is_virtual else ():
        findings.setdefault(row["patient_id"], []).append(Finding(row["kind"], (row["x_mm"], row["y_mm"], row["z_mm"]), row["diameter_mm"]))
    return findings


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest, profile = read_manifest(plan.manifest), plan.profile
    crops = plan.run.crops
    fresh_folder(crops.record, plan.identity("lesions"))
    _, fold_of = fold_of_patients(plan)
    findings = read_findings(plan)
    networks = [{name: plan.run.fold(name, fold) for name in plan.segmentations} for fold in range(profile.segmentation.folds)]
    cuts = [{name: network.cut for name, network in of_fold.items()} for of_fold in networks]
    tasks = {}
    for patient_id, fold in fold_of.items():
        lesions = manifest.lesions[manifest.lesions["patient_id"] == patient_id]
        labels = [str(label) for label in lesions["mask_label"]]
        predictions = {name: (network.prediction(patient_id), cuts[fold][name]) for name, network in networks[fold].items()}
        tasks[patient_id] = partial(
            crop_patient, plan.run.store(patient_id), predictions, profile, dict(zip(labels, lesions["lesion_id"].astype(str))),
            {label: None if pd.isna(value) else float(value) for label, value in zip(labels, lesions["diameter_mm"])}, findings.get(patient_id, ()))
    rows, images, present = [], [], []
    with ProcessPoolExecutor(profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        futures = {patient_id: pool.submit(task) for patient_id, task in tasks.items()}
        for done, (patient_id, future) in enumerate(futures.items(), start=1):
            patient_rows, patient_images, patient_present = future.result()
            rows += [{"patient_id": patient_id, "fold": fold_of[patient_id]} | row for row in patient_rows]
            images.append(patient_images)
            present.append(patient_present)
            tell_count(progress, "patient", done, len(tasks))
    write_array(crops.images, np.concatenate(images))
    write_array(crops.present, np.concatenate(present))
    reference = manifest.lesions[["patient_id", "lesion_id", *map(str, HEAD_FEATURES), "category"]].astype({"patient_id": str, "lesion_id": str})
    reference = reference.rename(columns={"lesion_id": "reference_lesion_id"})
    index = pd.DataFrame(rows).merge(reference, on=["patient_id", "reference_lesion_id"], how="left", validate="many_to_one")
    write_text(crops.index, index.to_csv(index=False))


if __name__ == "__main__":
    run_stage("lesions", work)
