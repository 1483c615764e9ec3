"""The gate where studies come in: `read_study`, which `predict` and the reading page call, and `index_folder`. Beside each refusal stands what is read."""
from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from lirads_keras.commands.predict import read_named_study
from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_study, read_volume
from lirads_keras.io.index import IndexSummary, index_folder
from lirads_keras.progress import ignore_progress
from lirads_keras.reader.sources import FolderSource

WriteSeries = Callable[..., list[Path]]
Write = Callable[..., None]
NAMES = {Phase.ARTERIAL: "LAVA ARTERIAL 35s", Phase.PORTAL_VENOUS: "LAVA PORTAL VENOUS 60s", Phase.DELAYED: "LAVA DELAYED 180s"}
CORONAL: dict[str, Any] = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
SAGITTAL: dict[str, Any] = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
OBLIQUE: dict[str, Any] = {"ImageOrientationPatient": [1, 0, 0, 0, 0.9063078, 0.4226183]}


@pytest.fixture()
def write(tmp_path: Path, write_series: WriteSeries) -> Write:
    """Writes a study of the three phases into `in`, some of whose series have other attributes or are left out (None)."""
    def write_study(folder: Path = tmp_path / "in", **changes: dict[str, Any] | None) -> None:
        for number, (phase, name) in enumerate(NAMES.items(), start=1):
            attributes = changes.get(phase, {})
            if attributes is not None:
                attributes = {"description": name, "series": number, "first_value": 10 * number} | attributes
                for index, path in enumerate(write_series(folder / phase, **attributes)):
                    place_slice(path, index)

    return write_study


def place_slice(path: Path, index: int) -> None:
    """Slices follow one another along their normal, whatever their plane."""
    dataset = pydicom.dcmread(path)
    orientation = np.array(dataset.ImageOrientationPatient, float)
    dataset.ImagePositionPatient = [float(f"{value:.6g}") for value in np.array([-10, -20, 30]) + 4 * index * np.cross(orientation[:3], orientation[3:])]
    dataset.save_as(path)


def refusal(folder: Path, text: str = "", **options: Any) -> list[str]:
    """The problems of a study that is refused; `text` is that of a phase map."""
    with pytest.raises(InputError) as caught:
        read(folder, text, **options)
    return [str(problem) for problem in caught.value.problems]


def read(folder: Path, text: str = "", **options: Any) -> Any:
    if text:
        (folder.parent / "map.yaml").write_text(text)
    return read_study(folder, folder.parent / "map.yaml" if text else None, **{"axial_mr_only": True} | options)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def index(folder: Path) -> tuple[IndexSummary, dict[str, str], list[tuple[str, str]]]:
    """The summary, the reasons of what was set aside by description, and phase and modality of the series."""
    out = folder.parent / "out"
    summary = index_folder(folder, out, None, cohort="test")
    return summary, {row["description"]: row["reason"] for row in rows(out / "set_aside.csv")}, [
        (row["phase"], row["modality"]) for row in rows(out / "series.csv")]


def test_a_ct_study_is_refused_and_set_aside_but_read_as_ct(tmp_path: Path, write: Write) -> None:
    write(**{phase: {"Modality": "CT"} for phase in NAMES})
    problems = refusal(tmp_path / "in")
    assert len(problems) == 3 and all("Modality CT: the phases are read from MR" in problem for problem in problems)
    assert [phase for phase in NAMES if any(f"axial MR series of the phase {phase} " in problem for problem in problems)] == list(NAMES)
    assert all(name in "".join(problems) for name in NAMES.values())
    assert "a series of axial MR images, found series 'LAVA DELAYED 180s'" in refusal(tmp_path / "in", "delayed: {series: LAVA DELAYED 180s}")[0]
    _, left_out, series = index(tmp_path / "in")
    assert series == [] and {name: "Modality CT" in reason for name, reason in left_out.items()} == dict.fromkeys(NAMES.values(), True)
    assert read_volume(read_series(tmp_path / "in")[0]).shape == (4, 3, 5)


@pytest.mark.parametrize("plane, word", [(CORONAL, "coronal"), (SAGITTAL, "sagittal"), ({"Modality": "CT"}, "CT"), ({"Modality": "PT"}, "PT")])
def test_one_phase_of_another_kind_is_neither_taken_nor_passed_over(tmp_path: Path, write: Write, plane: dict[str, Any], word: str) -> None:
    write(delayed={"description": "COR LAVA DELAYED"} | plane)
    problem, = refusal(tmp_path / "in")
    assert "series of the phase delayed" in problem and "series 'COR LAVA DELAYED'" in problem and word in problem
    assert word in refusal(tmp_path / "in", "delayed: {series: COR LAVA DELAYED}")[0]
    # Who knows that, reads the study without the phase.
    assert read(tmp_path / "in", "delayed: absent").phases().keys() - {Phase.OTHER} == {Phase.ARTERIAL, Phase.PORTAL_VENOUS}
    summary, left_out, series = index(tmp_path / "in")
    assert word in left_out["COR LAVA DELAYED"] and [phase for phase, _ in series] == ["arterial", "portal_venous"]
    assert any("no delayed phase but series 'COR LAVA DELAYED'" in notice for notice in summary.notices)


def test_oblique_axial_series_and_a_coronal_one_beside_a_whole_study_are_no_matter(tmp_path: Path, write: Write, write_series: WriteSeries) -> None:
    write(**dict.fromkeys(NAMES, OBLIQUE))
    for index_of_slice, path in enumerate(write_series(tmp_path / "in" / "cor", description="COR LAVA DELAYED", series=9, **CORONAL)):
        place_slice(path, index_of_slice)
    study = read(tmp_path / "in")
    assert [study.phases()[phase].description for phase in NAMES] == list(NAMES.values())
    assert any("'COR LAVA DELAYED'" in line and "coronal" in line for line in study.left_out)


def test_of_a_dixon_series_the_water_images_are_read(tmp_path: Path, write: Write, write_series: WriteSeries) -> None:
    write(arterial={"description": "LAVA-Flex ART", "ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]})
    for number, kind in enumerate(("FAT", "IN_PHASE", "OUT_PHASE"), start=10):
        write_series(tmp_path / "in" / kind, description="LAVA-Flex ART", series=number, ImageType=["DERIVED", "PRIMARY", "DIXON", kind])
    study = read(tmp_path / "in")
    assert read_volume(study.phases()[Phase.ARTERIAL]).array[0, 0, 0] == 10
    assert all(any(f"ImageType '{kind}'" in line for line in study.left_out) for kind in ("FAT", "IN_PHASE", "OUT_PHASE"))


@pytest.mark.parametrize("description, reason", [
    ("SUB ART", "computed image ('sub')"), ("FAT: LAVA-Flex ART", "fat image"), ("mDIXON IP ART", "in- or opposed")])
def test_the_users_word_makes_a_computed_image_a_phase_and_is_told(tmp_path: Path, write: Write, description: str, reason: str) -> None:
    write(arterial={"description": description})
    problem, = refusal(tmp_path / "in")
    assert "a phase map can name one, or say 'arterial: absent'" in problem and reason in problem and description in problem
    study = read(tmp_path / "in", f"arterial: {{series: '{description}'}}")
    assert study.phases()[Phase.ARTERIAL].description == description and len(study.notices) == 1 and reason in study.notices[0]
    assert read(tmp_path / "in", "arterial: absent").notices == ()


def test_another_contrast_never_stood_for_a_missing_phase(tmp_path: Path, write: Write) -> None:
    write(arterial={"description": "T2 HASTE art"})
    assert read(tmp_path / "in").phases().keys() - {Phase.OTHER} == {Phase.PORTAL_VENOUS, Phase.DELAYED}


def test_sagittal_images_alone_are_for_a_phase_map_but_not_for_the_networks(tmp_path: Path, write: Write) -> None:
    write(arterial=None, portal_venous=None, delayed={"description": "IR 3DFGRE"} | SAGITTAL)
    text = "delayed: {series: IR 3DFGRE}"
    assert read(tmp_path / "in", text, axial_mr_only=False).phases().keys() == {Phase.DELAYED}
    problem, = refusal(tmp_path / "in", text)
    assert "axial MR images for the phase delayed, found sagittal slices" in problem


def test_predict_and_the_reading_page_say_what_they_leave_out(tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "studies" / "A")
    (tmp_path / "studies" / "A" / "report.pdf").write_bytes(b"%PDF-1.4")
    read_named_study(tmp_path / "studies" / "A", None, keep_ids=False)
    assert "report.pdf: a PDF" in capsys.readouterr().err
    write(tmp_path / "studies" / "A", delayed=CORONAL)
    source = FolderSource(tmp_path / "studies")
    entry, = source.list_studies()
    for call in (lambda: source.read(entry.study_id, ignore_progress), lambda: read_named_study(tmp_path / "studies" / "A", None, keep_ids=True)):
        with pytest.raises(InputError, match="series 'LAVA DELAYED 180s'.*coronal slices"):
            call()


def answer(folder: Path, description: str, phase: str) -> None:
    row = next(row for row in rows(folder / "set_aside.csv") if row["description"] == description)
    (folder / "phase_overrides.csv").write_text(f"series_uid,time_point,phase\n{row['series_uid']},0,{phase}\n")


def test_answers_of_the_user_count_but_for_ct_and_other_planes(tmp_path: Path, write: Write, write_series: WriteSeries) -> None:
    write(arterial={"description": "SUB ART"}, delayed=CORONAL)
    index(tmp_path / "in")
    answer(tmp_path / "out", "SUB ART", "arterial")
    summary, left_out, series = index(tmp_path / "in")
    assert ("arterial", "MR") in series and "SUB ART" not in left_out
    assert any("is arterial by phase_overrides.csv, against SeriesDescription 'SUB ART': computed image" in notice for notice in summary.notices)
    answer(tmp_path / "out", "LAVA DELAYED 180s", "delayed")
    with pytest.raises(InputError, match="expected axial MR images for the phase delayed, found coronal slices"):
        index(tmp_path / "in")
    answer(tmp_path / "out", "LAVA DELAYED 180s", "other")
    assert index(tmp_path / "in")[0].questions == 0


def test_the_only_ct_of_a_patient_stays_for_training_a_segmentation(tmp_path: Path, write: Write) -> None:
    write(arterial=None, portal_venous={"Modality": "CT"}, delayed=None)
    _, left_out, series = index(tmp_path / "in")
    assert series == [("", "CT")] and left_out["LAVA PORTAL VENOUS 60s"].endswith("in series.csv without a phase, as the only image of its patient")


@pytest.mark.parametrize("attributes, words", [
    ({}, ""), ({"AcquisitionContrast": "T1", "ComplexImageComponent": "MAGNITUDE", "VolumeBasedCalculationTechnique": "NONE"}, ""),
    ({"AcquisitionContrast": "PERFUSION"}, ""), ({"AcquisitionContrast": "T2"}, "another contrast"), ({"AcquisitionContrast": "DIFFUSION"}, "another contrast"),
    ({"ComplexImageComponent": "PHASE"}, "a derived image"), ({"VolumeBasedCalculationTechnique": "MAX_IP"}, "a derived image"),
    ({"VolumeBasedCalculationTechnique": "CURVED_MPR"}, "a derived image")])
def test_what_multi_frame_images_say_of_themselves(tmp_path: Path, write_multi_frame: Callable[..., Path], attributes: dict[str, str], words: str) -> None:
    path = write_multi_frame(tmp_path / "m.dcm", np.ones((3, 3, 4), np.uint16), [{"z_mm": 4.0 * z} for z in range(3)])
    dataset = pydicom.dcmread(path)
    kind = pydicom.Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]
    for keyword, value in attributes.items():
        setattr(kind, keyword, value)
    dataset.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence = [kind]
    dataset.save_as(path)
    if not words:
        assert list(read_study(tmp_path).phases()) == [Phase.DELAYED]
    else:
        with pytest.raises(InputError, match=words):
            read_study(tmp_path)
