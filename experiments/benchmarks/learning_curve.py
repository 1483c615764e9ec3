"""Does the budget limit the segmentation, or the method? Folds of a finished run are trained again with fractions and multiples of the profile's windows.

python experiments/benchmarks/learning_curve.py --run runs/cpu [--factors 0.25 0.5 1 2] [--folds 0 1]. Dice of whole volumes, at the threshold that is best
on the early-stopping patients, of these and of as many training patients; the test patients are not looked at. Where both rise with the windows the budget
limits; where they part, or neither rises, the number of patients or the method. Nothing is written into the run.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from turns import format_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lirads_keras.config import Profile  # noqa: E402
from lirads_keras.errors import InputError, Problem  # noqa: E402


def train_and_score(run: Path, factor: float, folds: Sequence[int]) -> list[object]:
    """A row of the table: factor, windows a fold, seconds of training, mean Dice of the training and of the early-stopping patients."""
    from stage_data import fold_of_patients
    from stages import read_plan

    from lirads_keras.evaluation.classification import choose_threshold
    from lirads_keras.evaluation.overlap import PixelCounts, compute_pixel_counts
    from lirads_keras.inference.predictors import build_predictor
    from lirads_keras.inference.segmentation import predict_levels
    from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
    from lirads_keras.preprocessing.splits import validation_patients
    from lirads_keras.preprocessing.store import read_stored_study
    from lirads_keras.run import NetworkFolder
    from lirads_keras.training.segmentation import MR_CLASSES, SegmentationTrainer
    from lirads_keras.variants import SEGMENTATION_VARIANTS

    plan = read_plan(run)
    settings, thresholds = plan.profile.segmentation, plan.profile.evaluation.thresholds
    phases = SEGMENTATION_VARIANTS[settings.variants[0]].phases
    stage = settings.finetune.model_copy(update={"patience_epochs": settings.finetune.epochs,
                                                 "samples_per_epoch": max(round(factor * settings.finetune.samples_per_epoch), settings.finetune.batch_size)})
    trainer = SegmentationTrainer(settings, stage, phases=phases, classes=MR_CLASSES, seed=settings.seeds[0], pretrained=plan.run.pretraining.weights)
    predictor = build_predictor(trainer.model, plan.profile.inference.engine, plan.profile.workflow.threads)

    def count(patient_id: str) -> PixelCounts:
        study = read_stored_study(plan.run.store(patient_id))
        levels = predict_levels(predictor, read_segmentation_input(study, phases), study.grid(), plan.profile.inference,
                                batch_size=settings.prediction_batch_size)
        return compute_pixel_counts(levels, np.asarray(study.mask()) > 0)

    positives, fold_of = fold_of_patients(plan)
    seconds, dice_training, dice_held_out = 0.0, [], []
    for fold in folds:
        ids = [name for name in positives if fold_of[name] != fold]
        held_out = validation_patients(ids, settings.validation_fraction, plan.profile.seed, fold)
        trained_on = [name for name in ids if name not in set(held_out)]
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            trainer.train([read_stored_study(plan.run.store(name)) for name in trained_on], [read_stored_study(plan.run.store(name)) for name in held_out],
                          NetworkFolder(Path(folder)), "learning curve", stream=fold)
        seconds += time.perf_counter() - started
        predictor.take_weights()
        counts = [count(name) for name in held_out]
        chosen = choose_threshold({threshold: [of_patient.dice(threshold) for of_patient in counts] for threshold in thresholds}).threshold
        dice_held_out += [of_patient.dice(chosen) for of_patient in counts]
        dice_training += [count(name).dice(chosen) for name in trained_on[::max(len(trained_on) // len(held_out), 1)][:len(held_out)]]
    return [factor, stage.epochs * (stage.samples_per_epoch // stage.batch_size) * stage.batch_size, seconds / len(folds), float(np.nanmean(dice_training)),
            float(np.nanmean(dice_held_out)), len(dice_held_out)]


def check_run(run: Path, folds: Sequence[int]) -> Profile:
    """The run's profile, where its pre-training is finished and it has these folds.

    Raises:
        InputError: it is not or has not.
    """
    from stages import read_plan

    plan = read_plan(run)
    profile = plan.profile
    problems = [Problem("--folds", f"0 to {profile.segmentation.folds - 1}", str(fold)) for fold in folds if not 0 <= fold < profile.segmentation.folds]
    weights = plan.run.pretraining.weights
    if not weights.is_file():
        problems.append(Problem(str(weights), "a finished pre-training", "no such file"))
    if problems:
        raise InputError(*problems)
    return profile


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run whose cohort, folds and pre-training are used")
    parser.add_argument("--factors", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0], help="of the profile's windows")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        profile = check_run(arguments.run, arguments.folds)
        from lirads_keras.training.runtime import configure_tensorflow

        configure_tensorflow(threads=profile.workflow.threads, precision=profile.segmentation.precision)
        rows = [train_and_score(arguments.run, factor, arguments.folds) for factor in arguments.factors]
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    print(format_table(["of the profile's", "windows a fold", "s a fold, with its share of tracing", "Dice, training patients",
                        "Dice, early-stopping patients", "patients"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
