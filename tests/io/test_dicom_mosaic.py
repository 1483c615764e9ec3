from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_volume
from lirads_keras.io.dicom_mosaic import read_csa

WriteMosaic = Callable[..., Path]


@pytest.mark.parametrize("up", [1, -1])
def test_the_tiles_are_the_slices_in_their_place(tmp_path: Path, write_mosaic: WriteMosaic, up: int) -> None:
    pixels = np.arange(5 * 3 * 4, dtype=np.uint16).reshape(5, 3, 4)
    write_mosaic(tmp_path / "m", pixels, normal=(0, 0, up))
    volume = read_volume(read_series(tmp_path)[0])
    # Slices that run downwards are turned, so that they rise along row × column direction.
    np.testing.assert_array_equal(volume.array, pixels[::up])
    assert volume.affine[:3, 3].tolist() == [-10, -20, 30 if up > 0 else 14] and volume.spacing_mm == (4, 2, 1.5)


def test_mosaics_of_several_times_are_time_points(tmp_path: Path, write_mosaic: WriteMosaic) -> None:
    for time in range(3):
        write_mosaic(tmp_path / str(time), np.full((5, 3, 4), 2 - time, np.uint16), AcquisitionTime=f"10000{2 - time}")
    assert [read_volume(series).array.max() for series in read_series(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize("content, message", [
    (b"", "a mosaic with the CSA header"), (b"SV10", "a mosaic with the CSA header"), (b"other format", "another format than SV10")])
def test_a_mosaic_without_its_csa_header_is_refused(tmp_path: Path, write_mosaic: WriteMosaic, content: bytes, message: str) -> None:
    path = write_mosaic(tmp_path / "m", np.zeros((5, 3, 4), np.uint16))
    dataset = pydicom.dcmread(path)
    dataset[0x00291010].value = content
    dataset.save_as(path)
    with pytest.raises(InputError) as caught:
        read_series(tmp_path)
    assert message in str(caught.value) and len(caught.value.problems) == 1


def test_a_normal_along_the_rows_is_refused(tmp_path: Path, write_mosaic: WriteMosaic) -> None:
    write_mosaic(tmp_path / "m", np.zeros((5, 3, 4), np.uint16), normal=(1, 0, 0))
    with pytest.raises(InputError, match="perpendicular to the rows and columns"):
        read_series(tmp_path)


def test_truncated_csa_headers_are_told() -> None:
    with pytest.raises(ValueError, match="truncated"):
        read_csa(b"SV10" + bytes(4) + b"\5\0\0\0" + bytes(4) + b"x" * 50)
