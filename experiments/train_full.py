"""Stage full: of each segmentation variant one network on all patients, for new studies, and by which studies these networks and the folds' were trained."""
from __future__ import annotations

from functools import partial

from segmentation_job import build_job
from stage import run_stage
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.full_network import is_full_finished, train_full
from lirads_keras.io.manifests import read_manifest, series_of
from lirads_keras.io.trained_studies import write_trained_studies
from lirads_keras.progress import Progress, part_of
from lirads_keras.training.queue import take_in_turn
from lirads_keras.variants import SEGMENTATION_VARIANTS


def work(plan: Plan, progress: Progress, part: str) -> None:
    positives, fold_of = fold_of_patients(plan)
    # Here, and not before the folds: there nothing of a test patient is opened before the fold has chosen.
    write_trained_studies(plan.run.trained_studies, plan.digests["folds"], {name: fold_of[name] for name in positives},
                          partial(series_of, read_manifest(plan.manifest)))
    # The network with the most phases takes longest; it is begun first.
    jobs = [build_job(plan, name) for name in sorted(plan.segmentations, key=lambda name: -len(SEGMENTATION_VARIANTS[name].phases))]
    for job in take_in_turn(jobs, name=lambda job: f"{job.variant.name}-full", is_finished=is_full_finished, locks=plan.run.locks):
        before = sum(map(is_full_finished, jobs))
        train_full(job, part_of(progress, before / len(jobs), (before + 1) / len(jobs), f"{job.variant.name}, "))


if __name__ == "__main__":
    run_stage("full", work)
