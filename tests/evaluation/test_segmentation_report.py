from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lirads_keras.evaluation.segmentation_report import COLUMNS, score_fold, summarize, write_segmentation_report
from lirads_keras.run import NetworkFolder


def write_fold(folder: Path, threshold: float, **predictions: list[int]) -> None:
    (folder / "predictions").mkdir(parents=True)
    (folder / "fold.json").write_text(json.dumps({"threshold_chosen": threshold, "minimum_volume_mm3": 500}))
    for name, levels in predictions.items():
        np.save(folder / "predictions" / f"{name}.npy", np.array(levels, np.uint8).reshape(1, 1, -1))


def mask(*voxels: int) -> np.ndarray:
    return np.array(voxels, bool).reshape(1, 1, -1)


def test_dice_and_volumes_by_hand(tmp_path: Path) -> None:
    # Threshold 0.6 is level 150. A: two of three reference voxels found, one beside; B: nothing there, one voxel found; C: nothing at all.
    # 500 mm³ are a voxel of 0.5 ml, and of A's two components, of two voxels and of one, both count.
    write_fold(tmp_path, 0.6, A=[250, 150, 149, 200], B=[151, 0, 0, 0], C=[0, 0, 0, 149])
    rows = score_fold(NetworkFolder(tmp_path), 4, [("A", mask(1, 1, 1, 0), 0.5), ("B", mask(0, 0, 0, 0), 2.0), ("C", mask(0, 0, 0, 0), 2.0)])
    assert [list(row) for row in rows] == [list(COLUMNS)] * 3
    assert [list(row.values())[:6] for row in rows[:2]] == [["A", 4, 1, 0.6, 500, pytest.approx(2 * 2 / (3 + 3))], ["B", 4, 0, 0.6, 500, 0.0]]
    assert np.isnan(float(str(rows[2]["dice"])))
    assert [(row["volume_reference_ml"], row["volume_predicted_ml"]) for row in rows] == [(1.5, 1.5), (0.0, 2.0), (0.0, 0.0)]


def test_the_summary_is_over_patients_with_the_label() -> None:
    table = pd.DataFrame({"fold": [0, 0, 1, 1], "has_reference": [1, 1, 1, 0], "dice": [0.5, 0.7, 0.9, 0.0]})
    summary = summarize(table).set_index("patients")
    assert summary["n"].to_dict() == {"all": 3, "fold 0": 2, "fold 1": 1}
    assert summary.loc["all", ["mean", "median", "sd", "first_quartile"]].tolist() == pytest.approx([0.7, 0.7, 0.2, 0.6])


def test_the_page_says_what_the_table_says_and_nothing_runs_in_it(tmp_path: Path) -> None:
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in (
        ("<b>2", 1, 1, 0.5, 0, 0.8, 10.0, 9.0), ("P1", 0, 1, 0.4, 0, 0.6, 1.0, 2.0), ("N", 0, 0, 0.4, 0, float("nan"), 0.0, 0.0),
        ("M", 1, 0, 0.5, 0, 0.0, 0.0, 3.0))]
    text = write_segmentation_report(tmp_path, rows, title="Liver & more", facts={"Cohort": "virtual cohort"})
    page = (tmp_path / "report.html").read_text()
    assert "Liver &amp; more" in page and "<b>2" not in page and "&lt;b&gt;2" in page and "virtual cohort" in page and "Research use only" in page
    assert text == (tmp_path / "summary.txt").read_text() and "2 patients without the label: nothing was found in 1, 1.5 ml in the median." in text
    table = pd.read_csv(tmp_path / "dice.csv", keep_default_na=False)
    assert table["patient_id"].tolist() == ["N", "P1", "<b>2", "M"] and table["dice"].tolist() == ["", "0.6", "0.8", "0"]
