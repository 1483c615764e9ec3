"""A mask that the page sends: unpacked within bounds, checked before a library reads it, and on the study's own grid."""
from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import describe_grid, reorient_to_grid
from lirads_keras.io.nifti import NIFTI_1_BYTES, read_nifti
from lirads_keras.reader.errors import TooLarge

MASK_BYTES_MAX = 1 << 27
"""Unpacked: 512 × 512 × 300 voxels of one byte, with room."""

BYTES_PER_VOXEL_MAX = 16
HEADER_ROOM_BYTES = 1 << 16
"""For the header and its extensions."""

_BLOCK_BYTES = 1 << 20
_TYPES = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32}
"""Bits of NIfTI-1's real types: uint8, int16, int32, float32, float64, int8, uint16, uint32 (nifti1.h)."""

_WHERE = "the mask"


def limit_mask_bytes(grid: Volume) -> int:
    """Bytes that an unpacked mask of this grid may have."""
    return min(MASK_BYTES_MAX, HEADER_ROOM_BYTES + BYTES_PER_VOXEL_MAX * int(np.prod(grid.shape)))


def read_mask_body(body: Path, grid: Volume, scratch: Path) -> np.ndarray:
    """Reads a mask from the body of a request.

    Args:
        body: file with what was sent, a NIfTI-1 file (.nii) as it is or in gzip.
        grid: of the study; the mask may have its axes in another order or direction.
        scratch: folder for a passing copy.

    Returns:
        Bool (z, y, x) on the grid: true where the voxel is not 0 (NaN is read as 0).

    Raises:
        TooLarge: unpacked it has more than `limit_mask_bytes`.
        InputError: no NIfTI file, a truncated one, or another grid.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".nii") as unpacked:
        written = 0
        for block in _unpack(body):
            written += len(block)
            if written > limit_mask_bytes(grid):
                raise TooLarge(limit_mask_bytes(grid))
            unpacked.write(block)
        unpacked.flush()
        _check_header(Path(unpacked.name), grid)
        try:
            volume = read_nifti(Path(unpacked.name), nan_as_zero=True)
        except InputError as error:
            raise InputError(*(Problem(_WHERE, problem.expected, problem.found) for problem in error.problems)) from error
    labels = reorient_to_grid(volume, grid)
    if labels is None:
        raise InputError(Problem(f"{_WHERE}, the grid", describe_grid(grid), describe_grid(volume)))
    return labels != 0


def _unpack(body: Path) -> Iterator[bytes]:
    """The content in blocks, none of them large, whatever the compression promises."""
    with open(body, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            while block := file.read(_BLOCK_BYTES):
                yield block
            return
        # 16: a gzip header (zlib.h).
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            while block := unpacker.unconsumed_tail or file.read(_BLOCK_BYTES):
                yield unpacker.decompress(block, _BLOCK_BYTES)
                if unpacker.eof:
                    return
        except zlib.error as error:
            raise InputError(Problem(_WHERE, "a whole gzip file", "one that cannot be unpacked")) from error
        raise InputError(Problem(_WHERE, "a whole gzip file", "one that ends too early"))


def _check_header(path: Path, grid: Volume) -> None:
    """A header that says nothing unusual, so that no library meets a hostile one; offsets are those of nifti1.h."""
    with open(path, "rb") as file:
        header = file.read(NIFTI_1_BYTES + 4)
    if len(header) < NIFTI_1_BYTES + 4:
        raise InputError(Problem(_WHERE, "a NIfTI file", f"{len(header)} bytes"))
    order = next((sign for sign in "<>" if struct.unpack_from(f"{sign}i", header)[0] == NIFTI_1_BYTES), None)
    if order is None or header[344:348] != b"n+1\0":
        raise InputError(Problem(_WHERE, "a NIfTI-1 file in one part", "something else"))
    rank, *sizes = struct.unpack_from(f"{order}8h", header, 40)
    datatype, bits = struct.unpack_from(f"{order}2h", header, 70)
    offset, slope, intercept = struct.unpack_from(f"{order}3f", header, 108)
    if not (3 <= rank <= 7 and all(size == 1 for size in sizes[3:rank])):
        raise InputError(Problem(_WHERE, "three dimensions", f"{rank}: {' × '.join(map(str, sizes[:max(0, min(rank, 7))]))}"))
    if tuple(sizes[:3]) not in set(permutations(grid.shape)):
        raise InputError(Problem(f"{_WHERE}, the grid", " × ".join(map(str, grid.shape[::-1])), " × ".join(map(str, sizes[:3]))))
    if _TYPES.get(datatype) != bits:
        raise InputError(Problem(_WHERE, "whole or real numbers", f"datatype {datatype} of {bits} bits"))
    # NaN fails these comparisons.
    if not (NIFTI_1_BYTES + 4 <= offset <= HEADER_ROOM_BYTES and abs(slope) < 1e6 and abs(intercept) < 1e6):
        raise InputError(Problem(_WHERE, "a header with a usual offset and scale", f"offset {offset:g}, scale {slope:g}, {intercept:g}"))
