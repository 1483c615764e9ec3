"""Stage full: of each segmentation variant one network on all patients, for new studies."""
from __future__ import annotations

from stage import run_stage
from stages import Plan
from train_folds import build_job

from lirads_keras.full_network import is_full_finished, train_full
from lirads_keras.progress import Progress, part_of
from lirads_keras.training.queue import take_in_turn


def work(plan: Plan, progress: Progress, part: str) -> None:
    # The network with the most phases is the last of the registry and takes longest.
    jobs = [build_job(plan, name) for name in reversed(plan.segmentations)]
    for job in take_in_turn(jobs, name=lambda job: f"{job.variant.name}-full", is_finished=is_full_finished, locks=plan.run.locks):
        before = sum(map(is_full_finished, jobs))
        train_full(job, part_of(progress, before / len(jobs), (before + 1) / len(jobs), f"{job.variant.name}, "))


if __name__ == "__main__":
    run_stage("full", work)
