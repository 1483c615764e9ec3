"""What comes as a mask: only one on the study's own grid gets through, and nothing takes more room than its limit."""
from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import LARGE, SHAPE, make_grid, make_mask

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.io.nifti import write_nifti
from lirads_keras.reader.errors import TooLarge
from lirads_keras.reader.mask_upload import limit_mask_bytes, read_mask_body

BITPIX, SIZES, DATATYPE, OFFSET, SLOPE, INTERCEPT, MAGIC = 72, 42, 70, 108, 112, 116, 344
"""Offsets of nifti1.h."""


def nifti(tmp_path: Path, volume: Volume, name: str = "mask.nii") -> bytearray:
    write_nifti(tmp_path / name, volume)
    return bytearray((tmp_path / name).read_bytes())


def read(tmp_path: Path, content: bytes, grid: Volume) -> np.ndarray:
    (tmp_path / "body").write_bytes(content)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    try:
        return read_mask_body(tmp_path / "body", grid, tmp_path / "scratch")
    finally:
        assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("turned", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_of_any_usual_type_comes_in_exactly(tmp_path, turned, dtype, packed):
    grid, mask = make_grid(turned), make_mask(LARGE)
    content = bytes(nifti(tmp_path, grid.with_array((mask * 3).astype(dtype))))
    assert np.array_equal(read(tmp_path, gzip.compress(content) if packed else content, grid), mask)


def test_a_mask_with_its_axes_in_another_order_is_turned(tmp_path):
    grid, mask = make_grid(True), make_mask(LARGE)
    affine = grid.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 3] += affine[:3, 1] * (SHAPE[0] - 1)
    affine[:3, 1] *= -1
    turned = Volume(np.flip(mask.transpose(2, 0, 1), 1).astype(np.uint8).copy(), (2.0, 4.0, 2.0), affine)
    assert np.array_equal(read(tmp_path, bytes(nifti(tmp_path, turned)), grid), mask)


@pytest.mark.parametrize("change", [
    lambda affine: affine + np.array([[0, 0, 0, 3.0], [0] * 4, [0] * 4, [0] * 4]),
    lambda affine: affine @ np.diag([1.0, 1.05, 1.0, 1.0]),
    lambda affine: np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]) @ affine])
def test_another_place_in_the_patient_is_refused_with_both_grids(tmp_path, change):
    grid = make_grid()
    affine = change(grid.affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    other = Volume(make_mask(LARGE).astype(np.uint8), tuple(spacing), affine)
    with pytest.raises(InputError, match="the mask, the grid: expected 6 × 40 × 48 voxels") as refused:
        read(tmp_path, bytes(nifti(tmp_path, other)), grid)
    assert refused.value.problems[0].found != refused.value.problems[0].expected


def test_another_size_is_refused_before_any_library_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("lirads_keras.reader.mask_upload.read_nifti", lambda path: pytest.fail("read"))
    grid = make_grid()
    other = Volume(np.zeros((6, 40, 47), np.uint8), grid.spacing_mm, grid.affine)
    with pytest.raises(InputError, match="expected 48 × 40 × 6, found 47 × 40 × 6"):
        read(tmp_path, bytes(nifti(tmp_path, other)), grid)


@pytest.mark.parametrize("offset, content, words", [
    (0, struct.pack("<i", 540), "a NIfTI-1 file"), (MAGIC, b"ni1\0", "a NIfTI-1 file"), (MAGIC, b"\0\0\0\0", "a NIfTI-1 file"),
    (40, struct.pack("<h", 2), "three dimensions"), (40, struct.pack("<h", -1), "three dimensions"), (40, struct.pack("<h", 30000), "three dimensions"),
    (SIZES, struct.pack("<h", -48), "the grid"), (SIZES, struct.pack("<h", 0), "the grid"), (SIZES, struct.pack("<3h", 32767, 32767, 32767), "the grid"),
    (DATATYPE, struct.pack("<h", 128), "datatype 128"), (DATATYPE, struct.pack("<h", 1792), "datatype 1792"), (BITPIX, struct.pack("<h", 64), "of 64 bits"),
    (OFFSET, struct.pack("<f", float("nan")), "offset nan"), (OFFSET, struct.pack("<f", 1e30), "offset"), (OFFSET, struct.pack("<f", -1), "offset"),
    (OFFSET, struct.pack("<f", 0), "offset"), (SLOPE, struct.pack("<f", float("inf")), "scale inf"), (INTERCEPT, struct.pack("<f", float("nan")), "nan")])
def test_a_hostile_header_meets_no_library(tmp_path, monkeypatch, offset, content, words):
    monkeypatch.setattr("lirads_keras.reader.mask_upload.read_nifti", lambda path: pytest.fail("read"))
    grid = make_grid()
    bytes_ = nifti(tmp_path, grid.with_array(make_mask(LARGE)))
    bytes_[offset:offset + len(content)] = content
    with pytest.raises(InputError, match=words):
        read(tmp_path, bytes(bytes_), grid)


def test_nan_is_no_lesion(tmp_path):
    grid = make_grid()
    voxels = make_mask(LARGE).astype(np.float32)
    voxels[0, 0, 0] = np.nan
    assert np.array_equal(read(tmp_path, bytes(nifti(tmp_path, grid.with_array(voxels))), grid), make_mask(LARGE))


@pytest.mark.parametrize("shorter", [1, 100, SHAPE[0] * SHAPE[1] * SHAPE[2], SHAPE[0] * SHAPE[1] * SHAPE[2] + 20])
def test_a_truncated_file_is_not_filled_with_zeros(tmp_path, shorter):
    grid = make_grid()
    content = bytes(nifti(tmp_path, grid.with_array(make_mask(LARGE))))
    for cut in (content[:-shorter], gzip.compress(content[:-shorter]), gzip.compress(content)[:-min(shorter, 60)]):
        with pytest.raises(InputError, match="the mask"):
            read(tmp_path, cut, grid)


def test_a_small_body_cannot_become_a_large_one(tmp_path):
    grid = make_grid()
    limit = limit_mask_bytes(grid)
    bomb = gzip.compress(bytes(50 * limit))
    assert len(bomb) < limit / 10
    with pytest.raises(TooLarge):
        read(tmp_path, bomb, grid)
    with pytest.raises(TooLarge):
        read(tmp_path, bytes(limit + 1), grid)


def test_a_bomb_in_several_parts_ends_at_the_first(tmp_path):
    grid = make_grid()
    content = bytes(nifti(tmp_path, grid.with_array(make_mask(LARGE))))
    assert np.array_equal(read(tmp_path, gzip.compress(content) + gzip.compress(bytes(10 ** 7)), grid), make_mask(LARGE))


@pytest.mark.parametrize("content", [
    b"", b"\x1f\x8b", b"\x1f\x8bnot gzip", b"n+1", bytes(352), gzip.compress(b"", mtime=0), zlib.compress(b"x"), b"\xff" * 400])
def test_anything_else(tmp_path, content):
    with pytest.raises(InputError, match="the mask"):
        read(tmp_path, content, make_grid())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=12))
def test_whatever_is_changed_in_a_file_gives_a_mask_or_a_refusal(tmp_path, changes):
    grid = make_grid(True)
    content = nifti(tmp_path, grid.with_array(make_mask(LARGE)))
    for offset, value in changes:
        content[offset] = value
    try:
        mask = read(tmp_path, bytes(content), grid)
    except InputError:
        return
    assert mask.shape == SHAPE and mask.dtype == bool
