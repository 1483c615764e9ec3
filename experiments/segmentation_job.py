"""The cross-validation of a segmentation variant as a run asks for it."""
from __future__ import annotations

from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.cross_validation import CrossValidation
from lirads_keras.preprocessing.stored_studies import StoredStudies
from lirads_keras.variants import SEGMENTATION_VARIANTS


def build_job(plan: Plan, variant: str, stage: str = "folds") -> CrossValidation:
    """The cross-validation of a variant, for what a stage trains of it."""
    positives, fold_of = fold_of_patients(plan)
    return CrossValidation(plan.run, plan.profile, SEGMENTATION_VARIANTS[variant], StoredStudies(plan.run, list(fold_of)), positives, fold_of,
                           pretrained=plan.run.pretraining.weights, identity=plan.digests[stage], threads=plan.profile.workflow.threads)
