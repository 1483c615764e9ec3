"""A series as a volume, whatever kind of file it came in."""
from __future__ import annotations

import numpy as np

from lirads_keras.entities import Series, Volume
from lirads_keras.io import dicom
from lirads_keras.io.grids import turn_upright
from lirads_keras.io.nifti import is_nifti, read_nifti


def read_volume(series: Series) -> Volume:
    """Reads the voxels of one time point from its DICOM files, or from its one NIfTI file.

    Returns:
        float32 (z, y, x), in scanner units or HU; upright (`turn_upright`), in whatever order of rows and columns it is stored.

    Raises:
        InputError: as `io.dicom.read_volume` and `io.nifti.read_nifti`.
    """
    if len(series.files) == 1 and is_nifti(series.files[0]):
        volume = read_nifti(series.files[0])
        return turn_upright(volume.with_array(volume.array.astype(np.float32, copy=False)))
    return turn_upright(dicom.read_volume(series))


def read_stored_grid(series: Series) -> Volume:
    """The grid of `read_volume` in the index order in which the series is stored; its voxels are 0, and take no memory.

    Raises:
        InputError: as `read_volume`.
    """
    if len(series.files) == 1 and is_nifti(series.files[0]):
        volume = read_nifti(series.files[0])
        return volume.with_array(np.broadcast_to(np.uint8(0), volume.shape))
    return dicom.read_grid(series)
