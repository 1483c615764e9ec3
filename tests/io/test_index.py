from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError
from lirads_keras.io import file_index, manifests
from lirads_keras.io.dicom import read_series, read_volume
from lirads_keras.io.index import IndexSummary, index_folder
from lirads_keras.io.manifests import read_manifest, series_of
from lirads_keras.io.nifti import write_nifti
from lirads_keras.io.pseudonyms import Pseudonyms

WriteSeries = Callable[..., list[Path]]
PSEUDONYMS = Pseudonyms(bytes(32))
NAMES = {1: "LAVA ARTERIAL 35s", 2: "LAVA PORTAL VENOUS 60s", 3: "LAVA DELAYED 180s"}


def index(folder: Path, out: Path, **options: Any) -> IndexSummary:
    return index_folder(folder, out, lambda: PSEUDONYMS, **{"cohort": "test"} | options)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, **cells: str) -> None:
    """Fills cells of all rows of a table."""
    table = [row | cells for row in rows(path)]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def write_patients(folder: Path, write_series: WriteSeries, count: int = 2, **attributes: Any) -> None:
    for patient in range(1, count + 1):
        for number, name in NAMES.items():
            write_series(
                folder / f"{patient}-{number}", description=name, series=10 * patient + number, first_value=100 * patient + 10 * number, **{
                    "PatientID": f"ID {patient}", "PatientName": f"Doe^John{patient}", "PatientBirthDate": "19500102", "StudyInstanceUID": f"1.2.{patient}",
                    "PatientAge": "061Y", "PatientSex": "M", "Manufacturer": "GE", "ManufacturerModelName": "MR750", "MagneticFieldStrength": 3} | attributes)


def flatten(folder: Path, heap: Path) -> None:
    """All files in one folder, in disorder and without names."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(7).shuffle(paths)
    heap.mkdir()
    for number, path in enumerate(paths):
        shutil.copy(path, heap / f"{number:05d}")


def mask_of(path: Path, labels: np.ndarray) -> None:
    affine = np.array([[0, 0, 1.5, -10], [0, 2, 0, -20], [4, 0, 0, 30], [0, 0, 0, 1.0]])
    write_nifti(path, Volume(labels, (4, 2, 1.5), affine))


def test_every_file_is_told_also_what_is_set_aside(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path / "in" / "a", 2, description=NAMES[3], series=1)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / "broken.dcm").write_text("no image")
    told: list[tuple[float | None, str]] = []
    assert index(tmp_path / "in", tmp_path / "out", progress=lambda *progress: told.append(progress)).files == 4
    assert told == [(0.25, "file 1 of 4"), (0.5, "file 2 of 4"), (0.75, "file 3 of 4"), (1, "file 4 of 4")]


def test_a_flat_heap_becomes_a_manifest_that_is_read_without_looking_for_files(
        tmp_path: Path, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patients(tmp_path / "in", write_series)
    flatten(tmp_path / "in", tmp_path / "heap")
    masks = tmp_path / "their masks"
    masks.mkdir()
    labels = np.zeros((4, 3, 5), np.uint8)
    labels[1:3, 1, 1:3], labels[0, 0, 4] = 1, 2
    mask_of(masks / "ID 1.nii.gz", labels)
    summary = index(tmp_path / "heap", tmp_path / "out", masks=masks, masks_complete=True)
    assert (summary.files, summary.patients, summary.time_points, summary.questions, summary.set_aside, summary.notices) == (24, 2, 6, 0, 0, ())

    ids = {number: PSEUDONYMS.patient(f"ID {number}") for number in (1, 2)}
    fill(tmp_path / "out" / "lesions.csv", category="LR-4")
    manifest = read_manifest(tmp_path / "out")
    patients = manifest.patients.set_index("patient_id")
    assert list(manifest.patients["patient_id"]) == sorted(ids.values())
    assert patients.loc[ids[1], ["group", "cohort", "age_years", "sex", "scanner"]].tolist() == ["positive", "test", 61, "M", "GE MR750 3 T"]
    assert patients.loc[ids[2], "group"] == "negative" and manifest.lesions["mask_label"].tolist() == [1, 2]
    mask = manifest.mask_path(ids[1])
    assert mask is not None and mask == tmp_path / "out" / "masks" / f"{ids[1]}.nii.gz"

    monkeypatch.setattr(manifests, "read_series", lambda folder: pytest.fail("the files are known"))
    for number, patient_id in ids.items():
        series = series_of(manifest, patient_id)
        values = {phase: read_volume(item).array[:, 0, 0].tolist() for phase, item in series.items()}
        assert values == {phase: [100 * number + 10 * order + z for z in range(4)]
                          for order, phase in enumerate((Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED), start=1)}


def test_without_files_csv_the_folders_are_searched(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series, count=1, PatientID="A")
    index(tmp_path / "in", tmp_path / "out")
    fill(tmp_path / "out" / "patients.csv", group="negative")
    manifest = read_manifest(tmp_path / "out")
    by_index = {phase: series.files for phase, series in series_of(manifest, PSEUDONYMS.patient("A")).items()}
    (tmp_path / "out" / "files.csv").unlink()
    assert {phase: series.files for phase, series in series_of(manifest, PSEUDONYMS.patient("A")).items()} == by_index and len(by_index) == 3


def test_nothing_that_is_written_names_the_patient(tmp_path: Path, write_series: WriteSeries, capsys: pytest.CaptureFixture[str]) -> None:
    write_patients(tmp_path / "in", write_series)
    flatten(tmp_path / "in", tmp_path / "heap")
    summary = index(tmp_path / "heap", tmp_path / "out")
    text = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()) + "".join(summary.notices) + "".join(capsys.readouterr())
    assert not [word for word in ("ID 1", "ID 2", "Doe", "John", "19500102") if word in text]


def test_ids_are_kept_where_that_is_asked_for_and_must_then_be_names(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series, count=1)
    index_folder(tmp_path / "in", tmp_path / "out", None, cohort="x")
    assert [row["patient_id"] for row in rows(tmp_path / "out" / "patients.csv")] == ["ID 1"]
    write_patients(tmp_path / "bad", write_series, count=1, PatientID="12/34")
    with pytest.raises(InputError, match="which --keep-ids needs") as caught:
        index_folder(tmp_path / "bad", tmp_path / "other", None, cohort="x")
    assert "12/34" not in str(caught.value) and not (tmp_path / "other").exists()


def test_time_points_without_a_name_are_asked_for_and_the_answers_obeyed(tmp_path: Path, write_series: WriteSeries) -> None:
    for time in range(3):
        write_series(tmp_path / "in" / str(time), description="DYN", first_value=10 * (time + 1), AcquisitionTime=f"10{time}000")
    assert index(tmp_path / "in", tmp_path / "out").questions == 3
    questions = rows(tmp_path / "out" / "phase_overrides.csv")
    assert [(row["time_point"], row["candidates"], row["phase"]) for row in questions] == [
        (str(time), "arterial portal_venous delayed", "") for time in range(3)]
    assert rows(tmp_path / "out" / "series.csv") == []

    answers = ["arterial", "other", "delayed"]
    with open(tmp_path / "out" / "phase_overrides.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, questions[0])
        writer.writeheader()
        writer.writerows(row | {"phase": phase} for row, phase in zip(questions, answers, strict=True))
    fill(tmp_path / "out" / "patients.csv", group="negative")
    assert index(tmp_path / "in", tmp_path / "out").questions == 0
    assert [(row["phase"], row["time_point"], row["phase_evidence"]) for row in rows(tmp_path / "out" / "series.csv")] == [
        ("arterial", "0", "phase_overrides.csv"), ("delayed", "2", "phase_overrides.csv")]
    assert [row["phase"] for row in rows(tmp_path / "out" / "phase_overrides.csv")] == answers
    series = series_of(read_manifest(tmp_path / "out"), PSEUDONYMS.patient("P-1"))
    assert {phase: read_volume(item).array[0, 0, 0] for phase, item in series.items()} == {Phase.ARTERIAL: 10, Phase.DELAYED: 30}


def test_a_phase_that_is_claimed_twice_is_asked_for(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series, count=1)
    write_series(tmp_path / "again", description="LAVA ARTERIAL repeat", series=50, PatientID="ID 1", StudyInstanceUID="1.2.1")
    shutil.move(tmp_path / "again", tmp_path / "in" / "again")
    index(tmp_path / "in", tmp_path / "out")
    assert [row["phase"] for row in rows(tmp_path / "out" / "series.csv")] == ["portal_venous", "delayed"]
    questions = rows(tmp_path / "out" / "phase_overrides.csv")
    assert [row["candidates"] for row in questions] == ["arterial", "arterial"] and "2 time points of the patient claim this phase" in questions[0]["evidence"]


def test_phases_of_two_examinations_are_not_mixed(tmp_path: Path, write_series: WriteSeries) -> None:
    for number, name in NAMES.items():
        write_series(tmp_path / "in" / str(number), description=name, series=number, StudyInstanceUID=f"1.2.{number // 3}", StudyDate=f"202{number // 3}0101")
    index(tmp_path / "in", tmp_path / "out")
    questions = rows(tmp_path / "out" / "phase_overrides.csv")
    assert rows(tmp_path / "out" / "series.csv") == [] and [row["examination"] for row in questions] == ["1", "1", "2"]
    assert "of 2 examinations" in questions[0]["evidence"]


def test_phases_of_two_frames_of_reference_are_told(tmp_path: Path, write_series: WriteSeries) -> None:
    for name, frames in (("one", ("9.1", "9.1", "9.1")), ("two", ("9.1", "9.2", "9.2"))):
        for (number, description), frame in zip(NAMES.items(), frames, strict=False):
            write_series(tmp_path / name / str(number), description=description, series=number, FrameOfReferenceUID=frame)
        summary = index(tmp_path / name, tmp_path / f"{name}-out")
        told = [line for line in summary.notices if "frames of reference" in line]
        assert len(told) == (name == "two") and all("2 frames of reference (FrameOfReferenceUID): " in line for line in told)


def test_what_the_user_filled_in_is_kept(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series)
    index(tmp_path / "in", tmp_path / "out")
    fill(tmp_path / "out" / "patients.csv", group="negative", diagnosis_method="biopsy", age_years="", center="A")
    fill(tmp_path / "out" / "series.csv", time_point="7")
    edited = (tmp_path / "out" / "series.csv").read_bytes()
    index(tmp_path / "in", tmp_path / "out")
    assert [(row["group"], row["diagnosis_method"], row["age_years"], row["center"]) for row in rows(tmp_path / "out" / "patients.csv")] == [
        ("negative", "biopsy", "61", "A")] * 2
    assert (tmp_path / "out" / "series.csv.bak").read_bytes() == edited and rows(tmp_path / "out" / "series.csv")[0]["time_point"] == "0"


def test_each_thing_that_is_left_out_has_its_reason(tmp_path: Path, write_series: WriteSeries, write_image: Callable[..., Path]) -> None:
    write_patients(tmp_path / "in", write_series, count=1)
    write_series(tmp_path / "in" / "adc", description="ADC", series=77)
    gaps = write_series(tmp_path / "in" / "gap", slices=6, description="LAVA HBP", series=78, PatientID="ID 1", StudyInstanceUID="1.2.1")
    gaps[2].unlink()
    write_image(tmp_path / "in" / "shot", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.7", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    (tmp_path / "in" / "text.dcm").write_text("hello")
    (tmp_path / "in" / "old.tar.gz").write_bytes(b"\x1f\x8b" + bytes(50))
    summary = index(tmp_path / "in", tmp_path / "out")
    left_out = {row["path"]: (row["files"], row["reason"]) for row in rows(tmp_path / "out" / "set_aside.csv")}
    assert left_out["adc/77-0.dcm"] == ("4", "no contrast phase: SeriesDescription 'ADC': diffusion ('adc')")
    assert left_out["gap/78-0.dcm"] == ("5", "no regular volume: expected a slice every 4 mm, found 1 missing, at 38.00 mm along the slice normal")
    assert left_out["shot"][1] == "Secondary Capture Image Storage: a screenshot" and "without the DICM mark" in left_out["text.dcm"][1]
    assert "archive" in left_out["old.tar.gz"][1] and summary.set_aside == 12
    assert any("text.dcm" in notice for notice in summary.notices) and any("1 missing, at 38.00" in notice for notice in summary.notices)


@pytest.mark.parametrize("text, message", [
    ("series_uid,time_point,phase\n1.2.3,0,arterial\n", "1.2.3, time point 0: expected a series and time point of the folder"),
    ("series_uid,time_point,phase\n{uid},0,late\n{uid},x,arterial\n", "line 2, phase: expected precontrast"),
    ("series_uid,phase\n", "a column time_point"),
    ("series_uid,time_point,phase\n{uid},0,arterial\n{uid},0,delayed\n", "each time point once"),
    ("series_uid,time_point,phase\n{uid},0,arterial\n{other},0,arterial\n", "for arterial, found a second one")])
def test_answers_that_do_not_fit(tmp_path: Path, write_series: WriteSeries, text: str, message: str) -> None:
    write_patients(tmp_path / "in", write_series, count=1)
    index(tmp_path / "in", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "phase_overrides.csv"}
    uids = [row["series_uid"] for row in rows(tmp_path / "out" / "series.csv")]
    (tmp_path / "out" / "phase_overrides.csv").write_text(text.format(uid=uids[0], other=uids[1]))
    with pytest.raises(InputError) as caught:
        index(tmp_path / "in", tmp_path / "out")
    assert message in str(caught.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "phase_overrides.csv"} == before


def test_masks_that_do_not_fit_are_told_at_once(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series, count=3)
    masks = tmp_path / "masks"
    (masks / "b").mkdir(parents=True)
    mask_of(masks / "ID 1.nii.gz", np.zeros((4, 3, 6), np.uint8))
    mask_of(masks / "ID 2.nii", np.zeros((4, 3, 5), np.uint8))
    mask_of(masks / "b" / "1.2.2.nii.gz", np.zeros((4, 3, 5), np.uint8))
    mask_of(masks / "nobody.nii", np.zeros((4, 3, 5), np.uint8))
    with pytest.raises(InputError) as caught:
        index(tmp_path / "in", tmp_path / "out", masks=masks)
    assert len(caught.value.problems) == 2 and "the grid" in str(caught.value) and "one mask a patient" in str(caught.value)
    (masks / "ID 1.nii.gz").unlink()
    (masks / "b" / "1.2.2.nii.gz").unlink()
    summary = index(tmp_path / "in", tmp_path / "out", masks=masks)
    assert any("nobody.nii: mask not joined: its name is that of no patient" in notice for notice in summary.notices)
    groups = {row["patient_id"]: row["group"] for row in rows(tmp_path / "out" / "patients.csv")}
    # Nothing was drawn, or nothing yet: that is asked.
    assert groups[PSEUDONYMS.patient("ID 2")] == "" and groups[PSEUDONYMS.patient("ID 1")] == ""


def test_a_manifest_of_another_origin_is_not_touched(tmp_path: Path, write_series: WriteSeries) -> None:
    write_patients(tmp_path / "in", write_series, count=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "patients.csv").write_text("patient_id\nmine\n")
    with pytest.raises(InputError, match="a manifest of another origin"):
        index(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "patients.csv").read_text() == "patient_id\nmine\n"


def test_an_index_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files.csv").write_text("series_uid,time_point,path,frame\n1.2,0,../secret,\n1.2,x,a,\n1.2,0,/etc/passwd,\n1.2,0,a,b\n")
    with pytest.raises(InputError) as caught:
        file_index.read_file_index(tmp_path)
    assert len(caught.value.problems) == 4 and "inside of the series' folder, found '../secret'" in str(caught.value)


def test_nothing_to_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        index(tmp_path / "absent", tmp_path / "out")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes").write_text("hello")
    with pytest.raises(InputError, match="1 × no DICOM file"):
        index(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_folders(real_data: Path, tmp_path: Path) -> None:
    def indexed(name: str) -> tuple[IndexSummary, dict[str, list[dict[str, str]]]]:
        summary = index(real_data / name, tmp_path / name)
        return summary, {table: rows(tmp_path / name / f"{table}.csv") for table in ("patients", "series", "phase_overrides", "set_aside", "files")}

    _, dynamic = indexed("mr_dce_one_series")
    assert [(row["time_point"], row["slices"]) for row in dynamic["phase_overrides"]] == [("0", "60"), ("1", "60"), ("2", "60")]
    assert "Segmentation Storage: a segmentation" in [row["reason"] for row in dynamic["set_aside"]] and dynamic["patients"][0]["scanner"].endswith("1.5 T")
    _, maps = indexed("mr_t2_adc")
    assert {row["description"]: row["reason"] for row in maps["set_aside"] if row["description"]} == {
        "AX T2": "no contrast phase: SeriesDescription 'AX T2': other weighting ('t2')", "ADC": "no contrast phase: ImageType 'ADC': a derived image"}
    _, ct = indexed("ct_liver_metastases")
    assert [(row["phase"], row["modality"]) for row in ct["series"]] == [("", "CT")] and len(ct["files"]) == 51
    _, objects = indexed("seg_sr_examples")
    assert {"Segmentation Storage: a segmentation", "Comprehensive SR Storage: a structured report"} <= {row["reason"] for row in objects["set_aside"]}
    assert read_series(real_data / "ct_liver_metastases")[0].files == tuple(
        real_data / "ct_liver_metastases" / "image" / row["path"] for row in ct["files"])
