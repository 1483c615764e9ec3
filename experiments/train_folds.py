"""Stage folds: fine-tunes on the phases of each variant, chooses each fold's threshold and minimum volume, predicts its test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from stage import run_stage
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.cross_validation import CrossValidation, train_folds
from lirads_keras.preprocessing.stored_studies import StoredStudies
from lirads_keras.progress import Progress, part_of
from lirads_keras.variants import SEGMENTATION_VARIANTS


def build_job(plan: Plan, variant: str) -> CrossValidation:
    """The cross-validation of a variant as the run asks for it."""
    positives, fold_of = fold_of_patients(plan)
    return CrossValidation(plan.run, plan.profile, SEGMENTATION_VARIANTS[variant], StoredStudies(plan.run, list(fold_of)), positives, fold_of,
                           pretrained=plan.run.pretraining.weights, identity=plan.digests["folds"], threads=plan.profile.workflow.threads)


def work(plan: Plan, progress: Progress, part: str) -> None:
    variants = plan.segmentations
    for number, name in enumerate(variants):
        told = part_of(progress, number / len(variants), (number + 1) / len(variants), f"{name}, " if len(variants) > 1 else "")
        train_folds(build_job(plan, name), told)


if __name__ == "__main__":
    run_stage("folds", work)
