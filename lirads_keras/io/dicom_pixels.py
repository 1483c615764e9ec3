"""The pixels of a DICOM file's frames, as stored: no rescaling yet."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from pydicom.pixels import iter_pixels

from lirads_keras.io.dicom_elements import Unusable
from lirads_keras.io.dicom_headers import Header, PixelLayout
from lirads_keras.io.dicom_walk import read_dataset

LARGEST_FRAME_PIXELS = 1 << 27
"""A compressed frame that is said to be larger is a broken one: decoders reserve its memory before they look at the data."""


def read_pixels(file: BinaryIO, headers: Sequence[Header]) -> Iterator[np.ndarray]:
    """Yields the pixels (rows, columns) of frames or tiles of one open file, in the order of `headers`.

    Raises:
        Unusable: pixels that cannot be decoded, or are not what the header says.
        OSError: from the file.
    """
    if headers[0].tile:
        canvas = _read_frame(file, replace(headers[0], frame=0, rows=headers[0].tile.stored_rows, columns=headers[0].tile.stored_columns))
        for header in headers:
            assert header.tile is not None
            yield canvas[header.tile.row:header.tile.row + header.rows, header.tile.column:header.tile.column + header.columns]
    elif headers[0].pixels is None:
        yield from _decode(file, headers)
    else:
        for header in headers:
            yield _read_frame(file, header)


def _read_frame(file: BinaryIO, header: Header) -> np.ndarray:
    layout = header.pixels
    if layout is None:
        return next(_decode(file, [header]))
    file.seek(layout.offset)
    expected = header.rows * header.columns * layout.bits_allocated // 8
    stored = file.read(expected)
    if len(stored) < expected:
        raise Unusable(f"{expected} bytes of PixelData ({header.rows} rows × {header.columns} columns)", f"{len(stored)} (truncated file)")
    return unpack_pixels(stored, layout).reshape(header.rows, header.columns)


def unpack_pixels(stored: bytes, layout: PixelLayout) -> np.ndarray:
    """Uncompressed pixels (PS3.5, 8.1.1): unused bits are cleared, signed values extended."""
    bits = layout.bits_allocated
    pixels = np.frombuffer(stored, np.dtype(f"{'i' if layout.signed else 'u'}{bits // 8}").newbyteorder("<" if layout.little_endian else ">"))
    if layout.bits_stored < bits:
        # Up to the top and down again: the type's own shift fills with the sign.
        pixels = (pixels << (bits - 1 - layout.high_bit)) >> (bits - layout.bits_stored)
    return pixels


def _decode(file: BinaryIO, headers: Sequence[Header]) -> Iterator[np.ndarray]:
    """Compressed or deflated pixels, by pydicom and its decoders, a frame at a time."""
    first = headers[0]
    expected = f"PixelData of {first.rows} rows × {first.columns} columns"
    if first.rows * first.columns > LARGEST_FRAME_PIXELS:
        raise Unusable(f"compressed frames of at most {LARGEST_FRAME_PIXELS} pixels", f"{first.rows} rows × {first.columns} columns")
    file.seek(0)
    try:
        frames = iter_pixels(read_dataset(file), indices=[header.frame for header in headers], raw=True)
        for _ in headers:
            pixels = next(frames)
            if pixels.shape != (first.rows, first.columns):
                raise Unusable(f"grey images of {first.rows} rows × {first.columns} columns", f"an array of {pixels.shape}")
            yield pixels
    except (Unusable, GeneratorExit):
        raise
    except Exception as error:  # noqa: B902  decoders raise many kinds of exceptions on broken pixels
        raise Unusable(expected, f"pixels that cannot be decoded ({type(error).__name__}: {' '.join(str(error).split())[:300]})") from error
