"""NIfTI files: volumes and label maps."""
from __future__ import annotations

import gzip
import os
import struct
import zlib
from math import isfinite, prod
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing
from lirads_keras.io.grids import describe_grid, from_itk, reorient_to_grid, to_itk

SUFFIXES = (".nii", ".nii.gz")
NIFTI_1_BYTES, NIFTI_2_BYTES = 348, 540


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.endswith(SUFFIXES)


def read_nifti(path: Path) -> Volume:
    """Reads a three-dimensional NIfTI file.

    Returns:
        Voxels (z, y, x) in the file's type (scl_slope and scl_inter applied; NaN and infinity as 0), the affine in LPS.

    Raises:
        InputError: no such file, no NIfTI file, a truncated one, or not three dimensions.
    """
    _check_name(path)
    if not path.is_file():
        raise InputError(Problem(str(path), "a NIfTI file", "no such file"))
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NiftiImageIO")
    try:
        reader.ReadImageInformation()
        dimensions, components = reader.GetSize(), reader.GetNumberOfComponents()
        if len(dimensions) == 3 and components == 1:
            _check_length(path, prod(dimensions))
            return from_itk(reader.Execute())
    except (RuntimeError, EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        # SimpleITK gives a C++ stack of lines, the last of which says what happened.
        reason = " ".join(str(error).strip().splitlines()[-1].split())
        raise InputError(Problem(str(path), "a whole NIfTI file", f"one that cannot be read ({reason[:200]})")) from error
    found = " × ".join(map(str, dimensions)) + (f" of {components} components" if components > 1 else "")
    raise InputError(Problem(str(path), "a NIfTI file of three dimensions", found))


def write_nifti(path: Path, volume: Volume) -> None:
    """Writes a volume as `.nii` or `.nii.gz`, in its own type (bool as uint8).

    Raises:
        InputError: another suffix.
    """
    _check_name(path)
    stored = volume.with_array(volume.array.astype(np.uint8)) if volume.array.dtype == bool else volume
    with replacing(path) as beside:
        sitk.WriteImage(to_itk(stored), str(beside), imageIO="NiftiImageIO")


def read_mask_on_grid(path: Path, grid: Volume) -> np.ndarray:
    """Reads a label map that lies on `grid`; stored with its axes in another order or direction, it is turned to the grid's.

    Returns:
        Labels (z, y, x), uint8, or uint16 where a label is above 255.

    Raises:
        InputError: as `read_nifti`; another grid (see `SAME_GRID_FRACTION`); voxels that are no whole numbers from 0 to 65535.
    """
    mask = read_nifti(path)
    labels = reorient_to_grid(mask, grid)
    if labels is None:
        raise InputError(Problem(f"{path}, the grid", describe_grid(grid), describe_grid(mask)))
    lowest, highest = labels.min(), labels.max()
    if not (lowest >= 0 and highest <= np.iinfo(np.uint16).max):
        raise InputError(Problem(str(path), "labels from 0 to 65535", f"{lowest:g} … {highest:g}"))
    if not np.issubdtype(labels.dtype, np.integer) and not np.array_equal(labels, np.rint(labels)):
        raise InputError(Problem(str(path), "whole-numbered labels", "fractions"))
    return labels.astype(np.uint8 if highest <= np.iinfo(np.uint8).max else np.uint16)


def _check_length(path: Path, voxels: int) -> None:
    """ITK fills what a truncated file lacks with zeros, and says nothing.

    Offsets of bitpix and vox_offset are those of the headers nifti1.h (348 bytes) and nifti2.h (540 bytes).
    """
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else open(path, "rb") as file:
        header = file.read(NIFTI_2_BYTES)
    order = "<" if struct.unpack_from("<i", header)[0] in (NIFTI_1_BYTES, NIFTI_2_BYTES) else ">"
    if struct.unpack_from(order + "i", header)[0] == NIFTI_2_BYTES:
        bits, offset = struct.unpack_from(order + "h", header, 14)[0], struct.unpack_from(order + "q", header, 168)[0]
    else:
        bits, offset = struct.unpack_from(order + "h", header, 72)[0], struct.unpack_from(order + "f", header, 108)[0]
    if not isfinite(offset):
        raise InputError(Problem(f"{path}, vox_offset", "a number of bytes", f"{offset}"))
    offset = int(offset)
    expected = offset + voxels * bits // 8
    found = _uncompressed_bytes(path, expected) if compressed else path.stat().st_size
    if found < expected:
        raise InputError(Problem(str(path), f"a whole NIfTI file of {expected} bytes", f"{found} bytes (truncated file)"))


def _uncompressed_bytes(path: Path, expected: int) -> int:
    """The last four bytes of a gzip file are its length (RFC 1952, 2.3.1), if it has one part and is whole; else only unpacking tells."""
    with open(path, "rb") as packed:
        packed.seek(-4, os.SEEK_END)
        if struct.unpack("<I", packed.read(4))[0] == expected % 2 ** 32:
            return expected
    found = 0
    with gzip.open(path) as file:
        try:
            while block := file.read(1 << 22):
                found += len(block)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            # Truncated or broken here: what came before is all there is.
            pass
    return found


def _check_name(path: Path) -> None:
    if not is_nifti(path):
        raise InputError(Problem(str(path), f"a name that ends in {' or '.join(SUFFIXES)}", path.name))
