from __future__ import annotations

import json
import shutil

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
    of = {name: {"segmentation": "delayed", "patient_id": name, "fold": fold, "threshold": (0.6, 0.3)[fold], **none} for name, fold in fold_of.items()}
    assert rows["P2"] == {**of["P2"], "dice": 0, "volume_ref_ml": pytest.approx(128 * VOXEL_ML), "volume_pred_ml": 0}
    assert rows["P3"] == {**of["P3"], "volume_ref_ml": 0, "volume_pred_ml": pytest.approx(4 * VOXEL_ML)}
    assert rows["P4"] == {**of["P4"], "volume_ref_ml": 0, "volume_pred_ml": 0}
    text = write_results_table(tmp_path, "surface", build_results_table("surface", rows.values())).read_text()
    assert text.splitlines()[2] == "delayed,P2,1,0.3,32,0,,,2.048,0"


def test_each_segmentation_variant_has_its_own_masks_and_choices(scored):
    plan, fold_of = scored
    shutil.copytree(plan.run.path / "segmentation" / "delayed", plan.run.path / "segmentation" / "three-phase")
    (plan.run.path / "segmentation" / "three-phase" / "fold-1" / "fold.json").write_text(json.dumps({"threshold_chosen": 0.29, "minimum_volume_mm3": 80}))
    alone = score_surfaces(plan, fold_of)
    object.__setattr__(plan, "profile", plan.profile.model_copy(
        update={"segmentation": plan.profile.segmentation.model_copy(update={"variants": ("three-phase", "delayed")})}))
    rows = score_surfaces(plan, fold_of)
    assert rows[:4] == alone and [row["segmentation"] for row in rows[4:]] == ["three-phase"] * 4
    # At the lower threshold patient P2's component is seen, 7 of 8 rows of the lesion; P3's four voxels of 16 mm³ are too few.
    further = {row["patient_id"]: row for row in rows[4:]}
    assert further["P2"]["threshold"] == 0.29 and further["P2"]["volume_pred_ml"] == pytest.approx(112 * VOXEL_ML)
    assert further["P3"]["volume_pred_ml"] == 0 and further["P1"] == {**rows[0], "segmentation": "three-phase"}


def test_a_voxel_on_the_threshold_counts(scored):
    plan, _ = scored
    prediction = plan.run.path / "segmentation" / "delayed" / "fold-0" / "predictions" / "P1.npy"
    volumes = [score_surface(plan.run.path / "store" / "P1", prediction, threshold, 0)["volume_pred_ml"] / VOXEL_ML for threshold in (0.596, 0.6, 0.604)]
    assert volumes == [pytest.approx(114), pytest.approx(113), pytest.approx(1)]
