"""What lies beside the images, and images that older systems write: what is DICOM is read, the rest is told with its reason."""
from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.dicom_scan import scan_folder
from lirads_keras.io.pseudonyms import Pseudonyms

WriteSeries = Callable[..., list[Path]]

BESIDE = {
    ".DS_Store": (b"\0\0\0\1Bud1" + bytes(200), "no DICOM file"),
    "._1-0.dcm": (b"\0\5\x16\7" + bytes(400), "what macOS keeps beside a file"),
    "._IM0001": (b"\0\5\x16\7" + bytes(400), "what macOS keeps beside a file"),
    "__MACOSX/._a.ima": (bytes(400), "what macOS keeps beside a file"),
    "Thumbs.db": (b"\xd0\xcf\x11\xe0" + bytes(500), "no DICOM file"),
    "report.pdf": (b"%PDF-1.4" + bytes(500), "a PDF"),
    "report.dcm": (b"%PDF-1.7" + bytes(500), "a PDF"),
    "viewer/autorun.exe": (b"MZ" + bytes(500), "no DICOM file"),
    "x.zip": (b"PK\3\4" + bytes(50), "an archive, which is not looked into: unpack it"),
    "empty": (b"", "empty"),
    "empty.dcm": (b"", "empty"),
    "other/0001.dcm": (b"", "empty"),
    # Begins as an image of group 8 would, and is none.
    "counter.bin": (struct.pack("<HHI", 8, 5, 4) + b"\0\1\2\3" + b"\xff" * 300, "no DICOM file"),
    "counter2.bin": (struct.pack("<HH2sH", 8, 8, b"CS", 4) + b"ABCD" + b"not an element at all" * 9, "no DICOM file"),
    "meta.bin": (struct.pack("<HH2sH", 2, 0, b"UL", 4) + b"\x10\0\0\0" + b"\x33" * 300, "no DICOM file")}
"""Name, content and the reason that is right."""


def write_beside(folder: Path) -> None:
    for name, (content, _) in BESIDE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_what_lies_beside_the_images_stops_nothing_and_is_told(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path)
    write_beside(tmp_path)
    assert {aside.path.relative_to(tmp_path).as_posix(): aside.reason for aside in scan_folder(tmp_path).set_aside} == {
        name: reason for name, (_, reason) in BESIDE.items()}
    study = read_study(tmp_path)
    assert read_volume(study.phases()[Phase.DELAYED]).shape == (4, 3, 5)
    told = "\n".join(study.left_out)
    assert all(f": {reason}" in told for _, reason in BESIDE.values())


@pytest.mark.parametrize("name", ["1-2.dcm", "1-4.dcm", "1-17.dcm"])
def test_an_empty_file_that_is_named_as_the_slices_are_was_one(tmp_path: Path, write_series: WriteSeries, name: str) -> None:
    write_series(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=f"{name}: expected a DICOM file, as its name says, found an empty file"):
        read_study(tmp_path)


@pytest.mark.parametrize("name, content, found", [
    ("IM4", b"<html>404</html>", "none"), ("IM4", b"\x1f\x8b" + bytes(90), "an archive"), ("IM4.gz", b"\x1f\x8b" + bytes(90), "an archive"),
    ("IM4", None, "a link to a file that is not there"), ("IM4", b"\xff\xd8\xff" + bytes(90), "a picture"),
    ("x.dcm.gz", b"\x1f\x8b" + bytes(90), "a packed one")])
def test_what_stands_in_the_place_of_a_slice_is_a_lost_one(tmp_path: Path, write_series: WriteSeries, name: str, content: bytes | None, found: str) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        path.rename(tmp_path / f"IM{index}")
    # Beside the slices, but named otherwise: rubbish.
    (tmp_path / "index.html").write_text("<html>")
    (tmp_path / "key.dcm").write_bytes(b"\x89PNG" + bytes(90))
    (tmp_path / "lock").symlink_to("host:1234")
    assert len(read_study(tmp_path).left_out) == 3
    (tmp_path / name).symlink_to("/nowhere") if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: expected a DICOM file, as its name says, found {found}"):
        read_study(tmp_path)


def test_series_behind_links_are_read_and_circles_walked_once(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path / "in" / "a", description="LAVA ART 30s", series=1)
    write_series(tmp_path / "b", series=2)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "b" / "again").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "in" / "same").symlink_to(tmp_path / "in" / "a", target_is_directory=True)
    study = read_study(tmp_path / "in")
    assert sorted(study.phases()) == [Phase.ARTERIAL, Phase.DELAYED] and not study.left_out
    (tmp_path / "in" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert ["a link to a folder above" in line for line in read_study(tmp_path / "in").left_out] == [True]


@pytest.mark.parametrize("photometric, words", [
    ("PALETTE COLOR", "a colour image"), ("MONOCHROME1", None), ("MONOCHROME2", None), (None, None)])
def test_pixels_that_are_no_intensities_are_set_aside(tmp_path: Path, write_series: WriteSeries, photometric: str | None, words: str | None) -> None:
    write_series(tmp_path, PhotometricInterpretation=photometric)
    if words is None:
        assert list(read_study(tmp_path).phases()) == [Phase.DELAYED]
    else:
        with pytest.raises(InputError, match=words):
            read_study(tmp_path)


def without_preamble(path: Path, how: str) -> None:
    """Rewrites an image as older systems store it."""
    if "implicit" in how:
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    content = path.read_bytes()
    meta_bytes = 12 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    match how.split()[0]:
        case "meta":
            path.write_bytes(content[132:])
        case "none":
            path.write_bytes(content[132 + meta_bytes:])
        case "mark":
            path.write_bytes(content[:132] + content[132 + meta_bytes:])


@pytest.mark.parametrize("suffix", [".dcm", ""])
@pytest.mark.parametrize("how", ["meta explicit", "meta implicit", "none explicit", "none implicit", "mark explicit", "mark implicit"])
def test_images_without_preamble_or_file_meta_information_are_read(tmp_path: Path, write_series: WriteSeries, how: str, suffix: str) -> None:
    paths = write_series(tmp_path, RescaleSlope=0.5, RescaleIntercept=-7)
    expected = read_volume(read_study(tmp_path).phases()[Phase.DELAYED]).array
    for path in paths:
        without_preamble(path, how)
        path.rename(path.with_suffix(suffix))
    np.testing.assert_array_equal(read_volume(read_study(tmp_path).phases()[Phase.DELAYED]).array, expected)
    assert not scan_folder(tmp_path).set_aside


def test_a_truncated_image_without_preamble_is_broken(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path)
    for path in paths:
        without_preamble(path, "none explicit")
    paths[3].write_bytes(paths[3].read_bytes()[:-9])
    with pytest.raises(InputError, match="1-3.dcm: expected 30 bytes of PixelData .* found 21"):
        read_study(tmp_path)


def test_multi_frame_images_and_clean_copies_of_such_files(tmp_path: Path, write_series: WriteSeries, write_multi_frame: Callable[..., Path]) -> None:
    frames = [{"z_mm": 4.0 * z, "slope": 2.0} for z in range(3)]
    (tmp_path / "many").mkdir()
    without_preamble(write_multi_frame(tmp_path / "many" / "m", np.ones((3, 3, 4), np.uint16), frames), "none explicit")
    assert read_volume(read_study(tmp_path / "many").phases()[Phase.DELAYED]).array.tolist() == np.full((3, 3, 4), 2.0).tolist()
    for path in write_series(tmp_path / "one"):
        without_preamble(path, "none implicit")
    deidentify_folder(tmp_path / "one", tmp_path / "clean", tmp_path / "key", lambda: Pseudonyms(bytes(32)), keep_times=True)
    copies = [pydicom.dcmread(path) for path in (tmp_path / "clean").rglob("*.dcm")]
    assert len(copies) == 4 and {copy.file_meta.TransferSyntaxUID for copy in copies} <= {ImplicitVRLittleEndian, ExplicitVRLittleEndian}
