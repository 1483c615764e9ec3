"""Hand-made scores of networks, and the rows of the results tables that follow from them."""
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results_tables import TABLES, build_results_table, write_results_table
from score_variants import score_variants
from stage_data import read_table
from trainings import list_trainings

VARIANTS = ("vgg16-adaptive", "vgg16-plain", "direct-finetuned")
INDEX = """patient_id,fold,roi,segmentation,lesion_id,detected,diameter_mm,reference_lesion_id,iou,finding,aphe,washout,capsule,category
007,0,reference_roi,,NA,1,25,NA,,,1,0,,LR-5
007,0,automatic_roi,delayed,NA,1,9,NA,,,1,0,,LR-5
007,0,predicted_lesion,delayed,P1,1,9,NA,0.3,,1,0,,LR-5
P2,1,reference_roi,,L1,1,15,L1,,,0,1,1,LR-4
P2,1,automatic_roi,delayed,L1,0,,L1,,,0,1,1,LR-4
P2,1,predicted_lesion,delayed,P1,1,25,,0,cyst,,,,
P3,1,reference_roi,,L1,1,12,L1,,,,1,0,LR-3
P3,1,automatic_roi,delayed,L1,1,12,L1,,,,1,0,LR-3
P3,1,predicted_lesion,delayed,P1,1,12,L1,0.5,,,1,0,LR-3
"""
"""Lesion NA of patient 007 is measured too small, that of P2 is missed and a false one found instead, the study of P3 has no arterial phase."""

FEATURES = ["""roi,segmentation,patient_id,lesion_id,fold,aphe,washout,capsule
reference_roi,,007,NA,0,0.9,0.8,0.1
automatic_roi,delayed,007,NA,0,0.5,0.4999,0.1
predicted_lesion,delayed,007,P1,0,0.5,0.4999,0.1
""", """roi,segmentation,patient_id,lesion_id,fold,aphe,washout,capsule
automatic_roi,delayed,P2,L1,1,,,
reference_roi,,P2,L1,1,0.2,0.7,0.6
predicted_lesion,delayed,P2,P1,1,0.9,0.8,0.1
reference_roi,,P3,L1,1,,0.7,0.2
automatic_roi,delayed,P3,L1,1,,0.3,0.2
predicted_lesion,delayed,P3,P1,1,,0.3,0.2
"""]


DIRECT = ["""roi,segmentation,patient_id,lesion_id,fold,LR-3,LR-4,LR-5
reference_roi,,007,NA,0,0.1,0.2,0.7
automatic_roi,delayed,007,NA,0,0.4,0.4,0.2
predicted_lesion,delayed,007,P1,0,0.4,0.4,0.2
""", """roi,segmentation,patient_id,lesion_id,fold,LR-3,LR-4,LR-5
automatic_roi,delayed,P2,L1,1,,,
reference_roi,,P2,L1,1,0.125,0.625,0.25
predicted_lesion,delayed,P2,P1,1,0.25,0.25,0.5
reference_roi,,P3,L1,1,0.5,0.3,0.2
automatic_roi,delayed,P3,L1,1,0.2,0.3,0.5
predicted_lesion,delayed,P3,P1,1,0.2,0.3,0.5
"""]
PRESENT = np.array([*[[1, 1, 1]] * 4, [0, 0, 0], [1, 1, 1], *[[0, 1, 1]] * 3], bool)


@pytest.fixture
def characterized(plan):
    """The plan's run with what two feature networks and a direct one, of two seeds, said of three patients in two folds; the half split tests P2 and P3."""
    settings = plan.profile.characterization.model_copy(update={"variants": VARIANTS, "seeds": (2023, 7), "half_split": True})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"characterization": settings}))
    plan.run.crops.path.mkdir(parents=True)
    plan.run.crops.index.write_text(INDEX)
    for variant in VARIANTS:
        for training in list_trainings(plan, variant):
            training.folder.path.mkdir(parents=True)
            tables = DIRECT if variant.startswith("direct") else FEATURES
            training.folder.scores.write_text(tables[1] if training.fold is None else tables[training.fold])
            if training.seed == 7 and variant == "direct-finetuned":
                # The second seed takes patient 007's lesion for LR-3.
                training.folder.scores.write_text(training.folder.scores.read_text().replace("0.1,0.2,0.7", "0.7,0.2,0.1"))
    return plan


def index_of(plan) -> pd.DataFrame:
    return read_table(plan.run.crops.index)


@pytest.fixture
def scored(characterized):
    return score_variants(characterized, index_of(characterized), PRESENT)


def select(rows, **values):
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def test_every_lesion_has_a_category_in_both_regions(scored):
    found = {(row["roi"], row["patient_id"]): row for row in select(scored["categories"], variant="vgg16-plain")}
    assert len(scored["categories"]) == 3 * 6 and len(found) == 6
    assert found["reference_roi", "007"]["category_pred"] == "LR-5"
    # 9 mm, APHE at the threshold is present, washout just under it is not.
    assert found["automatic_roi", "007"]["reasons"] == "APHE, no additional major feature, 9 mm: LR-3"
    assert found["automatic_roi", "007"]["lesion_id"] == "NA"
    missed = found["automatic_roi", "P2"]
    assert (missed["category_pred"], missed["detected"], missed["reasons"], missed["category_ref"]) == (None, 0, "missed by the segmentation", "LR-4")
    assert np.isnan(missed["diameter_mm"])
    # 12 mm without an arterial phase: with washout LR-3 or LR-5, which is LR-NC and no category that is scored; without any feature LR-3 alone is left.
    of_p3 = {roi: found[roi, "P3"] for roi in ("reference_roi", "automatic_roi")}
    assert of_p3["reference_roi"]["category_pred"] is None and "LR-NC" in of_p3["reference_roi"]["reasons"] and of_p3["reference_roi"]["detected"] == 1
    assert of_p3["automatic_roi"]["category_pred"] == "LR-3" and "by the major features that could be assessed" in of_p3["automatic_roi"]["reasons"]


def test_a_direct_network_names_its_probabilities_and_what_it_did_not_see(scored):
    found = {(row["roi"], row["patient_id"]): (row["category_pred"], row["reasons"]) for row in select(scored["categories"], variant="direct-finetuned")}
    assert found == {
        ("reference_roi", "007"): ("LR-5", "direct network: P(LR-3, LR-4, LR-5) = 0.10, 0.20, 0.70"),
        # Of equally probable categories the lower.
        ("automatic_roi", "007"): ("LR-3", "direct network: P(LR-3, LR-4, LR-5) = 0.40, 0.40, 0.20"),
        ("reference_roi", "P2"): ("LR-4", "direct network: P(LR-3, LR-4, LR-5) = 0.12, 0.62, 0.25"),
        ("automatic_roi", "P2"): (None, "missed by the segmentation"),
        ("reference_roi", "P3"): ("LR-3", "direct network: P(LR-3, LR-4, LR-5) = 0.50, 0.30, 0.20 (no arterial phase)"),
        ("automatic_roi", "P3"): ("LR-5", "direct network: P(LR-3, LR-4, LR-5) = 0.20, 0.30, 0.50 (no arterial phase)")}
    assert {row["variant"] for row in scored["features"]} == {"vgg16-adaptive", "vgg16-plain"}


def test_accuracy_of_every_seed_counts_missed_lesions_as_errors(scored):
    rows = {(row["variant"], row["seed"], row["roi"]): (row["accuracy"], row["n"]) for row in scored["seed_accuracy"]}
    assert len(scored["seed_accuracy"]) == len(rows) == 3 * 2 * 2
    assert rows["direct-finetuned", 2023, "reference_roi"] == (1, 3) and rows["direct-finetuned", 7, "reference_roi"] == (pytest.approx(2 / 3), 3)
    assert rows["direct-finetuned", 2023, "automatic_roi"] == rows["direct-finetuned", 7, "automatic_roi"] == (0, 3)
    # 25 mm with APHE and washout is LR-5; 15 mm with washout and capsule only LR-4; P3 has LR-NC.
    assert rows["vgg16-plain", 2023, "reference_roi"] == (pytest.approx(2 / 3), 3)


def test_the_half_split_has_its_own_rows(scored):
    rows = select(scored["half_split"], variant="direct-finetuned")
    assert [(row["patient_id"], row["roi"], row["category_ref"], row["category_pred"]) for row in rows] == [
        ("P2", "reference_roi", "LR-4", "LR-4"), ("P2", "automatic_roi", "LR-4", None), ("P3", "reference_roi", "LR-3", "LR-3"),
        ("P3", "automatic_roi", "LR-3", "LR-5")]
    assert len(scored["half_split"]) == 3 * 4


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


def test_a_range_is_scored_as_not_given(characterized):
    """25 mm with washout and without an arterial phase: LR-4 or LR-5."""
    index = index_of(characterized)
    index.loc[index["patient_id"] == "P3", "diameter_mm"] = 25.0
    (row,) = select(score_variants(characterized, index, PRESENT)["categories"], variant="vgg16-plain", roi="reference_roi", patient_id="P3")
    assert row["category_pred"] is None and row["reasons"].startswith("washout, 25 mm: LR-4 or LR-5, APHE not assessed (LR-M by rim APHE is not excluded)")


def test_every_predicted_lesion_has_a_category_and_what_it_lies_on(scored):
    found = {row["patient_id"]: row for row in select(scored["predicted_lesions"], variant="vgg16-plain")}
    assert len(scored["predicted_lesions"]) == 3 * 3 and set(found) == {"007", "P2", "P3"}
    # 25 mm with APHE and washout, where nothing is but a cyst.
    false = found["P2"]
    assert (false["category_pred"], false["finding"], false["iou"], false["lesion_id"]) == ("LR-5", "cyst", 0, "P1")
    assert pd.isna(false["reference_lesion_id"]) and pd.isna(false["category_ref"])
    assert (found["007"]["category_pred"], found["007"]["category_ref"], found["007"]["reference_lesion_id"]) == ("LR-3", "LR-5", "NA")
    # Without an arterial phase one category is left.
    assert found["P3"]["category_pred"] == "LR-3" and "APHE not assessed" in found["P3"]["reasons"]
    assert [row["category_pred"] for row in select(scored["predicted_lesions"], variant="direct-finetuned")] == ["LR-3", "LR-5", "LR-5"]


def test_the_tables_can_be_written_and_keep_ids_as_they_are(scored, tmp_path):
    for name in ("features", "categories", "predicted_lesions", "seed_accuracy", "half_split"):
        write_results_table(tmp_path, name, build_results_table(name, scored[name]))
    lines = (tmp_path / "features.csv").read_text().splitlines()
    assert "vgg16-adaptive,automatic_roi,delayed,1,P2,L1,capsule,1," in lines and "vgg16-plain,reference_roi,,0,007,NA,aphe,1,0.9" in lines
    assert lines[0] == ",".join(column.name for column in TABLES["features"])


def test_a_fold_without_lesions_leaves_the_others_as_they_are(characterized, scored):
    for variant in VARIANTS:
        for training in list_trainings(characterized, variant):
            if training.fold == 0:
                training.folder.scores.write_text(training.folder.scores.read_text().splitlines()[0] + "\n")
    index = index_of(characterized)
    rest = score_variants(characterized, index[index["fold"] == 1], PRESENT[(index["fold"] == 1).to_numpy()])
    for name in ("features", "categories"):
        assert pd.DataFrame(rest[name]).equals(pd.DataFrame([row for row in scored[name] if row["fold"] == 1]))


def test_a_further_segmentation_variant_adds_its_regions_and_changes_no_other_row(characterized, scored):
    """It finds the lesion that the first one misses, and measures the others as the first one does."""
    index = index_of(characterized)
    further = index[index["roi"] == "automatic_roi"].assign(segmentation="three-phase")
    further.loc[further["patient_id"] == "P2", ["detected", "diameter_mm"]] = [1, 15.0]
    for variant in VARIANTS:
        for training in list_trainings(characterized, variant):
            lines = training.folder.scores.read_text().splitlines()
            added = [line.replace("delayed", "three-phase") for line in lines if line.startswith("automatic_roi")]
            added = [line.replace(",,,", ",0.125,0.625,0.25" if variant.startswith("direct") else ",0.2,0.7,0.6") for line in added]
            training.folder.scores.write_text("\n".join([*lines, *added]) + "\n")
    rows = score_variants(characterized, pd.concat([index, further], ignore_index=True), np.concatenate([PRESENT, [[1, 1, 1], [1, 1, 1], [0, 1, 1]]]) > 0)
    for name in ("features", "categories", "seed_accuracy", "half_split"):
        of_further = select(rows[name], segmentation="three-phase")
        pd.testing.assert_frame_equal(pd.DataFrame([row for row in rows[name] if row not in of_further]), pd.DataFrame(scored[name]))
        assert {row["roi"] for row in of_further} == {"automatic_roi"}
    found = {row["patient_id"]: row["category_pred"] for row in select(rows["categories"], variant="direct-finetuned", segmentation="three-phase")}
    assert found == {"007": "LR-3", "P2": "LR-4", "P3": "LR-5"}
    # Of three lesions P2's is right; by the first variant, which misses it, none is.
    (accuracy,) = select(rows["seed_accuracy"], variant="direct-finetuned", seed=2023, segmentation="three-phase")
    assert accuracy["accuracy"] == pytest.approx(1 / 3) and accuracy["n"] == 3
    assert len(select(rows["features"], variant="vgg16-plain", segmentation="three-phase")) == 9
    assert len(select(rows["half_split"], segmentation="three-phase")) == 3 * 2
