"""The segmentation, fold by fold: trains, chooses what counts as a lesion on held-out patients, then predicts the test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lirads_keras.cross_validation import CrossValidation
from lirads_keras.evaluation.lesion_choice import Cut, CutScore, choose_cut, score_cuts
from lirads_keras.inference.openvino_predictor import check_engine
from lirads_keras.inference.predictors import Predictor, build_predictor
from lirads_keras.inference.segmentation import predict_levels
from lirads_keras.io.atomic import write_array, write_text
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.progress import Progress, part_of, tell_count
from lirads_keras.training.queue import take_in_turn
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import SegmentationTrainer


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
        if settings.shared_start:
            network[0].begin_from(job.start_folder(job.group_of(fold)).weights)
        train_fold(job, fold, *network, part_of(progress, before / count, (before + 1) / count, f"fold {fold + 1} of {count}, "))


def train_fold(job: CrossValidation, fold: int, trainer: SegmentationTrainer, predictor: Predictor, progress: Progress) -> None:
    """Trains one fold, chooses its threshold and minimum volume, and predicts its test patients, of whom no file is opened before the choice is written.

    `trainer` and `predictor` (of the trainer's model) serve it as all others; it goes on where it was stopped.
    """
    profile, settings, folder, identity = job.profile, job.profile.segmentation, job.folder(fold), job.identity_of(fold)

    def predict(study: StoredStudy) -> np.ndarray:
        return predict_levels(predictor, read_segmentation_input(study, job.variant.phases), study.grid(), profile.inference,
                              batch_size=settings.prediction_batch_size)

    progress(0, "starting")
    held_out = job.hold_out(fold)
    not_trained = {*held_out.stopping, *held_out.choice}
    training_ids = [name for name in job.positives if job.fold_of[name] != fold and name not in not_trained]
    trainer.train([job.studies[name] for name in training_ids], [job.studies[name] for name in held_out.stopping], folder, identity,
                  stream=fold, progress=part_of(progress, 0, 0.7))
    progress(0.7, "choosing the threshold")
    predictor.take_weights()
    scores: dict[Cut, CutScore] = {}
    for number, name in enumerate(held_out.choice, start=1):
        study = job.studies[name]
        found = score_cuts(predict(study), np.asarray(study.mask()), study.grid().voxel_mm3, thresholds=profile.lesions.thresholds,
                           minimum_volumes_mm3=profile.lesions.minimum_volumes_mm3, minimum_iou=profile.lesions.choice_iou)
        scores = {cut: scores[cut] + score if scores else score for cut, score in found.items()}
        tell_count(part_of(progress, 0.7, 0.8, "choosing the threshold, "), "patient", number, len(held_out.choice))
    threshold, minimum_volume_mm3 = choose_cut(scores)
    write_text(folder.choices, tabulate(scores).to_csv(index=False, float_format="%.6g"))
    test_ids = [patient_id for patient_id in job.fold_of if job.fold_of[patient_id] == fold]
    for number, patient_id in enumerate(test_ids, start=1):
        write_array(folder.prediction(patient_id), predict(job.studies[patient_id]))
        tell_count(part_of(progress, 0.8, 1, "predicting "), "patient", number, len(test_ids))
    folder.write_choice(identity, threshold=threshold, minimum_volume_mm3=minimum_volume_mm3, validation_dice=scores[threshold, minimum_volume_mm3].mean_dice,
                        stopping_patients=held_out.stopping, choice_patients=held_out.choice)


def tabulate(scores: Mapping[Cut, CutScore]) -> pd.DataFrame:
    """What a fold chose from, a row a cut."""
    return pd.DataFrame([
        {"threshold": threshold, "minimum_volume_mm3": volume_mm3, "reference": score.reference, "detected": score.detected, "predicted": score.predicted,
         "matched": score.matched, "f1": score.f1, "mean_dice": score.mean_dice} for (threshold, volume_mm3), score in scores.items()])
