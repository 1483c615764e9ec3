"""What the folds of a group begin from: one training on patients of the other folds alone, which serves all of the group. The paper has none.

A fold's own training is short where minutes are few. Whom it tests must not be seen before, but the other patients may be: for the folds of a group they
are nearly the same, and what is learnt from them once need not be learnt again for each.
"""
from __future__ import annotations

import statistics

from lirads_keras.config.segmentation import SharedStartSettings
from lirads_keras.cross_validation import CrossValidation
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.progress import Progress, part_of
from lirads_keras.training.queue import take_in_turn
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import SegmentationTrainer

STREAM = 600
"""Random stream of the first group's start; the others follow. Fold k has stream k."""

FULL = "full"
"""In the place of a group: the start of the network on all patients."""


def is_start_finished(job: CrossValidation, group: int) -> bool:
    """Whether a group's start needs no work."""
    return job.start_folder(group).trained.made_from(_identity(job, group))


def train_starts(job: CrossValidation, progress: Progress) -> None:
    """Trains the starts that are not finished and that no other process is at; without `segmentation.shared_start` there is nothing to do.

    A start is trained on nobody of its group's folds, nor on those who stop these folds or choose for them, and it is stopped by the same patients as they.

    Raises:
        InputError: as `SegmentationTrainer` and its training.
    """
    settings = job.profile.segmentation.shared_start
    if settings is None:
        return
    groups, trainer = range(len(job.groups)), None
    for group in take_in_turn(groups, name=lambda group: f"{job.variant.name}-start-{group}", is_finished=lambda group: is_start_finished(job, group),
                              locks=job.run.locks):
        before = sum(is_start_finished(job, each) for each in groups)
        trainer = trainer or _build_trainer(job, settings)
        held_out = job.hold_out(group)
        not_trained = {*held_out.stopping, *held_out.choice}
        training_ids = [name for name in job.positives if job.fold_of[name] not in job.groups[group] and name not in not_trained]
        trainer.train([job.studies[name] for name in training_ids], [job.studies[name] for name in held_out.stopping], job.start_folder(group),
                      _identity(job, group), stream=STREAM + group,
                      progress=part_of(progress, before / len(groups), (before + 1) / len(groups), f"start {group + 1} of {len(groups)}, "))


def train_full_start(job: CrossValidation, progress: Progress) -> None:
    """Trains the start of the network on all patients: nobody is held out, and it lasts the lower median of the epochs after which the groups' were best.

    Raises:
        InputError: a group's start is not finished, or as `SegmentationTrainer` and its training.
    """
    settings = job.profile.segmentation.shared_start
    if settings is None:
        return
    best = [int(job.start_folder(group).trained.number("best_epoch", "the start's best epoch")) + 1 for group in range(len(job.groups))]
    trainer = _build_trainer(job, settings)
    trainer.train([job.studies[name] for name in job.positives], (), job.start_folder(FULL), _identity(job, FULL), stream=STREAM + len(job.groups),
                  epochs=statistics.median_low(best), progress=progress)


def _build_trainer(job: CrossValidation, stage: SharedStartSettings) -> SegmentationTrainer:
    settings = job.profile.segmentation
    configure_tensorflow(threads=job.threads, precision=settings.precision)
    return SegmentationTrainer(settings, stage, phases=job.variant.phases, classes=MR_CLASSES, seed=settings.seeds[0], pretrained=job.pretrained,
                               tensorboard=job.profile.workflow.tensorboard)


def _identity(job: CrossValidation, group: int | str) -> str:
    return f"{job.identity}-{job.variant.name}-start-{group}"
