"""`deidentify`, then `index`, gives what `index` gave before, whatever told the time points and the phases."""
from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import DeidentifySummary, deidentify_folder
from lirads_keras.io.deidentify_plan import NO_NAME, NO_PHASE, clean_name
from lirads_keras.io.index import index_folder
from lirads_keras.io.phases import find_by_name
from lirads_keras.io.pseudonyms import Pseudonyms

WriteImage = Callable[..., Path]
Write = Callable[[Path, WriteImage], None]
PSEUDONYMS = Pseudonyms(bytes(range(32)))
PHASES = ["arterial", "portal_venous", "delayed"]
CLOCK = {"ContrastBolusStartTime": "100000", "AcquisitionDate": "20200229", "StudyDate": "20200229", "ContentDate": "20200229"}
PERSON = {"PatientID": "ID 4711", "PatientName": "Doe^Quincy", "PatientBirthDate": "19500102", "PatientAge": "070Y", "PatientSex": "F",
          "Manufacturer": "SIEMENS", "ManufacturerModelName": "Skyra", "MagneticFieldStrength": 3}


def write_times(folder: Path, write_image: WriteImage, of_time: list[dict[str, Any]], *, slices: int = 3, series: str = "1.2.9", **attributes: Any) -> None:
    """Time points of one series, stored in disorder under names without order; slice z of time point t holds 10 · t + z."""
    folder.mkdir(parents=True, exist_ok=True)
    for time, own in enumerate(of_time):
        for z in range(slices):
            write_image(folder / f"{(7 * z + 5 * time) % 11:02d}-{series}-{time}", np.full((3, 4), 10 * time + z, np.uint16), **PERSON | {
                "SeriesInstanceUID": series, "SeriesDescription": "t1_vibe_fs_tra_dyn", "ImagePositionPatient": [0, 0, 4 * z], "SliceThickness": 4,
                "SeriesNumber": 5, "InstanceNumber": z + 1, "AcquisitionNumber": 1} | attributes | own)


def three_series(folder: Path, write_image: WriteImage, of_series: list[dict[str, Any]], **attributes: Any) -> None:
    for number, own in enumerate(of_series):
        write_times(folder, write_image, [own], series=f"1.2.9.{number}", **{"SeriesNumber": 5 + number} | attributes)


def multi_frame(folder: Path, write_multi_frame: Callable[..., Path], **content: list[Any]) -> None:
    """One enhanced image of three time points; `content` has an attribute of the frame content for each."""
    folder.mkdir(parents=True)
    frames = [{"z_mm": 4.0 * z} for z in range(3) for _ in range(3)]
    path = write_multi_frame(folder / "frames", np.arange(9 * 12, dtype=np.uint16).reshape(9, 3, 4), frames, **PERSON | {
        "SeriesDescription": "dyn", "ContrastBolusStartTime": "100000"})
    dataset = pydicom.dcmread(path)
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        for keyword, values in content.items():
            setattr(group.FrameContentSequence[0], keyword, values[index % 3])
    dataset.save_as(path)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def chain(tmp_path: Path, keep_times: bool = True) -> DeidentifySummary:
    return deidentify_folder(tmp_path / "in", tmp_path / "copies", tmp_path / "key", lambda: PSEUDONYMS, keep_times=keep_times)


def found(folder: Path, out: Path, pseudonym: Callable[[str], str], uid: Callable[[str], str], evidence: bool = True) -> list[Any]:
    """All that index makes of a heap, with `pseudonym` and `uid` for what de-identification replaces, and the pixels instead of file names."""
    index_folder(folder, out, None, cohort="x")

    def kind(text: str) -> str:
        text = re.sub("; time points told apart by .*", "", text)
        text = re.sub("(SeriesDescription|ProtocolName) '.*", r"\1", text)
        return re.sub("the arterial '.*'", "the arterial", text) if evidence else ""

    pixels = {
        (uid(row["series_uid"]), row["time_point"]): [] for row in rows(out / "files.csv")}
    folders: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        series = pydicom.dcmread(path, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID
        folders[series] = path.parent if folders.get(series, path.parent) == path.parent else folder
    for row in rows(out / "files.csv"):
        array = pydicom.dcmread(folders[row["series_uid"]] / row["path"]).pixel_array
        array = array[int(row["frame"])] if row["frame"] else array
        pixels[uid(row["series_uid"]), row["time_point"]].append(int(array[0, 0]))
    patients = sorted(
        (pseudonym(row["patient_id"]), row["age_years"], row["sex"], row["scanner"]) for row in rows(out / "patients.csv"))
    series = sorted(
        (pseudonym(row["patient_id"]), row["phase"], uid(row["series_uid"]), row["time_point"], kind(row["phase_evidence"]), row["geometry"])
        for row in rows(out / "series.csv"))
    questions = {}
    for row in rows(out / "phase_overrides.csv"):
        questions.setdefault(pseudonym(row["patient_id"]), []).append(
            (row["examination"], uid(row["series_uid"]), row["time_point"], row["slices"], row["candidates"], kind(row["evidence"])))
    aside = sorted((uid(row["series_uid"]), re.sub("'.*'", "", row["reason"])) for row in rows(out / "set_aside.csv"))
    return [patients, series, sorted(questions.items()), sorted(pixels.items()), aside]


def assert_same(tmp_path: Path, evidence: bool = True, aside: bool = True) -> list[Any]:
    before = found(tmp_path / "in", tmp_path / "before", PSEUDONYMS.patient, PSEUDONYMS.uid, evidence)
    after = found(tmp_path / "copies", tmp_path / "after", str, str, evidence)
    for a, b in zip(before[:4 + aside], after[:4 + aside], strict=True):
        assert a == b
    return before


def read_copies(tmp_path: Path) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(path) for path in sorted((tmp_path / "copies").rglob("*.dcm"))]


def parse_day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()


def slice_clock(start: int) -> list[dict[str, str]]:
    return [{"AcquisitionTime": f"10{time // 60:02d}{time % 60:02d}.2500"} for time in (start, start + 35, start + 165)]


WAYS: dict[str, tuple[Write, list[str]]] = {
    # What tells the time points; and the phases that index finds in the original, "" for a question.
    "TemporalPositionIdentifier": (lambda folder, write: write_times(folder, write, [{"TemporalPositionIdentifier": 4 * time + 2} for time in range(3)]), []),
    "TriggerTime": (lambda folder, write: write_times(
        folder, write, [{"TriggerTime": time} for time in (30000, 65000, 180000)], AcquisitionTime="100000", **CLOCK), PHASES),
    "AcquisitionTime": (lambda folder, write: write_times(folder, write, slice_clock(30), **CLOCK), PHASES),
    "AcquisitionTime without a date": (lambda folder, write: write_times(folder, write, slice_clock(30), ContrastBolusStartTime="100000"), PHASES),
    "AcquisitionTime and TriggerTime alike": (lambda folder, write: write_times(
        folder, write, [own | {"TriggerTime": time} for own, time in zip(slice_clock(30), (0, 35000, 165000), strict=True)], **CLOCK), PHASES),
    "ContentTime": (lambda folder, write: write_times(
        folder, write, [{"ContentTime": f"1{time}0000"} for time in (2, 0, 1)], ContentDate="20200229", AcquisitionTime="100030",
        AcquisitionDate="20200229"), []),
    "AcquisitionDateTime": (lambda folder, write: write_times(
        folder, write, [{"AcquisitionDateTime": f"2020022910{time}000.000000", "AcquisitionNumber": time + 1} for time in range(3)]), []),
    "AcquisitionTime past midnight and the end of February": (lambda folder, write: write_times(folder, write, [
        {"AcquisitionDate": day, "AcquisitionTime": time} for day, time in (("20210228", "235950"), ("20210301", "000025"), ("20210301", "000235"))],
        ContrastBolusStartTime="235920"), PHASES),
    "contrast clock of three series": (lambda folder, write: three_series(folder, write, slice_clock(30), **CLOCK), PHASES),
    "contrast clock past midnight": (lambda folder, write: three_series(folder, write, [
        {"AcquisitionTime": time} for time in ("000010", "000045", "000255")], AcquisitionDate="20200301", ContrastBolusStartTime="235940"), PHASES),
    "time after the named arterial": (lambda folder, write: three_series(folder, write, [
        own | {"SeriesDescription": name} for own, name in zip(slice_clock(30), ("LAVA art Doe", "LAVA", "LAVA"), strict=True)]), PHASES),
    "time after the named arterial, past the end of the year": (lambda folder, write: three_series(folder, write, [
        {"AcquisitionDate": day, "AcquisitionTime": time, "SeriesDescription": name}
        for day, time, name in (("20191231", "235950", "LAVA art"), ("20200101", "000025", "LAVA"), ("20200101", "000235", "LAVA"))]), PHASES),
    "precontrast before midnight": (lambda folder, write: three_series(folder, write, [
        {"AcquisitionTime": time} for time in ("235950", "000045", "000255")], ContrastBolusStartTime="000010"), ["precontrast", "arterial", "delayed"]),
    "names": (lambda folder, write: three_series(folder, write, [
        {"SeriesDescription": name} for name in ("Doe ARTERIAL 35s", "portalvenös Dr. Meyer", "延迟期")],
        SpecificCharacterSet="ISO_IR 192"), PHASES),
    "protocols": (lambda folder, write: three_series(folder, write, [
        {"SeriesDescription": "AX", "ProtocolName": f"LAVA {name} Doe"} for name in ("art", "PV", "delay")]), PHASES),
    "names that say two phases, beside a clock": (lambda folder, write: three_series(folder, write, [
        own | {"SeriesDescription": "LAVA art pv Doe"} for own in slice_clock(30)], **CLOCK), []),
    "another weighting, beside a clock": (lambda folder, write: three_series(folder, write, [
        own | {"SeriesDescription": name} for own, name in zip(slice_clock(30), ("T2 HASTE Doe", "dyn", "dyn"), strict=True)], **CLOCK), PHASES[1:]),
    "names and series numbers under one UID": (lambda folder, write: write_times(folder, write, [
        {"SeriesDescription": name, "SeriesNumber": number, "AcquisitionTime": f"10{number:02d}00"}
        for number, name in ((5, "LAVA art Doe"), (6, "LAVA pv Doe"), (7, "LAVA delay Doe"))], AcquisitionDate="20200229"), PHASES),
    "Dixon images and time": (lambda folder, write: write_times(folder, write, [
        own | {"ImageType": ["DERIVED", "PRIMARY", kind], "AcquisitionNumber": index // 2 + 1}
        for index, (own, kind) in enumerate((own, kind) for own in slice_clock(30) for kind in ("WATER", "OTHER"))], **CLOCK), []),
}


@pytest.mark.parametrize("keep_times", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_index_finds_in_the_copies_what_it_finds_in_the_heap(tmp_path: Path, write_image: WriteImage, way: str, keep_times: bool) -> None:
    write, phases = WAYS[way]
    write(tmp_path / "in", write_image)
    summary = chain(tmp_path, keep_times)
    assert not summary.notices
    _, series, *_ = assert_same(tmp_path, evidence=keep_times)
    assert sorted(row[1] for row in series) == sorted(phases)


@pytest.mark.parametrize("content", [
    {"TemporalPositionIndex": [3, 1, 2]},
    {"FrameAcquisitionDateTime": ["20200229235950.25", "20200301000025.25", "20200301000235.25"]}], ids=lambda content: next(iter(content)))
def test_frames_of_an_enhanced_image(tmp_path: Path, write_multi_frame: Callable[..., Path], content: dict[str, list[Any]]) -> None:
    multi_frame(tmp_path / "in", write_multi_frame, **content)
    assert not chain(tmp_path).notices
    before = assert_same(tmp_path)
    assert len(before[3]) == 3
    copy = pydicom.dcmread(next((tmp_path / "copies").rglob("*.dcm")))
    positions = [group.FrameContentSequence[0].TemporalPositionIndex for group in copy.PerFrameFunctionalGroupsSequence]
    assert positions == (content.get("TemporalPositionIndex") or [1, 2, 3]) * 3


def test_time_points_are_numbered_where_other_attributes_told_them(tmp_path: Path, write_image: WriteImage) -> None:
    write_times(tmp_path / "in", write_image, [*reversed(slice_clock(30))], **CLOCK)
    chain(tmp_path)
    numbers = {copy.AcquisitionTime: copy.TemporalPositionIdentifier for copy in read_copies(tmp_path)}
    assert numbers == {"100030.2500": 1, "100105.2500": 2, "100315.2500": 3}
    assert {copy.NumberOfTemporalPositions for copy in read_copies(tmp_path)} == {3}


@pytest.mark.parametrize("of_time", [[{"TemporalPositionIdentifier": number} for number in (7, 8, 11)], [{}]], ids=["its own numbers", "one time point"])
def test_numbers_that_tell_already_stay_and_one_time_point_gets_none(tmp_path: Path, write_image: WriteImage, of_time: list[dict[str, Any]]) -> None:
    write_times(tmp_path / "in", write_image, of_time)
    chain(tmp_path)
    assert {copy.get("TemporalPositionIdentifier") for copy in read_copies(tmp_path)} == {own.get("TemporalPositionIdentifier") for own in of_time}
    assert not any("NumberOfTemporalPositions" in copy for copy in read_copies(tmp_path))


def test_images_of_one_position_without_any_time_are_not_numbered_by_a_guess(tmp_path: Path, write_image: WriteImage) -> None:
    write_times(tmp_path / "in", write_image, [{}, {}])
    next((tmp_path / "in").iterdir()).unlink()         # one position stands once, the others twice
    chain(tmp_path)
    assert not any("TemporalPositionIdentifier" in copy for copy in read_copies(tmp_path))


def test_all_files_of_a_patient_move_by_one_amount_in_whichever_runs_they_come(tmp_path: Path, write_image: WriteImage) -> None:
    days = {"1.2.3": "20191231", "1.2.4": "20200101", "1.2.5": "20200301"}
    for run, studies in (("a", ("1.2.5",)), ("b", ("1.2.3", "1.2.4"))):
        for study in studies:
            write_times(tmp_path / run / "in" / study, write_image, slice_clock(30), series=f"{study}.9", StudyInstanceUID=study, StudyDate=days[study],
                        StudyTime="095959", AcquisitionDate=days[study])
        chain(tmp_path / run)
    moved = {copy.StudyInstanceUID: copy for run in ("a", "b") for copy in read_copies(tmp_path / run)}
    shift = {parse_day(day) - parse_day(moved[PSEUDONYMS.uid(study)].StudyDate) for study, day in days.items()}
    assert shift == {PSEUDONYMS.shift("ID 4711")} and all(copy.AcquisitionDate == copy.StudyDate for copy in moved.values())


def test_several_patients_and_studies_of_several_days_keep_their_order(tmp_path: Path, write_image: WriteImage) -> None:
    # Two studies of one day, whose UIDs count backwards.
    for patient in ("", "A"):
        for study, (day, hour) in {"1.2.7": ("20200228", 11), "1.2.8": ("20200228", 9), "1.2.6": ("20200301", 8)}.items():
            uid = f"{study}.{ord(patient or 'x')}"
            write_times(tmp_path / "in" / uid, write_image, [{"AcquisitionTime": f"{hour:02d}0{time}00"} for time in range(2)], slices=2,
                        PatientID=patient, series=f"{uid}.9", StudyInstanceUID=uid, StudyDate=day, AcquisitionDate=day)
    chain(tmp_path)
    patients, _, questions, *_ = assert_same(tmp_path)
    assert len(patients) == 4
    assert sorted(len({row[0] for row in found}) for _, found in questions) == [1, 1, 1, 3]


def test_files_without_patient_and_study_are_patients_of_their_own(tmp_path: Path, write_image: WriteImage) -> None:
    three_series(tmp_path / "in", write_image, [{}, {}, {}], PatientID=None, StudyInstanceUID=None)
    chain(tmp_path)
    assert len(assert_same(tmp_path)[0]) == 3


def test_a_study_of_two_patients_is_told(tmp_path: Path, write_image: WriteImage) -> None:
    three_series(tmp_path / "in", write_image, [own | {"PatientID": patient} for own, patient in zip(slice_clock(30), "ABA", strict=True)], **CLOCK)
    notice, = chain(tmp_path).notices
    assert "expected one PatientID in a study, found 2" in notice
    assert len(assert_same(tmp_path)[0]) == 2


def test_a_uid_that_was_given_twice_loses_no_image_and_a_copy_is_written_once(tmp_path: Path, write_image: WriteImage) -> None:
    write_times(tmp_path / "in", write_image, slice_clock(30), SOPInstanceUID="1.2.77", **CLOCK)
    shutil.copy(next((tmp_path / "in").iterdir()), tmp_path / "in" / "zz")
    summary = chain(tmp_path)
    assert (summary.written, summary.left_out) == (9, 1) and re.search("zz,(a copy|a slice that is there)", summary.list_path.read_text())
    assert [len(images) for _, images in assert_same(tmp_path, aside=False)[3]] == [3, 3, 3]
    with pytest.raises(InputError, match="10 other file"):
        chain(tmp_path)         # copies of an earlier run are not written over


def test_frames_whose_phases_a_removed_clock_told_are_told(tmp_path: Path, write_multi_frame: Callable[..., Path]) -> None:
    multi_frame(tmp_path / "in", write_multi_frame, FrameAcquisitionDateTime=["20200229100030", "20200229100100", "20200229100300"])
    notice, = chain(tmp_path, keep_times=False).notices
    assert "copies without times do not tell them" in notice
    before, after = (found(tmp_path / name, tmp_path / f"index of {name}", str, str, False) for name in ("in", "copies"))
    assert len(before[1]) == 3 and not after[1] and len(after[2][0][1]) == 3


@pytest.mark.parametrize("first", [*Phase])
def test_a_clean_name_is_read_as_the_name_was(first: Phase) -> None:
    words = {Phase.ARTERIAL: "LAVA ART Doe", Phase.PORTAL_VENOUS: "portalvenös Doe", Phase.DELAYED: "60s 180s Doe", Phase.PRECONTRAST: "T1 nativ (Meyer)",
             Phase.HEPATOBILIARY: "HBP Doe 20min", Phase.TRANSITIONAL: "Doe transitional", Phase.OTHER: "SUB art Doe"}
    for text in [words[first], *(f"{words[first]} {words[second]}" for second in Phase)]:
        for prefix in ("", "1 ", "2 ", "3 "):
            before, after = (find_by_name(name, "") for name in (text, prefix + clean_name(text)))
            assert (before.phase, set(before.candidates)) == (after.phase, set(after.candidates)), text
        assert not re.search("Doe|Meyer|LAVA|T1", clean_name(text))
    assert (clean_name("Doe"), clean_name(""), clean_name("T2 Doe")) == (NO_NAME, "", NO_PHASE)
