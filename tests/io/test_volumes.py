from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lirads_keras.entities import Series, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series
from lirads_keras.io.nifti import write_nifti
from lirads_keras.io.volumes import read_volume


def test_nifti_and_dicom_series_give_the_same_volume(tmp_path: Path, write_series: Callable[..., list[Path]]) -> None:
    write_series(tmp_path / "dicom")
    series, = read_series(tmp_path / "dicom")
    from_dicom = read_volume(series)
    whole = Volume(from_dicom.array.astype(np.int16), from_dicom.spacing_mm, from_dicom.affine)
    write_nifti(tmp_path / "image.nii.gz", whole)
    from_nifti = read_volume(Series("", (tmp_path / "image.nii.gz",), None, "manifest"))
    assert from_nifti.array.dtype == from_dicom.array.dtype == np.float32
    np.testing.assert_array_equal(from_nifti.array, from_dicom.array)
    np.testing.assert_allclose(from_nifti.affine, from_dicom.affine, atol=1e-4)


def test_a_nifti_series_that_is_absent_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent.nii: expected a NIfTI file, found no such file"):
        read_volume(Series("", (tmp_path / "absent.nii",), None, "manifest"))
