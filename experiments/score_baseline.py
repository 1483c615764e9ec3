"""The intensity baseline of a run: chosen on each fold's training patients, scored on its test patients."""
from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from stages import Plan

from lirads_keras.entities import Phase
from lirads_keras.evaluation.intensity_baseline import (
    IntensityHistogram,
    Interval,
    build_edges,
    choose_intervals,
    count_bins,
    find_bins,
    find_range,
    find_voxels,
)
from lirads_keras.evaluation.overlap import score_mask
from lirads_keras.lesions import drop_small_components
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study
from lirads_keras.variants import PAPER_SEGMENTATION

DELAYED = str(Phase.DELAYED)


def score_intensity_baseline(plan: Plan, fold_of: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of baseline_segmentation.csv: the patients with lesions, on the delayed grid, where the network's masks are scored, too."""
    folders = {patient_id: plan.run.store(patient_id) for patient_id in fold_of}
    folders = {patient_id: folder for patient_id, folder in folders.items() if np.any(read_stored_study(folder).mask())}
    if len(folders) < 2:
        return []
    # The scales alone give the range of intensities: no test voxel has a part in it.
    edges = build_edges(*find_range([read_stored_study(folder).scales[DELAYED] for folder in folders.values()]))
    with ProcessPoolExecutor(plan.profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        histograms = dict(zip(folders, pool.map(partial(count_patient, edges=edges), folders.values()), strict=True))
        intervals = choose_intervals(histograms, fold_of, plan.profile.segmentation.folds, edges)
        scored = {patient_id: intervals[fold_of[patient_id]] for patient_id in folders if fold_of[patient_id] in intervals}
        volumes = {fold: plan.run.fold(PAPER_SEGMENTATION, fold).minimum_volume_mm3 for fold in intervals}
        dice = dict(zip(scored, pool.map(partial(score_patient, edges=edges), (folders[patient_id] for patient_id in scored), scored.values(),
                                         (volumes[fold_of[patient_id]] for patient_id in scored)), strict=True))
    return [
        {"patient_id": patient_id, "fold": fold_of[patient_id], "lower": interval.lower, "upper": interval.upper, "dice": dice[patient_id]}
        for patient_id, interval in scored.items()]


def count_patient(folder: Path, edges: np.ndarray) -> IntensityHistogram:
    """Histograms of a stored study."""
    study = read_stored_study(folder)
    return count_bins(_bins(study, edges), np.asarray(study.mask()) > 0)


def score_patient(folder: Path, interval: Interval, minimum_volume_mm3: float, edges: np.ndarray) -> float:
    """Dice of a stored study, of components from a volume on."""
    study = read_stored_study(folder)
    mask = drop_small_components(find_voxels(_bins(study, edges), interval), minimum_volume_mm3, study.grid().voxel_mm3)
    return score_mask(mask, np.asarray(study.mask()) > 0)


def _bins(study: StoredStudy, edges: np.ndarray) -> np.ndarray:
    return find_bins(study.scales[DELAYED].apply(study.image(DELAYED)), edges)
