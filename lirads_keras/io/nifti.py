"""NIfTI files: volumes and label maps."""
from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing
from lirads_keras.io.grids import describe_grid, reorient_to_grid, to_itk
from lirads_keras.io.nifti_header import NIFTI_1_BYTES, NIFTI_2_BYTES, NiftiHeader, parse_nifti_header

__all__ = ["NIFTI_1_BYTES", "NIFTI_2_BYTES", "SUFFIXES", "as_labels", "is_nifti", "read_mask_on_grid", "read_nifti", "write_nifti"]

SUFFIXES = (".nii", ".nii.gz")

ROUNDING = 1e-6
"""A label that was computed in float32 is off by no more than this part of it, or of 1."""

LARGEST_STEP = 0.1
"""Stored numbers that are scaled in steps no larger than this leave no doubt which whole number was meant. nibabel scales label maps of real numbers
so, in 255 or 65535 steps from the lowest to the highest label."""

_GZIP_MARK = b"\x1f\x8b"
_BLOCK_BYTES = 1 << 22
_TAIL_BYTES = 1 << 28
"""So many bytes after the last voxel are read for the sake of the checksum that follows them."""


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES)


def read_nifti(path: Path, *, nan_as_zero: bool = False) -> Volume:
    """Reads a three-dimensional NIfTI file, version 1 or 2, packed by gzip or not, whatever its name says of that.

    Args:
        path: the file.
        nan_as_zero: NaN and infinity stand for 0; otherwise they are refused, since nobody knows what was there.

    Returns:
        Voxels (z, y, x) in the file's type (as real numbers where scl_slope or scl_inter scale them), the affine in LPS.

    Raises:
        InputError: no such file, no NIfTI file, a truncated one, not three dimensions, a place that is not said clearly, or NaN.
    """
    header, stored = _read_stored(path)
    volume = header.grid.with_array(_scale(stored, header))
    if volume.array.dtype.kind == "f" and not (finite := np.isfinite(volume.array)).all():
        if not nan_as_zero:
            raise InputError(Problem(f"{path}, its voxels", "finite numbers", f"{finite.size - np.count_nonzero(finite)} of {finite.size} NaN or infinite"))
        volume = volume.with_array(np.where(finite, volume.array, 0))
    return volume


def write_nifti(path: Path, volume: Volume) -> None:
    """Writes a volume as `.nii` or `.nii.gz`, in its own type (bool as uint8).

    Raises:
        InputError: another suffix.
    """
    # ITK writes these two alone, in lower case.
    if not path.name.endswith(SUFFIXES):
        raise _wrong_name(path)
    stored = volume.with_array(volume.array.astype(np.uint8)) if volume.array.dtype == bool else volume
    with replacing(path) as beside:
        sitk.WriteImage(to_itk(stored), str(beside), imageIO="NiftiImageIO")


def read_mask_on_grid(path: Path, grid: Volume) -> np.ndarray:
    """Reads a label map that lies on `grid`; stored with its axes in another order or direction, it is turned to the grid's.

    Returns:
        Labels (z, y, x), uint8, or uint16 where a label is above 255.

    Raises:
        InputError: as `read_nifti`; another grid (see `SAME_GRID_FRACTION`); voxels that are no whole numbers from 0 to 65535 (see `as_labels`).
    """
    labels = read_nifti_labels(path)
    turned = reorient_to_grid(labels, grid)
    if turned is None:
        raise InputError(Problem(f"{path}, the grid", describe_grid(grid), describe_grid(labels)))
    return turned


def read_nifti_labels(path: Path) -> Volume:
    """Reads a label map on its own grid; labels are uint8, or uint16 where one is above 255.

    Raises:
        InputError: as `read_mask_on_grid`, but for the grid.
    """
    header, stored = _read_stored(path)
    return header.grid.with_array(as_labels(_scale(stored, header), path, step=abs(header.slope)))


def as_labels(values: np.ndarray, path: Path, *, step: float = 0.0) -> np.ndarray:
    """Whole numbers from voxels of any type, rounded where the storage leaves no doubt which number was meant.

    Args:
        values: voxels.
        path: of the file, for messages.
        step: by which the values go up from one stored number to the next, if they are scaled.

    Returns:
        uint8, or uint16 where a label is above 255.

    Raises:
        InputError: no voxels, NaN, fractions, or labels below 0 or above 65535.
    """
    if not values.size:
        raise InputError(Problem(str(path), "a label map with voxels", "none"))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = values.size - np.count_nonzero(np.isfinite(values))
        raise InputError(Problem(f"{path}, its voxels", "whole-numbered labels", f"{count} of {values.size} NaN or infinite"))
    lowest, highest = values.min(), values.max()
    if not (lowest > -0.5 and highest < np.iinfo(np.uint16).max + 0.5):
        raise InputError(Problem(str(path), f"labels from 0 to {np.iinfo(np.uint16).max}", f"{lowest:g} … {highest:g}"))
    whole = values
    if values.dtype.kind == "f":
        whole = np.rint(values)
        # float64 from here on: in float32 the rounding is as large as what is tolerated.
        allowed = ROUNDING * np.maximum(1.0, whole.astype(float)) + (step / 2 if step <= LARGEST_STEP else 0.0)
        off = np.abs(values.astype(float) - whole)
        if (off > allowed).any():
            raise InputError(Problem(str(path), "whole-numbered labels", f"fractions, such as {values.flat[int(np.argmax(off))]:.6g}"))
    return whole.astype(np.uint8 if whole.max() <= np.iinfo(np.uint8).max else np.uint16)


def _read_stored(path: Path) -> tuple[NiftiHeader, np.ndarray]:
    """The header, and the stored numbers (z, y, x) in the machine's byte order."""
    if not is_nifti(path):
        raise _wrong_name(path)
    if not path.is_file():
        raise InputError(Problem(str(path), "a NIfTI file", "no such file"))
    try:
        with open(path, "rb") as file:
            unpacked, packed = _unpack(file)
            content, broken = _read_block(unpacked, bytearray(), NIFTI_2_BYTES)
            if broken and len(content) < NIFTI_1_BYTES:
                raise InputError(Problem(str(path), "a whole NIfTI file", f"{len(content)} bytes (truncated or broken file)"))
            header = parse_nifti_header(bytes(content), str(path))
            content, broken = _read_block(unpacked, content, header.file_bytes)
            if len(content) < header.file_bytes:
                raise InputError(Problem(str(path), f"a whole NIfTI file of {header.file_bytes} bytes", f"{len(content)} bytes (truncated file)"))
            # A gzip file's checksum comes after what may follow the voxels.
            if broken or (packed and not _ends_well(unpacked)):
                raise InputError(Problem(str(path), "a whole gzip file", "a broken one, whose checksum or end is wrong"))
    except OSError as error:
        raise InputError(Problem(str(path), "a readable file", error.strerror or str(error))) from error
    voxels = np.frombuffer(content, header.dtype, int(np.prod(header.grid.shape)), header.offset).reshape(header.grid.shape)
    return header, voxels.astype(header.dtype.newbyteorder("="), copy=False)


def _unpack(file: BinaryIO) -> tuple[BinaryIO, bool]:
    """The unpacked content, and whether it was packed; some programs pack a packed file again."""
    layers = 0
    while layers < 2 and _peek(_open_layer(file, layers)) == _GZIP_MARK:
        layers += 1
    return _open_layer(file, layers), layers > 0


def _open_layer(file: BinaryIO, layers: int) -> BinaryIO:
    file.seek(0)
    for _ in range(layers):
        file = cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))
    return file


def _peek(file: BinaryIO) -> bytes:
    try:
        return file.read(len(_GZIP_MARK))
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def _read_block(file: BinaryIO, content: bytearray, size: int) -> tuple[bytearray, bool]:
    """Reads on until `content` has `size` bytes, or the file ends; True: it is broken there."""
    try:
        while len(content) < size and (block := file.read(min(_BLOCK_BYTES, size - len(content)))):
            content += block
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return content, True
    return content, False


def _ends_well(file: BinaryIO) -> bool:
    """Whether the file's end, and with it its checksum, is as gzip wrote it."""
    for _ in range(_TAIL_BYTES // _BLOCK_BYTES):
        try:
            if not file.read(_BLOCK_BYTES):
                return True
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return False
    return False


def _scale(stored: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if header.slope == 1 and header.intercept == 0:
        return stored
    kind = np.float32 if stored.dtype.itemsize <= 2 or stored.dtype == np.float32 else np.float64
    return (stored.astype(np.float64) * header.slope + header.intercept).astype(kind)


def _wrong_name(path: Path) -> InputError:
    return InputError(Problem(str(path), f"a name that ends in {' or '.join(SUFFIXES)}", path.name))
