from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lirads_keras.io import dicom_walk
from lirads_keras.io.dicom_elements import REAL_WORLD_MAPPING, WANTED, Elements
from lirads_keras.io.dicom_walk import read_elements

WriteImage = Callable[..., Path]


def read(path: Path) -> Elements:
    with open(path, "rb") as file:
        return read_elements(file)


def read_slowly(path: Path) -> tuple[dict[int, bytes], int]:
    """The oracle: pydicom's raw values and the place where PixelData begins."""
    with open(path, "rb") as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        start = file.tell() + (8 if dataset.original_encoding[0] else 12)
        values = {int(tag): dataset.get_item(tag).value for tag in dataset.keys() if tag in WANTED and tag != REAL_WORLD_MAPPING}
    return {tag: value.encode() if isinstance(value, str) else value or b"" for tag, value in values.items()}, start


def without_sequences(elements: Elements) -> dict[int, bytes]:
    return {tag: value for tag, value in elements.values.items() if tag != REAL_WORLD_MAPPING}


def nest(dataset: pydicom.Dataset, undefined: bool) -> None:
    """Sequences with attributes of the wanted tags inside, which must not be taken for the image's own."""
    inner = pydicom.Dataset()
    inner.SeriesDescription, inner.Rows, inner.PixelData = "icon", 7, b"\1\2"
    inner["PixelData"].VR = "OW"
    outer = pydicom.Dataset()
    outer.ReferencedImageSequence = [inner, pydicom.Dataset()]
    dataset.ReferencedStudySequence = [outer, outer]
    dataset.add_new(0x00091001, "OB", bytes(40_000))
    for sequence in (dataset["ReferencedStudySequence"], outer["ReferencedImageSequence"]):
        sequence.is_undefined_length = undefined
        for item in sequence.value:
            item.is_undefined_length_sequence_item = undefined


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [False, True])
def test_the_walk_finds_what_pydicom_finds(
        tmp_path: Path, write_image: WriteImage, syntax: pydicom.uid.UID, undefined: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "x", np.zeros((3, 5), np.uint16), AcquisitionTime="101112.5", EchoTime=1.25, SeriesDescription="LAVA")
    dataset = pydicom.dcmread(path)
    nest(dataset, undefined)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    monkeypatch.setattr(dicom_walk, "_read_by_pydicom", lambda file, size: pytest.fail("the walk gave up"))
    found, (values, start) = read(path), read_slowly(path)
    assert without_sequences(found) == values and found.pixels == (start, 30) and len(values) > 15
    assert found.text("SeriesDescription") == "LAVA" and found.size("Rows") == 3 and found.number("EchoTime") == 1.25


@pytest.mark.parametrize("window", [16, 23, 64, 1000])
def test_the_window_may_end_anywhere(tmp_path: Path, write_image: WriteImage, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "x", np.zeros((3, 5), np.uint16))
    whole = read(path)
    content = path.read_bytes()
    begin = content.index(b"\x08\x00", 132)
    while content[begin:begin + 4] != struct.pack("<HH", 8, 8):
        begin = content.index(b"\x08\x00", begin + 1)
    with open(path, "rb") as file:
        monkeypatch.setattr(dicom_walk, "WINDOW_BYTES", window)
        values, pixels = dicom_walk._walk(file, len(content), content[:begin + 12], begin, explicit=True)
    assert (values, pixels) == (whole.values, whole.pixels)


@pytest.mark.parametrize("character_set, text, stored", [
    ("ISO_IR 192", "动脉期", "动脉期".encode()), ("GB18030", "动脉期", "动脉期".encode("gb18030")), ("ISO_IR 100", "Spätphase", "Spätphase".encode("latin-1"))])
def test_texts_come_in_the_files_character_set(tmp_path: Path, write_image: WriteImage, character_set: str, text: str, stored: bytes) -> None:
    path = write_image(tmp_path / "x", np.zeros((3, 5), np.uint16), SpecificCharacterSet=character_set, SeriesDescription=text)
    assert stored in path.read_bytes() and read(path).text("SeriesDescription") == text


def test_what_the_walk_does_not_understand_is_left_to_pydicom(tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "x", np.zeros((3, 5), np.uint16))
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<HH", 0x0008, 0x0060))
    content[place + 4:place + 6] = b"??"
    path.write_bytes(content)
    called: list[Any] = []
    original = dicom_walk._read_by_pydicom
    monkeypatch.setattr(dicom_walk, "_read_by_pydicom", lambda file, size: called.append(size) or original(file, size))
    try:
        read(path)
    except dicom_walk.Unusable:
        pass
    assert called == [len(content)]


def test_real_headers_agree_with_pydicom(real_data: Path) -> None:
    seen = 0
    for path in sorted(path for path in real_data.rglob("*") if path.suffix == ".dcm")[::7]:
        values, start = read_slowly(path)
        found = read(path)
        assert {tag: value for tag, value in values.items() if len(value) <= dicom_walk.LONGEST_VALUE_BYTES} == without_sequences(found)
        assert found.pixels is None or found.pixels[0] == start or os.path.getsize(path) < start
        seen += 1
    assert seen > 40
