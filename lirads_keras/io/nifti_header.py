"""The header of a NIfTI file, version 1 or 2 in either byte order: what its voxels are and where they lie.

Fields and their meaning: nifti1.h and nifti2.h (https://nifti.nimh.nih.gov). Where a header says two things about the same place or the same
spacing, programs choose differently, so it is refused.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass
from math import isfinite, prod, sqrt

import numpy as np

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import describe_grid, same_grid

NIFTI_1_BYTES, NIFTI_2_BYTES = 348, 540

SAME_SPACING_FRACTION = 0.01
"""pixdim and the lengths of the sform's columns are the same spacing if they differ by no more than this: programs round them differently."""

RIGHT_ANGLE_COSINE = 1e-3
"""Axes are at right angles if the cosine between them is no larger: 0.3 mm over a field of view of 300 mm."""

PLAUSIBLE_SPACING_MM = 1e-2, 1e2
"""No scanner's voxels are smaller or larger; what lies outside was written in another unit."""

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_TYPES = {1: "bits", 32: "complex numbers", 128: "colours (RGB)", 1536: "128-bit numbers", 1792: "complex numbers", 2048: "complex numbers",
                2304: "colours (RGBA)"}

_UNIT_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
"""The lowest three bits of xyzt_units: not said (taken for mm), metre, mm, micrometre."""

_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])

_SCANNER = 1
"""The code of a qform or sform in scanner coordinates (NIFTI_XFORM_SCANNER_ANAT)."""


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What a file of three dimensions holds. `grid` has its shape (z, y, x) and place, no voxels; `dtype` is that of the stored numbers.

    A voxel is `slope` · stored number + `intercept`.
    """

    grid: Volume
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float

    @property
    def file_bytes(self) -> int:
        """Bytes of the unpacked file, up to its last voxel."""
        return self.offset + prod(self.grid.shape) * self.dtype.itemsize


def parse_nifti_header(header: bytes, where: str) -> NiftiHeader:
    """Parses the first `NIFTI_2_BYTES` bytes of an unpacked file, or as many as it has.

    Raises:
        InputError: no NIfTI header, not three dimensions, voxels that are no real numbers, or a place that is not said clearly; `where` names the file.
    """
    read = _Fields(header, where)
    rank, *sizes = read("8h", 40, "8q", 16)
    if not 1 <= rank <= 7:
        raise InputError(Problem(f"{where}, dim[0]", "1 to 7 dimensions", f"{rank}"))
    shape = sizes[:rank]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) != 3 or min(shape) < 1:
        # The fifth dimension is that of several values a voxel (nifti1.h).
        several = len(shape) == 5 and shape[3] == 1
        found = " × ".join(map(str, shape[:3] if several else shape)) + (f" of {shape[4]} components" if several else "")
        raise InputError(Problem(where, "a NIfTI file of three dimensions", found))
    code, = read("h", 70, "h", 12)
    if code not in _TYPES:
        raise InputError(Problem(f"{where}, datatype", "whole or real numbers", f"{_OTHER_TYPES.get(code, 'an unknown code')} ({code})"))
    slope, intercept = read("2f", 112, "2d", 176)
    if slope == 0 or not isfinite(slope):
        # 0 stands for "not scaled" (nifti1.h), and so does NaN in files that nibabel has written.
        slope, intercept = 1.0, 0.0
    if not isfinite(intercept):
        raise InputError(Problem(f"{where}, scl_inter", "a number", f"{intercept}"))
    shape_zyx = (int(shape[2]), int(shape[1]), int(shape[0]))
    return NiftiHeader(_find_grid(read, shape_zyx), np.dtype(read.order + _TYPES[code]), _find_offset(read), slope, intercept)


class _Fields:
    """Reads fields by their format and offset in version 1 and in version 2."""

    def __init__(self, header: bytes, where: str) -> None:
        self.where, self._header = where, header
        if len(header) < NIFTI_1_BYTES:
            raise InputError(Problem(where, "a whole NIfTI file", f"{len(header)} bytes"))
        sizes = {order: struct.unpack_from(f"{order}i", header)[0] for order in "<>"}
        self.order = next((order for order, size in sizes.items() if size in (NIFTI_1_BYTES, NIFTI_2_BYTES)), "")
        if not self.order:
            raise InputError(Problem(where, "a NIfTI file", f"another kind of file, which begins with {header[:8]!r}"))
        self._version = 1 if sizes[self.order] == NIFTI_1_BYTES else 2
        if self._version == 2 and len(header) < NIFTI_2_BYTES:
            raise InputError(Problem(where, "a whole NIfTI file", f"{len(header)} bytes"))
        mark = header[344:347] if self._version == 1 else header[4:7]
        if mark not in (b"n+1", b"n+2"):
            found = "a header whose voxels are in a second file" if mark in (b"ni1", b"ni2") else f"the mark {mark!r} (an Analyze file has none)"
            raise InputError(Problem(where, "a NIfTI file in one part", found))

    @property
    def least_offset(self) -> int:
        return NIFTI_1_BYTES if self._version == 1 else NIFTI_2_BYTES

    def __call__(self, first: str, first_offset: int, second: str, second_offset: int) -> tuple:
        layout, offset = (first, first_offset) if self._version == 1 else (second, second_offset)
        return struct.unpack_from(self.order + layout, self._header, offset)


def _find_offset(read: _Fields) -> int:
    offset, = read("f", 108, "q", 168)
    if offset == 0:
        # Some programs leave it to the reader; the voxels then follow the header and the four bytes that say whether it is extended.
        return read.least_offset + 4
    if not (isfinite(offset) and read.least_offset <= offset < 2 ** 40):
        raise InputError(Problem(f"{read.where}, vox_offset", f"a number of bytes, {read.least_offset} or more", f"{offset}"))
    return int(offset)


def _find_grid(read: _Fields, shape: tuple[int, int, int]) -> Volume:
    """The place of the voxels: from sform or qform, whichever is in scanner coordinates; both have to agree where they claim the same space.

    Where there is neither, the axes are taken for those of LPS from 0 on, as ITK does: such files fit one another only.
    """
    unit = _UNIT_MM.get(read("B", 123, "i", 500)[0] & 7)
    if unit is None:
        raise InputError(Problem(f"{read.where}, xyzt_units", "metres, millimetres or micrometres", "another unit"))
    sign, *pixdim = read("4f", 76, "4d", 104)
    lengths = np.abs(pixdim) * unit
    q_code, s_code = read("2h", 252, "2i", 344)
    by_qform, by_sform = q_code > 0 and _usable(lengths), s_code > 0
    if by_qform and by_sform and (q_code == _SCANNER) != (s_code == _SCANNER):
        by_qform, by_sform = q_code == _SCANNER, s_code == _SCANNER
    qform = _place_by_qform(read, shape, lengths, unit, -1.0 if sign < 0 else 1.0) if by_qform else None
    sform = _place_by_sform(read, shape, lengths, unit) if by_sform else None
    if sform is not None and qform is not None and not same_grid(sform, qform):
        raise InputError(Problem(f"{read.where}, sform", f"the place that its qform says: {describe_grid(qform)}", describe_grid(sform)))
    grid = sform or qform
    if grid is None:
        if not _usable(lengths):
            raise InputError(Problem(f"{read.where}, pixdim", "spacings in mm", " × ".join(f"{value:g}" for value in pixdim)))
        grid = _volume(shape, np.diag(_RAS_TO_LPS), np.zeros(3), lengths)
    low, high = PLAUSIBLE_SPACING_MM
    if not (low <= min(grid.spacing_mm) and max(grid.spacing_mm) <= high):
        found = " × ".join(f"{value:g}" for value in grid.spacing_mm)
        raise InputError(Problem(f"{read.where}, pixdim", f"spacings of {low:g} to {high:g} mm", f"{found} mm"))
    return grid


def _usable(lengths: np.ndarray) -> bool:
    return bool(np.isfinite(lengths).all() and lengths.min() > 0)


def _place_by_sform(read: _Fields, shape: tuple[int, int, int], lengths: np.ndarray, unit: float) -> Volume:
    rows = np.array(read("12f", 280, "12d", 400), float).reshape(3, 4) * unit
    norms = np.sqrt(np.square(rows[:, :3]).sum(axis=0)) if np.isfinite(rows).all() else np.zeros(3)
    if not _usable(norms):
        raise InputError(Problem(f"{read.where}, sform", "an affine map to mm", np.array2string(rows[:, :3], separator=", ").replace("\n", "")))
    directions = rows[:, :3] / norms
    cosine = np.abs(directions.T @ directions - np.eye(3)).max()
    if cosine > RIGHT_ANGLE_COSINE:
        raise InputError(Problem(f"{read.where}, sform", "axes at right angles", f"{np.degrees(np.arccos(min(cosine, 1.0))):.1f}° (a sheared image)"))
    if not _usable(lengths):
        lengths = norms
    elif (np.abs(norms - lengths) > SAME_SPACING_FRACTION * lengths).any():
        raise InputError(Problem(
            f"{read.where}, sform", f"the spacing of pixdim, {' × '.join(f'{value:g}' for value in lengths)} mm (x, y, z)",
            f"{' × '.join(f'{value:g}' for value in norms)} mm"))
    return _volume(shape, directions, rows[:, 3], lengths)


def _place_by_qform(read: _Fields, shape: tuple[int, int, int], lengths: np.ndarray, unit: float, sign: float) -> Volume:
    b, c, d = read("3f", 256, "3d", 352)
    offset = np.array(read("3f", 268, "3d", 376), float) * unit
    square = b * b + c * c + d * d
    if not (isfinite(square) and np.isfinite(offset).all() and square < 1.001):
        raise InputError(Problem(f"{read.where}, qform", "a unit quaternion and an offset", f"({b:g}, {c:g}, {d:g}), {offset}"))
    norm = max(1.0, sqrt(square))
    b, c, d, a = b / norm, c / norm, d / norm, sqrt(max(0.0, 1 - square))
    directions = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c]])
    directions[:, 2] *= sign
    return _volume(shape, directions, offset, lengths)


def _volume(shape: tuple[int, int, int], directions: np.ndarray, origin: np.ndarray, lengths: np.ndarray) -> Volume:
    """From columns x, y, z in NIfTI's right-anterior-superior axes to (z, y, x) in LPS."""
    affine = np.eye(4)
    affine[:3, :3] = (directions * lengths * _RAS_TO_LPS[:, None])[:, ::-1]
    affine[:3, 3] = origin * _RAS_TO_LPS
    # No -0 in messages.
    affine += 0.0
    return Volume(np.broadcast_to(np.uint8(0), shape), (float(lengths[2]), float(lengths[1]), float(lengths[0])), affine)
