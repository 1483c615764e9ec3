"""Which setting makes which stage run again, and no other."""
from __future__ import annotations

import pytest
from stage_changes import after, changed, with_setting
from stages import write_plan


@pytest.mark.parametrize("setting, value, first", [
    ("cohort.seed", 7, "cohort"),
    ("ct.patients", 5, "ct"),
    ("preprocessing.upper_percentile", 98.0, "ct_store store draw_store"),
    ("preprocessing.scope", "slice", "ct_store store draw_store"),
    ("preprocessing.registration", "rigid", "store draw_store"),
    ("seed", 7, "pretrain"),
    ("segmentation.seeds", (7,), "pretrain"),
    ("segmentation.encoder", "resnet34", "pretrain"),
    ("segmentation.loss.lovasz_weight", 2.0, "pretrain"),
    ("segmentation.pretrain.epochs", 9, "pretrain"),
    ("segmentation.augmentation.rotation_deg", 3.0, "pretrain"),
    ("workflow.threads", 2, "pretrain trunks"),
    ("segmentation.finetune.epochs", 9, "folds"),
    ("segmentation.shared_start", None, "starts"),
    ("segmentation.shared_start.epochs", 9, "starts"),
    ("segmentation.folds", 3, "starts"),
    ("segmentation.drop_phase", 0.5, "starts"),
    ("segmentation.variants", ("delayed", "three-phase"), "lesions"),
    ("evaluation.thresholds", (0.3, 0.4, 0.5, 0.7), "results"),
    ("inference.body_box", False, "folds"),
    ("inference.engine", "openvino-f32", "folds"),
    ("lesions.minimum_overlap_iou", 0.5, "lesions"), ("lesions.choice_iou", 0.5, "folds"),
    ("characterization.crop_px", 64, "lesions trunks"),
    ("characterization.margin_fraction", 0.5, "lesions"),
    ("characterization.channels", "neighbours", "lesions"),
    ("characterization.width_factor", 0.5, "trunks"),
    ("characterization.weights", "formula", "trunks"),
    ("characterization.formula.epochs", 9, "trunks"),
    ("characterization.seeds", (7,), "results"),
    ("characterization.half_split", False, "results"),
    ("characterization.epochs", 9, "characterization"),
    ("characterization.head_units", 9, "characterization"),
    ("characterization.rules", "v2018", "results"),
    ("characterization.decision_threshold", 0.4, "results"),
    ("characterization.variants", ("vgg16-plain",), "results"),
    ("evaluation.pixel_thresholds", 5, "results"),
    ("draws.fresh_seed", 7, "draw_store"), ("draws.moved_mm", (0.0, 20.0), "draws"),
    ("name", "mine", None),
    ("workflow.jobs", 1, None),
    ("workflow.expected_seconds", {}, None),
])
def test_a_setting_changes_its_stage_and_all_after_it_and_none_before(profile, tmp_path, setting, value, first):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    now = write_plan(tmp_path / "run", with_setting(profile, setting, value), tmp_path, None).digests
    assert changed(before, now) == after(*(first or "").split())


def test_which_segmentation_variants_there_are_counts_and_not_which_are_first(profile, tmp_path):
    plans = [write_plan(tmp_path / "run", with_setting(profile, "segmentation.variants", names), tmp_path, None)
             for names in (("delayed",), ("delayed", "three-phase"), ("three-phase", "delayed"))]
    assert plans[0].digests["lesions"] != plans[1].digests["lesions"] and plans[1].digests == plans[2].digests
    assert plans[1].segmentations == plans[2].segmentations == ("delayed", "three-phase")
    assert plans[0].identity("folds", "0") != plans[1].identity("folds", "0") == plans[2].identity("folds", "0")


def test_digests_do_not_depend_on_where_a_run_lies(profile, tmp_path):
    assert write_plan(tmp_path / "a", profile, tmp_path / "x", None).digests == write_plan(tmp_path / "b", profile, tmp_path / "y", None).digests
