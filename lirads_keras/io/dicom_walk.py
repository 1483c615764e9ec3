"""Reads the wanted elements of a DICOM file.

A walk over the tags of a plain little endian file takes a fraction of the time that a general reader needs; what the walk does not
understand (other byte orders, deflated files, broken ones) is read by pydicom.
"""
from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lirads_keras.io.dicom_elements import PIXEL_DATA, UNDEFINED_LENGTH, WANTED, Elements, Unusable, words

WINDOW_BYTES = 1 << 14
"""Read at a time: most headers fit."""

LONGEST_VALUE_BYTES = 1 << 16
"""Longer values are passed over: none of the wanted attributes needs more."""

_META_SOP_CLASS, _META_TRANSFER_SYNTAX = 0x00020002, 0x00020010
_LAST_FIRST_ELEMENT = 0x0018
"""An image begins with group 8 and has its SOP class and instance there (0008,0016 and 0008,0018), before which few elements can stand."""

_LONG_VR = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VR = frozenset((
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
_start_of_element = struct.Struct("<HH2sH").unpack_from
_long = struct.Struct("<I").unpack_from


class _Odd(Exception):
    """The walk met something that it does not understand."""


def is_marked(start: bytes) -> bool:
    """Whether a file starts as PS3.10, 7.1 says."""
    return start[128:132] == b"DICM"


def is_unmarked(start: bytes) -> bool:
    """Whether a file starts as one of old systems that write no preamble: with the file meta information, or with the first attributes of the image.

    Either of them in little endian; what follows must be read, to know.
    """
    if len(start) < 12:
        return False
    group, number, vr, _ = _start_of_element(start)
    if group == 2:
        return vr in _SHORT_VR or vr in _LONG_VR
    return bool(group == 8 and number <= _LAST_FIRST_ELEMENT and (vr in _SHORT_VR or _long(start, 4)[0] <= LONGEST_VALUE_BYTES))


def read_dataset(file: Path | BinaryIO, **options: Any) -> pydicom.FileDataset:
    """pydicom's dataset of a file, perhaps without preamble; one without file meta information gets the transfer syntax that its attributes are in.

    Raises:
        InvalidDicomError: the file starts as none.
        OSError, and whatever pydicom raises on broken files.
    """
    if isinstance(file, Path):
        with open(file, "rb") as opened:
            return read_dataset(opened, **options)
    file.seek(0)
    start = file.read(132)
    if not is_marked(start) and not is_unmarked(start):
        raise InvalidDicomError("a file without the DICM mark (PS3.10, 7.1)")
    file.seek(0)
    dataset = pydicom.dcmread(file, force=True, **options)
    if "TransferSyntaxUID" not in dataset.file_meta and dataset.original_encoding[1]:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian
    return dataset


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
        if not meta and not is_marked(window):
            meta = {_META_TRANSFER_SYNTAX: (ExplicitVRLittleEndian if window[4:6] in _SHORT_VR else ImplicitVRLittleEndian).encode()}
        syntax, sop_class = (meta.get(tag, b"").decode("latin-1").strip(" \0") for tag in (_META_TRANSFER_SYNTAX, _META_SOP_CLASS))
        if not syntax.startswith("1.2.840.10008.1.2") or syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
            raise _Odd
        values, pixels = _walk(file, size, window, at, explicit=syntax != ImplicitVRLittleEndian)
    except (_Odd, struct.error):
        return _read_by_pydicom(file, size)
    return Elements(values, syntax, sop_class, True, pixels, size)


def _walk_meta(window: bytes) -> tuple[int, dict[int, bytes]]:
    """File meta information (PS3.10, 7.1), always explicit and little endian; where it ends, and its values. Without preamble it starts the file."""
    values: dict[int, bytes] = {}
    at = 132 if is_marked(window) else 0
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
        dataset = read_dataset(file, stop_before_pixels=True, specific_tags=sorted(WANTED))
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
