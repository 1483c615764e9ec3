from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from export_results import compute_checksums, describe_run, list_trainings, read_history, score_features, score_patient

from lirads_keras.evaluation.export import TABLES, build_results_table, write_results_table
from lirads_keras.io.manifests import Manifest
from lirads_keras.provenance import compute_sha256

SHAPE = (6, 32, 32)
LESION = (slice(1, 3), slice(4, 12), slice(4, 12))


@pytest.fixture
def prediction(tmp_path):
    """A component that covers half of the lesion at 0.6, and one elsewhere at 0.4."""
    levels = np.zeros(SHAPE, np.uint8)
    levels[1:3, 4:8, 4:12] = 150
    levels[4:6, 20:24, 20:22] = 100
    np.save(tmp_path / "P1.npy", levels)
    return tmp_path / "P1.npy"


def test_a_patient_with_a_lesion_is_scored_at_every_threshold(store_study, prediction, profile):
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 3
    rows = score_patient(store_study("P1", mask), prediction, profile, {"3": "L1"}, {"L1": 17.5})
    # 128 voxels of lesion, 64 of them at 0.6, and 16 elsewhere at 0.4.
    size = 6 * 32 * 32
    assert rows["pixel_counts"] == [
        {"threshold": 0.0, "tp": 128, "fp": size - 128, "fn": 0, "tn": 0}, {"threshold": 0.5, "tp": 64, "fp": 0, "fn": 64, "tn": size - 128},
        {"threshold": 1.0, "tp": 0, "fp": 0, "fn": 128, "tn": size - 128}]
    assert [(row["threshold"], row["dice"]) for row in rows["dice_by_threshold"]] == [
        (0.3, pytest.approx(2 * 64 / (2 * 64 + 16 + 64))), (0.5, pytest.approx(2 * 64 / (2 * 64 + 64))), (0.7, 0.0)]
    found = [(row["threshold"], row["kind"], row["lesion_id"], row["diameter_mm"], row["matched"]) for row in rows["lesion_detection"]]
    component, elsewhere = pytest.approx(2 * np.hypot(3, 7) + 0.8), pytest.approx(2 * np.hypot(3, 1) + 0.8)
    assert found == [
        (0.3, "reference", "L1", 17.5, True), (0.3, "predicted", "P1", component, True), (0.3, "predicted", "P2", elsewhere, False),
        (0.5, "reference", "L1", 17.5, True), (0.5, "predicted", "P1", component, True),
        (0.7, "reference", "L1", 17.5, False)]
    assert rows["patient_detection"] == [
        {"threshold": 0.3, "has_reference": True, "has_prediction": True, "detected": True},
        {"threshold": 0.5, "has_reference": True, "has_prediction": True, "detected": True},
        {"threshold": 0.7, "has_reference": True, "has_prediction": False, "detected": False}]


@pytest.mark.parametrize("mask", [None, np.zeros(SHAPE, np.uint8)])
def test_a_negative_patient_has_false_positives_and_no_dice(store_study, prediction, profile, mask):
    rows = score_patient(store_study("P1", mask), prediction, profile, {}, {})
    assert rows["dice_by_threshold"] == []
    assert [row["fp"] for row in rows["pixel_counts"]] == [6 * 32 * 32, 64, 0] and not any(row["tp"] or row["fn"] for row in rows["pixel_counts"])
    assert [(row["threshold"], row["kind"], row["matched"]) for row in rows["lesion_detection"]] == [
        (0.3, "predicted", False), (0.3, "predicted", False), (0.5, "predicted", False)]
    assert [(row["has_reference"], row["has_prediction"], row["detected"]) for row in rows["patient_detection"]] == [
        (False, True, False), (False, True, False), (False, False, False)]


INDEX = """patient_id,fold,roi,lesion_id,detected,diameter_mm,aphe,washout,capsule,category
007,0,reference_roi,NA,1,25,1,0,,LR-5
007,0,automatic_roi,NA,1,9,1,0,,LR-5
P2,1,reference_roi,L1,1,15,0,1,1,LR-4
P2,1,automatic_roi,L1,0,,0,1,1,LR-4
P3,1,reference_roi,L1,1,12,,1,0,LR-3
P3,1,automatic_roi,L1,1,12,,1,0,LR-3
"""
"""Lesion NA of patient 007 is measured too small, that of P2 is missed, the study of P3 has no arterial phase."""

FEATURES = ["""roi,patient_id,lesion_id,fold,aphe,washout,capsule
reference_roi,007,NA,0,0.9,0.8,0.1
automatic_roi,007,NA,0,0.5,0.4999,0.1
""", """roi,patient_id,lesion_id,fold,aphe,washout,capsule
automatic_roi,P2,L1,1,,,
reference_roi,P2,L1,1,0.2,0.7,0.6
reference_roi,P3,L1,1,,0.7,0.2
automatic_roi,P3,L1,1,,0.3,0.2
"""]


@pytest.fixture
def characterized(plan):
    """The plan's run with regions and features of three patients in two folds; both variants read the same."""
    crops = plan.run / "characterization" / "crops"
    crops.mkdir(parents=True)
    (crops / "index.csv").write_text(INDEX)
    for variant in plan.profile.characterization.variants:
        for fold, features in enumerate(FEATURES):
            (plan.run / "characterization" / variant / f"fold-{fold}").mkdir(parents=True)
            (plan.run / "characterization" / variant / f"fold-{fold}" / "features.csv").write_text(features)
    return plan


@pytest.fixture
def scored(characterized):
    from stage import read_table

    return score_features(characterized, read_table(characterized.run / "characterization" / "crops" / "index.csv"))


def select(rows, **values):
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def test_every_lesion_has_a_category_in_both_regions(scored):
    found = {(row["roi"], row["patient_id"]): row for row in select(scored["categories"], variant="vgg16-plain")}
    assert len(scored["categories"]) == 2 * 6 and len(found) == 6
    assert found["reference_roi", "007"]["category_pred"] == "LR-5"
    # 9 mm, APHE at the threshold is present, washout just under it is not.
    assert found["automatic_roi", "007"]["reasons"] == "APHE, no additional major feature, 9 mm: LR-3"
    assert found["automatic_roi", "007"]["lesion_id"] == "NA"
    missed = found["automatic_roi", "P2"]
    assert (missed["category_pred"], missed["detected"], missed["reasons"], missed["category_ref"]) == (None, 0, "missed by the segmentation", "LR-4")
    assert np.isnan(missed["diameter_mm"])
    for roi, reasons in (("reference_roi", "no APHE, washout, 12 mm: LR-3"), ("automatic_roi", "no APHE, no additional major feature, 12 mm: LR-3")):
        assert found[roi, "P3"]["reasons"] == f"{reasons} (APHE not assessed: no image of the phase)"


def test_every_lesion_has_its_features_and_only_missed_and_unassessed_ones_are_empty(scored):
    rows = select(scored["features"], variant="vgg16-adaptive")
    assert len(rows) == 6 * 3
    empty = {(row["roi"], row["patient_id"], row["feature"]) for row in rows if np.isnan(row["probability"])}
    assert empty == {("reference_roi", "P3", "aphe"), ("automatic_roi", "P3", "aphe"),
                     *(("automatic_roi", "P2", feature) for feature in ("aphe", "washout", "capsule"))}
    assert [row["probability"] for row in select(rows, roi="reference_roi", patient_id="007")] == [0.9, 0.8, 0.1]
    references = {(row["patient_id"], row["feature"]): row["reference"] for row in rows}
    assert references["P2", "washout"] == 1 and references["007", "washout"] == 0
    assert np.isnan(references["007", "capsule"]) and np.isnan(references["P3", "aphe"])


def test_the_tables_can_be_written_and_keep_ids_as_they_are(scored, tmp_path):
    for name in ("features", "categories"):
        write_results_table(tmp_path, name, build_results_table(name, scored[name]))
    lines = (tmp_path / "features.csv").read_text().splitlines()
    assert "vgg16-adaptive,automatic_roi,1,P2,L1,capsule,1," in lines and "vgg16-plain,reference_roi,0,007,NA,aphe,1,0.9" in lines
    assert lines[0] == ",".join(column.name for column in TABLES["features"])


def test_a_fold_without_lesions_leaves_the_others_as_they_are(characterized, scored):
    from stage import read_table

    index = read_table(characterized.run / "characterization" / "crops" / "index.csv")
    for variant in characterized.profile.characterization.variants:
        (characterized.run / "characterization" / variant / "fold-0" / "features.csv").write_text("roi,patient_id,lesion_id,fold,aphe,washout,capsule\n")
    rest = score_features(characterized, index[index["fold"] == 1])
    assert pd.DataFrame(rest["features"]).equals(pd.DataFrame([row for row in scored["features"] if row["fold"] == 1]))


@pytest.fixture
def trained(plan):
    """The plan's run with a history of two epochs and a weight file for each network."""
    for number, (_, _, _, folder) in enumerate(list_trainings(plan)):
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text(f"epoch,loss,val_dice\n0,{number}.5,\n1,{number},0.25\n")
        (folder / "model.keras").write_bytes(bytes([number]))
    plan.manifest.mkdir(parents=True)
    for table in ("patients", "series", "lesions"):
        (plan.manifest / f"{table}.csv").write_text(table)
    return plan


def test_every_training_has_its_history(trained, tmp_path):
    rows = read_history(trained)
    # Pre-training, two folds, and two variants in two folds; two epochs of two metrics.
    assert len(rows) == 7 * 4
    assert rows[0] == {"stage": "pretrain", "variant": None, "fold": None, "epoch": 0, "metric": "loss", "value": 0.5}
    assert {(row["stage"], row["variant"], row["fold"]) for row in rows} == {
        ("pretrain", None, None), *(("finetune", None, fold) for fold in (0, 1)),
        *(("characterization", variant, fold) for variant in ("vgg16-adaptive", "vgg16-plain") for fold in (0, 1))}
    lines = write_results_table(tmp_path, "training_history", build_results_table("training_history", rows)).read_text().splitlines()
    assert lines[1:4] == ["pretrain,,,0,loss,0.5", "pretrain,,,0,val_dice,", "pretrain,,,1,loss,0"]


def test_checksums_name_manifest_and_weights(trained):
    checksums = compute_checksums(trained)
    assert checksums["manifest"] == {f"{name}.csv": compute_sha256(trained.manifest / f"{name}.csv") for name in ("patients", "series", "lesions")}
    assert len(checksums["weights"]) == 7
    assert checksums["weights"]["segmentation/fold-1/model.keras"] == compute_sha256(trained.run / "segmentation" / "fold-1" / "model.keras")


@pytest.mark.parametrize("dirty, written", [(True, "1"), (False, "0"), (None, "")])
def test_the_run_is_described(plan, tmp_path, dirty, written):
    (plan.run / "provenance.json").write_text(json.dumps({"commit": "abc", "dirty": dirty, "versions": {"tensorflow-cpu": "2.21.0"}}))
    manifest = Manifest(tmp_path, pd.DataFrame({"cohort": ["mine", "hers", "mine"]}), pd.DataFrame(), pd.DataFrame())
    rows = describe_run(plan, manifest)
    facts = {row["key"]: row["value"] for row in rows}
    assert facts["cohort"] == "hers + mine" and facts["folds"] == "2" and facts["tensorflow"] == "2.21.0" and facts["pretraining"] == "virtual CT"
    written_rows = dict(line.split(",") for line in write_results_table(tmp_path, "run", build_results_table("run", rows)).read_text().splitlines())
    assert written_rows["dirty"] == written and written_rows["commit"] == "abc" and written_rows["run"] == "run"
