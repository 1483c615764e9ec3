"""Images and label maps as MONAI Label's clients send and want them."""
from __future__ import annotations

import gzip
import os
import shutil
import zlib
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import to_itk
from lirads_keras.io.nifti import NIFTI_1_BYTES, NIFTI_2_BYTES, read_nifti
from lirads_keras.reader.errors import TooLarge
from lirads_keras.reader.mask_upload import read_mask_body

BLOCK_BYTES = 1 << 20
GZIP_MARK = b"\x1f\x8b"
_HEADER_SIZES = {size.to_bytes(4, order) for size in (NIFTI_1_BYTES, NIFTI_2_BYTES) for order in ("little", "big")}

_WHERE = "the image"


def unpack_image(upload: BinaryIO, path: Path, bytes_max: int) -> None:
    """Writes an uploaded NIfTI image, packed by gzip or not, as an unpacked one to `path`, which ends in .nii.

    Raises:
        TooLarge: more than `bytes_max` bytes when unpacked.
        InputError: no NIfTI image of three dimensions, or not a whole one.
    """
    upload.seek(0)
    packed = upload.read(len(GZIP_MARK)) == GZIP_MARK
    upload.seek(0)
    source = gzip.open(upload) if packed else upload
    left = bytes_max
    with open(path, "wb") as file:
        try:
            while block := source.read(BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise TooLarge(bytes_max)
                file.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(Problem(_WHERE, "a whole gzip file", f"a broken one ({type(error).__name__})")) from error
    # The first number of a NIfTI file is the size of its header, in one byte order or the other (nifti1.h, nifti2.h).
    with open(path, "rb") as file:
        if file.read(4) not in _HEADER_SIZES:
            raise InputError(Problem(_WHERE, "a NIfTI file", "another kind of file"))
    try:
        volume = read_nifti(path)
    except InputError as error:
        # Where the server keeps it is no client's business.
        raise InputError(*(Problem(_WHERE, problem.expected, problem.found.replace(str(path), "it")) for problem in error.problems)) from None
    if not np.isfinite(volume.affine).all() or min(volume.spacing_mm) <= 0:
        raise InputError(Problem(_WHERE, "a place in the patient in mm", "numbers that give none"))


def read_label(upload: BinaryIO, grid: Volume, scratch: Path) -> np.ndarray:
    """An uploaded label map, non-zero is lesion.

    Args:
        upload: a NIfTI file, packed by gzip or not; or the bare voxels of the grid as uint8 or little-endian uint16, x first, as OHIF sends them.
        grid: on which the study is read.
        scratch: folder for passing copies.

    Returns:
        Mask (z, y, x), bool.

    Raises:
        TooLarge, InputError: as `read_mask_body`.
    """
    size = upload.seek(0, os.SEEK_END)
    upload.seek(0)
    first, voxels = upload.read(4), int(np.prod(grid.shape))
    upload.seek(0)
    if size in (voxels, 2 * voxels) and first not in _HEADER_SIZES and not first.startswith(GZIP_MARK):
        return np.frombuffer(upload.read(), np.uint8 if size == voxels else "<u2").reshape(grid.shape) != 0
    with NamedTemporaryFile(dir=scratch) as body:
        shutil.copyfileobj(upload, body)
        body.flush()
        return read_mask_body(Path(body.name), grid, scratch)


def write_volume(volume: Volume, suffix: str, *, compress: bool = False) -> bytes:
    """A volume (z, y, x) in its own type as the content of a .nii, .nii.gz or .nrrd file; NRRD is packed where `compress` says so."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"volume{suffix}"
        sitk.WriteImage(to_itk(volume), str(path), useCompression=compress, imageIO="NrrdImageIO" if suffix == ".nrrd" else "NiftiImageIO")
        return path.read_bytes()
