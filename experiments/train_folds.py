"""Stage folds: fine-tunes on the phases of each variant, chooses each fold's threshold and minimum volume, predicts its test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from segmentation_job import build_job
from stage import run_stage
from stages import Plan

from lirads_keras.fold_training import train_folds
from lirads_keras.progress import Progress, part_of


def work(plan: Plan, progress: Progress, part: str) -> None:
    variants = plan.segmentations
    for number, name in enumerate(variants):
        told = part_of(progress, number / len(variants), (number + 1) / len(variants), f"{name}, " if len(variants) > 1 else "")
        train_folds(build_job(plan, name), told)


if __name__ == "__main__":
    run_stage("folds", work)
