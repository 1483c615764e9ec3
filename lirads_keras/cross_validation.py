"""The segmentation, fold by fold: trains, chooses the threshold on the early-stopping patients, predicts the test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lirads_keras.config import Profile
from lirads_keras.evaluation.classification import choose_threshold
from lirads_keras.evaluation.overlap import compute_pixel_counts
from lirads_keras.inference.openvino_predictor import check_engine
from lirads_keras.inference.predictors import Predictor, build_predictor
from lirads_keras.inference.segmentation import predict_levels
from lirads_keras.io.atomic import write_array
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.splits import validation_patients
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.progress import Progress, part_of, tell_count
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.training.queue import take_in_turn
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import MR_CLASSES, SegmentationTrainer
from lirads_keras.variants import SegmentationVariant


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What is cross-validated.

    `studies` and `fold_of` (the test fold) are of all patients by id, `positives` those with lesions, the only ones that are trained on. `pretrained` is the
    network that the folds start from, None for the profile's encoder weights. `identity` names all that the results depend on.
    """

    run: RunFolder
    profile: Profile
    variant: SegmentationVariant
    studies: Mapping[str, StoredStudy]
    positives: Sequence[str]
    fold_of: Mapping[str, int]
    pretrained: Path | None
    identity: str
    threads: int

    @property
    def folds(self) -> range:
        return range(self.profile.segmentation.folds)

    def folder(self, fold: int) -> NetworkFolder:
        return self.run.fold(self.variant.name, fold)

    def identity_of(self, fold: int) -> str:
        return f"{self.identity}-{self.variant.name}-{fold}"

    def is_finished(self, fold: int) -> bool:
        return self.folder(fold).tested.made_from(self.identity_of(fold))


def train_folds(job: CrossValidation, progress: Progress) -> None:
    """Trains the folds that are not finished and that no other process is at; each leaves weights, history, predictions and, last, its record.

    Raises:
        InputError: the prediction engine is not installed, or as `SegmentationTrainer` and its training.
    """
    settings, inference = job.profile.segmentation, job.profile.inference
    check_engine(inference.engine)
    count = len(job.folds)
    network: tuple[SegmentationTrainer, Predictor] | None = None
    for fold in take_in_turn(job.folds, name=lambda fold: f"{job.variant.name}-fold-{fold}", is_finished=job.is_finished, locks=job.run.locks):
        before = sum(map(job.is_finished, job.folds))
        if network is None:
            configure_tensorflow(threads=job.threads, precision=settings.precision)
            trainer = SegmentationTrainer(settings, settings.finetune, phases=job.variant.phases, classes=MR_CLASSES, seed=settings.seeds[0],
                                          pretrained=job.pretrained, tensorboard=job.profile.workflow.tensorboard)
            network = trainer, build_predictor(trainer.model, inference.engine, job.threads)
        train_fold(job, fold, *network, part_of(progress, before / count, (before + 1) / count, f"fold {fold + 1} of {count}, "))


def train_fold(job: CrossValidation, fold: int, trainer: SegmentationTrainer, predictor: Predictor, progress: Progress) -> None:
    """Trains, scores and predicts one fold, which `trainer` and `predictor` (of the trainer's model) serve as all others; goes on where it was stopped."""
    profile, settings, folder, identity = job.profile, job.profile.segmentation, job.folder(fold), job.identity_of(fold)

    def predict(study: StoredStudy) -> np.ndarray:
        return predict_levels(predictor, read_segmentation_input(study, job.variant.phases), study.grid(), profile.inference,
                              batch_size=settings.prediction_batch_size)

    progress(0, "starting")
    training_ids = [patient_id for patient_id in job.positives if job.fold_of[patient_id] != fold]
    held_out = validation_patients(training_ids, settings.validation_fraction, profile.seed, fold)
    trainer.train([job.studies[name] for name in training_ids if name not in set(held_out)], [job.studies[name] for name in held_out], folder, identity,
                  stream=fold, progress=part_of(progress, 0, 0.7))
    progress(0.7, "choosing the threshold")
    predictor.take_weights()
    counts = []
    for number, name in enumerate(held_out, start=1):
        counts.append(compute_pixel_counts(predict(job.studies[name]), np.asarray(job.studies[name].mask()) > 0))
        tell_count(part_of(progress, 0.7, 0.8, "choosing the threshold, "), "patient", number, len(held_out))
    choice = choose_threshold({threshold: [count.dice(threshold) for count in counts] for threshold in profile.evaluation.thresholds})
    test_ids = [patient_id for patient_id in job.fold_of if job.fold_of[patient_id] == fold]
    for number, patient_id in enumerate(test_ids, start=1):
        write_array(folder.prediction(patient_id), predict(job.studies[patient_id]))
        tell_count(part_of(progress, 0.8, 1, "predicting "), "patient", number, len(test_ids))
    folder.write_choice(identity, threshold=choice.threshold, validation_dice=choice.mean_dice, validation_patients=held_out)
