"""One fold of the segmentation: trains, chooses the threshold on the early-stopping patients, predicts the test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from lirads_keras.config import Profile
from lirads_keras.evaluation.classification import choose_threshold
from lirads_keras.evaluation.overlap import compute_pixel_counts
from lirads_keras.inference.predictors import Predictor
from lirads_keras.inference.segmentation import predict_levels
from lirads_keras.io.atomic import write_array, write_json
from lirads_keras.preprocessing.splits import validation_patients
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.training.segmentation import SegmentationTrainer


def train_fold(trainer: SegmentationTrainer, predictor: Predictor, profile: Profile, studies: Mapping[str, StoredStudy], positives: Sequence[str],
               fold_of: Mapping[str, int], fold: int, folder: Path, identity: str, tell: Callable[[float, str], None]) -> None:
    """Leaves weights, history, `predictions/<patient_id>.npy` (levels) and, last, `fold.json` in `folder`.

    Args:
        trainer: of `profile.segmentation.finetune`; goes on where an earlier call was stopped.
        predictor: of the trainer's model.
        profile: segmentation, inference, thresholds and seed.
        studies: of all patients, by patient id.
        positives: patients with lesions, the only ones that are trained on.
        fold_of: the test fold of every patient.
        fold: the one that is not trained on.
        folder: of this fold alone.
        identity: what the result depends on; `fold.json` bears it.
        tell: called with the share that is done, from 0 to 1, and what is being done.
    """
    settings, epochs = profile.segmentation, profile.segmentation.finetune.epochs

    def predict(study: StoredStudy) -> np.ndarray:
        return predict_levels(predictor, study.segmentation.volume(study.segmentation_image()), study.segmentation_scale, study.grid(), profile.inference,
                              batch_size=settings.prediction_batch_size)

    tell(0, "starting")
    training_ids = [patient_id for patient_id in positives if fold_of[patient_id] != fold]
    held_out = validation_patients(training_ids, settings.validation_fraction, profile.seed, fold)
    trainer.train([studies[name] for name in training_ids if name not in set(held_out)], [studies[name] for name in held_out], folder, identity,
                  stream=fold, progress=lambda done, logs: tell(0.7 * done / epochs, f"epoch {done} of {epochs}, Dice {logs['val_dice']:.2f}"))
    tell(0.7, "choosing the threshold")
    predictor.take_weights()
    counts = [compute_pixel_counts(predict(studies[name]), np.asarray(studies[name].mask()) > 0) for name in held_out]
    choice = choose_threshold({threshold: [count.dice(threshold) for count in counts] for threshold in profile.evaluation.thresholds})
    test_ids = [patient_id for patient_id in fold_of if fold_of[patient_id] == fold]
    for number, patient_id in enumerate(test_ids, start=1):
        write_array(folder / "predictions" / f"{patient_id}.npy", predict(studies[patient_id]))
        tell(0.8 + 0.2 * number / len(test_ids), f"predicting patient {number} of {len(test_ids)}")
    write_json(folder / "fold.json", {"identity": identity, "threshold_chosen": choice.threshold, "dice_validation": choice.mean_dice,
                                      "validation_patients": held_out})
