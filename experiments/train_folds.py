"""Stage folds: fine-tunes on the delayed phase, chooses each fold's threshold, predicts its test patients (§2.4, §2.5.1)."""
from __future__ import annotations

import numpy as np
from stage import Progress, fold_of_patients, is_finished, run_stage
from stages import Plan

from lirads_keras.evaluation.classification import choose_threshold
from lirads_keras.evaluation.overlap import compute_pixel_counts
from lirads_keras.inference.segmentation import predict_levels
from lirads_keras.io.atomic import write_array, write_json
from lirads_keras.preprocessing.splits import validation_patients
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import MR_CLASSES, SegmentationTrainer


def work(plan: Plan, progress: Progress, part: str) -> None:
    settings, seed = plan.profile.segmentation, plan.profile.seed
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=settings.precision)
    positives, fold_of = fold_of_patients(plan)
    studies = {patient_id: read_stored_study(plan.run / "store" / patient_id) for patient_id in fold_of}
    trainer = SegmentationTrainer(settings, settings.finetune, classes=MR_CLASSES, seed=seed,
                                  pretrained=plan.run / "segmentation" / "pretrain" / "model.keras")

    def predict(study: StoredStudy) -> np.ndarray:
        return predict_levels(trainer.model, study.segmentation.volume(study.segmentation_image()), study.segmentation_scale, study.grid(),
                              batch_size=settings.prediction_batch_size)

    folds = plan.fold_groups[int(part)]
    for index, fold in enumerate(folds):
        folder, identity = plan.run / "segmentation" / f"fold-{fold}", f"{plan.digests['folds']}-{fold}"
        if is_finished(folder / "fold.json", identity):
            continue
        epochs = settings.finetune.epochs

        def tell(share: float, detail: str) -> None:
            progress(index + share, len(folds), f"fold {fold + 1} of {settings.folds}, {detail}")

        tell(0, "starting")
        training_ids = [patient_id for patient_id in positives if fold_of[patient_id] != fold]
        held_out = validation_patients(training_ids, settings.validation_fraction, seed, fold)
        trainer.train([studies[name] for name in training_ids if name not in set(held_out)], [studies[name] for name in held_out], folder, identity,
                      stream=fold, progress=lambda done, logs: tell(0.7 * done / epochs, f"epoch {done} of {epochs}, Dice {logs['val_dice']:.2f}"))
        tell(0.7, "choosing the threshold")
        counts = [compute_pixel_counts(predict(studies[name]), np.asarray(studies[name].mask()) > 0) for name in held_out]
        choice = choose_threshold({threshold: [count.dice(threshold) for count in counts] for threshold in plan.profile.evaluation.thresholds})
        test_ids = [patient_id for patient_id in fold_of if fold_of[patient_id] == fold]
        for number, patient_id in enumerate(test_ids, start=1):
            write_array(folder / "predictions" / f"{patient_id}.npy", predict(studies[patient_id]))
            tell(0.8 + 0.2 * number / len(test_ids), f"predicting patient {number} of {len(test_ids)}")
        write_json(folder / "fold.json", {"identity": identity, "threshold_chosen": choice.threshold, "dice_validation": choice.mean_dice,
                                          "validation_patients": held_out})


if __name__ == "__main__":
    run_stage("folds", work)
