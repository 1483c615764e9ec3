"""The stages draw_store and draws on five small patients, with networks that are stood in for: a threshold on the sum of what they are given."""
from __future__ import annotations

import dataclasses
from collections import Counter

import build_cohort
import build_store
import numpy as np
import pandas as pd
import pytest
import score_draws
import store_draws
from draw_rows import read_draw_rows
from results_tables import build_results_table, write_results_table
from stage_data import fold_of_patients
from stages import write_plan

from lirads_keras import network_scorer
from lirads_keras.evaluation.patient_score import score_levels
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import ignore_progress


class Killed(Exception):
    pass


class StandIn:
    scored: list[tuple[str, str, int]] = []
    dies_after: int | None = None

    def __init__(self, profile, variant, folder, threads) -> None:
        self._variant = variant

    def score(self, study, conditions):
        if self.dies_after is not None and len(self.scored) >= self.dies_after:
            raise Killed
        self.scored.append((self._variant.name, f"{study.folder.parents[1].name} {study.patient_id}", len(conditions)))
        given, rows = read_segmentation_input(study, self._variant.phases), []
        for condition in conditions:
            images = [np.asarray(image.array, np.float32) for image in condition.change(given).images if image is not None]
            total = np.sum(images, axis=0)
            levels = np.where(total > np.quantile(total, 0.97), 200, 0).astype(np.uint8)
            rows.append({"condition": condition.name, "amount": condition.amount, **score_levels(levels, study, (0.5, 1000.0), 0.1)})
        return rows


@pytest.fixture(scope="module")
def built(profile, tmp_path_factory):
    """A plan of two folds with its own patients built, stored and predicted, and the draws' built and stored."""
    folder = tmp_path_factory.mktemp("built")
    small = {"matrix_px": 32, "pixel_spacing_mm": 11.0, "slices": 10, "slice_spacing_mm": 14.0, "patients_positive": 2, "patients_negative": 1}
    profile = profile.model_copy(update={
        "cohort": profile.cohort.model_copy(update=small),
        "segmentation": profile.segmentation.model_copy(update={"variants": ("delayed", "three-phase")})})
    plan = write_plan(folder / "run", profile, folder / "data", None)
    build_cohort.work(plan, ignore_progress, "")
    build_store.work(plan, ignore_progress, "")
    store_draws.work(plan, ignore_progress, "")
    for variant in profile.segmentation.variants:
        for patient_id, fold in fold_of_patients(plan)[1].items():
            levels = np.where(np.asarray(read_stored_study(plan.run.store(patient_id)).mask()) > 0, 150, 0).astype(np.uint8)
            path = plan.run.prediction(variant, fold, patient_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, levels)
            plan.run.fold(variant, fold).write_choice("test", threshold=0.5, minimum_volume_mm3=0.0, validation_dice=None)
    return plan


@pytest.fixture
def score(monkeypatch):
    """Runs the stage draws with the stand-in, which dies after so many patients; what it scored."""
    monkeypatch.setattr(network_scorer, "NetworkScorer", StandIn)

    def run(plan, dies_after: int | None = None) -> list[tuple[str, str, int]]:
        StandIn.scored, StandIn.dies_after = [], dies_after
        score_draws.work(plan, ignore_progress, "")
        return StandIn.scored

    return run


def test_every_patient_is_scored_under_the_conditions_that_its_network_can_tell(built, score):
    scored = score(built)
    # More for a network of three phases: two of them moved by 0 and 10 mm, and each missing.
    changes = 2 * 2 + 3
    assert Counter((variant, name.split()[0], conditions) for variant, name, conditions in scored) == {
        ("delayed", "fresh", 1): 3, ("delayed", "shifted", 1): 3, ("three-phase", "fresh", 1): 1, ("three-phase", "fresh", 1 + changes): 2,
        ("three-phase", "shifted", 1): 3, ("three-phase", "fresh-arterial+5s", 1): 2}
    table = pd.DataFrame(read_draw_rows(built))
    assert table.groupby(["segmentation", "draw"]).size().to_dict() == {
        ("delayed", "cross_validation"): 3, ("delayed", "fresh"): 3, ("delayed", "shifted"): 3, ("three-phase", "cross_validation"): 3,
        ("three-phase", "fresh"): 3 + 2 * changes + 2, ("three-phase", "shifted"): 3}
    # The run's own patients were predicted without a fault.
    own = table[table["draw"] == "cross_validation"]
    assert own["dice"].dropna().eq(1).all() and own["dice"].isna().sum() == 2 and (own["n_detected"] == own["n_reference"]).all()
    curves = table[(table["segmentation"] == "three-phase") & (table["draw"] == "fresh")].set_index(["condition", "draw_patient_id"])
    values = ["dice", "n_reference", "n_detected", "n_predicted", "n_matched"]
    for patient_id in set(curves.loc["arterial_moved"].index):
        moved = curves.loc[("arterial_moved", patient_id)]
        pd.testing.assert_frame_equal(moved[moved["amount"] == 0][values].reset_index(drop=True),
                                      curves.loc[[("as_acquired", patient_id)], values].reset_index(drop=True))
        assert curves.loc[("arterial_later", patient_id), "n_reference"] == curves.loc[("as_acquired", patient_id), "n_reference"]


def test_what_was_scored_is_a_results_table(built, score, tmp_path):
    score(built)
    lines = write_results_table(tmp_path, "draws", build_results_table("draws", read_draw_rows(built))).read_text().splitlines()
    assert len(lines) == 1 + 4 * 3 + 3 + 2 * 7 + 2 + 3
    assert lines[0] == "draw,condition,amount,segmentation,draw_patient_id,group,dice,n_reference,n_detected,n_predicted,n_matched"
    assert lines[1].startswith("cross_validation,as_acquired,,delayed,VC-0001,") and any(",arterial_later,5,three-phase," in line for line in lines)


def test_killed_anywhere_it_goes_on_where_it_was_and_ends_with_the_same_bits(built, score, tmp_path):
    score(built)
    expected = read_draw_rows(built)
    plan = write_plan(tmp_path / "run", built.profile, built.data, None)
    store_draws.work(plan, ignore_progress, "")
    for name in ("store", "segmentation"):
        (plan.run.path / name).symlink_to(built.run.path / name)
    with pytest.raises(Killed):
        score(plan, 4)
    first = list(StandIn.scored)
    assert len(first) == 4
    # As if killed while the record of the fourth was written.
    variant, (part, patient_id) = first[3][0], first[3][1].split()
    plan.run.draw(part).score(variant, patient_id).path.write_text("{")
    rest = score(plan)
    assert first[3] in rest and not set(first[:3]) & set(rest) and len(rest) == 14 - 3
    pd.testing.assert_frame_equal(pd.DataFrame(read_draw_rows(plan)), pd.DataFrame(expected))
    assert score(plan) == []


def test_of_a_users_patients_there_are_no_draws(built, score, tmp_path, capsys):
    plan = dataclasses.replace(write_plan(tmp_path / "run", built.profile, tmp_path / "data", None), user_manifest=tmp_path)
    store_draws.work(plan, ignore_progress, "")
    assert read_draw_rows(plan) == [] == score(plan) and "nothing is written" in capsys.readouterr().out
    assert not (plan.run.path / "draws").exists() and not plan.data.exists()
