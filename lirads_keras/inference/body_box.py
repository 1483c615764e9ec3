"""The part of a volume in which lesions are looked for: where Eq. 1 leaves anything but zero."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.preprocessing.intensity import IntensityScale

MARGIN_PX = 4
"""Background kept around the body on each side, before widening to whole windows. The edge of a cut window differs from that of a whole slice as
far as the network's upper half reaches (`NetworkSplit.reach_px`), but little, and in the background."""


@dataclass(frozen=True, eq=False)
class BodyBox:
    """Rows and columns of a volume, and which slices (bool, one a slice) show any body."""

    occupied: np.ndarray
    rows: slice
    columns: slice

    @property
    def slices(self) -> range:
        """From the first slice with body to the last; empty if there is none."""
        indices = np.flatnonzero(self.occupied)
        return range(int(indices[0]), int(indices[-1]) + 1) if len(indices) else range(0)


def find_body_box(array: np.ndarray, scale: IntensityScale, window_px: int) -> BodyBox:
    """The box around all voxels to which Eq. 1 gives more than zero, with a margin, one for all slices of the volume.

    Args:
        array: raw voxels (z, y, x); may be memory-mapped, it is read one slice at a time.
        scale: of that volume.
        window_px: of the network that is to predict the box (`NetworkSplit`).

    Returns:
        Rows and columns with MARGIN_PX around the body or more, from and to multiples of `window_px` or the slice's end.
        A volume without body has no occupied slice and empty rows and columns.
    """
    rows, columns, occupied = np.zeros(array.shape[1], bool), np.zeros(array.shape[2], bool), np.zeros(len(array), bool)
    for z, image in enumerate(array):
        body = scale.is_body(image, first_slice=z)
        of_slice = body.any(axis=1)
        occupied[z] = of_slice.any()
        rows |= of_slice
        columns |= body.any(axis=0)
    return BodyBox(occupied, _widen(rows, window_px), _widen(columns, window_px))


def _widen(occupied: np.ndarray, window_px: int) -> slice:
    """The interval around the True elements with its margin, to multiples of `window_px`, inside the slice."""
    indices = np.flatnonzero(occupied)
    if not len(indices):
        return slice(0, 0)
    start = max(int(indices[0]) - MARGIN_PX, 0) // window_px * window_px
    stop = -(-(int(indices[-1]) + 1 + MARGIN_PX) // window_px) * window_px
    return slice(start, min(stop, len(occupied)))
