"""Stage folds: fine-tunes on the delayed phase, chooses each fold's threshold, predicts its test patients (§2.4, §2.5.1)."""
from __future__ import annotations

from stage import Progress, run_stage
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.cross_validation import train_fold
from lirads_keras.inference.openvino_predictor import check_engine
from lirads_keras.inference.predictors import build_predictor
from lirads_keras.io.records import is_finished
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import MR_CLASSES, SegmentationTrainer


def work(plan: Plan, progress: Progress, part: str) -> None:
    settings, inference, seed = plan.profile.segmentation, plan.profile.inference, plan.profile.seed
    check_engine(inference.engine)
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=settings.precision)
    positives, fold_of = fold_of_patients(plan)
    studies = {patient_id: read_stored_study(plan.run / "store" / patient_id) for patient_id in fold_of}
    trainer = SegmentationTrainer(settings, settings.finetune, classes=MR_CLASSES, seed=seed,
                                  pretrained=plan.run / "segmentation" / "pretrain" / "model.keras", tensorboard=plan.profile.workflow.tensorboard)
    predictor = build_predictor(trainer.model, inference.engine, plan.profile.workflow.threads)

    folds = plan.fold_groups[int(part)]
    for index, fold in enumerate(folds):
        folder, identity = plan.run / "segmentation" / f"fold-{fold}", f"{plan.digests['folds']}-{fold}"
        if is_finished(folder / "fold.json", identity):
            continue

        def tell(share: float, detail: str) -> None:
            progress(index + share, len(folds), f"fold {fold + 1} of {settings.folds}, {detail}")

        train_fold(trainer, predictor, plan.profile, studies, positives, fold_of, fold, folder, identity, tell)


if __name__ == "__main__":
    run_stage("folds", work)
