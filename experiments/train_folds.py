"""Stage folds: fine-tunes on the phases of each variant, chooses each fold's threshold, predicts its test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from stage import run_stage
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.cross_validation import CrossValidation, train_folds
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import Progress, part_of
from lirads_keras.variants import SEGMENTATION_VARIANTS


def work(plan: Plan, progress: Progress, part: str) -> None:
    positives, fold_of = fold_of_patients(plan)
    studies = {patient_id: read_stored_study(plan.run.store(patient_id)) for patient_id in fold_of}
    variants = plan.profile.segmentation.variants
    for number, name in enumerate(variants):
        told = part_of(progress, number / len(variants), (number + 1) / len(variants), f"{name}, " if len(variants) > 1 else "")
        train_folds(CrossValidation(
            plan.run, plan.profile, SEGMENTATION_VARIANTS[name], studies, positives, fold_of, pretrained=plan.run.pretraining.weights,
            identity=plan.digests["folds"], threads=plan.profile.workflow.threads), told)


if __name__ == "__main__":
    run_stage("folds", work)
