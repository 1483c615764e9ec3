from __future__ import annotations

import json

import numpy as np
import pytest
from results_tables import build_results_table, write_results_table
from score_surface import score_surface, score_surfaces

SHAPE = (6, 32, 32)
VOXEL_ML = 4 * 2 * 2 / 1000


@pytest.fixture
def scored(plan, store_study):
    """Two folds with thresholds 0.6 and 0.3, and lesions from two voxels on.

    P1: found but for one row; P2: missed; P3: no lesion, a false one; P4: no lesion and nothing found.
    """
    lesion, empty = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lesion[1:3, 4:12, 4:12] = 7
    levels = {name: np.zeros(SHAPE, np.uint8) for name in ("P1", "P2", "P3", "P4")}
    levels["P1"][1:3, 4:11, 4:12] = 150
    levels["P1"][5, 30, 30] = 149
    # Under 32 mm³, which are two voxels.
    levels["P1"][0, 30, 30] = 250
    levels["P2"][1:3, 4:11, 4:12] = 74
    levels["P3"][4, 20:22, 20:22] = 75
    fold_of = {"P1": 0, "P2": 1, "P3": 1, "P4": 0}
    for fold, threshold in enumerate((0.6, 0.3)):
        folder = plan.run.path / "segmentation" / "delayed" / f"fold-{fold}"
        (folder / "predictions").mkdir(parents=True)
        (folder / "fold.json").write_text(json.dumps({"threshold_chosen": threshold, "minimum_volume_mm3": 32}))
    for name, fold in fold_of.items():
        store_study(name, lesion if name in ("P1", "P2") else empty)
        np.save(plan.run.path / "segmentation" / "delayed" / f"fold-{fold}" / "predictions" / f"{name}.npy", levels[name])
    return plan, fold_of


def test_each_patient_at_the_threshold_of_the_fold(scored, tmp_path):
    plan, fold_of = scored
    rows = {row["patient_id"]: row for row in score_surfaces(plan, fold_of)}
    assert list(rows) == list(fold_of) and [row["threshold"] for row in rows.values()] == [0.6, 0.3, 0.3, 0.6]
    # Of P1's lesion the last of eight rows, 2 mm wide, is missing: 2 slices × 8 pixels stand 2 mm off, the rest lies on the other surface.
    found = rows["P1"]
    assert found["volume_ref_ml"] == pytest.approx(128 * VOXEL_ML) and found["volume_pred_ml"] == pytest.approx(112 * VOXEL_ML)
    assert found["mean_surface_distance_mm"] == pytest.approx(2 * 16 / (128 + 112)) and found["hausdorff95_mm"] == pytest.approx(2.0)
    assert found["dice"] == pytest.approx(2 * 112 / (128 + 112))
    none = {"minimum_volume_mm3": 32, "dice": None, "mean_surface_distance_mm": None, "hausdorff95_mm": None}
    assert rows["P2"] == {"patient_id": "P2", "fold": 1, "threshold": 0.3, **none, "dice": 0, "volume_ref_ml": pytest.approx(128 * VOXEL_ML),
                          "volume_pred_ml": 0}
    assert rows["P3"] == {"patient_id": "P3", "fold": 1, "threshold": 0.3, **none, "volume_ref_ml": 0, "volume_pred_ml": pytest.approx(4 * VOXEL_ML)}
    assert rows["P4"] == {"patient_id": "P4", "fold": 0, "threshold": 0.6, **none, "volume_ref_ml": 0, "volume_pred_ml": 0}
    text = write_results_table(tmp_path, "surface", build_results_table("surface", rows.values())).read_text()
    assert text.splitlines()[2] == "P2,1,0.3,32,0,,,2.048,0"


def test_a_voxel_on_the_threshold_counts(scored):
    plan, _ = scored
    prediction = plan.run.path / "segmentation" / "delayed" / "fold-0" / "predictions" / "P1.npy"
    volumes = [score_surface(plan.run.path / "store" / "P1", prediction, threshold, 0)["volume_pred_ml"] / VOXEL_ML for threshold in (0.596, 0.6, 0.604)]
    assert volumes == [pytest.approx(114), pytest.approx(113), pytest.approx(1)]
