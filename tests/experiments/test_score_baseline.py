from __future__ import annotations

import numpy as np
import pytest
from results_tables import build_results_table, write_results_table
from score_baseline import count_patient, score_intensity_baseline

from lirads_keras.entities import Volume
from lirads_keras.evaluation.intensity_baseline import BINS
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

SHAPE = (6, 32, 32)


@pytest.fixture
def stored(plan):
    """Five patients: a lesion of about 300 in a body of 600, in P3 of about 450, and one patient without a lesion."""
    for number in range(5):
        rng = np.random.default_rng(number)
        image = np.where(np.hypot(*np.mgrid[-16:16, -16:16]) < 13, 600.0, 5.0) * np.ones(SHAPE) + rng.normal(0, 4, SHAPE)
        mask = np.zeros(SHAPE, np.uint8)
        if number != 4:
            mask[1:4, 12:18, 10:17] = 2
            image[mask > 0] = (450 if number == 3 else 300) + rng.normal(0, 4, (mask > 0).sum())
            # A speck of the same intensity, smaller than a component has to be.
            image[5, 20, 20] = 300
        volume = Volume(np.abs(image).astype(np.float32), (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
        write_stored_study(plan.run.path / "store" / f"P{number}", {"delayed": volume}, mask if number != 4 else None, plan.profile.preprocessing)
    for fold in range(2):
        # Two voxels of 16 mm³.
        plan.run.fold("delayed", fold).write_choice("test", threshold=0.5, minimum_volume_mm3=32, validation_dice=None)
    return plan


def test_chosen_on_the_others_and_scored_on_the_test_patients(stored, tmp_path):
    fold_of = {"P0": 0, "P1": 1, "P2": 1, "P3": 0, "P4": 0}
    rows = {row["patient_id"]: row for row in score_intensity_baseline(stored, fold_of)}
    assert set(rows) == {"P0", "P1", "P2", "P3"} and {name: row["fold"] for name, row in rows.items()} == {"P0": 0, "P1": 1, "P2": 1, "P3": 0}
    # Fold 0's interval comes from P1 and P2, in which a lesion is 300: it finds P0's and misses P3's. Specks are too small to count.
    assert rows["P0"]["dice"] > 0.97 and rows["P3"]["dice"] < 0.05
    assert (rows["P0"]["lower"], rows["P0"]["upper"]) == (rows["P3"]["lower"], rows["P3"]["upper"]) and rows["P0"]["lower"] < rows["P0"]["upper"]
    for name in ("P1", "P2"):
        study = read_stored_study(stored.run.store(name))
        seen = study.scales["delayed"].apply(study.image("delayed"))[study.mask() > 0]
        assert ((seen > rows["P0"]["lower"] - 0.05) & (seen < rows["P0"]["upper"] + 0.05)).all()
    text = write_results_table(tmp_path, "baseline_segmentation", build_results_table("baseline_segmentation", rows.values())).read_text()
    assert text.splitlines()[0] == "patient_id,fold,lower,upper,dice" and len(text.splitlines()) == 5


def test_histograms_count_every_voxel(stored):
    histogram = count_patient(stored.run.store("P0"), np.linspace(-1, 2, BINS + 1))
    assert histogram.everywhere.sum() == 6 * 32 * 32 and histogram.lesion.sum() == 3 * 6 * 7
    assert (histogram.lesion <= histogram.everywhere).all()


def test_a_single_patient_with_a_lesion_has_nobody_to_learn_from(stored):
    assert score_intensity_baseline(stored, {"P0": 0, "P4": 1}) == []
