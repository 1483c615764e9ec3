"""Which benign finding of a virtual patient lies where a lesion was predicted."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.entities import Lesion, Volume


@dataclass(frozen=True)
class Finding:
    """A benign finding. `kind` as in the cohort's confounders.csv; `centre_mm` is LPS (x, y, z) in the delayed phase, `diameter_mm` its longest axis."""

    kind: str
    centre_mm: tuple[float, float, float]
    diameter_mm: float


def find_kind(lesion: Lesion, grid: Volume, findings: Sequence[Finding]) -> str | None:
    """Kind of the finding that a predicted lesion lies on, or None.

    It lies on a finding if one of its voxel centres is within half the finding's longest axis of the finding's centre, or within half a voxel's diagonal
    where the finding is smaller than that; of several, the one that it reaches deepest into, by the finding's own size, counts.

    Args:
        lesion: measured on the grid.
        grid: of the delayed phase.
        findings: of the patient.
    """
    voxels = np.argwhere(lesion.mask) + [side.start for side in lesion.bounding_box]
    points = voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    half_diagonal_mm = float(np.linalg.norm(grid.spacing_mm)) / 2
    depths: dict[str, float] = {}
    for finding in findings:
        reach_mm = max(finding.diameter_mm / 2, half_diagonal_mm)
        depths[finding.kind] = min(float(np.linalg.norm(points - finding.centre_mm, axis=1).min()) / reach_mm, depths.get(finding.kind, math.inf))
    kind = min(depths, key=lambda name: depths[name], default=None)
    return kind if kind is not None and depths[kind] <= 1 else None
