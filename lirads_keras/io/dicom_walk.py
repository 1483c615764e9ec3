"""Reads the wanted elements of a DICOM file.

A walk over the tags of a plain little endian file takes a fraction of the time that a general reader needs; what the walk does not
understand (other byte orders, deflated files, broken ones) is read by pydicom.
"""
from __future__ import annotations

import os
import struct
from typing import BinaryIO

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from lirads_keras.io.dicom_elements import PIXEL_DATA, UNDEFINED_LENGTH, WANTED, Elements, Unusable, words

WINDOW_BYTES = 1 << 14
"""Read at a time: most headers fit."""

LONGEST_VALUE_BYTES = 1 << 16
"""Longer values are passed over: none of the wanted attributes needs more."""

_META_SOP_CLASS, _META_TRANSFER_SYNTAX = 0x00020002, 0x00020010

_LONG_VR = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VR = frozenset((
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
_start_of_element = struct.Struct("<HH2sH").unpack_from
_long = struct.Struct("<I").unpack_from


class _Odd(Exception):
    """The walk met something that it does not understand."""


def is_dicom(start: bytes) -> bool:
    """Whether a file starts as PS3.10, 7.1 says."""
    return start[128:132] == b"DICM"


def read_elements(file: BinaryIO) -> Elements:
    """The wanted attributes of an open DICOM file.

    Raises:
        Unusable: a file that cannot be read as DICOM.
        OSError: from the file.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    window = file.read(WINDOW_BYTES)
    try:
        at, meta = _walk_meta(window)
        syntax, sop_class = (meta.get(tag, b"").decode("latin-1").strip(" \0") for tag in (_META_TRANSFER_SYNTAX, _META_SOP_CLASS))
        if not syntax.startswith("1.2.840.10008.1.2") or syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
            raise _Odd
        values, pixels = _walk(file, size, window, at, explicit=syntax != ImplicitVRLittleEndian)
    except (_Odd, struct.error):
        return _read_by_pydicom(file, size)
    return Elements(values, syntax, sop_class, True, pixels, size)


def _walk_meta(window: bytes) -> tuple[int, dict[int, bytes]]:
    """File meta information (PS3.10, 7.1), always explicit and little endian; where it ends, and its values."""
    values: dict[int, bytes] = {}
    at = 132
    while True:
        group, number, vr, length = _start_of_element(window, at)
        if group != 2:
            return at, values
        value = at + 8
        if vr in _LONG_VR:
            length, = _long(window, at + 8)
            value = at + 12
        elif vr not in _SHORT_VR:
            raise _Odd
        values[group << 16 | number] = window[value:value + length]
        at = value + length


def _walk(file: BinaryIO, size: int, window: bytes, at: int, *, explicit: bool) -> tuple[dict[int, bytes], tuple[int, int] | None]:
    """Goes from tag to tag as far as PixelData. `window` holds the file from `base` on; `depth` counts the sequences and items of undefined length around."""
    values: dict[int, bytes] = {}
    base, depth, last = 0, 0, len(window) - 12
    while True:
        if at > last:
            base, at = base + at, 0
            if base >= size:
                if depth:
                    raise _Odd
                return values, None
            file.seek(base)
            window = file.read(WINDOW_BYTES)
            if len(window) < 8:
                raise _Odd
            # The last element of a file may have less than twelve bytes.
            window = window.ljust(12, b"\0")
            last = len(window) - 12
        group, number, vr, length = _start_of_element(window, at)
        value = at + 8
        if group == 0xFFFE:
            # Items and delimiters (PS3.5, 7.5) have no VR.
            length, = _long(window, at + 4)
            if not depth or number not in (0xE000, 0xE00D, 0xE0DD):
                raise _Odd
            if number != 0xE000:
                depth, length = depth - 1, 0
            elif length == UNDEFINED_LENGTH:
                depth, length = depth + 1, 0
            at = value + length
            continue
        if not explicit:
            length, = _long(window, at + 4)
        elif vr in _LONG_VR:
            length, = _long(window, at + 8)
            value = at + 12
        elif vr not in _SHORT_VR:
            raise _Odd
        tag = group << 16 | number
        if not depth:
            if group >= 0x7FE0:
                return values, (base + value, length) if tag == PIXEL_DATA else None
            if tag in WANTED:
                if length == UNDEFINED_LENGTH:
                    values[tag] = b""
                elif length <= LONGEST_VALUE_BYTES:
                    values[tag] = window[value:value + length] if value + length <= len(window) else _read_at(file, base + value, length)
        if length == UNDEFINED_LENGTH:
            if vr == b"UN" and explicit:
                raise _Odd
            depth, length = depth + 1, 0
        at = value + length
        if base + at > size:
            raise _Odd


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _read_by_pydicom(file: BinaryIO, size: int) -> Elements:
    file.seek(0)
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=sorted(WANTED))
        implicit, little_endian = dataset.original_encoding
        values = {int(tag): value if isinstance(value := dataset.get_item(tag).value, bytes) else b"" for tag in dataset.keys()}
        syntax, sop_class = (_meta_value(dataset, tag) for tag in (_META_TRANSFER_SYNTAX, _META_SOP_CLASS))
    except OSError:
        raise
    except Exception as error:  # noqa: B902  pydicom raises many kinds of exceptions on broken files
        raise Unusable("a whole DICOM file", f"one that cannot be read ({words(error)})") from error
    elements = Elements(values, syntax, sop_class, bool(little_endian), None, size)
    if not elements.is_deflated:
        # pydicom leaves the file at the tag of PixelData (PS3.5, 7.1.2 and 7.1.3: tag, perhaps VR, length).
        start = file.tell()
        element = file.read(8 if implicit else 12)
        if len(element) == (8 if implicit else 12):
            elements.pixels = start + len(element), struct.unpack("<I" if little_endian else ">I", element[-4:])[0]
    return elements


def _meta_value(dataset: pydicom.FileDataset, tag: int) -> str:
    """UI of the file meta information, which pydicom has converted in part."""
    value = dataset.file_meta.get_item(tag).value if tag in dataset.file_meta else ""
    return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else str(value)
