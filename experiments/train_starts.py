"""Stage starts: what the folds of a group begin from, of each variant, where the profile has a shared start."""
from __future__ import annotations

from segmentation_job import build_job
from stage import run_stage
from stages import Plan

from lirads_keras.progress import Progress, part_of
from lirads_keras.shared_starts import train_starts


def work(plan: Plan, progress: Progress, part: str) -> None:
    variants = plan.segmentations
    for number, name in enumerate(variants):
        told = part_of(progress, number / len(variants), (number + 1) / len(variants), f"{name}, " if len(variants) > 1 else "")
        train_starts(build_job(plan, name, "starts"), told)


if __name__ == "__main__":
    run_stage("starts", work)
