from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from export_results import compute_checksums, describe_run, list_folds, list_histories, read_history, score_patient, score_patients, take_over_manifest
from results_tables import build_results_table, write_results_table
from trainings import list_trainings

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
    rows = score_patient(store_study("P1", mask), prediction, 0.0, profile, {"3": "L1"}, {"L1": 17.5})
    # 128 voxels of lesion, 64 of them at 0.6, and 16 elsewhere at 0.4.
    size = 6 * 32 * 32
    assert rows["pixel_counts"] == [
        {"threshold": 0.0, "tp": 128, "fp": size - 128, "fn": 0, "tn": 0}, {"threshold": 0.5, "tp": 64, "fp": 0, "fn": 64, "tn": size - 128},
        {"threshold": 1.0, "tp": 0, "fp": 0, "fn": 128, "tn": size - 128}]
    assert [(row["threshold"], row["dice"]) for row in rows["dice_by_threshold"]] == [
        (0.3, pytest.approx(2 * 64 / (2 * 64 + 16 + 64))), (0.5, pytest.approx(2 * 64 / (2 * 64 + 64))), (0.7, 0.0)]
    found = [tuple(row[name] for name in ("threshold", "kind", "lesion_id", "diameter_mm", "matched", "iou")) for row in rows["lesion_detection"]]
    component, elsewhere = pytest.approx(2 * np.hypot(3, 7) + 0.8), pytest.approx(2 * np.hypot(3, 1) + 0.8)
    assert found == [
        (0.3, "reference", "L1", 17.5, True, 0.5), (0.3, "predicted", "P1", component, True, 0.5), (0.3, "predicted", "P2", elsewhere, False, 0),
        (0.5, "reference", "L1", 17.5, True, 0.5), (0.5, "predicted", "P1", component, True, 0.5),
        (0.7, "reference", "L1", 17.5, False, 0)]
    assert rows["patient_detection"] == [
        {"threshold": 0.3, "has_reference": True, "has_prediction": True, "detected": True, "iou": 0.5},
        {"threshold": 0.5, "has_reference": True, "has_prediction": True, "detected": True, "iou": 0.5},
        {"threshold": 0.7, "has_reference": True, "has_prediction": False, "detected": False, "iou": 0}]


def test_what_is_detected_does_not_hang_on_the_rule_of_the_regions(store_study, prediction, profile):
    """A region for the crop may have to overlap more (here 0.6; the component has 0.5); any shared voxel is a detection."""
    strict = profile.model_copy(update={"lesions": profile.lesions.model_copy(update={"minimum_overlap_iou": 0.6})})
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 3
    store = store_study("P1", mask)
    rows = [score_patient(store, prediction, 0.0, of, {"3": "L1"}, {"L1": 17.5}) for of in (profile, strict)]
    assert rows[0] == rows[1] and rows[0]["patient_detection"][0]["detected"]


def with_segmentations(plan, *names):
    segmentation = plan.profile.segmentation.model_copy(update={"variants": names})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"segmentation": segmentation}))
    return plan


def test_every_segmentation_variant_is_scored_on_its_own_predictions(plan, store_study, tmp_path):
    with_segmentations(plan, "three-phase", "delayed")
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 3
    store_study("P1", mask)
    store_study("P2", None)
    fold_of = {"P1": 1, "P2": 0}
    for (name, fold), folder in list_folds(plan).items():
        # Three-phase drops what is smaller than the lesion's own 128 voxels of 16 mm³.
        folder.write_choice("test", threshold=0.5, minimum_volume_mm3=2048.0 if name == "three-phase" else 0.0, validation_dice=None)
    for name, rows_found in (("delayed", 4), ("three-phase", 8)):
        for patient_id, fold in fold_of.items():
            levels = np.zeros(SHAPE, np.uint8)
            if patient_id == "P1":
                levels[1:3, 4:4 + rows_found, 4:12] = 150
                levels[5, 20, 20] = 150
            path = plan.run.prediction(name, fold, patient_id)
            path.parent.mkdir(parents=True)
            np.save(path, levels)
    manifest = Manifest(tmp_path, pd.DataFrame({"patient_id": ["P1", "P2"], "group": ["positive", "negative"]}), pd.DataFrame(),
                        pd.DataFrame({"patient_id": ["P1"], "lesion_id": ["L1"], "mask_label": [3]}))
    rows = score_patients(plan, manifest, fold_of, {("P1", "L1"): 17.5}, lambda fraction, message: None)
    # Half of the lesion's 128 voxels, and all of them; and one voxel elsewhere, which three-phase has no lesion for.
    half, whole = pytest.approx(2 * 64 / (64 + 1 + 128)), pytest.approx(2 * 128 / (128 + 1 + 128))
    assert {(row["segmentation"], row["threshold"]): row["dice"] for row in rows["dice_by_threshold"]} == {
        ("delayed", 0.3): half, ("delayed", 0.5): half, ("delayed", 0.7): 0, ("three-phase", 0.3): whole, ("three-phase", 0.5): whole, ("three-phase", 0.7): 0}
    assert {(row["segmentation"], row["lesion_id"]): row["iou"] for row in rows["lesion_detection"] if row["threshold"] == 0.5} == {
        ("delayed", "L1"): 0.5, ("delayed", "P1"): 0.5, ("delayed", "P2"): 0, ("three-phase", "L1"): 1, ("three-phase", "P1"): 1}
    assert len(rows["patient_detection"]) == 2 * 2 * 3 and len(rows["pixel_counts"]) == 2 * 2 * 3
    for name, found in rows.items():
        lines = write_results_table(tmp_path, name, build_results_table(name, found)).read_text().splitlines()
        # Sorted as the registry has the variants, whatever the profile's order.
        assert lines[0].startswith("segmentation,") and lines[1].startswith("delayed,") and lines[-1].startswith("three-phase,")


def test_histories_and_facts_name_every_segmentation_variant(plan, tmp_path):
    with_segmentations(plan, "three-phase", "delayed")
    finetuned = [(name, fold, folder.path.relative_to(plan.run.path).as_posix())
                 for stage, name, fold, folder in list_histories(plan) if stage == "finetune"]
    assert finetuned == [(name, fold, f"segmentation/{name}/fold-{fold}") for name in ("delayed", "three-phase") for fold in (0, 1)]
    (plan.run.path / "provenance.json").write_text(json.dumps({"commit": "abc", "dirty": False, "versions": {"tensorflow": "2"}}))
    rows = describe_run(plan, Manifest(tmp_path, pd.DataFrame({"cohort": ["mine"]}), pd.DataFrame(), pd.DataFrame()))
    assert {row["key"]: row["value"] for row in rows}["segmentation"] == "delayed three-phase"


@pytest.mark.parametrize("mask", [None, np.zeros(SHAPE, np.uint8)])
def test_a_negative_patient_has_false_positives_and_no_dice(store_study, prediction, profile, mask):
    rows = score_patient(store_study("P1", mask), prediction, 0.0, profile, {}, {})
    assert rows["dice_by_threshold"] == []
    assert [row["fp"] for row in rows["pixel_counts"]] == [6 * 32 * 32, 64, 0] and not any(row["tp"] or row["fn"] for row in rows["pixel_counts"])
    assert [(row["threshold"], row["kind"], row["matched"]) for row in rows["lesion_detection"]] == [
        (0.3, "predicted", False), (0.3, "predicted", False), (0.5, "predicted", False)]
    assert [(row["has_reference"], row["has_prediction"], row["detected"]) for row in rows["patient_detection"]] == [
        (False, True, False), (False, True, False), (False, False, False)]


@pytest.fixture
def trained(plan):
    """The plan's run with a history of two epochs and a weight file for each network, two seeds and the half split."""
    settings = plan.profile.characterization.model_copy(update={"seeds": (2023, 7), "half_split": True})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"characterization": settings}))
    folders = [folder for _, _, _, folder in list_histories(plan)]
    folders += [training.folder for variant in settings.variants for training in list_trainings(plan, variant) if training.folder not in folders]
    folders.append(plan.run.full("delayed"))
    for number, folder in enumerate(folders):
        folder.path.mkdir(parents=True)
        folder.history.write_text(f"epoch,loss,val_dice\n0,{number}.5,\n1,{number},0.25\n")
        folder.weights.write_bytes(bytes([number]))
    plan.manifest.mkdir(parents=True)
    for table in ("patients", "series", "lesions"):
        (plan.manifest / f"{table}.csv").write_text(table)
    return plan


def test_every_training_has_its_history(trained, tmp_path):
    rows = read_history(trained)
    # Pre-training, two shared starts, two folds, and two variants in two folds of the first seed; two epochs of two metrics.
    assert len(rows) == 9 * 4
    assert rows[0] == {"stage": "pretrain", "variant": None, "fold": None, "epoch": 0, "metric": "loss", "value": 0.5}
    assert {(row["stage"], row["variant"], row["fold"]) for row in rows} == {
        ("pretrain", None, None), *((stage, "delayed", fold) for stage in ("start", "finetune") for fold in (0, 1)),
        *(("characterization", variant, fold) for variant in ("vgg16-adaptive", "vgg16-plain") for fold in (0, 1))}
    lines = write_results_table(tmp_path, "training_history", build_results_table("training_history", rows)).read_text().splitlines()
    assert lines[1:4] == ["pretrain,,,0,loss,0.5", "pretrain,,,0,val_dice,", "pretrain,,,1,loss,0"]


def test_checksums_name_manifest_and_weights(trained):
    checksums = compute_checksums(trained)
    assert checksums["manifest"] == {f"{name}.csv": compute_sha256(trained.manifest / f"{name}.csv") for name in ("patients", "series", "lesions")}
    # And the half split and two folds of the second seed for each of the two variants, and what was trained on all patients: two networks.
    assert len(checksums["weights"]) == 9 + 2 * 3 + 2
    assert {"segmentation/delayed/full/model.keras", "characterization/vgg16-adaptive/full/model.keras"} < set(checksums["weights"])
    assert {"characterization/vgg16-plain/half/model.keras", "characterization/vgg16-plain/seed-7/fold-1/model.keras"} < set(checksums["weights"])
    assert checksums["weights"]["segmentation/delayed/fold-1/model.keras"] == compute_sha256(trained.run.fold("delayed", 1).weights)


@pytest.mark.parametrize("dirty, written", [(True, "1"), (False, "0"), (None, "")])
def test_the_run_is_described(plan, tmp_path, dirty, written):
    (plan.run.path / "provenance.json").write_text(json.dumps({"commit": "abc", "dirty": dirty, "versions": {"tensorflow-cpu": "2.21.0"}}))
    manifest = Manifest(tmp_path, pd.DataFrame({"cohort": ["mine", "hers", "mine"]}), pd.DataFrame(), pd.DataFrame())
    rows = describe_run(plan, manifest)
    facts = {row["key"]: row["value"] for row in rows}
    assert facts["trunk_weights"] == "random" and facts["seeds"] == "2023"
    assert facts["cohort"] == "hers + mine" and facts["folds"] == "2" and facts["tensorflow"] == "2.21.0" and facts["pretraining"] == "virtual CT"
    written_rows = dict(line.split(",") for line in write_results_table(tmp_path, "run", build_results_table("run", rows)).read_text().splitlines())
    assert written_rows["dirty"] == written and written_rows["commit"] == "abc" and written_rows["run"] == "run"


def test_patients_and_lesions_are_taken_over_by_name_but_for_what_the_run_found_out(tmp_path):
    # A manifest's own "fold", and columns that the results do not have, stay behind; a column of the results that it lacks is empty.
    patients = pd.DataFrame({"patient_id": ["007", "NA"], "group": ["positive", "negative"], "cohort": "mine", "sex": ["F", ""], "age_years": [58.0, np.nan],
                             "fold": [5, 6], "n_lesions_ref": [8, 8], "note": "x"})
    lesions = pd.DataFrame({"patient_id": ["007", "007"], "lesion_id": ["1", "2"], "mask_label": [1, 2], "diameter_mm": [np.nan, 9.0],
                            "aphe": pd.array([1, None], "Int64"), "washout": pd.array([0, 1], "Int64"), "capsule": pd.array([None, 0], "Int64"),
                            "category": ["LR-5", "LR-3"], "category_true": ["LR-4", ""], "aphe_ref": [7, 7]})
    manifest = Manifest(tmp_path, patients, pd.DataFrame(), lesions)
    rows = take_over_manifest(manifest, {"007": 1, "NA": 0}, {("007", "1"): 23.5, ("007", "2"): 9.25})
    written = {name: write_results_table(tmp_path, name, build_results_table(name, found)).read_text().splitlines() for name, found in rows.items()}
    assert written == {
        "patients": ["patient_id,group,fold,n_lesions_ref,age_years,sex,scanner", "007,positive,1,2,58,F,", "NA,negative,0,0,,,"],
        "lesions": ["patient_id,lesion_id,fold,diameter_mm,category_ref,aphe_ref,washout_ref,capsule_ref,category_true",
                    "007,1,1,23.5,LR-5,1,0,,LR-4", "007,2,1,9.25,LR-3,,1,0,"]}
