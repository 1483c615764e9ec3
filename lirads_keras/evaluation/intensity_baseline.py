"""The simplest segmenter there is: voxels between two intensities of the delayed phase, the best two on other patients.

What a network adds has to be seen beside it. Intensities are those that the network sees (Eq. 1, then zero mean and unit variance), in 250
bins; on them the choice is exact: every interval of whole bins is tried on every training patient.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.evaluation.overlap import compute_dice
from lirads_keras.preprocessing.intensity import IntensityScale

BINS = 250


@dataclass(frozen=True, eq=False)
class IntensityHistogram:
    """Voxels of one patient in each bin, everywhere and in lesions, each int64 (250,)."""

    everywhere: np.ndarray
    lesion: np.ndarray


@dataclass(frozen=True)
class Interval:
    """Bins `first` … `last` − 1, and the standardised intensities that bound them."""

    first: int
    last: int
    lower: float
    upper: float


def build_edges(lowest: float, highest: float) -> np.ndarray:
    """The 251 ends of the bins between two standardised intensities.

    Raises:
        ValueError: the range is empty or not finite.
    """
    if not (np.isfinite([lowest, highest]).all() and lowest < highest):
        raise ValueError(f"a range of intensities is finite and rises, unlike {lowest:g} to {highest:g}")
    return np.linspace(lowest, highest, BINS + 1)


def find_bins(image: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin (uint8) of each voxel; what lies beyond the outer edges counts to the outer bins."""
    scaled = (image - np.float32(edges[0])) * np.float32(BINS / (edges[-1] - edges[0]))
    return np.clip(scaled, 0, BINS - 1).astype(np.uint8)


def count_bins(bins: np.ndarray, reference: np.ndarray) -> IntensityHistogram:
    """Histograms of a patient.

    Args:
        bins: of the voxels (z, y, x).
        reference: bool of the same shape, True in lesions.
    """
    return IntensityHistogram(np.bincount(bins.ravel(), minlength=BINS), np.bincount(bins[reference], minlength=BINS))


def compute_interval_dice(histogram: IntensityHistogram) -> np.ndarray:
    """Dice (251, 251) of every interval of bins: element [i, j] takes bins i … j − 1 as lesion; NaN where no voxel is taken and none is lesion."""
    everywhere, lesion = (np.concatenate([[0], np.cumsum(counts)]) for counts in (histogram.everywhere, histogram.lesion))
    taken, tp = (np.maximum(counts[None, :] - counts[:, None], 0) for counts in (everywhere, lesion))
    return compute_dice(tp, taken - tp, lesion[-1] - tp)


def choose_intervals(histograms: Mapping[str, IntensityHistogram], fold_of: Mapping[str, int], folds: int, edges: np.ndarray) -> dict[int, Interval]:
    """For each fold the interval with the highest mean Dice over the patients of the other folds; of equals the first to begin, then to end.

    Args:
        histograms: of the patients with lesions.
        fold_of: test fold of each patient.
        folds: their number.
        edges: of the bins.

    Returns:
        The interval of each fold that has patients to choose it on.
    """
    sums = np.zeros((folds, BINS + 1, BINS + 1))
    for patient_id in sorted(histograms):
        sums[fold_of[patient_id]] += compute_interval_dice(histograms[patient_id])
    chosen = {}
    for fold in range(folds):
        if any(fold_of[patient_id] != fold for patient_id in histograms):
            total = np.sum([sums[other] for other in range(folds) if other != fold], axis=0)
            first, last = np.unravel_index(np.argmax(total), total.shape)
            chosen[fold] = Interval(int(first), int(last), float(edges[first]), float(edges[last]))
    return chosen


def find_voxels(bins: np.ndarray, interval: Interval) -> np.ndarray:
    """Mask (bool) of the voxels in an interval."""
    return (bins >= interval.first) & (bins < interval.last)


def find_range(scales: Sequence[IntensityScale]) -> tuple[float, float]:
    """The lowest and highest standardised intensity that images of these scales can take."""
    lowest, highest = zip(*(scale.limits for scale in scales), strict=True)
    return min(lowest), max(highest)
