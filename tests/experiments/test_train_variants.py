from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from stage_data import read_table
from train_variants import graph_of, order_queue, read_crops, train_variants
from trainings import list_trainings

from lirads_keras.errors import InputError
from lirads_keras.progress import ignore_progress
from lirads_keras.variants import CHARACTERIZATION_VARIANTS


@pytest.fixture
def crops(plan):
    """Regions of four lesions in the folds 0, 1, 1 and 0 of three; no lesion in fold 2. One is missed, one has no arterial phase."""
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"segmentation": plan.profile.segmentation.model_copy(update={"folds": 3})}))
    folder = plan.run.crops
    folder.path.mkdir(parents=True)
    lesions = [("007", "NA", 0), ("P2", "L1", 1), ("P2", "L2", 1), ("P3", "L1", 0)]
    categories = {"007": "LR-3", "P2": "LR-4", "P3": "LR-5"}
    index = pd.DataFrame([
        {"patient_id": patient, "fold": fold, "roi": roi, "segmentation": segmentation, "lesion_id": lesion, "detected": 1, "diameter_mm": 9.5, "aphe": 1,
         "washout": 0, "capsule": None, "category": categories[patient]}
        for patient, lesion, fold in lesions for roi, segmentation in (("reference_roi", None), ("automatic_roi", "delayed"))])
    present = np.ones((8, 3), bool)
    present[3], present[6:, 0] = False, False
    index.to_csv(folder.index, index=False)
    np.save(folder.images, np.random.default_rng(0).normal(size=(8, 3, 32, 32, 3)).astype(np.float32) * present[..., None, None, None])
    np.save(folder.present, present)
    return folder


def use(plan, *variants: str, **settings) -> None:
    """Has the plan train these variants."""
    section = plan.profile.characterization.model_copy(update={"variants": variants, **settings})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"characterization": section}))


def test_crops_are_read_row_for_row(crops):
    index, read = read_crops(crops)
    assert index["patient_id"].tolist()[:2] == ["007", "007"] and index["lesion_id"].tolist()[0] == "NA"
    assert read.images.shape == (8, 3, 32, 32, 3) and read.present.tolist()[3] == [False] * 3
    np.testing.assert_array_equal(read.features, np.tile(np.array([1, 0, np.nan], np.float32), (8, 1)))
    assert read.categories.tolist() == [0, 0, 1, 1, 1, 1, 2, 2] and (read.diameters_mm == 9.5).all()


def test_each_fold_is_read_by_a_network_that_was_trained_on_the_others(plan, crops):
    told: list[tuple[float, str]] = []
    index, read = read_crops(crops)
    use(plan, "vgg16-adaptive")
    train_variants(plan, index, read, lambda fraction, message: told.append((fraction, message)))
    folder = plan.run.path / "characterization" / "vgg16-adaptive"
    tables = [read_table(folder / f"fold-{fold}" / "scores.csv") for fold in range(3)]
    assert [len(table) for table in tables] == [4, 4, 0]
    assert all(table.columns.tolist() == ["roi", "segmentation", "patient_id", "lesion_id", "fold", "aphe", "washout", "capsule"] for table in tables)
    assert tables[0]["patient_id"].tolist() == ["007", "007", "P3", "P3"]
    # P3 has no arterial phase; the second region of P2's first lesion was missed.
    assert tables[0]["aphe"].isna().tolist() == [False, False, True, True] and not tables[0]["washout"].isna().any()
    assert tables[1][["aphe", "washout", "capsule"]].isna().all(axis=1).tolist() == [False, True, False, False]
    known = np.concatenate([table[["aphe", "washout", "capsule"]].to_numpy(float).ravel() for table in tables])
    assert ((known[~np.isnan(known)] > 0) & (known[~np.isnan(known)] < 1)).all()
    half = read_table(folder / "half" / "scores.csv")
    assert half["patient_id"].nunique() == 1 and len(half) == 2 * index.loc[index["roi"] == "reference_roi", "patient_id"].tolist().count(half["patient_id"][0])
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == pytest.approx(1.0)
    assert told[-1][1] == "vgg16-adaptive, all patients, epoch 1 of 1"
    # The network on all patients has nobody to read.
    full = plan.run.full("vgg16-adaptive")
    assert full.weights.exists() and full.tested.path.exists() and not full.scores.exists()

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    (folder / "fold-1" / "fold.json").unlink()
    train_variants(plan, index, read, ignore_progress)
    changed = {path.relative_to(folder) for path, time in before.items() if path.exists() and path.stat().st_mtime_ns != time}
    assert {str(path) for path in changed} == {"fold-1/scores.csv", "fold-1/fold.json"}
    assert json.loads((folder / "fold-1" / "fold.json").read_text())["identity"].endswith("-vgg16-adaptive-seed-2023-fold-1")


def test_a_direct_network_reads_categories_in_the_same_folds(plan, crops):
    index, read = read_crops(crops)
    use(plan, "direct-finetuned-size")
    train_variants(plan, index, read, ignore_progress)
    tables = [read_table(plan.run.path / "characterization" / "direct-finetuned-size" / f"fold-{fold}" / "scores.csv") for fold in range(3)]
    assert [len(table) for table in tables] == [4, 4, 0]
    assert all(table.columns.tolist() == ["roi", "segmentation", "patient_id", "lesion_id", "fold", "LR-3", "LR-4", "LR-5"] for table in tables)
    sums = np.concatenate([table[["LR-3", "LR-4", "LR-5"]].to_numpy(float).sum(axis=1) for table in tables])
    # The lesion that was missed has no probability; one without an arterial phase has.
    assert np.isnan(sums).tolist() == [False] * 5 + [True, False, False] and sums[~np.isnan(sums)] == pytest.approx(1, rel=1e-4)


def test_every_seed_has_its_own_networks(plan, crops):
    use(plan, "direct-frozen", seeds=(2023, 7), half_split=False)
    index, read = read_crops(crops)
    told: list[str] = []
    train_variants(plan, index, read, lambda fraction, message: told.append(message))
    folder = plan.run.path / "characterization" / "direct-frozen"
    first, other = (read_table(folder / part / "fold-0" / "scores.csv") for part in (".", "seed-7"))
    assert first["lesion_id"].equals(other["lesion_id"]) and not np.allclose(first["LR-3"], other["LR-3"])
    assert told[0] == "direct-frozen, seed 2023, fold 1, epoch 0 of 1" and told[-1] == "direct-frozen, seed 7, fold 3, epoch 1 of 1"


def test_variants_of_one_trunk_and_seed_share_a_network(plan):
    graphs = {variant: graph_of(list_trainings(plan, variant)[0]) for variant in CHARACTERIZATION_VARIANTS}
    assert graphs["vgg16-adaptive"] == graphs["vgg16-plain"] != graphs["resnet50-adaptive"] == graphs["resnet50-plain"]
    assert len(set(graphs.values())) == 5


def test_a_fold_that_leaves_no_lesion_to_train_on_is_told(plan, crops):
    index, read = read_crops(crops)
    index["fold"] = 0
    use(plan, "vgg16-plain")
    with pytest.raises(InputError, match="fold-0: expected a lesion of another patient"):
        train_variants(plan, index, read, ignore_progress)


def test_the_largest_work_comes_first_and_workers_begin_at_other_graphs(plan):
    use(plan, *CHARACTERIZATION_VARIANTS)
    trainings = [training for variant in CHARACTERIZATION_VARIANTS for training in list_trainings(plan, variant)]
    orders = [order_queue(trainings, worker) for worker in range(6)]
    assert all(len(order) == len(trainings) and set(order) == set(trainings) for order in orders)
    graphs = [list(dict.fromkeys(graph_of(training)[0] for training in order)) for order in orders]
    # Twice the trainings of a direct network; a ResNet-50 is a quarter of VGG16's work, and a frozen trunk a third.
    assert graphs[0] == ["vgg16", "direct-finetuned", "direct-finetuned-size", "resnet50", "direct-frozen"]
    assert [own[0] for own in graphs] == [*graphs[0], "vgg16"] and graphs[1] == [*graphs[0][1:], "vgg16"]
    # A graph is left before the next is begun.
    assert all(len(own) == len(set(own)) == 5 for own in graphs)


def test_a_worker_leaves_to_another_what_that_is_at(plan, crops, monkeypatch):
    use(plan, "direct-frozen", half_split=False)
    index, read = read_crops(crops)
    claimed = list_trainings(plan, "direct-frozen")[1]
    plan.run.locks.mkdir()
    with FileLock(plan.run.locks / f"{claimed.name}.lock"):
        train_variants(plan, index, read, ignore_progress)
    assert [training.folder.tested.path.exists() for training in list_trainings(plan, "direct-frozen")] == [True, False, True]
    train_variants(plan, index, read, ignore_progress)
    assert claimed.folder.tested.path.exists()
