"""A phase that lies elsewhere than the others, as after another depth of breathing: what registration errors do to a network of several phases."""
from __future__ import annotations

import numpy as np
from scipy import ndimage

from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput

DIRECTION = (0.5 ** 0.5, 0.5, 0.5)
"""Unit vector (z, y, x): as far through the slices as within them. Our choice."""

SPLINE_ORDER = 3
"""Linear interpolation between two voxels takes more of the noise away, and a network would see that, too."""


def move_phase(given: SegmentationInput, index: int, distance_mm: float) -> SegmentationInput:
    """The same study with the phase at `index` moved rigidly along `DIRECTION`.

    What comes in at the border is 0, as of a phase that covers less than the delayed one. Voxels are whole scanner units from 0 on, as stored ones are, and
    the phase keeps its scale, as they only change places. 0 mm gives the study as it is.

    Args:
        given: whose phase at `index` is there.
        index: of the phase in the network's order.
        distance_mm: length of the shift, from 0 on.

    Raises:
        ValueError: the study lacks the phase.
    """
    image = given.images[index]
    if image is None:
        raise ValueError(f"the study has no phase at {index} that could be moved")
    if distance_mm == 0:
        return given
    voxels = [distance_mm * part / spacing for part, spacing in zip(DIRECTION, given.grid.spacing_mm, strict=True)]
    moved = ndimage.shift(np.asarray(image.array, np.float32), voxels, order=SPLINE_ORDER, mode="grid-constant", cval=0.0)
    np.rint(np.maximum(moved, 0, out=moved), out=moved)
    return SegmentationInput(given.grid, tuple(
        ScaledImage(moved, image.scale) if place == index else other for place, other in enumerate(given.images)))
