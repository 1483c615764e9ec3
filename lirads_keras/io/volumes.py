"""A series as a volume, whatever kind of file it came in."""
from __future__ import annotations

import numpy as np

from lirads_keras.entities import Series, Volume
from lirads_keras.io import dicom
from lirads_keras.io.nifti import is_nifti, read_nifti


def read_volume(series: Series) -> Volume:
    """Reads the voxels of one time point from its DICOM files, or from its one NIfTI file.

    Returns:
        float32 (z, y, x), in scanner units or HU.

    Raises:
        InputError: as `io.dicom.read_volume` and `io.nifti.read_nifti`.
    """
    if len(series.files) == 1 and is_nifti(series.files[0]):
        volume = read_nifti(series.files[0])
        return volume.with_array(volume.array.astype(np.float32, copy=False))
    return dicom.read_volume(series)
