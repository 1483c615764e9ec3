"""Every result says which series was read as which phase, so that a wrong phase map shows itself."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from lirads_keras.entities import ENHANCED_PHASES, Report, ScoredLesion, Series, Study, Volume
from lirads_keras.inference.report import report_to_json
from lirads_keras.inference.report_page import write_report_page
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.dicom_results import write_dicom_results
from lirads_keras.io.read_series import describe_read, series_to_json

SERIES = (("LAVA ARTERIAL", "140030", 5), ("LAVA PORTAL VENOUS", "140105", 6), ("LAVA DELAYED", "140255.5", 7))
"""Description, AcquisitionTime and SeriesNumber; the contrast agent was given at 14:00:00."""

SWAPPED = "arterial: {series: LAVA DELAYED}\nportal_venous: {series: LAVA PORTAL VENOUS}\ndelayed: {series: LAVA ARTERIAL}\n"


@pytest.fixture()
def folder(tmp_path: Path, write_series: Callable[..., Any]) -> Path:
    for number, (description, time, series) in enumerate(SERIES):
        write_series(tmp_path / "study", description=description, series=number, SeriesNumber=series, AcquisitionTime=time, ContrastBolusStartTime="140000")
    write_series(tmp_path / "study", description="T2 HASTE", series=8, SeriesNumber=2)
    write_series(tmp_path / "study", description="LAVA PRE", series=9, SeriesNumber=3, AcquisitionTime="135900")
    (tmp_path / "study" / "notes.txt").write_text("hello")
    return tmp_path / "study"


def read(folder: Path, phase_map: str = "") -> Study:
    path = folder.parent / "phases.yaml"
    path.write_text(phase_map)
    return read_study(folder, path if phase_map else None)


def test_what_was_read_is_named_with_number_time_and_evidence(folder: Path) -> None:
    study = read(folder)
    arterial, _, delayed = (series_to_json(series) for series in study.list_read())
    assert arterial == {
        "phase": "arterial", "series_uid": "1.2.826.0.1.3680043.8.498.1.0", "series_number": 5, "series_description": "LAVA ARTERIAL", "time_point": 0,
        "images": 4, "acquired": "14:00:30", "seconds_after_contrast": 30.0, "evidence": "SeriesDescription 'LAVA ARTERIAL': 'arterial'"}
    assert delayed["acquired"] == "14:02:55" and delayed["seconds_after_contrast"] == 175.5
    assert describe_read(study.list_read()[1]) == (
        "portal venous phase: series 6 'LAVA PORTAL VENOUS', time point 0, at 14:01:05, 65 s after contrast "
        "(SeriesDescription 'LAVA PORTAL VENOUS': 'portal')")
    assert study.notices == ()


def test_what_was_not_read_is_named_with_the_reason(folder: Path) -> None:
    lines = read(folder).left_out
    assert any("'T2 HASTE'" in line and "other weighting" in line for line in lines) and any("'LAVA PRE'" in line and "precontrast" in line for line in lines)
    assert any(line.startswith("notes.txt: ") for line in lines) and not any(str(folder) in line for line in lines)


def test_swapped_phases_show_themselves_in_every_result(folder: Path, score_labels: Callable[[np.ndarray, Volume], list[ScoredLesion]]) -> None:
    study = read(folder, SWAPPED)
    phases = study.phases()
    volumes = {phase: read_volume(phases[phase]) for phase in ENHANCED_PHASES}
    grid = volumes[ENHANCED_PHASES[-1]]
    labels = np.zeros(grid.shape, np.uint8)
    labels[1:3, 1, 2:4] = 1
    report = Report("P", study.study_uid, tuple(score_labels(labels, grid)), {}, study.notices, study.list_read(), study.left_out)
    write_report_page(folder.parent / "report.html", report, volumes, grid.with_array(labels), observer=None)
    results = write_dicom_results(folder.parent / "out", study, grid, report)
    content = report_to_json(report)
    page = (folder.parent / "report.html").read_text()
    structured = "\n".join(str(element.value) for element in pydicom.dcmread(results.report).iterall() if element.keyword == "TextValue")
    assert [(row["phase"], row["series_description"], row["acquired"], row["evidence"]) for row in content["phases"]] == [
        ("arterial", "LAVA DELAYED", "14:02:55", "phase map"), ("portal_venous", "LAVA PORTAL VENOUS", "14:01:05", "phase map"),
        ("delayed", "LAVA ARTERIAL", "14:00:30", "phase map")]
    for words in ("The arterial phase was acquired 110 s after the portal venous phase", "The portal venous phase was acquired 35 s after the delayed phase"):
        assert any(words in notice for notice in content["notices"]) and words in page and words in structured
    for words in ("arterial phase: series 7", "at 14:02:55, 176 s after contrast", "delayed phase: series 5", "at 14:00:30, 30 s after contrast"):
        assert words in page and words in structured
    assert "'T2 HASTE'" in structured and any("'T2 HASTE'" in line for line in content["set_aside"])
    segmentation = pydicom.dcmread(results.segmentation)
    assert [item.SeriesInstanceUID for item in segmentation.ReferencedSeriesSequence] == [
        phases[phase].series_uid for phase in (ENHANCED_PHASES[2], ENHANCED_PHASES[0], ENHANCED_PHASES[1])]


@pytest.mark.parametrize("number, acquired_s, seconds, words", [
    (None, None, None, "delayed phase: series without a number 'd', time point 0, at a time that is not told (by hand)"),
    (4, 86399.9, None, "delayed phase: series 4 'd', time point 0, at 23:59:59 (by hand)"),
    (4, 2 * 86400 + 61, -3.4, "delayed phase: series 4 'd', time point 0, at 00:01:01, -3 s after contrast (by hand)")])
def test_what_the_files_do_not_tell_is_said(number: int | None, acquired_s: float | None, seconds: float | None, words: str) -> None:
    series = Series("1.2", (Path("a"),), ENHANCED_PHASES[2], "by hand", "d")
    assert describe_read(replace(series, number=number, acquired_s=acquired_s, seconds_after_contrast=seconds)) == words
