"""Stage lesions: reference and predicted lesions of every patient, their diameters and their crops (§2.4)."""
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
from stage_data import REGIONS, fold_of_patients, fresh_folder
from stages import Plan

from lirads_keras.config import Profile
from lirads_keras.entities import HEAD_FEATURES, Lesion, Phase
from lirads_keras.evaluation.detection import match_lesions
from lirads_keras.evaluation.lesion_choice import Cut
from lirads_keras.evaluation.overlap import LEVELS, compute_level
from lirads_keras.io.atomic import write_array, write_text
from lirads_keras.io.manifests import read_manifest
from lirads_keras.lesions import extract_lesions, measure_lesions
from lirads_keras.preprocessing.crops import crop_lesions
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study
from lirads_keras.progress import Progress, tell_count


def crop_patient(store: Path, predictions: Mapping[str, tuple[Path, Cut]], profile: Profile, reference_ids: dict[str, str],
                 reference_diameters_mm: dict[str, float | None]) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Rows, images (n, phase, y, x, 3) and present (n, phase) of a patient: each reference lesion by its own region and by the predicted ones.

    `predictions` are those of each segmentation variant, with what makes lesions of them.
    """
    study = read_stored_study(store)
    reference = measure_lesions(np.asarray(study.mask()), study.grid())
    regions: list[tuple[str, str | None, Sequence[Lesion | None]]] = [(REGIONS[0], None, reference)]
    for name, (prediction, cut) in predictions.items():
        predicted = predicted_lesions(study, prediction, *cut)
        matches = match_lesions(reference, predicted, minimum_overlap_iou=profile.lesions.minimum_overlap_iou)
        regions.append((REGIONS[1], name, [None if best is None else predicted[best] for best in matches.best_prediction]))
    volumes = {Phase(name): study.volume(name) for name in study.phases}
    scales = {Phase(name): study.scales[name] for name in study.phases}

    rows, images, present = [], [], []
    for roi, segmentation, found in regions:
        known = [region for region in found if region is not None]
        crops, phases = crop_lesions(volumes, scales, known, profile.characterization)
        position = 0
        for lesion, region in zip(reference, found, strict=True):
            diameter_mm = None if region is None else region.diameter_mm
            if roi == REGIONS[0]:
                diameter_mm = reference_diameters_mm[lesion.lesion_id] or diameter_mm
            rows.append({"roi": roi, "segmentation": segmentation, "lesion_id": reference_ids[lesion.lesion_id], "detected": int(region is not None),
                         "diameter_mm": diameter_mm})
            images.append(crops[position] if region is not None else np.zeros(crops.shape[1:], np.float32))
            present.append(phases[position] if region is not None else np.zeros(phases.shape[1:], bool))
            position += region is not None
    # A positive patient may have no lesion of these categories.
    return rows, np.array(images, np.float32).reshape(len(rows), *crops.shape[1:]), np.array(present, bool).reshape(len(rows), *phases.shape[1:])


def predicted_lesions(study: StoredStudy, prediction: Path, threshold: float, minimum_volume_mm3: float) -> list[Lesion]:
    """Lesions of a stored prediction at a threshold, from a volume on."""
    levels = np.load(prediction, mmap_mode="r")
    probability = study.grid().with_array(levels.astype(np.float32) / np.float32(LEVELS))
    # Half a level lower, so that single precision cannot lose the level that the threshold lies on.
    return extract_lesions(probability, (compute_level(threshold) - 0.5) / LEVELS, minimum_volume_mm3=minimum_volume_mm3)


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest, profile = read_manifest(plan.manifest), plan.profile
    crops = plan.run.crops
    fresh_folder(crops.record, plan.identity("lesions"))
    positives, fold_of = fold_of_patients(plan)
    networks = [{name: plan.run.fold(name, fold) for name in plan.segmentations} for fold in range(profile.segmentation.folds)]
    cuts = [{name: network.cut for name, network in of_fold.items()} for of_fold in networks]
    tasks = []
    for patient_id in positives:
        lesions = manifest.lesions[manifest.lesions["patient_id"] == patient_id]
        labels = [str(label) for label in lesions["mask_label"]]
        fold = fold_of[patient_id]
        predictions = {name: (network.prediction(patient_id), cuts[fold][name]) for name, network in networks[fold].items()}
        tasks.append(partial(crop_patient, plan.run.store(patient_id), predictions, profile, dict(zip(labels, lesions["lesion_id"].astype(str))),
                             {label: None if pd.isna(value) else float(value) for label, value in zip(labels, lesions["diameter_mm"])}))
    rows, images, present = [], [], []
    with ProcessPoolExecutor(profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        for done, (patient_id, future) in enumerate(zip(positives, [pool.submit(task) for task in tasks], strict=True), start=1):
            patient_rows, patient_images, patient_present = future.result()
            rows += [{"patient_id": patient_id, "fold": fold_of[patient_id]} | row for row in patient_rows]
            images.append(patient_images)
            present.append(patient_present)
            tell_count(progress, "patient", done, len(tasks))
    write_array(crops.images, np.concatenate(images))
    write_array(crops.present, np.concatenate(present))
    reference = manifest.lesions[["patient_id", "lesion_id", *map(str, HEAD_FEATURES), "category"]].astype({"patient_id": str, "lesion_id": str})
    index = pd.DataFrame(rows).merge(reference, on=["patient_id", "lesion_id"], how="left", validate="many_to_one")
    write_text(crops.index, index.to_csv(index=False))


if __name__ == "__main__":
    run_stage("lesions", work)
