from __future__ import annotations

import dataclasses

import build_cohort
import pandas as pd
import pytest
import stage_data
import user_manifest

from lirads_keras.errors import InputError
from lirads_keras.io.manifests import Manifest
from lirads_keras.progress import ignore_progress


def use(monkeypatch, plan, tmp_path, groups: str, lesions: int):
    """The plan with a user's manifest of these patients ("p" positive, "n" negative) and so many lesions."""
    patients = pd.DataFrame({"patient_id": [f"P{number}" for number in range(len(groups))],
                             "group": [{"p": "positive", "n": "negative"}[group] for group in groups]})
    manifest = Manifest(tmp_path, patients, pd.DataFrame(), pd.DataFrame({"patient_id": ["P0"] * lesions}))
    for module in (user_manifest, stage_data):
        monkeypatch.setattr(module, "read_manifest", lambda folder: manifest)
    return dataclasses.replace(plan, user_manifest=tmp_path)


def test_a_users_manifest_is_checked_and_counted(plan, monkeypatch, tmp_path):
    told: list[tuple[float | None, str]] = []
    build_cohort.work(use(monkeypatch, plan, tmp_path, "ppnp", 1), lambda *progress: told.append(progress), "")
    assert told == [(1, "manifest of 4 patients")]


@pytest.mark.parametrize("groups, lesions, words", [("pnn", 1, "at least 2 with lesions, one a fold, found 1"), ("pp", 0, "lesions.csv: expected a row")])
def test_what_training_could_not_use_is_told_before_it(plan, monkeypatch, tmp_path, groups, lesions, words):
    with pytest.raises(InputError, match=words):
        build_cohort.work(use(monkeypatch, plan, tmp_path, groups, lesions), ignore_progress, "")


def test_no_network_is_trained_on_boxes(plan, monkeypatch, tmp_path):
    changed = use(monkeypatch, plan, tmp_path, "ppn", 1)
    manifest = user_manifest.read_manifest(tmp_path)
    manifest.patients["mask_kind"] = ["outline", "box", ""]
    with pytest.raises(InputError, match=r"masks that outline, to train on, found boxes \(mask_kind\) of 1 patients"):
        build_cohort.work(changed, ignore_progress, "")


def test_the_virtual_cohort_is_built_where_the_plan_says(plan, monkeypatch):
    built: list = []
    monkeypatch.setattr(build_cohort, "build_cohort", lambda settings, folder, *, jobs, progress: built.append((settings, folder, jobs, progress)))
    build_cohort.work(plan, ignore_progress, "")
    assert built == [(plan.profile.cohort, plan.manifest, plan.profile.workflow.threads, ignore_progress)] and plan.manifest.is_dir()
