"""Which segmentation network is better for the same minutes of one core? One network on a development run's cohort, some folds tested, all others trained.

    python experiments/benchmarks/network_choice.py --run runs/dev --variant three-phase --minutes 5 --test-folds 0,1,2 \\
        --set segmentation.stem=full_resolution --set 'segmentation.decoder_filters=[48, 32, 16, 16]'

--network plain_unet is a plain U-Net with full-resolution skips (2.7 M parameters, AdamW), segmentation_models that package's U-Net on a ResNet-18:
both are trained on the same samples with the same loss, as yardsticks (`yardstick_networks.py`). On seed 2023 the plain U-Net has to reach a mean Dice of
0.54 ± 0.03 with three phases, folds 0 to 2 tested and 5 minutes; else it is no yardstick.
RUN is a run of a development cohort (seeds 9000 to 9009, and 2023) whose store is finished. The steps are what fits into the minutes at the time that
a sample takes to be drawn and trained on here; on a machine that others use, give --steps instead. The schedule falls to 0 at the last step, and the last
weights are tested. With --pretrained the minutes hold a share of the pre-training on CT as well: its core-minutes, over the number of networks of the run
that start from it (one a fold and variant), are taken off, and `pretraining_core_s` says how many seconds that was.
Test patients: those with lesions of the test folds, and as many without as --negatives says; three turns of three folds test all patients of nine folds.
Nothing is written into the run; a line of JSON is printed. At which threshold and volume lesions are counted is chosen on these very patients: that
compares, and estimates nothing.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stages import Plan, read_plan  # noqa: E402
from yardstick_networks import STREAM, YARDSTICKS, draw_samples, time_step, train_yardstick  # noqa: E402

from lirads_keras.config.profile import Profile, read_profile  # noqa: E402
from lirads_keras.errors import InputError, Problem, raise_if_any  # noqa: E402
from lirads_keras.variants import SEGMENTATION_VARIANTS, SegmentationVariant  # noqa: E402

if TYPE_CHECKING:
    import keras

    from lirads_keras.evaluation.lesion_choice import Cut, CutScore
    from lirads_keras.inference.predictors import Predictor
    from lirads_keras.preprocessing.store import StoredStudy

OURS = "unet_plus_plus"
TEST_FOLDS = (0, 1, 2)
SIZES_MM, SIZES = (10, 20), ("under 10 mm", "10 to 19 mm", "from 20 mm")
MINIMUM_IOU = 0.1
HALF = 0.5


def parse_folds(text: str) -> tuple[int, ...]:
    """"0,1,2" as numbers, each once and in order.

    Raises:
        ValueError: it is something else.
    """
    folds = tuple(int(number) for number in text.split(","))
    if not folds or folds != tuple(sorted(set(folds))) or folds[0] < 0:
        raise ValueError(text)
    return folds


def change_settings(profile: Profile, changes: list[str]) -> Profile:
    """The profile with `dotted.key=YAML value` changed, checked as a profile's file is."""
    content = profile.model_dump(mode="json")
    for change in changes:
        path, _, value = change.partition("=")
        *sections, key = path.split(".")
        section = content
        for name in sections:
            section = section.get(name, {})
        if key not in section:
            raise InputError(Problem(f"--set {change}", "a setting of the profile, =, and its value", "no such setting"))
        section[key] = yaml.safe_load(value)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "--set"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return read_profile(file)


def share_pretraining(plan: Plan) -> float:
    """Core-seconds of the run's pre-training on CT for each of the networks that start from it, one a fold and segmentation variant.

    Its own time from start to end, each thread with a core of its own, whatever ran beside it. Of a pre-training that was stopped the last start alone is
    known.

    Raises:
        InputError: the run has no finished pre-training.
    """
    record = plan.done("pretrain")
    if not plan.is_done("pretrain"):
        raise InputError(Problem(str(record.path), "a finished pre-training, as --pretrained asks for", "none"))
    networks = plan.profile.segmentation.folds * len(plan.segmentations)
    return record.number("seconds", "how long the pre-training took") * plan.profile.workflow.threads / networks


def train_ours(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], minutes: float, steps: int | None,
               pretrained: Path | None) -> tuple[keras.Model, Predictor, int]:
    """The profile's network after its last step, ready to predict, and the number of steps."""
    from lirads_keras.inference.predictors import build_predictor
    from lirads_keras.preprocessing.slices import MR_CLASSES
    from lirads_keras.run import NetworkFolder
    from lirads_keras.training.segmentation import SegmentationTrainer

    settings, stage = profile.segmentation, profile.segmentation.finetune

    def build(samples: int) -> SegmentationTrainer:
        # One epoch: what stops training early would choose among epochs, and here the schedule alone ends it.
        timed = stage.model_copy(update={"epochs": 1, "samples_per_epoch": samples, "patience_epochs": 1})
        return SegmentationTrainer(settings, timed, phases=variant.phases, classes=MR_CLASSES, seed=settings.seeds[0], pretrained=pretrained)

    if steps is None:
        steps = max(int(60 * minutes / time_step(build(stage.batch_size)._variables.model, draw_samples(profile, variant, training, 1))), 1)
    trainer = build(steps * stage.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(training, training[:1], NetworkFolder(Path(folder)), "network choice", stream=STREAM)
    predictor = build_predictor(trainer.model, profile.inference.engine, 1)
    predictor.take_weights()
    return trainer.model, predictor, steps


def train_and_test(parsed: argparse.Namespace) -> dict[str, Any]:
    """What was trained, for how long, and what it found."""
    from stage_data import fold_of_patients

    from lirads_keras.evaluation.lesion_choice import choose_cut
    from lirads_keras.preprocessing.store import read_stored_study
    from lirads_keras.training.runtime import configure_tensorflow

    plan = read_plan(parsed.run)
    profile, chosen = change_settings(plan.profile, parsed.changes), SEGMENTATION_VARIANTS[parsed.variant]
    folds, pretraining_s = parsed.test_folds, share_pretraining(plan) if parsed.pretrained else 0.0
    check_request(parsed, profile.segmentation.folds, pretraining_s)
    configure_tensorflow(threads=1, precision=profile.segmentation.precision)
    positives, fold_of = fold_of_patients(plan)
    studies = {name: read_stored_study(plan.run.store(name)) for name in fold_of}
    raise_if_any([Problem(f"--set, {study.folder}", "settings of the preprocessing under which the store was made", "others") for study in studies.values()
                  if study.preprocessing_digest != profile.preprocessing.digest()][:1])
    training, minutes = [studies[name] for name in positives if fold_of[name] not in folds], parsed.minutes - pretraining_s / 60
    started, used = time.perf_counter(), time.process_time()
    if parsed.network == OURS:
        start = plan.run.pretraining.weights if parsed.pretrained else None
        model, predictor, steps = train_ours(profile, chosen, training, minutes, parsed.steps, start)
    else:
        model, predictor, steps = train_yardstick(profile, chosen, training, minutes, parsed.steps, YARDSTICKS[parsed.network])
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - used
    tested = [name for name in positives if fold_of[name] in folds]
    without = [name for name in fold_of if name not in set(positives) and fold_of[name] in folds][:parsed.negatives]
    found = [test_patient(studies[name], chosen, predictor, profile) for name in (*tested, *without)]
    scores = {cut: sum((of_patient[1][cut] for of_patient in found[1:]), found[0][1][cut]) for cut in found[0][1]}
    best = choose_cut(scores)
    uncut = {threshold: [round(float(np.mean(scores[threshold, 0.0].dice)), 3), round(float(np.median(scores[threshold, 0.0].dice)), 3)]
             for threshold in profile.lesions.thresholds}
    return {"network": parsed.network, "variant": parsed.variant, "set": parsed.changes, "test_folds": list(folds),
            "minutes": None if parsed.steps else parsed.minutes, "pretrained": parsed.pretrained, "pretraining_core_s": round(pretraining_s, 1),
            "parameters": model.count_params(), "steps": steps, "training_s": round(seconds), "training_core_s": round(core_seconds),
            "patients": len(tested), "negatives": len(without),
            "dice": {f"{threshold:g}": values for threshold, values in uncut.items()},
            "dice_at_half": {name: round(of_patient[1][HALF, 0.0].dice[0], 4) for name, of_patient in zip(tested, found, strict=False)},
            "detection": {"threshold": best[0], "minimum_volume_mm3": best[1], "f1": round(scores[best].f1, 3)}
            | describe_detection([(studies[name], of_patient[0]) for name, of_patient in zip((*tested, *without), found, strict=True)], best)}


def check_request(parsed: argparse.Namespace, folds: int, pretraining_s: float) -> None:
    """Refuses what cannot be trained: --pretrained of a yardstick, folds that the run does not have or none to train on, and minutes without training."""
    numbers, problems = ",".join(map(str, parsed.test_folds)), []
    if parsed.pretrained and parsed.network != OURS:
        problems.append(Problem("--pretrained", f"the network {OURS}, which alone is pre-trained", parsed.network))
    if parsed.test_folds[-1] >= folds or len(parsed.test_folds) >= folds:
        problems.append(Problem("--test-folds", f"some of the folds 0 to {folds - 1}, with others left to train on", numbers))
    if parsed.steps is None and 60 * parsed.minutes <= pretraining_s:
        problems.append(Problem("--minutes", f"more than {pretraining_s / 60:.2f}, the network's share of the pre-training", f"{parsed.minutes:g}"))
    raise_if_any(problems)


def test_patient(study: StoredStudy, variant: SegmentationVariant, predictor: Predictor, profile: Profile) -> tuple[np.ndarray, dict[Cut, CutScore]]:
    """Levels of a patient, and what each cut finds there."""
    from lirads_keras.evaluation.lesion_choice import score_cuts
    from lirads_keras.inference.segmentation import predict_levels
    from lirads_keras.preprocessing.segmentation_input import read_segmentation_input

    levels = predict_levels(predictor, read_segmentation_input(study, variant.phases), study.grid(), profile.inference,
                            batch_size=profile.segmentation.prediction_batch_size)
    return levels, score_cuts(levels, np.asarray(study.mask()), study.grid().voxel_mm3, thresholds=profile.lesions.thresholds,
                              minimum_volumes_mm3=profile.lesions.minimum_volumes_mm3, minimum_iou=profile.lesions.choice_iou)


def describe_detection(patients: list[tuple[StoredStudy, np.ndarray]], cut: Cut) -> dict[str, Any]:
    """Lesions and patients at a cut, by IoU 0.1; that it is the best on these very patients compares networks, and estimates nothing."""
    from lirads_keras.evaluation.detection import match_lesions
    from lirads_keras.evaluation.overlap import LEVELS
    from lirads_keras.lesions import extract_lesions, measure_lesions

    count: Counter[str] = Counter()
    for study, levels in patients:
        reference = measure_lesions(np.asarray(study.mask()), study.grid())
        predicted = extract_lesions(study.grid().with_array(levels), cut[0] * LEVELS - 0.5, minimum_volume_mm3=cut[1])
        matches = match_lesions(reference, predicted, minimum_overlap_iou=MINIMUM_IOU)
        for lesion, hit in zip(reference, matches.reference_matched, strict=True):
            size = SIZES[sum(lesion.diameter_mm >= limit for limit in SIZES_MM)]
            count[size] += 1
            count[f"{size} found"] += hit
        count["true"] += sum(matches.predicted_matched)
        count["false"] += len(predicted) - sum(matches.predicted_matched)
        count["positive"] += bool(reference)
        count["positive found"] += any(matches.reference_matched)
        count["negative"] += not reference
        count["negative clean"] += not reference and not predicted
    return {"precision": round(count["true"] / max(count["true"] + count["false"], 1), 3), "false_lesions_a_patient": round(count["false"] / len(patients), 2),
            "sensitivity": round(count["positive found"] / max(count["positive"], 1), 3),
            "specificity": round(count["negative clean"] / max(count["negative"], 1), 3),
            "recall": {size: f"{count[f'{size} found']}/{count[size]}" for size in SIZES}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--network", choices=(OURS, *YARDSTICKS), default=OURS)
    parser.add_argument("--variant", choices=tuple(SEGMENTATION_VARIANTS), default=next(iter(SEGMENTATION_VARIANTS)))
    parser.add_argument("--minutes", type=float, default=5.0, help="of one core, for the training and its share of the pre-training")
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--test-folds", type=parse_folds, default=TEST_FOLDS, metavar="0,1,2", help="folds to test; all others are trained")
    parser.add_argument("--pretrained", action="store_true", help="start from the run's pre-training on CT, which has to have this network")
    parser.add_argument("--negatives", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE", help="a setting of the profile; may be given again")
    parsed = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        print(json.dumps(train_and_test(parsed)))
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
