"""Agreement of masks, voxel by voxel, at every threshold that a stored probability can tell apart."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lirads_keras.errors import InputError, Problem

LEVELS = 250
"""A stored probability is a whole number of steps of 1/250, so that 0.1 … 0.9 lie on levels."""

_ROUNDING = 1e-9
"""Far below a step and far above the rounding error of 250 · t: keeps 0.7, say, on level 175; and far below what one voxel of a union changes."""


def compute_level(threshold: float) -> int:
    """Smallest level whose probability is at least `threshold`: a voxel is predicted as lesion if its stored value is not below it.

    Raises:
        ValueError: `threshold` is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"a threshold lies in [0, 1], not at {threshold}")
    return math.ceil(LEVELS * threshold - _ROUNDING)


def overlap_suffices(shared: np.ndarray, union: np.ndarray, minimum_iou: float) -> np.ndarray:
    """Whether regions that share voxels have an intersection over union of at least `minimum_iou` (0: any shared voxel), element by element.

    Args:
        shared: voxels in both.
        union: voxels in either.
        minimum_iou: in [0, 1]; an overlap of exactly so much suffices, although 0.07 × 100, say, comes out above 7 in binary.
    """
    return (shared > 0) & (shared >= (minimum_iou - _ROUNDING) * union)


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """True and false positives and negatives, each int64 (251,): element k counts with the voxels of level ≥ k predicted as lesion."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    def at(self, threshold: float) -> dict[str, int]:
        """{"tp", "fp", "fn", "tn"} at a threshold in [0, 1]."""
        level = compute_level(threshold)
        return {name: int(count[level]) for name, count in vars(self).items()}

    def dice(self, threshold: float) -> float:
        """Dice of prediction and reference at a threshold; see `compute_dice`."""
        counts = self.at(threshold)
        return float(compute_dice(counts["tp"], counts["fp"], counts["fn"]))


def compute_pixel_counts(prediction: np.ndarray, reference: np.ndarray) -> PixelCounts:
    """Counts at all 251 levels in one pass over the volume; exact for the stored precision.

    Args:
        prediction: uint8, any shape, in steps of 1/250; may be memory-mapped, it is read one element of the first axis at a time.
        reference: bool of the same shape, True in lesions.

    Raises:
        ValueError: shapes or types differ from these.
        InputError: a value of the prediction is above 250.
    """
    if prediction.dtype != np.uint8 or reference.dtype != np.bool_ or prediction.shape != reference.shape:
        raise ValueError(
            f"prediction uint8 and reference bool of one shape expected, found {prediction.dtype} of {prediction.shape} and "
            f"{reference.dtype} of {reference.shape}")
    everywhere = np.zeros(256, np.int64)
    inside = np.zeros(256, np.int64)
    for predicted, lesion in zip(prediction, reference):
        everywhere += np.bincount(np.ravel(predicted), minlength=256)
        # Lesions are small: a second, short histogram is several times faster than one of (level, reference) pairs.
        inside += np.bincount(predicted[lesion], minlength=256)
    if everywhere[LEVELS + 1:].any():
        raise InputError(Problem("prediction", f"levels 0 … {LEVELS}", str(int(np.flatnonzero(everywhere)[-1]))))
    tp, positive = (np.cumsum(histogram[LEVELS::-1])[::-1] for histogram in (inside, everywhere))
    fp, fn = positive - tp, tp[0] - tp
    return PixelCounts(tp, fp, fn, everywhere.sum() - tp - fp - fn)


def compute_dice(tp: np.ndarray | int, fp: np.ndarray | int, fn: np.ndarray | int) -> np.ndarray:
    """Dice = 2 TP / (2 TP + FP + FN) (§3), element by element, float64.

    NaN where prediction and reference are both empty: nothing is there to agree on, and neither 0 nor 1 would be fair. Empty on one
    side only gives 0.
    """
    size = np.asarray(2 * np.asarray(tp) + fp + fn, np.float64)
    return np.divide(2.0 * np.asarray(tp), size, out=np.full(size.shape, np.nan), where=size > 0)


def score_mask(mask: np.ndarray, reference: np.ndarray) -> float:
    """Dice of a predicted mask (bool) and a reference (bool); see `compute_dice`."""
    tp = int(np.count_nonzero(mask & reference))
    return float(compute_dice(tp, int(np.count_nonzero(mask)) - tp, int(np.count_nonzero(reference)) - tp))
