"""Rows of draws.csv: what the networks of all patients find on the further draws, and beside it the cross-validation of the run's own patients."""
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from draw_parts import CROSS_VALIDATION, draw_groups, list_scorings, read_groups
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.evaluation.conditions import AS_ACQUIRED
from lirads_keras.evaluation.lesion_choice import Cut
from lirads_keras.evaluation.patient_score import Score, score_levels
from lirads_keras.preprocessing.store import read_stored_study

Row = dict[str, Any]


def read_draw_rows(plan: Plan) -> list[Row]:
    """All rows; of a user's patients there are none."""
    return [*score_own_patients(plan), *read_draws(plan)] if plan.is_virtual else []


def read_draws(plan: Plan) -> Iterator[Row]:
    """A row for each patient of each draw, segmentation variant and condition, as the stage draws left them."""
    for variant, part in list_scorings(plan):
        for patient_id, group in draw_groups(plan, part).items():
            for row in plan.run.draw(part.name).score(variant, patient_id).read()["rows"]:
                yield {"draw": part.draw, "segmentation": variant, "draw_patient_id": patient_id, "group": group, **row}


def score_own_patients(plan: Plan) -> list[Row]:
    """The same of the run's own patients, each as its test fold's network predicted it, at that fold's threshold and minimum volume."""
    groups, (_, fold_of) = read_groups(plan.manifest), fold_of_patients(plan)
    with ProcessPoolExecutor(plan.profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        futures = {}
        for variant in plan.segmentations:
            for patient_id, fold in fold_of.items():
                folder = plan.run.fold(variant, fold)
                futures[variant, patient_id] = pool.submit(score_prediction, plan.run.store(patient_id), folder.prediction(patient_id), folder.cut,
                                                           plan.profile.lesions.choice_iou)
        return [{"draw": CROSS_VALIDATION, "segmentation": variant, "draw_patient_id": patient_id, "group": groups[patient_id],
                 "condition": AS_ACQUIRED.name, "amount": AS_ACQUIRED.amount, **future.result()} for (variant, patient_id), future in futures.items()]


def score_prediction(store: Path, prediction: Path, cut: Cut, minimum_iou: float) -> Score:
    """`score_levels` of a prediction that was written."""
    return score_levels(np.load(prediction, mmap_mode="r"), read_stored_study(store), cut, minimum_iou)
