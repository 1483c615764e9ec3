"""Siemens mosaics: all slices of one time point as the tiles of one large image.

The place of the slices stands in the CSA header, a private element in Siemens' own format ("SV10": name, number of values, values; as described in
nibabel's documentation, "Siemens format DICOM with CSA header").
"""
from __future__ import annotations

import struct
from dataclasses import replace
from math import ceil, isfinite, sqrt
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lirads_keras.io.dicom_elements import Elements, Unusable, words
from lirads_keras.io.dicom_headers import Header, Tile, parse_header
from lirads_keras.io.dicom_walk import read_dataset

MOST_TILES = 4096
"""A count above this is no count of slices."""

PARALLEL_TOLERANCE = 1e-2
"""The slice normal may be so far off from row × column direction."""


def parse_mosaic(path: Path, elements: Elements, file: BinaryIO, modality: str) -> list[Header]:
    """The headers of a mosaic's slices.

    ImagePositionPatient of a mosaic is where the large image's first pixel would lie if that image were centred on the slice.

    Raises:
        Unusable: as `parse_header`, or the CSA header is missing or makes no sense.
    """
    whole = parse_header(path, elements, file, modality)
    count, normal, distance_mm = _read_stack(file)
    tiles_a_side = ceil(sqrt(count))
    if whole.rows % tiles_a_side or whole.columns % tiles_a_side:
        raise Unusable(f"a mosaic of {tiles_a_side} × {tiles_a_side} tiles ({count} slices)", f"{whole.rows} rows × {whole.columns} columns")
    rows, columns = whole.rows // tiles_a_side, whole.columns // tiles_a_side
    along_row, down_column = np.array(whole.orientation[:3]), np.array(whole.orientation[3:])
    if abs(abs(float(np.dot(np.cross(along_row, down_column), normal))) - 1) > PARALLEL_TOLERANCE:
        raise Unusable("a SliceNormalVector that is perpendicular to the rows and columns", f"{normal.tolist()}")
    first = np.array(whole.position_mm) + along_row * whole.pixel_spacing_mm[1] * (whole.columns - columns) / 2
    first = first + down_column * whole.pixel_spacing_mm[0] * (whole.rows - rows) / 2
    return [
        replace(
            whole, slice_location_mm=None, rows=rows, columns=columns, position_mm=tuple((first + index * distance_mm * normal).tolist()), frame=index,
            tile=Tile(index // tiles_a_side * rows, index % tiles_a_side * columns, whole.rows, whole.columns))
        for index in range(count)]


def _read_stack(file: BinaryIO) -> tuple[int, np.ndarray, float]:
    """Number of slices, unit vector from slice to slice, and their distance in mm."""
    file.seek(0)
    try:
        dataset = read_dataset(file, stop_before_pixels=True)
        values = read_csa(bytes(dataset.private_block(0x0029, "SIEMENS CSA HEADER")[0x10].value))
        distance_mm = abs(float(dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 0))
        count, normal = int(values["NumberOfImagesInMosaic"][0]), np.array([float(value) for value in values["SliceNormalVector"][:3]])
    except OSError:
        raise
    except Exception as error:  # noqa: B902  pydicom and broken values raise many kinds of exceptions
        raise Unusable("a mosaic with the CSA header that says where its slices lie", words(error)) from error
    if not 1 <= count <= MOST_TILES or normal.shape != (3,) or not np.isfinite(normal).all() or not isfinite(distance_mm) or distance_mm <= 0:
        raise Unusable("a mosaic's count of slices, their normal and distance", f"{count}, {normal.tolist()} and {distance_mm:g} mm")
    return count, normal, distance_mm


def read_csa(content: bytes) -> dict[str, list[str]]:
    """The values of a CSA header by name, as text.

    Raises:
        ValueError: another format, or a truncated one.
    """
    if content[:4] != b"SV10":
        raise ValueError("a CSA header of another format than SV10")
    try:
        count, = struct.unpack_from("<I", content, 8)
        at, values = 16, {}
        for _ in range(min(count, 10_000)):
            name, items = content[at:at + 64].split(b"\0")[0].decode("latin-1"), struct.unpack_from("<i", content, at + 76)[0]
            at, found = at + 84, []
            for _ in range(min(items, 10_000)):
                length = struct.unpack_from("<i", content, at + 4)[0]
                if length < 0:
                    raise ValueError("a negative length in the CSA header")
                found.append(content[at + 16:at + 16 + length].split(b"\0")[0].decode("latin-1").strip())
                # Values are padded to four bytes.
                at += 16 + (length + 3) // 4 * 4
            values[name] = [value for value in found if value]
    except struct.error as error:
        raise ValueError(f"a truncated CSA header ({error})") from error
    return values
