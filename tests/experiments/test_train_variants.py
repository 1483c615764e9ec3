from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from stage import read_table
from train_variants import read_crops, train_variant

from lirads_keras.errors import InputError


@pytest.fixture
def crops(plan):
    """Regions of four lesions in the folds 0, 1, 1 and 0 of three; no lesion in fold 2. One is missed, one has no arterial phase."""
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"segmentation": plan.profile.segmentation.model_copy(update={"folds": 3})}))
    folder = plan.run / "characterization" / "crops"
    folder.mkdir(parents=True)
    lesions = [("007", "NA", 0), ("P2", "L1", 1), ("P2", "L2", 1), ("P3", "L1", 0)]
    index = pd.DataFrame([{"patient_id": patient, "fold": fold, "roi": roi, "lesion_id": lesion, "detected": 1, "diameter_mm": 9.5, "aphe": 1, "washout": 0,
                           "capsule": None, "category": "LR-4"} for patient, lesion, fold in lesions for roi in ("reference_roi", "automatic_roi")])
    present = np.ones((8, 3), bool)
    present[3], present[6:, 0] = False, False
    index.to_csv(folder / "index.csv", index=False)
    np.save(folder / "images.npy", np.random.default_rng(0).normal(size=(8, 3, 32, 32, 3)).astype(np.float32) * present[..., None, None, None])
    np.save(folder / "present.npy", present)
    return folder


def test_crops_are_read_row_for_row(crops):
    index, read = read_crops(crops)
    assert index["patient_id"].tolist()[:2] == ["007", "007"] and index["lesion_id"].tolist()[0] == "NA"
    assert read.images.shape == (8, 3, 32, 32, 3) and read.present.tolist()[3] == [False] * 3
    np.testing.assert_array_equal(read.features, np.tile(np.array([1, 0, np.nan], np.float32), (8, 1)))


def test_each_fold_is_read_by_a_network_that_was_trained_on_the_others(plan, crops):
    told: list[tuple[float, str]] = []
    index, read = read_crops(crops)
    train_variant(plan, "vgg16-adaptive", index, read, lambda done, total, detail: told.append((done, detail)), 0.5, 0.5)
    folder = plan.run / "characterization" / "vgg16-adaptive"
    tables = [read_table(folder / f"fold-{fold}" / "features.csv") for fold in range(3)]
    assert [len(table) for table in tables] == [4, 4, 0]
    assert all(table.columns.tolist() == ["roi", "patient_id", "lesion_id", "fold", "aphe", "washout", "capsule"] for table in tables)
    assert tables[0]["patient_id"].tolist() == ["007", "007", "P3", "P3"]
    # P3 has no arterial phase; the second region of P2's first lesion was missed.
    assert tables[0]["aphe"].isna().tolist() == [False, False, True, True] and not tables[0]["washout"].isna().any()
    assert tables[1][["aphe", "washout", "capsule"]].isna().all(axis=1).tolist() == [False, True, False, False]
    known = np.concatenate([table[["aphe", "washout", "capsule"]].to_numpy(float).ravel() for table in tables])
    assert ((known[~np.isnan(known)] > 0) & (known[~np.isnan(known)] < 1)).all()
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0.5 and shares[-1] == pytest.approx(1.0)
    assert told[-1][1] == "vgg16-adaptive, fold 3 of 3, epoch 1 of 1"

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    (folder / "fold-1" / "fold.json").unlink()
    train_variant(plan, "vgg16-adaptive", index, read, lambda done, total, detail: None, 0.0, 1.0)
    changed = {path.relative_to(folder) for path, time in before.items() if path.exists() and path.stat().st_mtime_ns != time}
    assert {str(path) for path in changed} == {"fold-1/features.csv", "fold-1/fold.json"}
    assert json.loads((folder / "fold-1" / "fold.json").read_text())["identity"].endswith("-vgg16-adaptive-1")


def test_a_fold_that_leaves_no_lesion_to_train_on_is_told(plan, crops):
    index, read = read_crops(crops)
    index["fold"] = 0
    with pytest.raises(InputError, match="fold 0: expected a lesion of another fold"):
        train_variant(plan, "vgg16-plain", index, read, lambda done, total, detail: None, 0.0, 1.0)
