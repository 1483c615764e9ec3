"""A segmentation network for use: trained on all patients for as long as the folds' networks, and with the medians of what they chose."""
from __future__ import annotations

import statistics

from lirads_keras.cross_validation import CrossValidation
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.progress import Progress, part_of
from lirads_keras.shared_starts import FULL, train_full_start
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import SegmentationTrainer

STREAM = 900
"""Random stream of the training on all patients; fold k has stream k."""


def is_full_finished(job: CrossValidation) -> bool:
    """Whether the variant's network on all patients needs no work."""
    return job.full_folder.tested.made_from(_identity(job))


def train_full(job: CrossValidation, progress: Progress) -> None:
    """Trains one network on all patients with lesions and leaves its weights, history and, last, its record; the folds are finished.

    It begins from what the folds begin from, that too trained on all patients. Nobody is held out: how long it trains is the lower median of the epochs after
    which the folds' networks were best, its threshold and its minimum volume are the lower medians of theirs. What it is worth is not told by any of these
    patients.

    Raises:
        InputError: a fold is not finished, or as `SegmentationTrainer` and its training.
    """
    settings, folder = job.profile.segmentation, job.full_folder
    folds = [job.folder(fold) for fold in job.folds]
    thresholds, volumes = zip(*(fold.cut for fold in folds), strict=True)
    epochs = statistics.median_low([int(fold.trained.number("best_epoch", "the fold's best epoch")) + 1 for fold in folds])
    train_full_start(job, part_of(progress, 0, 0.5))
    configure_tensorflow(threads=job.threads, precision=settings.precision)
    trainer = SegmentationTrainer(settings, settings.finetune, phases=job.variant.phases, classes=MR_CLASSES, seed=settings.seeds[0],
                                  pretrained=job.pretrained, tensorboard=job.profile.workflow.tensorboard)
    if settings.shared_start:
        trainer.begin_from(job.start_folder(FULL).weights)
    trainer.train([job.studies[name] for name in job.positives], (), folder, _identity(job), stream=STREAM, epochs=epochs,
                  progress=part_of(progress, 0.5 if settings.shared_start else 0, 1))
    folder.write_choice(_identity(job), threshold=statistics.median_low(thresholds), minimum_volume_mm3=statistics.median_low(volumes), validation_dice=None)


def _identity(job: CrossValidation) -> str:
    return f"{job.identity}-{job.variant.name}-full"
