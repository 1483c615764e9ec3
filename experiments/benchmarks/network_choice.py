"""Which segmentation network is better for the same minutes of one core? One network on a development run's cohort, folds 3 and up trained, 0 to 2 tested.

    python experiments/benchmarks/network_choice.py --run runs/dev --variant three-phase --minutes 5 \\
        --set segmentation.stem=full_resolution --set 'segmentation.decoder_filters=[48, 32, 16, 16]'

--network plain_unet is a plain U-Net with full-resolution skips (2.7 M parameters, AdamW), segmentation_models that package's U-Net on a ResNet-18:
both are trained on the same samples with the same loss (Eq. 2 alone: Eq. 3 joins between epochs, and this is one), as yardsticks.
RUN is a run of a development cohort (seeds 9000 to 9009, and 2023) whose store is finished. The steps are what fits into the minutes at the time that
a sample takes to be drawn and trained on here; on a machine that others use, give --steps instead. The schedule falls to 0 at the last step, and the last
weights are tested. Test patients: those with lesions of the folds 0 to 2, and as many without as --negatives says. Nothing is written into the run; a line
of JSON is printed. At which threshold and volume lesions are counted is chosen on these very patients: that compares, and estimates nothing.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lirads_keras.config.profile import Profile, read_profile  # noqa: E402
from lirads_keras.errors import InputError, Problem, raise_if_any  # noqa: E402
from lirads_keras.variants import SEGMENTATION_VARIANTS, SegmentationVariant  # noqa: E402

if TYPE_CHECKING:
    import keras

    from lirads_keras.evaluation.lesion_choice import Cut, CutScore
    from lirads_keras.inference.predictors import Predictor
    from lirads_keras.preprocessing.slices import MR_CLASSES, SliceDataset
    from lirads_keras.preprocessing.store import StoredStudy

TEST_FOLDS = range(3)
SIZES_MM, SIZES = (10, 20), ("under 10 mm", "10 to 19 mm", "from 20 mm")
MINIMUM_IOU = 0.1
HALF = 0.5
STREAM = 500
"""Random stream of these trainings, which no fold has."""


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


def time_step(model: keras.Model, drawn: SliceDataset) -> float:
    """Median seconds in which a batch is drawn and trained on, one after the other; the weights of the compiled model change."""
    model.train_on_batch(*drawn[0])
    seconds = []
    for number in range(1, 9):
        started = time.perf_counter()
        model.train_on_batch(*drawn[number])
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def draw_samples(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], steps: int) -> SliceDataset:
    """The batches of all networks that are compared, drawn by one thread."""
    from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw

    settings, stage = profile.segmentation, profile.segmentation.finetune
    timed = stage.model_copy(update={"samples_per_epoch": steps * stage.batch_size})
    return SliceDataset(training, SliceDraw.of_stage(settings, timed, phases=variant.phases, classes=2, seed=settings.seeds[0], stream=STREAM), workers=1)


def build_plain_unet(channels: int, filters: tuple[int, ...] = (16, 32, 64, 128, 160, 160)) -> keras.Model:
    """Images (n, y, x, channels), y and x multiples of 32 -> softmax (n, y, x, 2): two convolutions a level, strided ones down, transposed ones up."""
    import keras
    from keras import layers

    def convolve(x: Any, width: int, strides: int = 1) -> Any:
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_uniform")(x)
        return layers.LeakyReLU(negative_slope=0.01)(layers.BatchNormalization(momentum=0.9)(x))

    image = keras.Input((None, None, channels))
    x, skips = image, []
    for level, width in enumerate(filters):
        x = convolve(convolve(x, width, 1 if level == 0 else 2), width)
        skips.append(x)
    for width, skip in zip(filters[-2::-1], skips[-2::-1], strict=True):
        x = layers.Concatenate()([layers.Conv2DTranspose(width, 2, strides=2)(x), skip])
        x = convolve(convolve(x, width), width)
    return keras.Model(image, layers.Softmax()(layers.Conv2D(2, 1)(x)), name="plain_unet")


def build_library_unet(channels: int) -> keras.Model:
    """The U-Net of the package segmentation-models on its ResNet-18."""
    os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
    import segmentation_models

    return segmentation_models.Unet("resnet18", input_shape=(None, None, channels), classes=2, activation="softmax", encoder_weights=None)


class WholeSlices:
    """A network without halves as a `Predictor`."""

    window_px = 32

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf

        self._predict = tf.function(lambda stacks: model(stacks, training=False)[..., 1],
                                    input_signature=[tf.TensorSpec((None, None, None, model.input.shape[-1]), tf.float32)])

    def __call__(self, stacks: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        rows, columns = window
        return np.asarray(self._predict(stacks))[:, rows, columns]

    def take_weights(self) -> None:
        pass


def train_ours(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], minutes: float, steps: int | None,
               pretrained: Path | None) -> tuple[keras.Model, Predictor, int]:
    """The profile's network after its last step, ready to predict, and the number of steps."""
    from lirads_keras.inference.predictors import build_predictor
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


def train_yardstick(profile: Profile, variant: SegmentationVariant, training: list[StoredStudy], minutes: float, steps: int | None,
                    build: Callable[[int], keras.Model]) -> tuple[keras.Model, Predictor, int]:
    """As `train_ours`, of another network, with AdamW."""
    import keras

    from lirads_keras.losses.segmentation import HybridSegmentationLoss
    from lirads_keras.training.feed import feed_training

    settings, stage = profile.segmentation, profile.segmentation.finetune

    def compiled(count: int) -> keras.Model:
        keras.utils.set_random_seed(settings.seeds[0])
        model = build(variant.channels)
        model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(stage.learning_rate, count)),
                      loss=HybridSegmentationLoss.from_settings(settings.loss))
        return model

    if steps is None:
        steps = max(int(60 * minutes / time_step(compiled(1), draw_samples(profile, variant, training, 1))), 1)
    model = compiled(steps)
    model.fit(feed_training(draw_samples(profile, variant, training, steps), 0), steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    return model, WholeSlices(model), steps


def train_and_test(parsed: argparse.Namespace) -> dict[str, Any]:
    """What was trained, for how long, and what it found."""
    from stage_data import fold_of_patients
    from stages import read_plan

    from lirads_keras.evaluation.lesion_choice import choose_cut
    from lirads_keras.preprocessing.store import read_stored_study
    from lirads_keras.training.runtime import configure_tensorflow

    plan = read_plan(parsed.run)
    profile, chosen = change_settings(plan.profile, parsed.changes), SEGMENTATION_VARIANTS[parsed.variant]
    configure_tensorflow(threads=1, precision=profile.segmentation.precision)
    positives, fold_of = fold_of_patients(plan)
    studies = {name: read_stored_study(plan.run.store(name)) for name in fold_of}
    raise_if_any([Problem(f"--set, {study.folder}", "settings of the preprocessing under which the store was made", "others") for study in studies.values()
                  if study.preprocessing_digest != profile.preprocessing.digest()][:1])
    training = [studies[name] for name in positives if fold_of[name] not in TEST_FOLDS]
    started, used = time.perf_counter(), time.process_time()
    if parsed.network == "unet_plus_plus":
        start = plan.run.pretraining.weights if parsed.pretrained else None
        model, predictor, steps = train_ours(profile, chosen, training, parsed.minutes, parsed.steps, start)
    else:
        build = {"plain_unet": build_plain_unet, "segmentation_models": build_library_unet}[parsed.network]
        model, predictor, steps = train_yardstick(profile, chosen, training, parsed.minutes, parsed.steps, build)
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - used
    tested = [name for name in positives if fold_of[name] in TEST_FOLDS]
    without = [name for name in fold_of if name not in set(positives) and fold_of[name] in TEST_FOLDS][:parsed.negatives]
    found = [test_patient(studies[name], chosen, predictor, profile) for name in (*tested, *without)]
    scores = {cut: sum((of_patient[1][cut] for of_patient in found[1:]), found[0][1][cut]) for cut in found[0][1]}
    best = choose_cut(scores)
    uncut = {threshold: [round(float(np.mean(scores[threshold, 0.0].dice)), 3), round(float(np.median(scores[threshold, 0.0].dice)), 3)]
             for threshold in profile.lesions.thresholds}
    return {"network": parsed.network, "variant": parsed.variant, "set": parsed.changes, "pretrained": parsed.pretrained, "parameters": model.count_params(),
            "steps": steps, "training_s": round(seconds), "training_core_s": round(core_seconds), "patients": len(tested), "negatives": len(without),
            "dice": {f"{threshold:g}": values for threshold, values in uncut.items()},
            "dice_at_half": {name: round(of_patient[1][HALF, 0.0].dice[0], 4) for name, of_patient in zip(tested, found, strict=False)},
            "detection": {"threshold": best[0], "minimum_volume_mm3": best[1], "f1": round(scores[best].f1, 3)}
            | describe_detection([(studies[name], of_patient[0]) for name, of_patient in zip((*tested, *without), found, strict=True)], best)}


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
    parser.add_argument("--network", choices=("unet_plus_plus", "plain_unet", "segmentation_models"), default="unet_plus_plus")
    parser.add_argument("--variant", choices=tuple(SEGMENTATION_VARIANTS), default=next(iter(SEGMENTATION_VARIANTS)))
    parser.add_argument("--minutes", type=float, default=5.0, help="of training on one core")
    parser.add_argument("--steps", type=int, help="instead of minutes")
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
