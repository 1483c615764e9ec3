"""Figs. 8 and 11 of a run: reads the chosen cases from the store and the stored predictions, and writes each figure with its table."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stages import Plan

from lirads_keras.evaluation.overlap import compute_level
from lirads_keras.evaluation.overlays import OverlayCase, choose_by_dice, choose_small, plot_cases, plot_small_lesions
from lirads_keras.io.atomic import write_bytes, write_text
from lirads_keras.lesions import measure_lesions
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.variants import PAPER_SEGMENTATION

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def write_overlay_figures(plan: Plan, rows: Rows, mask_labels: Mapping[tuple[str, str], int]) -> None:
    """Writes results/figure_8 and figure_11, .png and .csv, of the paper's segmentation variant at each fold's own threshold.

    Args:
        plan: of the run.
        rows: of the tables run, fold_thresholds, dice_by_threshold and lesions.
        mask_labels: label of each (patient_id, lesion_id) in the patient's mask.
    """
    cohort = {row["key"]: row["value"] for row in rows["run"]}["cohort"]
    thresholds = {row["fold"]: row["threshold_chosen"] for row in rows["fold_thresholds"] if row["segmentation"] == PAPER_SEGMENTATION}
    scored = [row for row in rows["dice_by_threshold"] if row["segmentation"] == PAPER_SEGMENTATION]
    # Thresholds are those of the profile, unchanged: equal ones are the same number.
    dice = {str(row["patient_id"]): row["dice"] for row in scored if row["threshold"] == thresholds[row["fold"]]}
    folds = {str(row["patient_id"]): row["fold"] for row in scored}

    cases, table = [], []
    for kind, patient_id in choose_by_dice(dice):
        threshold = thresholds[folds[patient_id]]
        reference = np.asarray(read_stored_study(plan.run.store(patient_id)).mask()) > 0
        z = int(np.count_nonzero(reference, axis=(1, 2)).argmax())
        cases.append(_read_case(plan, patient_id, folds[patient_id], threshold, z, f"{kind}: {patient_id}\nDice {dice[patient_id]:.2f}, slice {z}"))
        table.append({"case": kind, "patient_id": patient_id, "fold": folds[patient_id], "slice": z, "threshold": threshold, "dice": dice[patient_id]})
    title = f"Worst, median and best cases by Dice ({cohort}): reference solid red, prediction dashed blue"
    _write(plan.run.results, "figure_8", plot_cases(cases, title), table, ["case", "patient_id", "fold", "slice", "threshold", "dice"])

    cases, table = [], []
    diameters_mm = {(str(row["patient_id"]), str(row["lesion_id"])): row["diameter_mm"] for row in rows["lesions"] if str(row["patient_id"]) in dice}
    for patient_id, lesion_id in choose_small(diameters_mm):
        study, threshold, diameter_mm = read_stored_study(plan.run.store(patient_id)), thresholds[folds[patient_id]], diameters_mm[patient_id, lesion_id]
        labels = np.asarray(study.mask())
        lesion = next(found for found in measure_lesions(labels, study.grid()) if found.lesion_id == str(mask_labels[patient_id, lesion_id]))
        z = lesion.largest_slice
        ring = (labels[z] == int(lesion.lesion_id), diameter_mm)
        caption = f"{patient_id} {lesion_id}, {diameter_mm:.1f} mm\nDice of the patient {dice[patient_id]:.2f}, slice {z}"
        cases.append(_read_case(plan, patient_id, folds[patient_id], threshold, z, caption, ring))
        table.append({"patient_id": patient_id, "lesion_id": lesion_id, "diameter_mm": diameter_mm, "fold": folds[patient_id], "slice": z,
                      "threshold": threshold, "dice": dice[patient_id]})
    title = f"Lesions under 2 cm ({cohort}), ringed: reference solid red, prediction dashed blue"
    _write(plan.run.results, "figure_11", plot_small_lesions(cases, title), table,
           ["patient_id", "lesion_id", "diameter_mm", "fold", "slice", "threshold", "dice"])


def _read_case(plan: Plan, patient_id: str, fold: int, threshold: float, z: int, caption: str, ring: tuple[np.ndarray, float] | None = None) -> OverlayCase:
    """A slice of a patient; `ring` is the mask (y, x) of the lesion that gets one, and its diameter in mm."""
    study = read_stored_study(plan.run.store(patient_id))
    levels = np.load(plan.run.prediction(PAPER_SEGMENTATION, fold, patient_id), mmap_mode="r")
    spacing_mm = (study.spacing_mm[1], study.spacing_mm[2])
    centre_mm = diameter_mm = None
    if ring is not None:
        lesion, diameter_mm = ring
        y, x = np.argwhere(lesion).mean(axis=0) + 0.5
        centre_mm = (float(y * spacing_mm[0]), float(x * spacing_mm[1]))
    return OverlayCase(caption, np.asarray(study.image("delayed")[z]), np.asarray(study.mask()[z]) > 0, np.asarray(levels[z]) >= compute_level(threshold),
                       spacing_mm, centre_mm, diameter_mm)


def _write(folder: Path, name: str, figure: Any, table: list[dict[str, Any]], columns: list[str]) -> None:
    write_bytes(folder / f"{name}.png", lambda file: figure.savefig(file, format="png", dpi=150, metadata={"Software": None}))
    write_text(folder / f"{name}.csv", pd.DataFrame(table, columns=columns).to_csv(index=False, float_format="%.6g", lineterminator="\n"))
