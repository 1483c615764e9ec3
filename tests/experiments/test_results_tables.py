from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from results_tables import COHORT_TABLES, ORDERS, RUN_KEYS, TABLES, Column, ColumnType, build_results_table, write_results_table

from lirads_keras.entities import HEAD_FEATURES, SCORED_CATEGORIES
from lirads_keras.io.manifests import GROUPS
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS, Mode, list_variants

EXAMPLES = {
    "variants": [
        {"variant": "b", "kind": "segmentation", "trunk": "", "mode": "", "frozen": "", "size_input": "", "phases": "delayed", "paper_item": "Table 4",
         "words": "the delayed phase"},
        {"variant": "a", "kind": "features", "trunk": "vgg16", "mode": "plain", "frozen": 0, "size_input": 1, "phases": "arterial delayed", "paper_item": "",
         "words": "heads, plain"}],
    "patients": [
        {"patient_id": "P2", "group": "negative", "fold": 8, "n_lesions_ref": 0, "age_years": None, "sex": None, "scanner": None},
        {"patient_id": "P1", "group": "positive", "fold": 0, "n_lesions_ref": 2, "age_years": 58.0, "sex": "M", "scanner": "Achieva 3.0T"}],
    "lesions": [
        {"patient_id": "P1", "lesion_id": "2", "fold": 0, "diameter_mm": 1 / 3, "category_ref": "LR-5", "aphe_ref": True, "washout_ref": 0,
         "capsule_ref": None, "category_true": None}],
    "dice_by_threshold": [{"segmentation": "delayed", "patient_id": "P1", "fold": 0, "threshold": 0.1 * 3, "dice": 0.8734567891}],
    "fold_thresholds": [
        {"segmentation": name, "fold": fold, "threshold_chosen": threshold, "minimum_volume_mm3": volume_mm3, "dice_validation": dice}
        for name, fold, threshold, volume_mm3, dice in (
            ("three-phase", 0, 0.7, 0, 0.8), ("delayed", 1, 0.5, 100, math.nan), ("delayed", 0, 0.7, 0, 0.9))],
    "fold_choices": [
        {"segmentation": "delayed", "fold": 0, "threshold": 0.7, "minimum_volume_mm3": volume_mm3, "reference": 4, "detected": 2, "predicted": predicted,
         "matched": 2, "f1": f1, "mean_dice": dice} for volume_mm3, predicted, f1, dice in ((250.0, 2, 2 / 3, 0.5), (0.0, 4, 0.5, None))],
    "pixel_counts": [
        {"segmentation": "three-phase", "patient_id": "P1", "group": "positive", "fold": 0, "threshold": 0.5, "tp": np.int64(812), "fp": 97, "fn": 140,
         "tn": 123456789}],
    "lesion_detection": [
        {"segmentation": "delayed", "threshold": 0.5, "patient_id": "P1", "group": "positive", "fold": 0, "kind": kind, "lesion_id": lesion,
         "diameter_mm": 12.5, "matched": True, "iou": 1 / 3}
        for kind, lesion in [("predicted", "P1"), ("reference", "1")]],
    "patient_detection": [
        {"segmentation": "delayed", "threshold": threshold, "patient_id": "P1", "group": "positive", "fold": 0, "has_reference": True,
         "has_prediction": False, "detected": False, "iou": iou}
        for threshold, iou in ((0.9, None), (0.5, 0.0))],
    "features": [
        {"variant": "vgg16-plain", "roi": "automatic_roi", "segmentation": "three-phase", "fold": 0, "patient_id": "P1", "lesion_id": "1", "feature": "aphe",
         "reference": 1, "probability": None},
        {"variant": "vgg16-adaptive", "roi": "reference_roi", "fold": 0, "patient_id": "P1", "lesion_id": "1", "feature": "capsule", "reference": None,
         "probability": 0.25}],
    "categories": [
        *({"variant": "direct-frozen", "roi": "automatic_roi", "segmentation": segmentation, "fold": 0, "patient_id": "P1", "lesion_id": "1",
           "diameter_mm": None, "category_ref": "LR-4", "category_pred": None, "detected": False, "reasons": None}
          for segmentation in ("three-phase", "delayed")),
        {"variant": "vgg16-adaptive", "roi": "reference_roi", "fold": 0, "patient_id": "P1", "lesion_id": "1", "diameter_mm": 20.0,
         "category_ref": "LR-4", "category_pred": "LR-5", "detected": True, "reasons": 'APHE, 20 mm: "LR-5"'}],
    "predicted_lesions": [
        {"variant": "vgg16-plain", "segmentation": "three-phase", "fold": 0, "patient_id": patient_id, "lesion_id": "P1", "diameter_mm": 12.5, "iou": iou,
         "reference_lesion_id": lesion, "category_ref": category, "finding": finding, "category_pred": "LR-5", "reasons": "as said"}
        for patient_id, iou, lesion, category, finding in (("P2", 0, None, None, "cyst"), ("P1", 1 / 3, "NA", "LR-4", None))],
    "training_history": [
        {"stage": "finetune", "variant": "three-phase", "fold": 1, "epoch": 0, "metric": "loss", "value": -1.2345678},
        {"stage": "pretrain", "variant": None, "fold": None, "epoch": 3, "metric": "loss", "value": 0.5},
        {"stage": "characterization", "variant": "vgg16-plain", "fold": 0, "epoch": 0, "metric": "val_loss", "value": 2}],
    "baseline_segmentation": [
        {"patient_id": patient_id, "fold": 1, "lower": -0.75, "upper": 1 / 3, "dice": 0.04} for patient_id in ("P2", "P1")],
    "surface": [
        {"segmentation": "delayed", "patient_id": "P2", "fold": 1, "threshold": 0.5, "minimum_volume_mm3": 0, "dice": None,
         "mean_surface_distance_mm": None, "hausdorff95_mm": None, "volume_ref_ml": 0.0, "volume_pred_ml": 1 / 3},
        {"segmentation": "delayed", "patient_id": "P1", "fold": 0, "threshold": 0.7, "minimum_volume_mm3": 250, "dice": 0.75,
         "mean_surface_distance_mm": 0.0, "hausdorff95_mm": 11.75, "volume_ref_ml": 14.1, "volume_pred_ml": 12.7}],
    "pretrain_dice": [
        {"ct_id": "volume-3", "label": label, "dice": dice} for label, dice in (("tumour", math.nan), ("liver", 0.93))],
    "cohort_summary": [
        {"source": "Table 2", "item": "positive patients, puncture", "unit": "patients", "paper": "7", "cohort": "7"},
        {"source": "Table 1", "item": "TR", "unit": None, "paper": "the shortest", "cohort": "4"}],
    "cohort_realism": [
        {"quantity": "APHE present", "group": "all sizes", "phase": "", "unit": "", "n": 174, "measured": 0.78, "measured_low": 0.7, "measured_high": 0.85,
         "literature": 0.89, "literature_low": None, "literature_high": None, "source": source} for source in ("Park 2021", "Ding 2018")],
    "contrast_curves": [
        {"tissue": "cyst", "field_strength_t": 3.0, "time_s": time, "signal_over_precontrast": 1.0, "signal_over_liver": 0.1} for time in (20.0, 3.0)],
    "reader_ceiling": [{"patient_id": patient_id, "dice_readers": 0.875} for patient_id in ("P2", "P1")],
    "seed_accuracy": [{"variant": "direct-frozen", "seed": 7, "roi": "automatic_roi", "segmentation": "delayed", "accuracy": 2 / 3, "n": 174}],
    "half_split": [
        {"variant": "vgg16-plain", "roi": "automatic_roi", "segmentation": "delayed", "patient_id": "P1", "lesion_id": "1", "category_ref": "LR-4",
         "category_pred": None},
        {"variant": "direct-frozen", "roi": "reference_roi", "patient_id": "P1", "lesion_id": "1", "category_ref": "LR-4", "category_pred": "LR-5"}],
    "durations": [{"stage": "folds", "seconds": 412.5}, {"stage": "cohort", "seconds": 0.0}],
    "diagram_nodes": [
        {"figure": "workflow", "node_id": "store", "label": "store", "kind": "step", "x": 0, "y": -1, "detail": "DICOM, masks", "rows_px": None,
         "columns_px": None, "channels": None, "parameters": None},
        {"figure": "unet_plus_plus", "node_id": "x[0, 1]", "label": "x[0, 1]", "kind": "decoder", "x": 1, "y": 0, "detail": None, "rows_px": 80,
         "columns_px": 80, "channels": 16, "parameters": 11664}],
    "diagram_edges": [
        {"figure": "unet_plus_plus", "source": source, "target": "x[0, 1]", "kind": kind} for source, kind in (("x[1, 0]", "up"), ("x[0, 0]", "skip"))],
    "draws": [
        {"draw": "fresh", "condition": condition, "amount": amount, "segmentation": "three-phase", "draw_patient_id": "VC-0001", "group": "positive",
         "dice": 0.125, "n_reference": 2, "n_detected": 1, "n_predicted": 3, "n_matched": 1}
        for condition, amount in (("arterial_moved", 10.0), ("arterial_moved", 3.0), ("as_acquired", None))],
    "run": [{"key": key, "value": value} for key, value in {
        "run": "runs/cpu", "cohort": "virtual cohort", "profile": "cpu", "commit": "", "dirty": None, "seed": 2023, "folds": 9,
        "segmentation": "delayed three-phase", "rules": "paper", "decision_threshold": 0.5, "python": "3.11.2", "tensorflow": "2.21.0",
        "keras": "3.15.1"}.items()],
}


def write(folder, name, records):
    return write_results_table(folder, name, build_results_table(name, records)).read_text()


def test_every_table_has_an_example_here():
    assert set(EXAMPLES) == set(TABLES)


@pytest.mark.parametrize("name", [name for name in TABLES if ORDERS[name] == "sorted"])
def test_equal_content_gives_equal_bytes_in_any_order(tmp_path, name):
    text = write(tmp_path / "a", name, EXAMPLES[name])
    assert write(tmp_path / "b", name, EXAMPLES[name][::-1]) == text
    assert text.splitlines()[0] == ",".join(column.name for column in TABLES[name])
    assert len(text.splitlines()) == 1 + len(EXAMPLES[name]) and text.endswith("\n") and "\r" not in text
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"{name}.csv"]


@pytest.mark.parametrize("name", [name for name in TABLES if ORDERS[name] != "sorted"])
def test_tables_whose_order_tells_something_keep_it(tmp_path, name):
    forth, back = (write(tmp_path, name, records).splitlines() for records in (EXAMPLES[name], EXAMPLES[name][::-1]))
    assert len(forth) == 3 and forth[1:] == back[:0:-1]


@pytest.mark.parametrize(("name", "rows"), [
    ("variants", ["b,segmentation,,,,,delayed,Table 4,the delayed phase", 'a,features,vgg16,plain,0,1,arterial delayed,,"heads, plain"']),
    ("patients", ["P1,positive,0,2,58,M,Achieva 3.0T", "P2,negative,8,0,,,"]),
    ("lesions", ["P1,2,0,0.333333,LR-5,1,0,,"]),
    ("dice_by_threshold", ["delayed,P1,0,0.3,0.873457"]),
    ("fold_thresholds", ["delayed,0,0.7,0,0.9", "delayed,1,0.5,100,", "three-phase,0,0.7,0,0.8"]),
    ("fold_choices", ["delayed,0,0.7,0,4,2,4,2,0.5,", "delayed,0,0.7,250,4,2,2,2,0.666667,0.5"]),
    ("pixel_counts", ["three-phase,P1,positive,0,0.5,812,97,140,123456789"]),
    ("lesion_detection", ["delayed,0.5,P1,positive,0,reference,1,12.5,1,0.333333", "delayed,0.5,P1,positive,0,predicted,P1,12.5,1,0.333333"]),
    ("patient_detection", ["delayed,0.5,P1,positive,0,1,0,0,0", "delayed,0.9,P1,positive,0,1,0,0,"]),
    ("surface", ["delayed,P1,0,0.7,250,0.75,0,11.75,14.1,12.7", "delayed,P2,1,0.5,0,,,,0,0.333333"]),
    ("pretrain_dice", ["volume-3,liver,0.93", "volume-3,tumour,"]),
    ("diagram_nodes", ['workflow,store,store,step,0,-1,"DICOM, masks",,,,', 'unet_plus_plus,"x[0, 1]","x[0, 1]",decoder,1,0,,80,80,16,11664']),
    ("categories", ['vgg16-adaptive,reference_roi,,0,P1,1,20,LR-4,LR-5,1,"APHE, 20 mm: ""LR-5"""', "direct-frozen,automatic_roi,delayed,0,P1,1,,LR-4,,0,",
                    "direct-frozen,automatic_roi,three-phase,0,P1,1,,LR-4,,0,"]),
    ("predicted_lesions", ["vgg16-plain,three-phase,0,P1,P1,12.5,0.333333,NA,LR-4,,LR-5,as said",
                           "vgg16-plain,three-phase,0,P2,P1,12.5,0,,,cyst,LR-5,as said"]),
    ("training_history", ["pretrain,,,3,loss,0.5", "finetune,three-phase,1,0,loss,-1.23457", "characterization,vgg16-plain,0,0,val_loss,2"]),
])
def test_cells_are_written_as_the_schema_says(tmp_path, name, rows):
    assert write(tmp_path, name, EXAMPLES[name]).splitlines()[1:] == rows


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"run"}))
def test_a_table_without_rows_is_its_header(tmp_path, name):
    assert write(tmp_path, name, []) == ",".join(column.name for column in TABLES[name]) + "\n"


@pytest.mark.parametrize(("name", "change", "complaint"), [
    ("patients", {"group": "ill"}, "group: expected one of positive, negative, found ill in row 0"),
    ("patients", {"fold": 1.5}, "fold: expected a whole number in [0, Inf), found 1.5"),
    ("patients", {"fold": None}, "fold: expected no empty cell, found 1"),
    ("patients", {"patient_id": ""}, "patient_id: expected no empty cell"),
    ("patients", {"age_years": -3}, "age_years: expected a number in [0, 130], found -3"),
    ("lesions", {"diameter_mm": 0.0}, "diameter_mm: expected a number in (0, Inf), found 0.0"),
    ("lesions", {"aphe_ref": 2}, "aphe_ref: expected 0 or 1, found 2"),
    ("lesions", {"aphe_ref": "yes"}, "aphe_ref: expected 0 or 1, found yes"),
    ("lesions", {"category_ref": "LR-2"}, "category_ref: expected one of LR-3, LR-4, LR-5, found LR-2"),
    ("dice_by_threshold", {"dice": math.nan}, "dice: expected no empty cell"),
    ("dice_by_threshold", {"dice": 1.01}, "dice: expected a number in [0, 1], found 1.01"),
    ("training_history", {"value": math.inf}, "value: expected a number, found inf"),
    ("features", {"variant": "vgg19"}, "variant: expected one of vgg16-adaptive"),
])
def test_cells_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, name, change, complaint):
    with pytest.raises(ValueError) as raised:
        write(tmp_path, name, [EXAMPLES[name][0] | change])
    assert str(raised.value).startswith(f"{name}.csv, {complaint}")
    assert not list(tmp_path.iterdir())


def test_all_complaints_come_at_once(tmp_path):
    with pytest.raises(ValueError) as raised:
        write(tmp_path, "patients", [EXAMPLES["patients"][0] | {"group": "x", "fold": -1, "sex": "?"}])
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == ["patients.csv, group", "patients.csv, fold", "patients.csv, sex"]


def test_rows_that_come_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match="segmentation, patient_id, threshold: 1 rows come twice, first delayed, P1, 0.3$"):
        write(tmp_path, "dice_by_threshold", EXAMPLES["dice_by_threshold"] + [EXAMPLES["dice_by_threshold"][0] | {"threshold": 0.3}])
    twice = [EXAMPLES["training_history"][1], EXAMPLES["training_history"][1]]
    with pytest.raises(ValueError, match="1 rows come twice"):
        write(tmp_path, "training_history", twice)


def test_other_columns_and_tables_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no results table 'nodules'"):
        write_results_table(tmp_path, "nodules", pd.DataFrame())
    with pytest.raises(ValueError, match="run.csv: expected the columns key, value, found key, value, unit"):
        write_results_table(tmp_path, "run", pd.DataFrame(columns=["key", "value", "unit"]))
    with pytest.raises(ValueError, match="fold_thresholds.csv: expected the columns segmentation, fold, threshold_chosen, minimum_volume_mm3, dice_validation, "
                                         "found fold, dice_validation"):
        build_results_table("fold_thresholds", [{"fold": 0, "dice_validation": 0.5}])
    with pytest.raises(ValueError, match="run.csv: expected the columns key, value, found key, value, unit"):
        build_results_table("run", [{"key": "seed", "value": "1", "unit": ""}])


def test_a_column_that_may_be_empty_may_lack_in_some_rows_or_in_all(tmp_path):
    chosen = {"segmentation": "delayed", "threshold_chosen": 0.5, "minimum_volume_mm3": 0}
    rows = [{"fold": 0, **chosen}, {"fold": 1, **chosen, "dice_validation": 0.25}]
    assert write(tmp_path, "fold_thresholds", rows).splitlines()[1:] == ["delayed,0,0.5,0,", "delayed,1,0.5,0,0.25"]
    bare = {"patient_id": "P1", "group": "positive", "fold": 0, "n_lesions_ref": 1}
    assert write(tmp_path, "patients", [bare]).splitlines()[1:] == ["P1,positive,0,1,,,"]
    assert write(tmp_path, "training_history", [{"stage": "pretrain", "epoch": 0, "metric": "loss"}]).splitlines()[1:] == ["pretrain,,,0,loss,"]


def test_a_run_states_every_fact(tmp_path):
    with pytest.raises(ValueError) as raised:
        write(tmp_path, "run", [row for row in EXAMPLES["run"] if row["key"] not in ("seed", "keras")])
    assert str(raised.value).splitlines() == ["run.csv, key: seed missing", "run.csv, key: keras missing"]
    with pytest.raises(ValueError, match="rules: expected one of paper, v2018, found v2017"):
        write(tmp_path, "run", [row for row in EXAMPLES["run"] if row["key"] != "rules"] + [{"key": "rules", "value": "v2017"}])


def test_the_schema_tells_what_a_column_is():
    assert TABLES["fold_thresholds"] == (
        Column("segmentation", "factor", True, True, ("delayed", "three-phase")), Column("fold", "integer", True, True, ("[0, Inf)",)),
        Column("threshold_chosen", "number", True, False, ("[0, 1]",)),
        Column("minimum_volume_mm3", "number", True, False, ("[0, Inf)",)), Column("dice_validation", "number", False, False, ("[0, 1]",)))
    assert TABLES["run"] == (Column("key", "string", True, True, ()), Column("value", "string", False, False, ()))
    assert TABLES["patients"][1] == Column("group", "factor", True, False, ("positive", "negative"))
    assert list(RUN_KEYS) == [
        "run", "cohort", "profile", "commit", "dirty", "seed", "folds", "segmentation", "rules", "decision_threshold", "python", "tensorflow", "keras"]
    assert RUN_KEYS["folds"] == Column("folds", "integer", True, False, ("[2, Inf)",))
    assert {column.type for columns in TABLES.values() for column in columns} <= set(get_args(ColumnType))
    assert COHORT_TABLES == ("cohort_summary", "cohort_realism", "contrast_curves", "reader_ceiling")
    assert {name for name, order in ORDERS.items() if order != "sorted"} == {"variants", *COHORT_TABLES}


def test_columns_of_variants_take_the_registrys_names_of_their_kinds_in_its_order():
    names = {(name, column.name): column.allowed for name, columns in TABLES.items() for column in columns if column.name == "variant"}
    assert names.pop(("variants", "variant")) == ()
    features = tuple(name for name, variant in CHARACTERIZATION_VARIANTS.items() if variant.kind == "features")
    assert names.pop(("features", "variant")) == features and 0 < len(features) < len(CHARACTERIZATION_VARIANTS)
    assert names.pop(("training_history", "variant")) == (*SEGMENTATION_VARIANTS, *CHARACTERIZATION_VARIANTS)
    assert names.keys() == {(name, "variant") for name in ("categories", "predicted_lesions", "seed_accuracy", "half_split")}
    assert set(names.values()) == {tuple(CHARACTERIZATION_VARIANTS)}
    segmentations = {column for columns in TABLES.values() for column in columns if column.name == "segmentation"}
    assert {column.allowed for column in segmentations} == {tuple(SEGMENTATION_VARIANTS)} and all(column.identifies_row for column in segmentations)


def test_the_registry_of_variants_is_written_as_it_stands(tmp_path):
    lines = write(tmp_path, "variants", list_variants()).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [*SEGMENTATION_VARIANTS, *CHARACTERIZATION_VARIANTS]
    assert lines[1] == "delayed,segmentation,,,,,delayed,Table 4,the delayed phase alone (§2.5)"
    assert lines[-1] == 'direct-finetuned-size,direct,vgg16,,0,1,arterial portal_venous delayed,,"direct to the category, trunk fine-tuned, with the diameter"'


@pytest.mark.parametrize(("table", "column", "levels"), [
    *((table, column, SCORED_CATEGORIES) for table, column in (
        ("lesions", "category_ref"), ("lesions", "category_true"), ("categories", "category_ref"), ("categories", "category_pred"),
        ("half_split", "category_ref"), ("half_split", "category_pred"))),
    ("features", "feature", HEAD_FEATURES), ("patients", "group", GROUPS), ("variants", "mode", get_args(Mode)),
    ("variants", "kind", tuple(dict.fromkeys(row["kind"] for row in list_variants())))])
def test_the_schemas_levels_are_those_of_the_code(table, column, levels):
    assert next(found.allowed for found in TABLES[table] if found.name == column) == tuple(map(str, levels))


def test_the_references_of_lesions_are_the_features():
    assert [column.name for column in TABLES["lesions"] if column.type == "flag"] == [f"{feature}_ref" for feature in HEAD_FEATURES]
