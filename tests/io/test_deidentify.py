from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.deidentify_plan import CopyPlan
from lirads_keras.io.deidentify_rules import clean_dataset
from lirads_keras.io.dicom import read_series, read_study, read_volume
from lirads_keras.io.dicom_elements import quiet_pydicom
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
    assert [series.description for series in read_series(tmp_path / "out") if series.phase is Phase.OTHER] == ["not a phase"]


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


def clean(keep_times: bool = True, **attributes: Any) -> tuple[pydicom.FileDataset, list[str]]:
    """A dataset without pixels, cleaned, and the keywords of what was emptied."""
    dataset = pydicom.FileDataset("", {}, file_meta=pydicom.dataset.FileMetaDataset())
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with quiet_pydicom():
        for keyword, value in ({"SOPClassUID": MRImageStorage, "SOPInstanceUID": "1.2.3"} | attributes).items():
            setattr(dataset, keyword, value)
        emptied = clean_dataset(dataset, PSEUDONYMS, CopyPlan("ID-4711", "", ""), keep_times=keep_times)
    return dataset, [item.keyword for item in emptied]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), min_size=4, max_size=4), st.sampled_from(["", "-0500", "+0530"]))
def test_all_dates_move_by_one_number_of_days_and_times_of_day_stay(moments: list[datetime], offset: str) -> None:
    acquired, content, both, nested = moments
    frame = pydicom.Dataset()
    frame.FrameAcquisitionDateTime = f"{nested:%Y%m%d%H%M%S.%f}{offset}"
    copy, emptied = clean(
        AcquisitionDate=f"{acquired:%Y%m%d}", AcquisitionTime=f"{acquired:%H%M%S.%f}", ContentDate=f"{content:%Y.%m.%d}", ContentTime=f"{content:%H:%M:%S.%f}",
        AcquisitionDateTime=f"{both:%Y%m%d%H%M%S.%f}{offset}", FrameContentSequence=[frame], DateOfGainCalibration=f"{both:%Y%m%d}",
        ContrastBolusStartTime=f"{content:%H%M}")
    moved = [copy.AcquisitionDate + copy.AcquisitionTime, copy.ContentDate + copy.ContentTime.replace(":", ""), copy.AcquisitionDateTime,
             copy.FrameContentSequence[0].FrameAcquisitionDateTime, copy.DateOfGainCalibration + f"{both:%H%M%S.%f}"]
    shift = PSEUDONYMS.shift("ID-4711")
    assert [datetime.strptime(text, "%Y%m%d%H%M%S.%f") for text in moved] == [moment - shift for moment in (acquired, content, both, nested, both)]
    assert copy.ContrastBolusStartTime == f"{content:%H%M}" and not emptied


@pytest.mark.parametrize("keyword, value", [
    ("AcquisitionTime", "Doe^Quincy"), ("AcquisitionTime", "106000"), ("AcquisitionTime", "250000"), ("AcquisitionTime", "1"),
    ("AcquisitionDate", "20210229"), ("AcquisitionDate", "born 1950"), ("StudyDate", "00010101"), ("AcquisitionDateTime", "2021"),
    ("AcquisitionDateTime", "20210228Doe"), ("ContrastBolusStartTime", "ten")])
def test_what_is_no_date_or_time_is_emptied_and_told(keyword: str, value: str) -> None:
    copy, emptied = clean(**{keyword: value})
    assert emptied == [keyword] and not copy[keyword].value


@pytest.mark.parametrize("keyword, value, expected", [
    ("AcquisitionTime", "10", "10"), ("AcquisitionTime", "235960.5 ", "235960.5"), ("AcquisitionTime", "", ""),
    ("StudyDate", "20200229", f"{datetime(2020, 2, 29) - PSEUDONYMS.shift('ID-4711'):%Y%m%d}"),
    ("PatientAge", "061Y", "061Y"), ("PatientAge", "018M", "018M"), ("PatientAge", "093Y", "090Y"), ("PatientSex", "F", "F"), ("PatientSex", "Doe", ""),
    ("PatientBirthDate", "19500102", ""), ("PatientWeight", "80", None), ("EthnicGroup", "x", None)])
def test_what_a_copy_keeps(keyword: str, value: str, expected: str | None) -> None:
    copy, emptied = clean(**{keyword: value})
    assert (str(copy.get(keyword) or "") if keyword in copy else None) == expected and not emptied


def test_the_options_are_named_and_a_copy_without_times_has_none() -> None:
    times = {"StudyDate": "20200229", "StudyTime": "101112", "AcquisitionDateTime": "20200229101112", "ContrastBolusStartTime": "101112",
             "DateOfGainCalibration": "20200229", "TimeOfGainCalibration": "101112"}
    for keep_times, codes in ((True, ["113100", "113105", "113108", "113111", "113107"]), (False, ["113100", "113105", "113108", "113111"])):
        copy, _ = clean(keep_times, **times)
        assert [code.CodeValue for code in copy.DeidentificationMethodCodeSequence] == codes
        assert not [element.keyword for element in copy if "20200229" in str(element.value)]
        kept = {element.keyword for element in copy if "101112" in str(element.value)}
        assert kept == ({"StudyTime", "AcquisitionDateTime", "ContrastBolusStartTime", "TimeOfGainCalibration"} if keep_times else set())


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
