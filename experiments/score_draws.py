"""Stage draws: scores the networks of all patients on a fresh and a shifted virtual cohort, and with phases moved, missing or at another time."""
from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from build_store import store_patient
from draw_parts import CROSS_VALIDATION, DrawPart, list_curve_patients, list_draw_parts, reads_condition
from filelock import FileLock
from stage import run_stage
from stage_data import fold_of_patients
from stages import Plan, compute_code_digest

from lirads_keras.evaluation.conditions import AS_ACQUIRED, list_changes, score_levels
from lirads_keras.io.atomic import write_text
from lirads_keras.io.manifests import Manifest, read_manifest
from lirads_keras.phantom.build import build_cohort
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.preprocessing.study_store import store_studies
from lirads_keras.progress import Progress, part_of, tell_count
from lirads_keras.variants import SEGMENTATION_VARIANTS

Row = dict[str, Any]
Groups = dict[str, str]
"""Group of each patient_id."""


def prepare_part(plan: Plan, part: DrawPart, progress: Progress) -> Groups:
    """Builds the patients of a part and stores them in the run, or goes on where an earlier call was stopped."""
    folder, threads = part.folder(plan.data), plan.profile.workflow.threads
    folder.mkdir(parents=True, exist_ok=True)
    # Runs share cohorts; a second run waits for the first to finish building. The table of patients is written last.
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "patients.csv").exists():
            build_cohort(part.settings, folder, jobs=threads, progress=part_of(progress, 0, 0.9, f"{part.name}, "), patients=part.patients)
    manifest, code, run = read_manifest(folder), compute_code_digest("store"), plan.run.draw(part.name)
    tasks = {patient_id: partial(store_patient, run.store(patient_id), manifest, patient_id, plan.profile.preprocessing, code)
             for patient_id in manifest.patients["patient_id"]}
    store_studies(run.stores, tasks, jobs=threads, progress=part_of(progress, 0.9, 1, f"{part.name}, "))
    return _groups(manifest)


def score_variant(plan: Plan, variant: str, patients: dict[DrawPart, Groups], progress: Progress) -> None:
    """Scores a variant's network on each patient who was not scored before, and leaves a record of each."""
    network, identity = SEGMENTATION_VARIANTS[variant], _identity(plan, variant)
    changes = list(list_changes(network.phases, plan.profile.draws.moved_mm))
    wanted = [(part, patient_id) for part, groups in patients.items() if reads_condition(variant, part.condition) for patient_id in groups]
    left = [(part, patient_id) for part, patient_id in wanted if not plan.run.draw(part.name).score(variant, patient_id).made_from(identity)]
    if not left:
        return
    # Imported here: the pools' workers import this script, too, and have no use for TensorFlow.
    from lirads_keras.network_scorer import NetworkScorer

    scorer = NetworkScorer(plan.profile, network, plan.run.full(variant), plan.profile.workflow.threads)
    curve_patients = {part: list_curve_patients(plan, part) for part in patients}
    for done, (part, patient_id) in enumerate(left, start=len(wanted) - len(left) + 1):
        folder = plan.run.draw(part.name)
        conditions = [part.condition, *(changes if patient_id in curve_patients[part] else ())]
        folder.score(variant, patient_id).write(identity, rows=scorer.score(read_stored_study(folder.store(patient_id)), conditions))
        tell_count(progress, "patient", done, len(wanted))


def read_rows(plan: Plan, variant: str, patients: dict[DrawPart, Groups]) -> Iterable[Row]:
    """Rows of draws.csv of a variant's network on all patients."""
    for part, groups in patients.items():
        for patient_id, group in groups.items() if reads_condition(variant, part.condition) else ():
            for row in plan.run.draw(part.name).score(variant, patient_id).read()["rows"]:
                yield {"draw": part.draw, "segmentation": variant, "draw_patient_id": patient_id, "group": group, **row}


def score_folds(plan: Plan, variant: str) -> Iterable[Row]:
    """The same of the run's own patients, each as its test fold's network predicted it, at that fold's threshold and minimum volume."""
    groups = _groups(read_manifest(plan.manifest))
    for patient_id, fold in fold_of_patients(plan)[1].items():
        folder = plan.run.fold(variant, fold)
        levels, study = np.load(folder.prediction(patient_id), mmap_mode="r"), read_stored_study(plan.run.store(patient_id))
        yield {"draw": CROSS_VALIDATION, "segmentation": variant, "draw_patient_id": patient_id, "group": groups[patient_id],
               "condition": AS_ACQUIRED.name, "amount": AS_ACQUIRED.amount, **score_levels(levels, study, folder.cut, plan.profile.lesions.choice_iou)}


def work(plan: Plan, progress: Progress, part: str) -> None:
    if not plan.is_virtual:
        print("Further draws are of the virtual cohort: of a user's patients there are none, and nothing is written.")
        return
    parts, variants = list(list_draw_parts(plan.profile)), plan.segmentations
    patients = {each: prepare_part(plan, each, part_of(progress, 0.6 * number / len(parts), 0.6 * (number + 1) / len(parts)))
                for number, each in enumerate(parts)}
    rows: list[Row] = []
    for number, variant in enumerate(variants):
        score_variant(plan, variant, patients, part_of(progress, 0.6 + 0.4 * number / len(variants), 0.6 + 0.4 * (number + 1) / len(variants), f"{variant}, "))
        rows += [*score_folds(plan, variant), *read_rows(plan, variant, patients)]
    write_text(plan.run.draw_scores, pd.DataFrame(rows).to_csv(index=False))


def _groups(manifest: Manifest) -> Groups:
    return dict(zip(manifest.patients["patient_id"].astype(str), manifest.patients["group"].astype(str), strict=True))


def _identity(plan: Plan, variant: str) -> str:
    return f"{plan.digests['draws']}-{variant}"


if __name__ == "__main__":
    run_stage("draws", work)
