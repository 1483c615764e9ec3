"""Lesions at the edge of the volume and of a single voxel, and studies without a phase, from the mask to the results tables."""
from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from extract_lesions import crop_patient
from results_tables import build_results_table, write_results_table
from score_variants import score_variants
from stage_data import REGION_KEY
from trainings import list_trainings

from lirads_keras.entities import SCORED_CATEGORIES
from lirads_keras.inference.direct import predict_categories
from lirads_keras.inference.features import predict_features
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.models.direct import build_direct
from lirads_keras.models.multitask import build_multitask

SHAPE = (6, 32, 32)
CORNER, VOXEL, LAST = (0, slice(0, 3), slice(0, 5)), (5, 0, 31), (3, slice(30, 32), slice(10, 12))
VARIANTS = ("vgg16-adaptive", "direct-finetuned-size")


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    size = {"crop_px": 32, "width_factor": 0.125, "head_units": 8}
    return {"vgg16-adaptive": build_multitask("vgg16", **size, weights="random"),
            "direct-finetuned-size": build_direct("vgg16", **size, weights="random", frozen=False, with_size=True)}


@pytest.fixture
def crops(store_study, profile, tmp_path, request):
    """Rows, images and present of the three lesions of a study with the given phases; the prediction finds each of them exactly."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[CORNER], mask[VOXEL], mask[LAST] = 1, 2, 3
    np.save(tmp_path / "P1.npy", np.where(mask, 250, 0).astype(np.uint8))
    return crop_patient(store_study("P1", mask, request.param), {"delayed": (tmp_path / "P1.npy", (0.5, 0.0))}, profile,
                        {"1": "corner", "2": "voxel", "3": "last"}, {"1": None, "2": None, "3": None})


@pytest.mark.parametrize("crops, seen", [
    (("arterial", "portal_venous", "delayed"), {"aphe", "washout", "capsule"}), (("portal_venous", "delayed"), {"washout", "capsule"}),
    (("arterial", "delayed"), {"aphe", "washout", "capsule"}), (("delayed",), {"washout", "capsule"})], indirect=["crops"])
def test_every_lesion_ends_in_the_tables(plan, crops, seen, networks, tmp_path):
    rows, images, present = crops
    assert images.shape == (9, 3, 32, 32, 3) and np.isfinite(images).all() and all(row["detected"] for row in rows)
    diameters = np.array([row["diameter_mm"] for row in rows])
    # One voxel of 2 × 2 mm is 0.4 pixel long.
    assert diameters.tolist()[1] == diameters.tolist()[4] == pytest.approx(0.8)
    index = pd.DataFrame([{"patient_id": "P1", "fold": 0, **row, "aphe": 1, "washout": 0, "capsule": None, "category": "LR-3"} for row in rows])
    probabilities = predict_features(networks["vgg16-adaptive"], images, present, "adaptive")
    assert all({name for name, value in vars(of_lesion).items() if value is not None} == seen for of_lesion in probabilities)
    assert all(0 <= value <= 1 for of_lesion in probabilities for value in vars(of_lesion).values() if value is not None)
    categories = predict_categories(networks["direct-finetuned-size"], images, present, diameters)
    np.testing.assert_allclose(categories.sum(axis=1), 1, rtol=1e-5)

    settings = plan.profile.characterization.model_copy(update={"variants": VARIANTS, "half_split": False})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"characterization": settings}))
    tables = {"vgg16-adaptive": pd.DataFrame([vars(of_lesion) for of_lesion in probabilities]),
              "direct-finetuned-size": pd.DataFrame(categories, columns=[str(category) for category in SCORED_CATEGORIES])}
    for variant, table in tables.items():
        for training in list_trainings(plan, variant):
            training.folder.path.mkdir(parents=True)
            rows_of_fold = index[REGION_KEY].join(table)[index["fold"] == training.fold]
            training.folder.scores.write_text(rows_of_fold.to_csv(index=False))
    scored = score_variants(plan, index, present)
    for name in ("features", "categories", "predicted_lesions", "seed_accuracy", "half_split"):
        write_results_table(tmp_path / "results", name, build_results_table(name, scored[name]))
    assert len(scored["categories"]) == 2 * 6 and len(scored["features"]) == 6 * 3 and len(scored["predicted_lesions"]) == 2 * 3
    reasons = [row["reasons"] for row in scored["categories"]]
    absent = [name for name, column in (("arterial", 0), ("portal venous", 1)) if not present[0, column]]
    assert all(f"no {name} phase" in text for name in absent for text in reasons)
    assert all((row["category_pred"] is None) == ("arterial" in absent and row["variant"] == "vgg16-adaptive") for row in scored["categories"])


def test_a_lesion_that_no_voxel_of_the_grid_shows_is_told(tmp_path):
    """Smaller than a pixel between the pixels' centres: the row is there, the label is not."""
    lesions = pd.DataFrame({"patient_id": ["P1", "P1"], "mask_label": [1, 2]})
    mask = np.zeros(SHAPE, np.uint8)
    mask[CORNER] = 1
    problems = find_label_problems(tmp_path, lesions, "P1", mask, tmp_path / "mask.nii.gz")
    assert [problem.where.endswith("patient P1, mask_label 2") and "mask.nii.gz" in problem.expected for problem in problems] == [True]
