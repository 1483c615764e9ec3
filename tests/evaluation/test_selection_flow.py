from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lirads_keras.errors import InputError
from lirads_keras.evaluation.selection_flow import SelectionFlow, describe_selection_flow, read_selection_flow, write_selection_flow

HEADER = "patient_id,group,cohort,exclusion_step,exclusion_reason\n"


def write(folder: Path, text: str) -> Path:
    (folder / "patients.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """Ten screened; two and one leave at step 1, three at step 4; four stay, one of them negative."""
    rows = ["P1,positive,ours,,", "P2,positive,ours,,", "P3,positive,ours,,", "P4,negative,ours,,", "P5,,,1,no liver", "P6,,,,no liver",
            "P7,,,1,<18 years & more", "P8,,,4,motion", "P9,,,4,motion", "P10,,,4,motion"]
    return write(tmp_path, HEADER + "\n".join(rows))


def test_patients_are_counted_by_step_and_reason(folder: Path) -> None:
    flow = read_selection_flow(folder)
    assert flow == SelectionFlow("ours", 10, ((("no liver", 2), ("<18 years & more", 1)), (("motion", 3),)), (("positive", 3), ("negative", 1)))
    assert flow.included == 4
    assert [(row["box"], row["step"], row["label"], row["patients"], row["left"]) for row in flow.rows()] == [
        ("screened", 0, "patients screened", 10, 10), ("excluded", 1, "no liver", 2, 7), ("excluded", 1, "<18 years & more", 1, 7),
        ("excluded", 2, "motion", 3, 4), ("included", 3, "patients included", 4, 4), ("group", 3, "positive", 3, 4), ("group", 3, "negative", 1, 4)]


def test_the_text_says_the_same(folder: Path) -> None:
    text = describe_selection_flow(read_selection_flow(folder)).splitlines()
    assert text[0] == "Selection of patients (ours)" and text[4].split() == ["−", "3", "motion", "(4", "left)"] and len(text) == 8


def test_chart_and_table_are_written_and_repeat(folder: Path) -> None:
    write_selection_flow(read_selection_flow(folder), folder / "out")
    assert (folder / "out" / "selection_flow.png").read_bytes().startswith(b"\x89PNG")
    svg = (folder / "out" / "selection_flow.svg").read_text()
    assert svg.rstrip().endswith("</svg>") and "<dc:date>" not in svg
    table = pd.read_csv(folder / "out" / "selection_flow.csv")
    assert table["patients"].tolist() == [10, 2, 1, 3, 4, 3, 1]
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["selection_flow.csv", "selection_flow.png", "selection_flow.svg"]


def test_nobody_excluded_and_no_groups(tmp_path: Path) -> None:
    flow = read_selection_flow(write(tmp_path, "patient_id\nA\nB\n"))
    assert flow == SelectionFlow("", 2, (), ()) and flow.included == 2
    write_selection_flow(flow, tmp_path / "out")
    assert describe_selection_flow(flow).splitlines() == ["Selection of patients", "     2 patients screened", "     2 patients included"]


@pytest.mark.parametrize("text, message", [
    (HEADER + "A,postive,,,\n", "line 2, group: expected positive or negative, found 'postive'"),
    (HEADER + "A,,,0,x\n", "line 2, exclusion_step: expected a whole number from 1 to 99, found '0'"),
    (HEADER + "A,,,2,\n", "line 2, exclusion_reason: expected the reason for the exclusion at this step, found an empty cell"),
    (HEADER + "A,,,,\nA,,,,\n", "line 3, patient_id: expected each once"),
    (HEADER, "expected a row for each patient, found none"),
    ("patient_id,exclusion_resaon\nA,x\n", "expected the column exclusion_reason, or a name less like it, found exclusion_resaon")])
def test_a_table_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_selection_flow(write(tmp_path, text))
    assert any(message in str(problem) for problem in caught.value.problems), caught.value


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="patients.csv: expected a readable CSV file"):
        read_selection_flow(tmp_path)
