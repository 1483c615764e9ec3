from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom import summary
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.summary import build_summary_table

PAPER = Path(__file__).parents[2] / "data_manifests" / "paper_results.csv"
SETTINGS = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=2023)


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """The frozen table as records; readers who measure without error."""
    return [
        {"patient": {"group": plan.group, "sex": plan.sex, "scanner": plan.scanner, "age_years": plan.age_years, "diagnosis_method": plan.diagnosis_method,
                     "injection_rate_ml_s": plan.injection_rate_ml_s, "arterial_s": plan.arterial_s, "portal_venous_s": plan.portal_venous_s,
                     "delayed_s": plan.delayed_s},
         "lesions": [{"diameter_mm": lesion.diameter_mm, "category": f"LR-{3 + lesion.mask_label % 3}"} for lesion in plan.lesions]}
        for plan in build_cohort_table(SETTINGS)]


def test_every_printed_count_is_met(records: list[dict]) -> None:
    rows = {(row["source"], row["item"]): row for row in build_summary_table(records, SETTINGS)}
    for key, row in rows.items():
        if row["unit"] in ("patients", "lesions", "classes", "readers", "scanners") or key[1].startswith(("age", "sex")):
            assert float(row["cohort"]) == pytest.approx(float(row["paper"]), abs=0.005), key
    assert sum(int(row["cohort"]) for (source, _), row in rows.items() if source == "Table 2") == 203
    assert rows["Section 2.3", "lesions smaller than 2 cm, LR-3/4/5"]["cohort"] == rows["Section 2.3", "lesions smaller than 2 cm, LR-3/4/5"]["paper"] == "44.8"
    assert rows["Section 2.3", "lesion diameter, maximum"]["cohort"] == "16.40"
    assert rows["Table 1", "section thickness, T1-weighted 3D LAVA/THRIVE"] | {"source": ""} == {
        "source": "", "item": "section thickness, T1-weighted 3D LAVA/THRIVE", "unit": "mm", "paper": "≤4.4", "cohort": "4.4"}


def test_nothing_that_the_paper_prints_of_these_patients_is_left_out(records: list[dict]) -> None:
    rows = build_summary_table(records, SETTINGS)
    assert all(row["paper"] for row in rows), "each row has a printed value"
    told = {(row["source"], row["item"]) for row in rows}
    with open(PAPER, encoding="utf-8", newline="") as file:
        printed = [row for row in csv.DictReader(file) if row["item"] in ("§2.3", "Table 1", "Table 2")]
    missing = {(row["item"], row["quantity"], row["level"]) for row in printed
               if (row["item"].replace("§", "Section "), f"{row['quantity']}, {row['level']}") not in told}
    # What is not simulated: who was screened, LR-1 and LR-2, readers' years, other sequences and their b values.
    assert {key for key in missing if key[0] != "Table 1"} == {
        ("§2.3", "patients screened", "all"), ("§2.3", "lesion classes", "assigned"), ("§2.3", "reader experience", "first reader"),
        ("§2.3", "reader experience", "second reader")}
    assert {key[1] for key in missing if key[0] == "Table 1" and "LAVA" in key[2]} == {"b value"}


def test_a_cohort_of_negatives_and_one_without_the_papers_table(records: list[dict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    negatives = [record for record in records if not record["lesions"]][:1]
    rows = {row["item"]: row for row in build_summary_table(negatives, SETTINGS)}
    assert rows["patients, negative"]["cohort"] == "1" and rows["age, standard deviation"]["cohort"] == "" and "lesion diameter, mean" not in rows
    monkeypatch.setattr(summary, "PAPER_RESULTS", tmp_path / "absent.csv")
    assert all(row["paper"] == row["unit"] == "" for row in build_summary_table(records, SETTINGS))
