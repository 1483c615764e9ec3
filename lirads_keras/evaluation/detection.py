"""Which lesions and which patients were found (§3, ledger item 17)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.entities import Lesion
from lirads_keras.evaluation.overlap import overlap_suffices


@dataclass(frozen=True)
class LesionMatches:
    """The result of `match_lesions`.

    `reference_matched[i]`: reference lesion i is detected. `predicted_matched[j]`: predicted component j belongs to a reference lesion;
    one that does not is a false positive. `best_prediction[i]`: the matched component that shares most voxels with reference lesion i
    (the earlier one if two share as many), or None; `best_reference[j]`: likewise, the reference lesion that component j belongs to. `reference_iou[i]` and
    `predicted_iou[j]`: largest intersection over union with any lesion of the other kind, whatever the rule of matching; 0 where none shares a voxel.
    """

    reference_matched: tuple[bool, ...]
    predicted_matched: tuple[bool, ...]
    best_prediction: tuple[int | None, ...]
    best_reference: tuple[int | None, ...]
    reference_iou: tuple[float, ...]
    predicted_iou: tuple[float, ...]


@dataclass(frozen=True)
class PatientDetection:
    """One patient at one threshold. `detected`: any reference lesion was (§3: "the patient with any lesion being detected"); `iou`: the largest of theirs."""

    has_reference: bool
    has_prediction: bool
    detected: bool
    iou: float


def match_lesions(reference: Sequence[Lesion], predicted: Sequence[Lesion], *, minimum_overlap_iou: float) -> LesionMatches:
    """Matches the components of a prediction with the reference lesions of the same grid.

    A pair matches if it shares a voxel and its intersection over union is at least `minimum_overlap_iou` (0: any shared voxel). A lesion
    may match several components, and a component several lesions.
    """
    shared = np.zeros((len(reference), len(predicted)), np.int64)
    for row, lesion in enumerate(reference):
        for column, component in enumerate(predicted):
            shared[row, column] = count_shared_voxels(lesion, component)
    sizes = [np.array([np.count_nonzero(lesion.mask) for lesion in lesions], np.int64) for lesions in (reference, predicted)]
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    matched = overlap_suffices(shared, union, minimum_overlap_iou)
    iou = shared / np.maximum(union, 1)
    candidates = np.where(matched, shared, 0)
    return LesionMatches(
        reference_matched=tuple(bool(row.any()) for row in matched),
        predicted_matched=tuple(bool(column.any()) for column in matched.T),
        best_prediction=tuple(int(row.argmax()) if row.any() else None for row in candidates),
        best_reference=tuple(int(column.argmax()) if column.any() else None for column in candidates.T),
        reference_iou=tuple(float(row.max(initial=0)) for row in iou),
        predicted_iou=tuple(float(column.max(initial=0)) for column in iou.T),
    )


def detect_patient(matches: LesionMatches) -> PatientDetection:
    """The patient's flags from the matches of all its lesions."""
    return PatientDetection(
        bool(matches.reference_matched), bool(matches.predicted_matched), any(matches.reference_matched), max(matches.reference_iou, default=0.0))


def count_shared_voxels(first: Lesion, second: Lesion) -> int:
    """Voxels in both lesions, which lie on the same grid."""
    box = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first.bounding_box, second.bounding_box)]
    if any(side.start >= side.stop for side in box):
        return 0
    masks = [
        lesion.mask[tuple(slice(side.start - own.start, side.stop - own.start) for side, own in zip(box, lesion.bounding_box))] != 0
        for lesion in (first, second)]
    return int(np.count_nonzero(masks[0] & masks[1]))
