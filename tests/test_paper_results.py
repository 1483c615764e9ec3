"""data_manifests/paper_results.csv against a second, literal list of the printed numbers, and its columns."""
from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PATH = REPOSITORY / "data_manifests" / "paper_results.csv"
COLUMNS = ["item", "quantity", "level", "value", "unit", "n", "note"]

# Table 1, row by row: section thickness, gap, matrix, NEX, TR, TE, b value.
TABLE_1 = {
    "T1-weighted dual-phase FSPGR/FLASH/T1-FFE": ("≤6", "≤1", "≥256 × 160", "≤1", "the shortest", "2.25/4.5 (1.5T) 1.15/2.3 (3T)", "–"),
    "T2-weighted 2D FSE/TSE/SSFSE": ("≤6", "≤1", "≥288 × 224", "2–4", ">1,500", "80–106", "–"),
    "Diffusion-weighted SE-EPI": ("≤6", "≤1", "≥128 × 128", "4–10", "1,850–2,300", "the shortest", "800–1,200"),
    "T1-weighted 3D LAVA/THRIVE": ("≤4.4", "0", "≥256 × 160", "≤1", "the shortest", "the shortest", "–"),
}
TABLE_1_QUANTITIES = ("section thickness", "intersection gap", "matrix", "NEX", "TR", "TE", "b value")

TABLE_2 = {
    "liver operation": (40, 0), "puncture": (7, 2), "transcatheter arterial chemoembolization": (43, 0), "radiofrequency ablation": (4, 0),
    "CT/MRI follow-up": (1, 18), "comprehensive clinical diagnosis": (14, 72), "liver transplant": (2, 0),
}

# Table 3: rows 0, 1 and 2 other features; columns no APHE < 20, no APHE >= 20, APHE < 10, APHE >= 20.
TABLE_3_COLUMNS = ("no APHE; < 20 mm", "no APHE; ≥ 20 mm", "APHE; < 10 mm", "APHE; ≥ 20 mm")
TABLE_3 = {"0 others": (3, 3, 3, 4), "1 other": (3, 4, 4, 5), "2 others": (4, 4, 4, 5)}

TABLE_4_THRESHOLDS = ("0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8")
TABLE_4 = {
    "median Dice": ("0.798", "0.825", "0.842", "0.867", "0.867", "0.879", "0.864"),
    "average Dice": ("0.669", "0.681", "0.688", "0.691", "0.680", "0.687", "0.665"),
}

OTHERS = {
    ("§2.3", "patients screened", "all"): "6041",
    ("§2.3", "patients", "all"): "203",
    ("§2.3", "patients", "positive"): "111",
    ("§2.3", "patients", "negative"): "92",
    ("§2.3", "lesions", "LR-3/4/5"): "174",
    ("§2.3", "lesion classes", "assigned"): "5",
    ("§2.3", "lesion classes", "scored"): "3",
    ("§2.3", "age", "mean"): "58.53",
    ("§2.3", "age", "standard deviation"): "11.14",
    ("§2.3", "sex", "male"): "69.46",
    ("§2.3", "sex", "female"): "30.54",
    ("§2.3", "lesion diameter", "mean"): "3.15",
    ("§2.3", "lesion diameter", "standard deviation"): "2.92",
    ("§2.3", "lesion diameter", "minimum"): "0.40",
    ("§2.3", "lesion diameter", "maximum"): "16.40",
    ("§2.3", "lesions smaller than 2 cm", "LR-3/4/5"): "44.8",
    ("§2.3", "readers", "all"): "2",
    ("§2.3", "reader experience", "first reader"): "10",
    ("§2.3", "reader experience", "second reader"): "30",
    ("§2.3", "scanners", "all"): "4",
    ("§2.3", "scanner", "1"): "SIGNA EXCITE 3.0T HD (GE)",
    ("§2.3", "scanner", "2"): "Discovery MR 750 3.0T (GE)",
    ("§2.3", "scanner", "3"): "Achieva 3.0T (Philips)",
    ("§2.3", "scanner", "4"): "SIGNA EXCITE 1.5T HD (GE)",
    ("§2.3", "contrast injection rate", "minimum"): "2.5",
    ("§2.3", "contrast injection rate", "maximum"): "3",
    ("§2.3", "time after injection", "arterial minimum"): "20",
    ("§2.3", "time after injection", "arterial maximum"): "40",
    ("§2.3", "time after injection", "portal venous minimum"): "50",
    ("§2.3", "time after injection", "portal venous maximum"): "60",
    ("§2.3", "time after injection", "delayed"): "180",
    ("§2.4", "matrix", "rows"): "512",
    ("§2.4", "matrix", "columns"): "512",
    ("§2.4", "slices", "a phase"): "300",
    ("§2.4", "2.5D samples", "a patient"): "298",
    ("§2.4", "2.5D samples", "all"): "33078",
    ("§2.4", "folds", "all"): "9",
    ("§2.4", "crop", "rows"): "224",
    ("§2.4", "crop", "columns"): "224",
    ("Fig. 9", "10th percentile of Dice", "all thresholds"): "0",
    ("Fig. 13", "recall", "lesion minimum"): "0.7",
    ("Fig. 13", "recall", "lesion maximum"): "0.9",
    ("Fig. 13", "precision", "lesion minimum"): "0.9",
    ("Fig. 13", "precision", "patient"): "1",
    ("Fig. 13", "recall", "patient"): "0.9",
    ("Table 5", "LI-RADS accuracy", "vgg16-adaptive"): "76.13",
    ("Table 5", "LI-RADS accuracy", "resnet50-adaptive"): "72.72",
    ("Table 5", "LI-RADS accuracy", "vgg16-plain"): "63.50",
    ("Table 5", "LI-RADS accuracy", "resnet50-plain"): "61.36",
    ("Fig. 15", "LI-RADS accuracy", "direct-frozen"): "43",
    ("Fig. 15", "LI-RADS accuracy", "direct-finetuned"): "49",
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key(row: dict[str, str]) -> tuple[str, str, str]:
    return row["item"], row["quantity"], row["level"]


def expected() -> dict[tuple[str, str, str], str]:
    numbers = dict(OTHERS)
    numbers |= {("Table 1", quantity, sequence): value
                for sequence, values in TABLE_1.items() for quantity, value in zip(TABLE_1_QUANTITIES, values, strict=True)}
    numbers |= {("Table 2", f"{group} patients", diagnosis): str(count)
                for diagnosis, counts in TABLE_2.items() for group, count in zip(("positive", "negative"), counts, strict=True)}
    numbers |= {("Table 3", "category", f"{column}; {others}"): f"LR-{category}"
                for others, categories in TABLE_3.items() for column, category in zip(TABLE_3_COLUMNS, categories, strict=True)}
    numbers |= {("Table 4", quantity, threshold): value
                for quantity, values in TABLE_4.items() for threshold, value in zip(TABLE_4_THRESHOLDS, values, strict=True)}
    return numbers


def test_every_printed_number_is_there_as_printed_and_no_other(rows: list[dict[str, str]]) -> None:
    assert {key(row): row["value"] for row in rows} == expected()


def test_rows_are_unique_and_complete(rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == COLUMNS
    assert [k for k, count in Counter(map(key, rows)).items() if count > 1] == []
    assert [key(row) for row in rows if None in row.values() or not all(key(row)) or not row["value"]] == []
    assert [row["n"] for row in rows if row["n"] and not row["n"].isdigit()] == []


def test_what_is_inferred_or_approximate_says_so(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert ("inferred" in row["note"]) == (row["quantity"] == "LI-RADS accuracy"), row
        assert ("approximate" in row["note"]) == (row["item"] in ("Fig. 9", "Fig. 13")), row
    assert {row["n"] for row in rows if "inferred" in row["note"]} == {"88"}


def test_printed_numbers_agree_with_one_another(rows: list[dict[str, str]]) -> None:
    value = {key(row): row["value"] for row in rows}
    assert [sum(counts) for counts in zip(*TABLE_2.values(), strict=True)] == [111, 92]
    assert 111 + 92 == int(value["§2.3", "patients", "all"])
    assert int(value["§2.4", "2.5D samples", "all"]) == 111 * int(value["§2.4", "2.5D samples", "a patient"])
    assert f"{100 * 141 / 203:.2f}" == value["§2.3", "sex", "male"]
    assert f"{100 * 78 / 174:.1f}" == value["§2.3", "lesions smaller than 2 cm", "LR-3/4/5"]


def test_nothing_but_the_report_and_the_cohorts_summary_reads_it() -> None:
    """The summary is made of the finished patients: only the function that writes tables after them asks for it."""
    sources = [*(REPOSITORY / "lirads_keras").rglob("*.py"), *(REPOSITORY / "experiments" / "profiles").glob("*.yaml")]
    summary, build = (REPOSITORY / "lirads_keras" / "phantom" / f"{name}.py" for name in ("summary", "build"))
    assert [path for path in sources if "paper_results" in path.read_text(encoding="utf-8")] == [summary]
    assert [path for path in sources if "phantom.summary" in path.read_text(encoding="utf-8")] == [build]
    assert build.read_text(encoding="utf-8").split("def _write_description(")[0].count("build_summary_table") == 1, "the import alone"
