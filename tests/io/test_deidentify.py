from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.dicom import read_series, read_study, read_volume
from lirads_keras.io.pseudonyms import Pseudonyms

WriteSeries = Callable[..., list[Path]]
PSEUDONYMS = Pseudonyms(bytes(32))
SECRETS = [b"Doe", b"Quincy", b"19500102", b"20200229", b"ID-4711", b"Meyer", b"General Hospital",
           b"1.2.826.0.1.3680043.8.498.7", b"written on the film", b"LAVA"]


def deidentify(tmp_path: Path, out: str = "out", keep_times: bool = True) -> list[pydicom.FileDataset]:
    deidentify_folder(tmp_path / "in", tmp_path / out, tmp_path / "key", lambda: PSEUDONYMS, keep_times=keep_times)
    return [pydicom.dcmread(path) for path in sorted((tmp_path / out).rglob("*")) if path.is_file()]


def write_patient(tmp_path: Path, write_series: WriteSeries) -> None:
    series = [("LAVA ARTERIAL", "100030"), ("LAVA portal venous", "100100"), ("LAVA DELAYED", "100300"), ("ADC Quincy", "101000")]
    for number, (name, time) in enumerate(series):
        for path in write_series(tmp_path / "in" / str(number), 2, description=name, series=number + 1, first_value=10 * number + 10, **{
                "PatientID": "ID-4711", "PatientName": "Doe^Quincy", "PatientBirthDate": "19500102", "AcquisitionDate": "20200229", "AcquisitionTime": time,
                "ContrastBolusStartTime": "100000", "StudyDate": "20200229", "InstitutionName": "General Hospital", "ProtocolName": "LAVA Doe"}):
            dataset = pydicom.dcmread(path)
            dataset.preamble = b"Doe^Quincy".ljust(128, b"\0")
            dataset.ManufacturerModelName = "seen by quincy"
            dataset.add_new(0x60000010, "US", 3)
            dataset.add_new(0x60003000, "OW", b"written on the film ")
            dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"Doe^Quincy")
            inner = pydicom.Dataset()
            inner.ReferencedSOPInstanceUID, inner.ReferencedSOPClassUID = "1.2.826.0.1.3680043.8.498.7.7", dataset.SOPClassUID
            inner.OperatorsName, inner.TextValue = "Meyer^Ann", "Dr. Meyer saw Doe"
            dataset.SoftwareVersions = "built before 2020-02-29"
            dataset.SourceImageSequence = [inner]
            dataset.save_as(path)


@pytest.mark.parametrize("keep_times", [False, True])
def test_no_byte_of_a_copy_tells_who_it_is(tmp_path: Path, write_series: WriteSeries, keep_times: bool) -> None:
    write_patient(tmp_path, write_series)
    copies = deidentify(tmp_path, keep_times=keep_times)
    assert len(copies) == 8
    for path in (tmp_path / "out").rglob("*"):
        content = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        assert not [secret for secret in SECRETS if secret.lower() in content.lower().replace(str(tmp_path).lower().encode(), b"")], path
    first = copies[0]
    assert first.PatientID == first.PatientName == PSEUDONYMS.patient("ID-4711") and first.PatientIdentityRemoved == "YES"
    assert [code.CodeValue for code in first.DeidentificationMethodCodeSequence][0] == "113100"
    assert all(str(copy[keyword].value).startswith("2.25.") for copy in copies for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"))
    assert not [element for element in first.iterall() if element.tag.is_private] and first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_every_file_is_told_also_what_is_left_out(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patient(tmp_path, write_series)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / "broken.dcm").write_text("no image")
    told: list[tuple[float | None, str]] = []
    deidentify_folder(tmp_path / "in", tmp_path / "out", tmp_path / "key", lambda: PSEUDONYMS, progress=lambda *progress: told.append(progress))
    assert told == [(done / 20, f"file {done} of 10") for done in range(1, 11)] + [(0.5 + done / 16, f"copy {done} of 8") for done in range(1, 9)]


def test_a_copy_is_the_same_study(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patient(tmp_path, write_series)
    deidentify(tmp_path)
    before, after = read_study(tmp_path / "in").phases(), read_study(tmp_path / "out").phases()
    assert after.keys() - {Phase.OTHER} == {Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED} and after.keys() == before.keys()
    for phase, series in after.items():
        a, b = read_volume(before[phase]), read_volume(series)
        np.testing.assert_array_equal(a.array, b.array)
        np.testing.assert_array_equal(a.affine, b.affine)
    assert [series.description for series in read_series(tmp_path / "out") if series.phase is Phase.OTHER] == ["no contrast phase"]


def test_uids_and_dates_follow_the_key(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patient(tmp_path, write_series)
    basic, again, moved = deidentify(tmp_path, keep_times=False), deidentify(tmp_path, "again", keep_times=False), deidentify(tmp_path, "moved")
    assert [copy.SOPInstanceUID for copy in basic] == [copy.SOPInstanceUID for copy in again] and len({copy.SOPInstanceUID for copy in basic}) == 8
    assert len({copy.SeriesInstanceUID for copy in basic}) == 4 and len({copy.StudyInstanceUID for copy in basic}) == 1
    assert {copy.SourceImageSequence[0].ReferencedSOPInstanceUID for copy in basic} == {PSEUDONYMS.uid("1.2.826.0.1.3680043.8.498.7.7")}
    assert {str(copy.get("AcquisitionTime") or "") for copy in basic} <= {"", "000000.00"} and "20200229" not in {str(copy.get("StudyDate")) for copy in basic}
    dates = {copy.AcquisitionDate for copy in moved} | {copy.StudyDate for copy in moved}
    assert len(dates) == 1 and dates != {"20200229"} and {copy.AcquisitionTime for copy in moved} == {"100030", "100100", "100300", "101000"}
    assert moved[0].LongitudinalTemporalInformationModified == "MODIFIED" and moved[0].PatientBirthDate != "19500102"


def test_overlays_in_unused_bits_are_cleared_and_the_safe_private_scale_stays(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    (tmp_path / "in").mkdir()
    for index in range(2):
        path = write_image(tmp_path / "in" / str(index), np.array([[0xF123, 0x0001]], np.uint16), BitsStored=12, HighBit=11, ImagePositionPatient=[0, 0, index])
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
        dataset.save_as(path)
    for copy in deidentify(tmp_path):
        assert np.frombuffer(copy.PixelData, "<u2").tolist() == [0x123, 1]
        assert copy[0x2005100E].value == 0.5 and copy[0x20050010].value == "Philips MR Imaging DD 001"


def test_what_cannot_be_cleaned_is_left_out_and_listed_beside_the_key(tmp_path: Path, write_series: WriteSeries, write_image: Callable[..., Path]) -> None:
    write_series(tmp_path / "in")
    write_image(tmp_path / "in" / "burned", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.5", BurnedInAnnotation="YES")
    (tmp_path / "in" / "Doe.txt").write_text("hello")
    assert len(deidentify(tmp_path)) == 4
    listed = (tmp_path / "key.left_out.csv").read_text()
    assert "burned,an image with burned-in text (a screenshot)" in listed and "Doe.txt,no DICOM file" in listed


def test_bad_calls_write_nothing(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path / "in")
    with pytest.raises(InputError, match="a file outside of the copies' folder"):
        deidentify_folder(tmp_path / "in", tmp_path / "out", tmp_path / "out" / "key", lambda: PSEUDONYMS)
    (tmp_path / "empty").mkdir()
    for folder, message in (("absent", "no such folder"), ("empty", "an empty folder")):
        with pytest.raises(InputError, match=message):
            deidentify_folder(tmp_path / folder, tmp_path / "out", tmp_path / "key", lambda: pytest.fail("no key is needed"))
    assert not (tmp_path / "out").exists() and not (tmp_path / "key").exists()


def test_real_files_come_out_clean_and_equal(real_data: Path, tmp_path: Path) -> None:
    original = real_data / "seg_sr_examples" / "segmentations" / "24x38x3"
    deidentify_folder(original, tmp_path / "out", tmp_path / "key", lambda: PSEUDONYMS)
    before, after = ({len(series.frames): read_volume(series) for series in read_series(folder)} for folder in (original, tmp_path / "out"))
    assert before.keys() == after.keys() == {0, 3}
    for kind, volume in before.items():
        np.testing.assert_array_equal(volume.array, after[kind].array)
