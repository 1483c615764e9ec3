"""Whether Eq. 1's cut-off divides air from body in an image: what it keeps and removes, against what an abdomen in air can have."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import IntensityScale, compute_auto_cutoff
from lirads_keras.words import name_phases

LEAST_KEPT, MOST_KEPT = 0.1, 0.8
"""Of all voxels. A liver of 1.5 l alone fills 5 % of 380 × 380 × 220 mm, and twice as much lean tissue lies around it; an ellipse that touches all four
sides of an image fills 79 %. On the virtual cohorts the cut-off of 80 keeps 17 to 35 %, on an abdominal T2 image of another site 68 %."""

MOST_AIR_KEPT, MOST_BODY_REMOVED = 0.15, 0.5
"""Of the voxels on either side of Otsu's threshold, which takes dark fat for body or for air. The cut-off of 80 keeps no air on the virtual cohorts, and
removes at most 35 % of the body; three times the signal, or a quarter of it, lead beyond."""


def list_cutoff_notices(volumes: Mapping[Phase, Volume], scales: Mapping[Phase, IntensityScale]) -> tuple[str, ...]:
    """Sentences on phases whose background Eq. 1 does not remove, or whose body it removes.

    Args:
        volumes: raw voxels (z, y, x) by phase.
        scales: Eq. 1's numbers for each of them.
    """
    return tuple(f"In the {name_phases([phase])} {told}." for phase, volume in volumes.items() if (told := describe_cutoff(volume.array, scales[phase])))


def describe_cutoff(array: np.ndarray, scale: IntensityScale) -> str:
    """What Eq. 1's cut-off keeps or removes beyond what a liver MRI can have, as part of a sentence; empty where it does neither.

    Args:
        array: raw voxels (z, y, x); may be memory-mapped.
        scale: of that volume.
    """
    body = np.zeros(2, np.int64)
    air = np.zeros(2, np.int64)
    try:
        divide = compute_auto_cutoff(array, "volume")
    except InputError:
        # No histogram to divide: only the share of all voxels tells.
        divide = -np.inf
    for z, image in enumerate(array):
        kept, inside = scale.is_body(image, first_slice=z), image > divide
        body += np.count_nonzero(kept & inside), np.count_nonzero(inside)
        air += np.count_nonzero(kept & ~inside), np.count_nonzero(~inside)
    share, of_air, of_body = (body[0] + air[0]) / array.size, air[0] / max(air[1], 1), body[0] / max(body[1], 1)
    cutoff = float(np.min(scale.cutoff))
    begin = f"Eq. 1's cut-off of {cutoff:.4g}"
    hint = "is it an abdomen in air?" if cutoff == divide else "is the image on another intensity scale? background_cutoff: auto adapts the cut-off"
    if share > MOST_KEPT or of_air > MOST_AIR_KEPT:
        return f"{begin} keeps {share:.0%} of the image and {of_air:.0%} of what looks like air ({hint})"
    if share < LEAST_KEPT or of_body < 1 - MOST_BODY_REMOVED:
        return f"{begin} keeps only {share:.0%} of the image and removes {1 - of_body:.0%} of what looks like the body ({hint})"
    return ""
