"""Surface distances and volumes of a run: each patient's lesions at the threshold and minimum volume of its own fold, beside the reference."""
from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from stages import Plan

from lirads_keras.evaluation.overlap import compute_level, score_mask
from lirads_keras.evaluation.surface import compute_surface_distances
from lirads_keras.lesions import drop_small_components
from lirads_keras.preprocessing.store import read_stored_study


def score_surface(store: Path, prediction: Path, threshold: float, minimum_volume_mm3: float) -> dict[str, Any]:
    """Columns of surface.csv from `threshold` on.

    The masks are the lesions of the prediction, which are the components of a volume on of the voxels that reach the threshold, and all lesions of the
    reference, on the delayed grid. An empty mask has volume 0, and then there is no distance; without a reference there is no Dice.
    """
    study = read_stored_study(store)
    voxel_mm3 = study.grid().voxel_mm3
    predicted = drop_small_components(np.load(prediction, mmap_mode="r") >= compute_level(threshold), minimum_volume_mm3, voxel_mm3)
    reference = np.asarray(study.mask()) > 0
    distances = compute_surface_distances(predicted, reference, study.spacing_mm)
    voxel_ml = voxel_mm3 / 1000
    return {"threshold": threshold, "minimum_volume_mm3": minimum_volume_mm3, "dice": score_mask(predicted, reference) if reference.any() else None,
            "mean_surface_distance_mm": distances.mean_mm, "hausdorff95_mm": distances.hausdorff95_mm,
            "volume_ref_ml": np.count_nonzero(reference) * voxel_ml, "volume_pred_ml": np.count_nonzero(predicted) * voxel_ml}


def score_surfaces(plan: Plan, fold_of: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of surface.csv: every patient, also those without a lesion, by every segmentation variant."""
    tasks: dict[tuple[str, str, int], partial[dict[str, Any]]] = {}
    for name in plan.segmentations:
        folders = {fold: plan.run.fold(name, fold) for fold in sorted(set(fold_of.values()))}
        cuts = {fold: folder.cut for fold, folder in folders.items()}
        tasks |= {(name, patient_id, fold): partial(score_surface, plan.run.store(patient_id), folders[fold].prediction(patient_id), *cuts[fold])
                  for patient_id, fold in fold_of.items()}
    with ProcessPoolExecutor(plan.profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        found = {key: pool.submit(task) for key, task in tasks.items()}
        return [{"segmentation": name, "patient_id": patient_id, "fold": fold, **future.result()} for (name, patient_id, fold), future in found.items()]
