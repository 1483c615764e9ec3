"""Stage pretrain: the segmentation network on CT, liver and lesion (§2.5.1), and the Dice of its early-stopping volumes."""
from __future__ import annotations

import pandas as pd
from score_pretraining import build_label_predictor, score_ct
from stage import run_stage
from stages import Plan

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import write_text
from lirads_keras.preprocessing.slices import CT_CLASSES
from lirads_keras.preprocessing.splits import validation_patients
from lirads_keras.preprocessing.store import CT, read_stored_study
from lirads_keras.progress import Progress
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import PRETRAIN_STREAM, SegmentationTrainer


def work(plan: Plan, progress: Progress, part: str) -> None:
    settings, folder = plan.profile.segmentation, plan.run.pretraining
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=settings.precision)
    studies = {folder.name: read_stored_study(folder) for folder in sorted(plan.run.ct_stores.iterdir()) if folder.is_dir()}
    if len(studies) < 2:
        raise InputError(Problem(str(plan.ct), "two CT volumes or more, one for early stopping", f"{len(studies)}"))
    held_out = set(validation_patients(list(studies), settings.validation_fraction, plan.profile.seed, PRETRAIN_STREAM))
    trainer = SegmentationTrainer(settings, settings.pretrain, phases=(CT,), classes=CT_CLASSES, seed=settings.seeds[0], pretrained=None,
                                  tensorboard=plan.profile.workflow.tensorboard)
    progress(0, "compiling")
    trainer.train([study for name, study in studies.items() if name not in held_out], [studies[name] for name in sorted(held_out)],
                  folder, plan.digests["pretrain"], stream=PRETRAIN_STREAM, progress=progress)
    progress(1, "scoring the early-stopping volumes")
    predict = build_label_predictor(trainer.model)
    rows = [row for name in sorted(held_out) for row in score_ct(predict, studies[name], settings.prediction_batch_size)]
    write_text(plan.run.pretraining_dice, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run_stage("pretrain", work)
