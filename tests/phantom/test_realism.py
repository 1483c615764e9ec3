from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from lirads_keras.phantom.literature import AGREEMENT, PREVALENCE, share
from lirads_keras.phantom.realism import build_realism_table

Record = dict[str, Any]


def make_lesion(number: int, **changes: Any) -> dict[str, Any]:
    features = {"aphe": 1, "washout": 1, "capsule": 0, "category": "LR-5", "diameter_mm": 30.0}
    lesion = {
        "tissue_class": "class_a", "capsule_mm": 0.0, "capsule_margin": -0.5, "aphe_margin": 0.2, "washout_margin": 0.1, "dice_readers": 0.9,
        "diameter_mm_true": 30.0, "ratio_arterial": 1.3, "ratio_portal_venous": 0.9, "ratio_delayed": 0.8, **features,
        **{f"{name}_reader{reader}": value for name, value in features.items() for reader in (1, 2)}}
    return lesion | changes | {"lesion_id": f"L{number}"}


def make_record(lesions: list[dict[str, Any]], **measurements: Any) -> Record:
    return {
        "patient": {"patient_id": "P", "group": "positive" if lesions else "negative", "cirrhotic": 1, "scanner": "Achieva 3.0T"}, "lesions": lesions,
        "measurements": {
            "liver_enhancement": [1.5, 2.4, 1.9], "tissues": {"spleen": [1.6, 1.1, 1.0]}, "liver_snr": 20.0,
            "shift_mm": {"arterial": 2.0, "portal_venous": -6.0}, **({"dice_readers": 0.8} if lesions else {}), **measurements}}


def find(rows: list[dict[str, Any]], quantity: str, group: str, phase: str = "", source: str = "") -> dict[str, Any]:
    matching = [row for row in rows if (row["quantity"], row["group"], row["phase"]) == (quantity, group, phase) and source in row["source"]]
    assert len(matching) == 1
    return matching[0]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    first = [make_lesion(1), make_lesion(2, aphe=0, aphe_reader1=0, diameter_mm=8.0, category="LR-3", ratio_delayed=1.25)]
    second = [make_lesion(1, washout=0, capsule=1, capsule_mm=2.0, capsule_margin=0.2, diameter_mm=15.0, category="LR-4", ratio_delayed=1.0)]
    records = [make_record(first, liver_snr=18.0), make_record(second, shift_mm={"arterial": -4.0, "portal_venous": 6.0}), make_record([], liver_snr=22.0)]
    return build_realism_table(records, seed=1)


def test_shares_and_means_by_hand(rows: list[dict[str, Any]]) -> None:
    assert find(rows, "APHE present", "all sizes", source="Ding")["measured"] == pytest.approx(2 / 3)
    assert find(rows, "washout present", "all sizes", source="Park")["n"] == 3
    assert [find(rows, "APHE present", size)["n"] for size in ("0-9 mm", "10-19 mm", "20 mm or more")] == [1, 1, 1]
    assert find(rows, "APHE present", "0-9 mm")["measured"] == 0
    assert find(rows, "share of lesions", "LR-4", source="Wu")["measured"] == pytest.approx(1 / 3)
    # Of the two that are 20 mm or less.
    assert find(rows, "share of lesions of 20 mm or less", "LR-3")["measured"] == 0.5
    assert find(rows, "signal over liver", "spleen", "arterial")["measured"] == pytest.approx(1.6)
    assert find(rows, "signal over liver", "capsule (rim)", "delayed")["measured"] == pytest.approx(1.3)
    # 100 over 0.8, 1.25 and 1.0: the median is 100.
    assert find(rows, "liver over lesion signal, median", "HCC", "delayed", "equilibrium")["measured"] == pytest.approx(100)
    assert find(rows, "signal-to-noise ratio of the liver", "Achieva 3.0T", "delayed")["measured"] == pytest.approx(20)
    assert find(rows, "cranio-caudal shift to the delayed phase", "largest", "arterial")["measured"] == 4
    assert find(rows, "lesion diameter", "50% quantile")["measured"] == 15
    assert find(rows, "Dice between the readers' masks", "all patients with lesions")["n"] == 2


def test_agreement_by_hand(rows: list[dict[str, Any]]) -> None:
    # APHE: readers (1, 1), (0, 1), (1, 1): observed 2/3, chance 2/3 · 1 + 1/3 · 0.
    assert find(rows, "agreement of the readers, Cohen's κ", "APHE")["measured"] == pytest.approx(0)
    expected = find(rows, "agreement expected of the readers, Cohen's κ", "washout")
    assert expected["n"] == 3000 and expected["literature"] == 0.69


def test_what_the_cohort_lacks_is_left_empty(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert (row["n"] == 0) <= (row["measured"] is None)
    assert find(rows, "signal over liver", "cyst", "arterial") | {"source": ""} == {
        "quantity": "signal over liver", "group": "cyst", "phase": "arterial", "unit": "", "n": 0, "measured": None, "measured_low": None,
        "measured_high": None, "literature": pytest.approx(0.164, abs=0.01), "literature_low": pytest.approx(0.147, abs=0.01),
        "literature_high": pytest.approx(0.184, abs=0.01), "source": ""}


def test_no_lesion_at_all_and_one_patient() -> None:
    assert all(row["n"] == 0 for row in build_realism_table([make_record([])], seed=1) if "share" in row["quantity"] or "κ" in row["quantity"])


def test_the_literatures_intervals() -> None:
    for count, total in ((129, 145), (8, 145), (42, 112), (0, 7), (7, 7)):
        ours, theirs = share(count, total, "x"), stats.binomtest(count, total).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=1e-6), pytest.approx(theirs.high, abs=1e-6))
    assert (AGREEMENT["aphe"].value, AGREEMENT["washout"].value, AGREEMENT["capsule"].value) == (0.72, 0.69, 0.66)
    # Ding and Park as the cohort's specification quotes them: 89, 85 and 79, 5.5 and 29 %.
    assert [[round(each.value or 0, 2) for each in PREVALENCE[name][:-1]] for name in PREVALENCE] == [[0.89, 0.85], [0.79], [0.06, 0.29]]


def test_the_cohorts_table_is_of_its_records(tiny_cohort: Path) -> None:
    with open(tiny_cohort / "cohort_realism.csv", encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((tiny_cohort / "records").iterdir())]
    rows = build_realism_table(records, seed=7)
    assert len(written) == len(rows) > 90
    for text, row in zip(written, rows, strict=True):
        assert text["quantity"] == row["quantity"] and (text["measured"] == "") == (row["measured"] is None)
    keys = [(row["quantity"], row["group"], row["phase"], row["source"]) for row in rows]
    assert len(set(keys)) == len(keys)
