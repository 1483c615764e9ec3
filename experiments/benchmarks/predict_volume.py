"""A whole probability volume, 512 × 512 × 300 by the full-width network: the profile's engines with the body box against plain `model.predict` on all slices.

python experiments/benchmarks/predict_volume.py [--slices N] [--run RUN] [--memory]. The contenders take turns, a block of slices each, and the ratio is
the median over the blocks; the volume is the delayed phase of a virtual patient, its slices repeated to 300. With --run, the masks of both ways are
compared on virtual patients that a fold's network had not seen; with --memory, each engine once more in a process of its own, for its peak.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from turns import format_table, median_ratio

from lirads_keras.config.profile import read_profile
from lirads_keras.config.segmentation import Engine, InferenceSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.evaluation.overlap import compute_dice, compute_level
from lirads_keras.preprocessing.intensity import IntensityScale, compute_intensity_scale
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput, read_segmentation_input
from lirads_keras.run import RunFolder
from lirads_keras.variants import PAPER_SEGMENTATION, SEGMENTATION_VARIANTS

PAPER_PROFILE = Path(__file__).resolve().parents[1] / "profiles" / "paper.yaml"
MATRIX_PX, SLICES, BLOCK = 512, 300, 10
DECODER_FILTERS = (256, 128, 64, 32, 16)
ENGINES: tuple[Engine, ...] = ("keras", "openvino-f32", "openvino-bf16")
LEAST_SPEED_UP, LEAST_DICE = 3.0, 0.995
"""What openvino-bf16 with the body box has to reach."""


def build_volume(slices: int) -> tuple[Volume, IntensityScale]:
    """The delayed phase of a virtual patient at 512 × 512, its 48 slices repeated."""
    from lirads_keras.io.dicom import read_study, read_volume
    from lirads_keras.phantom.cohort import build_cohort_table
    from lirads_keras.phantom.patient import build_patient

    profile = read_profile(PAPER_PROFILE)
    settings = profile.cohort.model_copy(update={"patients_positive": 1, "patients_negative": 0})
    with tempfile.TemporaryDirectory() as folder:
        plan = build_cohort_table(settings)[0]
        build_patient(plan, settings, Path(folder), Path(folder) / "record.json")
        delayed = {str(phase): series for phase, series in read_study(Path(folder) / "dicom" / plan.patient_id).phases().items()}["delayed"]
        array = read_volume(delayed).array.astype(np.uint16)
    repeated = array[np.arange(slices) * len(array) // slices]
    slice_mm, pixel_mm = settings.slice_spacing_mm * len(array) / slices, settings.pixel_spacing_mm
    return (Volume(repeated, (slice_mm, pixel_mm, pixel_mm), np.diag([slice_mm, pixel_mm, pixel_mm, 1.0])),
            compute_intensity_scale(repeated, profile.preprocessing, "volume"))


def measure_speed(volume: Volume, scale: IntensityScale, threads: int) -> str:
    """A table with the seconds of all slices and the median ratio of the blocks."""
    from lirads_keras.inference.body_box import find_body_box
    from lirads_keras.inference.halves import split_network
    from lirads_keras.inference.predictors import Predictor, build_predictor
    from lirads_keras.inference.segmentation import predict_levels
    from lirads_keras.models.unet_plus_plus import build_unet_plus_plus
    from lirads_keras.preprocessing.slices import stack_slices

    model = build_unet_plus_plus("resnet34", classes=2, width_factor=1.0, decoder_filters=DECODER_FILTERS)

    def cut_block(first: int) -> SegmentationInput:
        array = volume.array[first:first + BLOCK]
        return SegmentationInput(Volume(array, volume.spacing_mm, volume.affine), (ScaledImage(array, scale),))

    def predict_plainly(first: int) -> np.ndarray:
        ((_, stacks),) = stack_slices(cut_block(first), BLOCK)
        return model.predict(stacks, batch_size=4, verbose=0)

    contenders: dict[str, Callable[[int], np.ndarray]] = {"plain model.predict": predict_plainly}
    for engine in ENGINES:
        def predict_in_box(first: int, predictor: Predictor = build_predictor(model, engine, threads)) -> np.ndarray:
            block = cut_block(first)
            return predict_levels(predictor, block, block.grid, InferenceSettings(), batch_size=4)

        contenders[f"{engine}, body box"] = predict_in_box
    box = find_body_box(volume.array, scale, split_network(model).window_px)
    # Tracing, or conversion and compilation.
    started = {}
    for name, predict in contenders.items():
        begun = time.perf_counter()
        predict(0)
        started[name] = time.perf_counter() - begun
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for first in range(0, len(volume.array), BLOCK):
        for name, predict in contenders.items():
            begun = time.perf_counter()
            predict(first)
            seconds[name].append(time.perf_counter() - begun)
    plain = seconds["plain model.predict"]
    rows, columns = (part.stop - part.start for part in (box.rows, box.columns))
    return format_table([f"{len(volume.array)} slices of {MATRIX_PX} × {MATRIX_PX}, box {rows} × {columns}", "s", "first block, s", "times faster"], [
        [name, sum(taken), started[name], median_ratio(plain, taken)] for name, taken in seconds.items()])


def compare_masks(run: Path, patients: int, threads: int) -> str:
    """Dice between the masks of plain prediction and of each engine with the body box, at the fold's own threshold."""
    from lirads_keras.inference.predictors import KerasPredictor, Predictor, build_predictor
    from lirads_keras.inference.segmentation import predict_levels
    from lirads_keras.preprocessing.slices import MR_CLASSES
    from lirads_keras.preprocessing.store import read_stored_study
    from lirads_keras.training.segmentation import build_segmentation_network

    folder = RunFolder(run)
    profile = folder.read_profile()
    variant = SEGMENTATION_VARIANTS[PAPER_SEGMENTATION]
    fold = folder.fold(variant.name, 0)
    level = compute_level(fold.threshold)
    model = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", variant.channels)
    model.load_weights(fold.weights)
    predictors: dict[str, Predictor] = {"keras, whole slices": KerasPredictor(model)}
    predictors |= {engine: build_predictor(model, engine, threads) for engine in ENGINES}
    tested = [read_stored_study(store) for store in sorted(folder.stores.iterdir()) if fold.prediction(store.name).is_file()]
    studies = [study for study in tested if study.lesion_slices]
    counts: dict[str, list[tuple[int, int, int]]] = {engine: [] for engine in ENGINES}
    for study in studies[:patients]:
        masks = {name: predict_levels(predictor, read_segmentation_input(study, variant.phases), study.grid(),
                                      InferenceSettings(body_box=name in ENGINES), batch_size=profile.segmentation.prediction_batch_size) >= level
                 for name, predictor in predictors.items()}
        plain = masks["keras, whole slices"]
        for engine in ENGINES:
            mask = masks[engine]
            counts[engine].append((int((mask & plain).sum()), int((mask & ~plain).sum()), int((plain & ~mask).sum())))
    rows = []
    for name, found in counts.items():
        by_patient = [value for value in (float(compute_dice(*count)) for count in found) if not np.isnan(value)]
        rows.append([f"{name}, body box", len(by_patient), f"{float(compute_dice(*np.sum(found, axis=0))):.4f}", f"{statistics.median(by_patient):.4f}",
                     f"{min(by_patient):.4f}"])
    return format_table(["Dice with the plain masks (virtual cohort)", "patients with a mask", "all voxels", "median", "lowest"], rows)


def measure_memory(volume: Volume, scale: IntensityScale) -> str:
    """Peak resident memory of one prediction of the whole volume by each engine, which reads it memory-mapped."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "volume.npy", volume.array)
        (Path(folder) / "scale.json").write_text(json.dumps(vars(scale)))
        for engine in ENGINES[0], ENGINES[-1]:
            worker = subprocess.run([sys.executable, __file__, "--worker", engine, "--folder", folder], stdout=subprocess.PIPE, text=True, check=True)
            rows.append([f"{engine}, body box", *worker.stdout.split()])
    return format_table(["in a process of its own", "peak, GB", "s"], rows)


def serve(engine: Engine, folder: Path) -> None:
    """Predicts the volume in `folder` and prints the peak in GB, and the seconds."""
    from lirads_keras.inference.predictors import build_predictor
    from lirads_keras.inference.segmentation import predict_levels
    from lirads_keras.models.unet_plus_plus import build_unet_plus_plus

    array = np.load(folder / "volume.npy", mmap_mode="r")
    volume = Volume(array, (1.0, 0.75, 0.75), np.diag([1.0, 0.75, 0.75, 1.0]))
    model = build_unet_plus_plus("resnet34", classes=2, width_factor=1.0, decoder_filters=DECODER_FILTERS)
    predictor = build_predictor(model, engine)
    started = time.perf_counter()
    scale = IntensityScale(**json.loads((folder / "scale.json").read_text()))
    predict_levels(predictor, SegmentationInput(volume, (ScaledImage(array, scale),)), volume, InferenceSettings(), batch_size=4)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} {time.perf_counter() - started:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=SLICES, help="fewer for a quick look")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--run", type=Path, help="finished run with trained networks (runs/cpu, say)")
    parser.add_argument("--patients", type=int, default=9, help="virtual patients whose masks are compared")
    parser.add_argument("--memory", action="store_true", help="measure the peak memory, too")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return serve(arguments.worker, arguments.folder)
    from lirads_keras.training.runtime import configure_tensorflow

    configure_tensorflow(threads=arguments.threads)
    volume, scale = build_volume(arguments.slices)
    print(f"Wanted of openvino-bf16 with the body box: {LEAST_SPEED_UP:g} times faster than plain, Dice {LEAST_DICE:g}.\n", flush=True)
    print(measure_speed(volume, scale, arguments.threads), end="\n\n", flush=True)
    if arguments.run:
        print(compare_masks(arguments.run, arguments.patients, arguments.threads), end="\n\n", flush=True)
    if arguments.memory:
        print(measure_memory(volume, scale))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(2) from None
