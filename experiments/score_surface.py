"""Surface distances and volumes of a run: each patient's mask at the threshold of its own fold, beside the reference."""
from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from stages import Plan

from lirads_keras.evaluation.overlap import compute_level
from lirads_keras.evaluation.surface import compute_surface_distances
from lirads_keras.preprocessing.store import read_stored_study


def score_surface(store: Path, prediction: Path, threshold: float) -> dict[str, Any]:
    """Columns of surface.csv from `threshold` on.

    The masks are those of the Dice: all voxels of the delayed grid that reach the threshold, and all lesions of the reference. An empty mask has
    volume 0, and then there is no distance.
    """
    study = read_stored_study(store)
    predicted = np.load(prediction, mmap_mode="r") >= compute_level(threshold)
    reference = np.asarray(study.mask()) > 0
    distances = compute_surface_distances(predicted, reference, study.spacing_mm)
    voxel_ml = abs(float(np.linalg.det(study.affine[:3, :3]))) / 1000
    return {"threshold": threshold, "mean_surface_distance_mm": distances.mean_mm, "hausdorff95_mm": distances.hausdorff95_mm,
            "volume_ref_ml": np.count_nonzero(reference) * voxel_ml, "volume_pred_ml": np.count_nonzero(predicted) * voxel_ml}


def score_surfaces(plan: Plan, fold_of: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of surface.csv: every patient, also those without a lesion."""
    folders = {fold: plan.run.fold(plan.profile.segmentation.variants[0], fold) for fold in sorted(set(fold_of.values()))}
    thresholds = {fold: folder.threshold for fold, folder in folders.items()}
    tasks = [partial(score_surface, plan.run.store(patient_id), folders[fold].prediction(patient_id), thresholds[fold])
             for patient_id, fold in fold_of.items()]
    with ProcessPoolExecutor(plan.profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        found = [pool.submit(task) for task in tasks]
        return [{"patient_id": patient_id, "fold": fold, **future.result()} for (patient_id, fold), future in zip(fold_of.items(), found, strict=True)]
