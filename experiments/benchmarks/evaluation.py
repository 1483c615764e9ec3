"""What scoring costs: all 250 levels of a 512 × 512 × 300 volume beside scikit-learn, and the lesions of a whole cohort.

    .venv/bin/python experiments/benchmarks/evaluation.py [--rounds N] [--slices 300] [--run runs/cpu [--profile FILE]]

The counts are compared one by one before a time is told: scikit-learn's precision_recall_curve gives precision and recall at every level that occurs,
and from the number of positives these are the true and false positives. The volume has three lesions; half of the voxels have level 0, as outside of the
body, the rest are spread over all levels. With a run, its predictions are matched with its reference lesions at all thresholds of its profile, in one process.
"""
from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_curve
from turns import format_table

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.evaluation.detection import match_lesions
from lirads_keras.evaluation.overlap import LEVELS, PixelCounts, compute_pixel_counts
from lirads_keras.lesions import measure_lesions
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.run import RunFolder
from lirads_keras.variants import PAPER_SEGMENTATION

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from extract_lesions import predicted_lesions  # noqa: E402

LEAST_RATIO, MOST_SECONDS = 20.0, 10.0
MATRIX_PX = 512
LESIONS = ((0.3, 0.4, 0.4, 0.06), (0.5, 0.6, 0.5, 0.03), (0.7, 0.45, 0.6, 0.015))
"""Centre (z, y, x) and radius, in parts of the volume and of its width."""


def draw_volume(slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels (uint8) and reference (bool), both (z, y, x)."""
    rng = np.random.default_rng(0)
    shape = (slices, MATRIX_PX, MATRIX_PX)
    levels = rng.integers(0, LEVELS + 1, shape, dtype=np.uint8)
    levels[rng.integers(0, 2, shape, dtype=np.uint8) == 0] = 0
    reference = np.zeros(shape, bool)
    z, y, x = np.ogrid[:slices, :MATRIX_PX, :MATRIX_PX]
    for *centre, radius in LESIONS:
        far = sum(((axis - part * size) / (radius * MATRIX_PX)) ** 2 for axis, part, size in zip((z, y, x), centre, shape, strict=True))
        reference |= far < 1
    levels[reference] = np.minimum(levels[reference].astype(np.int64) + 80, LEVELS).astype(np.uint8)
    return levels, reference


def count_differences(counts: PixelCounts, levels: np.ndarray, reference: np.ndarray) -> int:
    """Levels whose true or false positives differ from scikit-learn's."""
    precision, recall, thresholds = precision_recall_curve(reference.ravel(), levels.ravel())
    tp = np.rint(recall[:-1] * np.count_nonzero(reference)).astype(np.int64)
    # Without a true positive precision is 0 whatever the false ones are.
    fp = np.rint(np.divide(tp, precision[:-1], out=np.full(len(tp), np.nan), where=precision[:-1] > 0)) - tp
    at = thresholds.astype(int)
    return int(np.count_nonzero((counts.tp[at] != tp) | ((counts.fp[at] != fp) & ~np.isnan(fp))))


def time_rounds(rounds: int, *contenders: Callable[[], object]) -> list[list[float]]:
    """Seconds of each contender, by turns in one process."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for times, contender in zip(seconds, contenders, strict=True):
            started = time.perf_counter()
            contender()
            times.append(time.perf_counter() - started)
    return seconds


def compare_levels(slices: int, rounds: int) -> None:
    levels, reference = draw_volume(slices)
    differences = count_differences(compute_pixel_counts(levels, reference), levels, reference)
    ours, theirs = time_rounds(rounds, lambda: compute_pixel_counts(levels, reference), lambda: precision_recall_curve(reference.ravel(), levels.ravel()))
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(format_table([f"{MATRIX_PX} × {MATRIX_PX} × {slices}, all levels", "median, s", ""], [
        ["compute_pixel_counts", statistics.median(ours), f"{differences} of {LEVELS + 1} levels differ"],
        ["precision_recall_curve", statistics.median(theirs), f"{ratio:.0f} × as long, at least {LEAST_RATIO:g} asked for"]]))


def match_run(run: RunFolder, profile: Profile) -> None:
    variant = PAPER_SEGMENTATION
    with open(run.results / "patients.csv", newline="", encoding="utf-8") as file:
        fold_of = {row["patient_id"]: row["fold"] for row in csv.DictReader(file)}
    seconds = dict.fromkeys(("levels", "components", "matching"), 0.0)
    components = 0

    def timed(what: str, work: Callable[[], object]) -> object:
        started = time.perf_counter()
        result = work()
        seconds[what] += time.perf_counter() - started
        return result

    for patient_id, fold in fold_of.items():
        study = read_stored_study(run.store(patient_id))
        prediction, volume_mm3 = run.prediction(variant, int(fold), patient_id), run.fold(variant, int(fold)).minimum_volume_mm3
        labels = np.asarray(study.mask())
        timed("levels", lambda: compute_pixel_counts(np.load(prediction, mmap_mode="r"), labels > 0))
        reference = measure_lesions(labels, study.grid())
        for threshold in profile.evaluation.thresholds:
            predicted = timed("components", lambda: predicted_lesions(study, prediction, threshold, volume_mm3))
            assert isinstance(predicted, list)
            components += len(predicted)
            timed("matching", lambda: match_lesions(reference, predicted, minimum_overlap_iou=profile.lesions.minimum_overlap_iou))
    print(format_table([f"{len(fold_of)} patients, {len(profile.evaluation.thresholds)} thresholds, {components} components", "s, one process", "at most"], [
        ["counts at all levels", seconds["levels"], ""], ["finding and measuring components", seconds["components"], ""],
        ["matching lesions", seconds["matching"], MOST_SECONDS]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--run", type=Path, help="folder of a finished run")
    parser.add_argument("--profile", type=Path, help="thresholds and what a lesion is; of the run, if not given")
    arguments = parser.parse_args()
    if arguments.run:
        run = RunFolder(arguments.run)
        match_run(run, read_profile(arguments.profile) if arguments.profile else run.read_profile())
    compare_levels(arguments.slices, arguments.rounds)


if __name__ == "__main__":
    main()
