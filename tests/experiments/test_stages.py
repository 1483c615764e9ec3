"""The plan of a run: written, read, shared out in parts and done."""
from __future__ import annotations

import dataclasses
import json

import pytest
import reproduce
import stages
from stage_changes import with_setting
from stages import STAGES, read_plan, write_plan

from lirads_keras.errors import InputError


def test_a_stage_needs_only_what_stands_before_it():
    assert all(set(stage.needs) <= set(list(STAGES)[:index]) for index, stage in enumerate(STAGES.values()))


@pytest.mark.parametrize("rule, older", [(None, True), (stages.DIGEST_RULE - 1, True), (stages.DIGEST_RULE, False)])
def test_a_run_of_an_older_rule_is_told_to_be_older_once(profile, tmp_path, monkeypatch, capsys, rule, older):
    run = tmp_path / "run"
    write_plan(run, profile, tmp_path, None)
    inputs = json.loads((run / "inputs.json").read_text())
    del inputs["digest_rule"]
    (run / "inputs.json").write_text(json.dumps(inputs | ({} if rule is None else {"digest_rule": rule})))
    monkeypatch.setattr(reproduce, "_reproduce", lambda plan: 0)
    monkeypatch.setattr("sys.argv", ["reproduce.py", "--profile", "smoke", "--run", str(run), "--data", str(tmp_path)])
    assert reproduce.main() == 0
    told = capsys.readouterr().err
    assert told == (f"{run}: this run was made by an older rule of what a stage is made from; all its stages are run again, once\n" if older else "")
    assert reproduce.main() == 0 and not capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "[]", '{"digest_rule": null}'])
def test_a_folder_without_a_run_is_not_told_to_be_older(tmp_path, content):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    assert not stages.was_made_by_an_older_rule(tmp_path)


def test_a_plan_is_read_as_it_was_written(profile, tmp_path, manifest, monkeypatch):
    written = write_plan(tmp_path / "run", profile, tmp_path / "data", manifest)
    # Code that is edited while the workflow runs does not move its folders.
    monkeypatch.setattr(stages, "compute_sources_digest", lambda script, checkout: "other")
    assert read_plan(tmp_path / "run") == written
    assert written.data == tmp_path / "data" and written.profile == profile


@pytest.mark.parametrize("content", [None, "", "[1"])
def test_a_folder_without_a_plan_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(InputError, match="a run folder"):
        read_plan(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_as_many_processes_share_a_queue_as_there_are_jobs(plan, jobs):
    parted = dataclasses.replace(plan, profile=with_setting(plan.profile, "workflow.jobs", jobs))
    assert all(parted.parts(stage) == [str(worker) for worker in range(jobs)] for stage in ("starts", "folds", "full", "draws", "characterization"))
    assert all(parted.parts(stage) == [""] for stage in STAGES if stage not in stages.QUEUED_STAGES)


@pytest.mark.parametrize("variants, trunks", [
    (("vgg16-adaptive", "resnet50-plain"), ("vgg16", "resnet50")), (("resnet50-adaptive",), ("resnet50",)), (("direct-frozen",), ("vgg16",)),
    (("direct-finetuned-size", "resnet50-plain"), ("vgg16", "resnet50"))])
def test_the_trunks_are_those_of_the_variants(plan, variants, trunks):
    chosen = dataclasses.replace(plan, profile=with_setting(plan.profile, "characterization.variants", variants))
    assert chosen.trunks == trunks
    assert chosen.identity("trunks") == f"{plan.digests['trunks']} {' '.join(trunks)}"
    assert chosen.trunk_folder == plan.data / "trunks" / plan.digests["trunks"]


def finish(plan, stage: str, part: str = "") -> None:
    plan.done(stage, part).path.parent.mkdir(parents=True, exist_ok=True)
    plan.done(stage, part).path.write_text(json.dumps({"identity": plan.identity(stage, part), "seconds": 1.0}))


@pytest.mark.parametrize("stage", STAGES)
def test_a_part_is_done_once_it_was_finished_with_this_digest(plan, stage):
    part = plan.parts(stage)[0]
    assert not plan.is_done(stage, part)
    finish(plan, stage, part)
    assert plan.is_done(stage, part)
    assert not dataclasses.replace(plan, digests=plan.digests | {stage: "other"}).is_done(stage, part)
    for content in ("", "{", "{}", "[]", json.dumps({"identity": "other"})):
        plan.done(stage, part).path.write_text(content)
        assert not plan.is_done(stage, part)


def test_a_virtual_cohort_is_done_for_all_runs_that_share_it(plan, profile, tmp_path):
    finish(plan, "cohort")
    assert write_plan(tmp_path / "other", profile, tmp_path / "data", None).is_done("cohort")
    assert not write_plan(tmp_path / "other", with_setting(profile, "cohort.seed", 7), tmp_path / "data", None).is_done("cohort")


@pytest.mark.parametrize("stage, setting, value", [
    ("starts", "segmentation.variants", ("delayed", "three-phase")), ("folds", "workflow.jobs", 1), ("characterization", "workflow.jobs", 3),
    ("folds", "segmentation.variants", ("delayed", "three-phase")),
    ("draws", "segmentation.variants", ("delayed", "three-phase")), ("draws", "workflow.jobs", 3),
    ("characterization", "characterization.variants", ("vgg16-adaptive", "resnet50-plain")),
    ("characterization", "characterization.seeds", (2023, 7)), ("characterization", "characterization.half_split", False)])
def test_a_part_that_stood_for_others_is_not_done(plan, stage, setting, value):
    """The stage's digest stays, so that what was trained is found again; but part 0 did not see to all that it now stands for."""
    finish(plan, stage, "0")
    regrouped = dataclasses.replace(plan, profile=with_setting(plan.profile, setting, value))
    assert regrouped.digests[stage] == plan.digests[stage]
    assert plan.is_done(stage, "0") and not regrouped.is_done(stage, "0")
