"""What the contrast agent and the clock decide when a study is read. What is right is stated before each case."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest

from lirads_keras.entities import AgentFinding, ContrastAgent, Phase, Report, Study
from lirads_keras.errors import InputError
from lirads_keras.inference.report import report_to_json
from lirads_keras.io.agent_effects import tell_agent
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.dicom import read_study
from lirads_keras.io.dicom_scan import read_headers
from lirads_keras.io.index import index_folder
from lirads_keras.io.pseudonyms import Pseudonyms

A, P, D, T = Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED, Phase.TRANSITIONAL
Write = Callable[..., Any]


@pytest.fixture()
def write(tmp_path: Path, write_series: Write) -> Callable[..., Path]:
    """Writes series of the given names and seconds after 14:00:00, when contrast is given; further attributes are those of all of them."""
    def write_study(named: dict[str, float], *, clock: bool = True, **attributes: Any) -> Path:
        for number, (name, seconds) in enumerate(named.items()):
            time = f"14{int(seconds) // 60:02d}{int(seconds) % 60:02d}"
            write_series(tmp_path / "study", description=name, series=number, SeriesNumber=number + 2, AcquisitionTime=time,
                         ContrastBolusStartTime="140000" if clock else None, **attributes)
        return tmp_path / "study"
    return write_study


def read(folder: Path, phase_map: str = "") -> Study:
    path = folder.parent / "phases.yaml"
    path.write_text(phase_map)
    return read_study(folder, path if phase_map else None)


def phases(study: Study) -> list[Phase | None]:
    return [series.phase for series in study.list_read()]


DYNAMIC: dict[str, float] = {"ART": 30, "PV": 70, "DELAYED": 180}


@pytest.mark.parametrize("agent, expected", [
    ("EOVIST", [A, P, T]), ("Gd-EOB-DTPA", [A, P, T]), ("普美显", [A, P, T]), ("MultiHance", [A, P, D]), ("莫迪司", [A, P, D]), ("Gadovist", [A, P, D]),
    ("GADOLINIUM", [A, P, D]), (None, [A, P, D])])
def test_what_is_read_with_each_agent(write: Callable[..., Path], agent: str | None, expected: list[Phase]) -> None:
    study = read(write(DYNAMIC, ContrastBolusAgent=agent, SpecificCharacterSet="ISO_IR 192"))
    assert phases(study) == expected
    content = report_to_json(Report("P", study.study_uid, (), {}, study.notices, study.list_read(), study.left_out, contrast_agent=study.contrast_agent))
    assert content["contrast_agent"]["agent"] == (study.contrast_agent.agent and str(study.contrast_agent.agent))
    told = [notice for notice in study.notices if "washout is read from the portal venous phase alone, capsule from the portal venous and" in notice]
    assert bool(told) == (T in expected) and (not told or str(agent) in told[0])


@pytest.mark.parametrize("code, expected", [
    (("440223009", "SCT", "Gadoxetate disodium"), T), (("440223009", "SCT", ""), T), (("0815", "99HOSP", "Primovist 0.25 mmol/ml"), T),
    (("792865009", "SCT", ""), D), (("407976008", "SCT", "x"), D), (("0815", "99HOSP", "?"), D)])
def test_agents_by_code(write: Callable[..., Path], code: tuple[str, str, str], expected: Phase) -> None:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    assert phases(read(write(DYNAMIC, ContrastBolusAgentSequence=[item]))) == [A, P, expected]


def test_a_multi_frame_image_names_its_agent_by_text_or_code(tmp_path: Path, write_multi_frame: Write) -> None:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "440223009", "SCT", ""
    frames = [{"z_mm": z} for z in (0.0, 4.0)]
    for number, (attributes, agent) in enumerate([
            ({"ContrastBolusAgent": "Primovist"}, "Primovist"), ({"ContrastBolusAgentSequence": [item]}, "Gadoxetate disodium"), ({}, "")]):
        path = write_multi_frame(tmp_path / f"{number}.dcm", np.ones((2, 3, 4), np.uint16), frames, **attributes)
        assert {header.contrast_agent for header in read_headers(path)} == {agent}
        assert {header.contrast_time_of_day for header in read_headers(path)} == {None}
    item.ContrastAdministrationProfileSequence = [pydicom.Dataset()]
    item.ContrastAdministrationProfileSequence[0].ContrastBolusStartTime = "140000"
    path = write_multi_frame(tmp_path / "clock.dcm", np.ones((2, 3, 4), np.uint16), frames, ContrastBolusAgentSequence=[item])
    assert {header.contrast_time_of_day for header in read_headers(path)} == {14 * 3600}


def test_two_agents_are_asked_and_a_phase_map_answers(write: Callable[..., Path]) -> None:
    folder = write(DYNAMIC, ContrastBolusAgent="Gadovist / Primovist")
    with pytest.raises(InputError, match="ambiguous, gadoxetate by ContrastBolusAgent"):
        read(folder)
    assert phases(read(folder, "contrast_agent: extracellular")) == [A, P, D]
    assert phases(read(folder, "contrast_agent: gadoxetate")) == [A, P, T]
    with pytest.raises(InputError, match="contrast_agent: expected gadoxetate or gadobenate or extracellular, found 'Gadovist'"):
        read(folder, "contrast_agent: Gadovist")


def test_a_phase_map_makes_no_delayed_phase_of_gadoxetate_unless_it_names_another_agent(write: Callable[..., Path]) -> None:
    folder = write(DYNAMIC, ContrastBolusAgent="EOVIST")
    with pytest.raises(InputError, match="expected the phase transitional with gadoxetate, or another agent .*contrast_agent"):
        read(folder, "delayed: {series: DELAYED}")
    study = read(folder, "delayed: {series: DELAYED}\ncontrast_agent: gadobenate")
    assert phases(study) == [A, P, D] and study.contrast_agent == AgentFinding(ContrastAgent.GADOBENATE, "phase map")
    with pytest.raises(InputError, match="expected the phase delayed with extracellular"):
        read(folder, "transitional: {series: DELAYED}\ncontrast_agent: extracellular")


def test_of_two_transitional_series_none_is_taken_unasked(write: Callable[..., Path]) -> None:
    folder = write({"ART": 30, "PV": 70, "LAVA 2 MIN": 130, "LAVA 4 MIN": 250}, ContrastBolusAgent="EOVIST")
    with pytest.raises(InputError, match="one series for the phase transitional"):
        read(folder)
    study = read(folder, "transitional: {series: LAVA 4 MIN}")
    assert phases(study) == [A, P, T] and study.phases()[T].description == "LAVA 4 MIN"
    named = read(write({"ART": 30, "PV": 70, "LAVA DELAYED": 130, "TRANSITIONAL": 200}, ContrastBolusAgent="EOVIST"), "")
    assert named.phases()[T].description == "TRANSITIONAL"


def test_a_hepatobiliary_series_that_the_user_names_asks_for_the_agent(write: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing in the images tells gadoxetate; what the user says does, or gadobenate."""
    folder = write(DYNAMIC | {"LAST": 1200})
    hepatobiliary = "hepatobiliary: {series: LAST}"
    with pytest.raises(InputError, match="expected a contrast agent, on which the delayed phase depends"):
        read(folder, hepatobiliary)
    assert phases(read(folder, f"{hepatobiliary}\ncontrast_agent: gadobenate")) == [A, P, D]
    assert phases(read(folder, f"{hepatobiliary}\ncontrast_agent: gadoxetate")) == [A, P, T]
    with pytest.raises(InputError, match="hepatobiliary with extracellular"):
        read(folder, f"{hepatobiliary}\ncontrast_agent: extracellular")
    index_folder(folder, tmp_path / "out", None, cohort="C")
    table = tmp_path / "out" / "phase_overrides.csv"
    assert "LAST" in table.read_text() and "delayed" in (tmp_path / "out" / "series.csv").read_text()
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame.loc[frame["description"] == "LAST", "phase"] = "hepatobiliary"
    frame.to_csv(table, index=False)
    index_folder(folder, tmp_path / "out", None, cohort="C")
    assert ",DELAYED," in table.read_text() and "with gadoxetate" in table.read_text()
    assert not any(line.split(",")[1] == "delayed" for line in (tmp_path / "out" / "series.csv").read_text().splitlines())


@pytest.mark.parametrize("agent", ["EOVIST", None])
@pytest.mark.parametrize("clock", [True, False])
def test_a_delay_of_20_minutes_is_never_read_as_delayed(write: Callable[..., Path], agent: str | None, clock: bool) -> None:
    """With gadoxetate two phases are left to read, and the report says so; otherwise the study is refused until the user says that it has no delayed one."""
    folder = write({"ART": 30, "PV": 70, "LAVA DELAYED": 1200}, clock=clock, ContrastBolusAgent=agent)
    if agent is None:
        with pytest.raises(InputError, match="what may be it, or another phase: series 'LAVA DELAYED'"):
            read(folder)
    study = read(folder, "" if agent else "delayed: absent")
    assert phases(study) == [A, P] and any("'LAVA DELAYED'" in line and "contradict each other" in line for line in study.left_out)


@pytest.mark.parametrize("clock", [True, False])
def test_the_index_asks_for_what_times_contradict(write: Callable[..., Path], tmp_path: Path, clock: bool) -> None:
    folder = write({"ART": 30, "PV": 70, "LAVA DELAYED": 1200}, clock=clock)
    summary = index_folder(folder, tmp_path / "out", None, cohort="C")
    rows = (tmp_path / "out" / "phase_overrides.csv").read_text().splitlines()
    assert summary.questions == 1 and len(rows) == 2 and "LAVA DELAYED" in rows[1] and "delayed hepatobiliary" in rows[1]


def test_the_index_says_which_patients_had_gadoxetate(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write(DYNAMIC | {"HBP": 1200})
    summary = index_folder(folder, tmp_path / "out", None, cohort="C")
    assert any("contrast agent gadoxetate (a hepatobiliary phase" in line and "no delayed phase" in line for line in summary.notices)
    assert summary.questions == 0 and "transitional" in (tmp_path / "out" / "series.csv").read_text()


@pytest.mark.parametrize("keep_times", [True, False])
@pytest.mark.parametrize("agent, names", [
    ("Primovist 10 ml Dr Doe", DYNAMIC), ("Gadovist Doe", DYNAMIC), ("", DYNAMIC), ("", DYNAMIC | {"HBP Doe": 1200}),
    ("EOVIST", {"ART": 30, "PV": 70, "DYN": 180}),
    ("", {"ART": 30, "PV": 70, "Primovist Doe": 180}), ("", {"ART": 30, "PV": 70, "LAVA DELAYED": 1200}), ("", {"ART": 30, "PV": 70, "LAVA 20 min": 1200})])
def test_copies_say_what_the_originals_said(
        write: Callable[..., Path], tmp_path: Path, agent: str, names: dict[str, float], keep_times: bool) -> None:
    folder = write(names, ContrastBolusAgent=agent)
    copies = tmp_path / "copies"
    deidentify_folder(folder, copies, tmp_path / "key", lambda: Pseudonyms(b"k" * 32), keep_times=keep_times)
    found = []
    for where in (folder, next(copies.iterdir())):
        try:
            study = read_study(where)
            found.append((phases(study), study.contrast_agent.agent))
        except InputError as error:
            found.append(("refused", [problem.expected for problem in error.problems]))
    assert found[0] == found[1]
    assert not any(b"Doe" in path.read_bytes() for path in copies.rglob("*.dcm"))


def test_an_agent_that_is_not_told_is_said() -> None:
    assert tell_agent(AgentFinding()) == "contrast agent not told: a delayed phase is read as with an agent other than gadoxetate"
    assert tell_agent(AgentFinding(ContrastAgent.GADOXETATE, "by hand")) == "contrast agent gadoxetate (by hand)"
