"""How a fold chooses the threshold and the minimum volume that make lesions of its probabilities: by lesion F1."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.evaluation.overlap import compute_dice, compute_level, overlap_suffices
from lirads_keras.lesions import is_large, label_components

UNDECIDED = 0.5
"""Where nothing tells thresholds apart, the one nearest to an even chance is taken."""

Cut = tuple[float, float]
"""A threshold and a minimum volume in mm³."""


@dataclass(frozen=True)
class CutScore:
    """What a cut finds in patients.

    Of `reference` lesions `detected` were found by a component; of `predicted` components `matched` belong to a lesion. `dice` are those of the patients with
    a lesion: of the mask without small components.
    """

    reference: int
    detected: int
    predicted: int
    matched: int
    dice: tuple[float, ...]

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision over lesions; 0 where nothing was found."""
        recall, precision = self.detected / max(self.reference, 1), self.matched / max(self.predicted, 1)
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0

    @property
    def mean_dice(self) -> float | None:
        return float(np.mean(self.dice)) if self.dice else None

    def __add__(self, other: CutScore) -> CutScore:
        return CutScore(self.reference + other.reference, self.detected + other.detected, self.predicted + other.predicted, self.matched + other.matched,
                        self.dice + other.dice)


def score_cuts(levels: np.ndarray, labels: np.ndarray, voxel_mm3: float, *, thresholds: Sequence[float], minimum_volumes_mm3: Sequence[float],
               minimum_iou: float) -> dict[Cut, CutScore]:
    """What each pair of threshold and minimum volume finds in one patient: the lesions of `extract_lesions`, matched as by `match_lesions`.

    Args:
        levels: prediction uint8 (z, y, x), in steps of 1/250.
        labels: reference (z, y, x), integers; every label is a lesion, 0 is none.
        voxel_mm3: volume of a voxel.
        thresholds: in [0, 1].
        minimum_volumes_mm3: smaller components do not count.
        minimum_iou: intersection over union from which a lesion is found; 0: any shared voxel.
    """
    inside = labels > 0
    _, lesion_of = np.unique(labels[inside], return_inverse=True)
    reference = np.bincount(lesion_of)
    scores = {}
    for threshold in thresholds:
        components, count = label_components(levels >= compute_level(threshold))
        sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
        # Column 0 is what no component covers.
        shared = np.bincount(lesion_of * (count + 1) + components[inside], minlength=len(reference) * (count + 1)).reshape(len(reference), count + 1)[:, 1:]
        matched = overlap_suffices(shared, reference[:, None] + sizes - shared, minimum_iou)
        for volume_mm3 in minimum_volumes_mm3:
            kept = is_large(sizes, volume_mm3, voxel_mm3)
            tp, predicted = int(shared[:, kept].sum()), int(sizes[kept].sum())
            dice = float(compute_dice(tp, predicted - tp, int(reference.sum()) - tp))
            scores[threshold, volume_mm3] = CutScore(
                len(reference), int(matched[:, kept].any(axis=1).sum()), int(kept.sum()), int(matched[:, kept].any(axis=0).sum()),
                (dice,) if len(reference) else ())
    return scores


def choose_cut(scores: Mapping[Cut, CutScore]) -> Cut:
    """The cut with the highest lesion F1 over all patients; of equals the highest mean Dice, then the threshold nearest to 0.5, then the smaller volume.

    Raises:
        ValueError: there is nothing to choose from.
    """
    if not scores:
        raise ValueError("no threshold to choose from")

    def rank(cut: Cut) -> tuple[float, ...]:
        score = scores[cut]
        dice = -1.0 if score.mean_dice is None else score.mean_dice
        return -round(score.f1, 9), -round(dice, 9), round(abs(cut[0] - UNDECIDED), 9), cut[1], cut[0]

    return min(scores, key=rank)
