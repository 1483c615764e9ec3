"""What the networks say about a study, in numbers that fit into the journal."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import TypeAdapter

from lirads_keras.entities import FeatureProbabilities, Lesion, Phase, Volume
from lirads_keras.reader.masks import compute_voxels_digest, find_first_voxel, match_lesions, select_components, unpack_mask


@dataclass(frozen=True)
class MeasuredLesion:
    """A lesion without its voxels. `first_voxel` and `voxels_digest` are those of `reader.masks`; the centroid is in voxels (z, y, x)."""

    lesion_id: str
    first_voxel: int
    voxels_digest: str
    diameter_mm: float
    volume_ml: float
    largest_slice: int
    centroid_zyx: tuple[float, float, float]
    mean_probability: float | None
    probabilities: FeatureProbabilities


@dataclass(frozen=True)
class Findings:
    """All lesions of a mask, and what they were read with. `components_ignored` were too small for a lesion; `notices` are those of `Report`;
    `early_arterial` is `Study.has_early_arterial_only`."""

    lesions: tuple[MeasuredLesion, ...]
    components_ignored: int
    phases: tuple[Phase, ...]
    decision_threshold: float
    rules: str
    versions: dict[str, str]
    notices: tuple[str, ...] = ()
    early_arterial: bool = False


FINDINGS = TypeAdapter(Findings)
"""Findings to JSON values and back."""


def to_measured(lesion: Lesion, probabilities: FeatureProbabilities, grid: Volume) -> MeasuredLesion:
    """A lesion on its grid, as the journal keeps it."""
    z, y, x = (np.linalg.inv(grid.affine) @ [*lesion.centroid_lps_mm, 1.0])[:3]
    return MeasuredLesion(
        lesion.lesion_id, find_first_voxel(lesion, grid.shape), compute_voxels_digest(lesion), lesion.diameter_mm, lesion.volume_ml, lesion.largest_slice,
        (round(float(z), 3), round(float(y), 3), round(float(x), 3)), lesion.mean_probability, probabilities)


def number_lesion(lesion_id: str) -> int:
    """The number in a lesion's id: P7 -> 7."""
    return int(lesion_id[1:])


def find_partners(previous: tuple[bytes, dict[str, int]] | None, labels: np.ndarray) -> dict[int, str]:
    """The ids that lesions keep, by their labels.

    Args:
        previous: the packed mask of the lesions before, and their first voxels by id; None where there were none.
        labels: the lesions now (z, y, x), from 1.
    """
    if previous is None or not previous[1]:
        return {}
    packed, first_voxels = previous
    ids = list(first_voxels)
    before = select_components(unpack_mask(packed), list(first_voxels.values()))
    return {now: ids[was - 1] for now, was in match_lesions(before, labels).items()}


def name_lesions(lesions: Sequence[Lesion], partners: dict[int, str], next_number: int) -> list[Lesion]:
    """The lesions with their ids: the k-th keeps that of `partners[k]` (k from 1), or gets the next number."""
    named = []
    for label, lesion in enumerate(lesions, start=1):
        if label in partners:
            named.append(replace(lesion, lesion_id=partners[label]))
        else:
            named.append(replace(lesion, lesion_id=f"P{next_number}"))
            next_number += 1
    return named
