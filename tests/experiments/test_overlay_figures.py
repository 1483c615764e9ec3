from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from overlay_figures import write_overlay_figures

SHAPE = (6, 32, 32)


@pytest.fixture
def finished(plan, store_study):
    """Two patients in two folds: P1 with a large lesion in slice 2 that is found, and 007 with a small one in slice 4 that is missed."""
    large, small = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    large[1:4, 4:20, 4:20] = 3
    large[2, 4:21, 4:20] = 3
    small[3:5, 10, 12:14] = 1
    small[4, 10:12, 12:14] = 1
    for fold, (patient_id, mask, found) in enumerate((("P1", large, 150), ("007", small, 0))):
        store_study(patient_id, mask)
        (plan.run.path / "segmentation" / "delayed" / f"fold-{fold}" / "predictions").mkdir(parents=True)
        np.save(plan.run.path / "segmentation" / "delayed" / f"fold-{fold}" / "predictions" / f"{patient_id}.npy", (mask > 0).astype(np.uint8) * found)
    return plan


ROWS = {
    "run": [{"key": "cohort", "value": "virtual cohort"}],
    # Those of the variant that is not the paper's would show other cases.
    "fold_thresholds": [{"segmentation": name, "fold": fold, "threshold_chosen": threshold} for name, of_folds in (
        ("delayed", (0.5, 0.3)), ("three-phase", (0.3, 0.5))) for fold, threshold in enumerate(of_folds)],
    "dice_by_threshold": [{"segmentation": variant, "patient_id": name, "fold": fold, "threshold": threshold, "dice": dice} for variant, name, fold, at in (
        ("delayed", "P1", 0, {0.3: 0.75, 0.5: 0.875}), ("delayed", "007", 1, {0.3: 0.0, 0.5: 0.25}),
        ("three-phase", "P1", 0, {0.3: 0.125, 0.5: 0.125}), ("three-phase", "007", 1, {0.3: 0.5, 0.5: 0.5})) for threshold, dice in at.items()],
    "lesions": [{"patient_id": "P1", "lesion_id": "A", "diameter_mm": 44.0}, {"patient_id": "007", "lesion_id": "B", "diameter_mm": 4.25}]}
LABELS = {("P1", "A"): 3, ("007", "B"): 1}


def read(path: Path) -> list[dict]:
    return pd.read_csv(path, dtype={"patient_id": str}).to_dict("records")


def test_cases_are_listed_with_the_slice_that_is_shown_and_the_dice_at_the_folds_own_threshold(finished):
    write_overlay_figures(finished, ROWS, LABELS)
    results = finished.run.path / "results"
    assert read(results / "figure_8.csv") == [
        {"case": "worst", "patient_id": "007", "fold": 1, "slice": 4, "threshold": 0.3, "dice": 0.0},
        {"case": "median", "patient_id": "P1", "fold": 0, "slice": 2, "threshold": 0.5, "dice": 0.875}]
    assert read(results / "figure_11.csv") == [
        {"patient_id": "007", "lesion_id": "B", "diameter_mm": 4.25, "fold": 1, "slice": 4, "threshold": 0.3, "dice": 0.0}]
    assert sorted(path.name for path in results.iterdir()) == ["figure_11.csv", "figure_11.png", "figure_8.csv", "figure_8.png"]
    assert all((results / f"figure_{number}.png").read_bytes().startswith(b"\x89PNG") for number in (8, 11))


def test_the_same_run_gives_the_same_bytes(finished):
    write_overlay_figures(finished, ROWS, LABELS)
    first = {path.name: path.read_bytes() for path in (finished.run.path / "results").iterdir()}
    write_overlay_figures(finished, json.loads(json.dumps(ROWS)), LABELS)
    assert {path.name: path.read_bytes() for path in (finished.run.path / "results").iterdir()} == first


def test_a_run_without_small_lesions_has_an_empty_table(finished):
    rows = ROWS | {"lesions": ROWS["lesions"][:1]}
    write_overlay_figures(finished, rows, LABELS)
    assert (finished.run.path / "results" / "figure_11.csv").read_text() == "patient_id,lesion_id,diameter_mm,fold,slice,threshold,dice\n"


def test_ring_and_masks_lie_where_the_lesion_is(finished, monkeypatch):
    drawn = {}
    monkeypatch.setattr("overlay_figures.plot_small_lesions", lambda cases, title: drawn.update(cases=cases, title=title) or _Figure())
    monkeypatch.setattr("overlay_figures.plot_cases", lambda cases, title: drawn.update(wide=cases) or _Figure())
    write_overlay_figures(finished, ROWS, LABELS)
    (case,) = drawn["cases"]
    # Rows 10 and 11, columns 12 and 13 of 2 mm: centre at 22 and 26 mm.
    assert case.centre_yx_mm == (22.0, 26.0) and case.diameter_mm == 4.25 and case.spacing_yx_mm == (2.0, 2.0)
    assert case.reference.sum() == 4 and case.reference[10:12, 12:14].all() and not case.prediction.any()
    assert "virtual cohort" in drawn["title"] and "007 B, 4.2 mm" in case.caption
    worst, best = drawn["wide"]
    assert best.prediction.sum() == best.reference.sum() == 17 * 16 and worst.caption == "worst: 007\nDice 0.00, slice 4"


class _Figure:
    def savefig(self, file, **options) -> None:
        file.write(b"")
