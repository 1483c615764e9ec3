from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import stage
import stage_data
from stage import ProgressFile, run_stage
from stage_data import fold_of_patients, fresh_folder, read_table

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.manifests import Manifest
from lirads_keras.io.records import Record


def run(monkeypatch, name, work, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", *map(str, arguments)])
    run_stage(name, work)


def test_a_finished_stage_says_so_with_its_digest(plan, monkeypatch):
    seen = []

    def work(plan, progress, part):
        progress(1 / 4, "one of four")
        seen.append(json.loads((plan.run.path / "progress" / "store.json").read_text()))

    assert not plan.is_done("store")
    run(monkeypatch, "store", work, "--run", plan.run.path)
    assert plan.is_done("store") and json.loads(plan.done("store").path.read_text())["seconds"] >= 0
    assert seen[0]["fraction"] == 0.25 and seen[0]["detail"] == "one of four" and seen[0]["stage"] == "store"
    assert not (plan.run.path / "progress" / "store.json").exists()


def test_a_finished_part_says_so_for_itself(plan, monkeypatch):
    parts = []
    run(monkeypatch, "folds", lambda plan, progress, part: parts.append(part), "--run", plan.run.path, "--part", "0")
    assert parts == ["0"] and plan.is_done("folds", "0")
    assert plan.run.done("folds", "0").made_from(f"{plan.digests['folds']} delayed 2")


def test_bad_input_ends_with_2_and_is_left_for_the_wrapper(plan, monkeypatch, capsys):
    def work(plan, progress, part):
        raise InputError(Problem("a", "b", "c"), Problem("d", "e", "f"))

    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, "store", work, "--run", plan.run.path)
    assert caught.value.code == 2
    lines = ["a: expected b, found c", "d: expected e, found f"]
    assert json.loads((plan.run.path / "problems.json").read_text()) == lines
    assert capsys.readouterr().err.splitlines() == [f"error: {line}" for line in lines]
    assert not plan.is_done("store")


def test_another_error_is_not_hidden(plan, monkeypatch):
    def work(plan, progress, part):
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        run(monkeypatch, "store", work, "--run", plan.run.path)
    assert not plan.is_done("store") and not (plan.run.path / "problems.json").exists()


def test_a_folder_that_is_no_run_is_told_and_not_made(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, "store", lambda *rest: None, "--run", tmp_path / "absent")
    assert caught.value.code == 2 and "a run folder" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()


def test_progress_is_written_at_most_once_a_second_but_always_at_the_end(plan, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stage.time, "time", lambda: now[0])
    progress = ProgressFile(plan, "folds", "1")

    def shown() -> float:
        return json.loads((plan.run.path / "progress" / "folds-1.json").read_text())["fraction"]

    progress(0, "")
    assert shown() == 0
    now[0] += 0.5
    progress(1 / 4, "")
    assert shown() == 0
    now[0] += 0.5
    progress(2 / 4, "")
    assert shown() == 0.5
    progress(1, "")
    assert shown() == 1
    progress(None, "")
    progress.close()
    progress.close()
    assert not (plan.run.path / "progress" / "folds-1.json").exists()


def test_a_folder_of_another_identity_is_emptied(tmp_path):
    folder = tmp_path / "store"
    record = Record(folder / "identity.json")
    fresh_folder(record, "a")
    (folder / "P1").mkdir()
    (folder / "P1" / "mask.npy").write_text("old")
    fresh_folder(record, "a")
    assert (folder / "P1" / "mask.npy").exists()
    fresh_folder(record, "b")
    assert [path.name for path in folder.iterdir()] == ["identity.json"] and record.made_from("b")


def test_a_folder_without_identity_is_emptied(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "P1.npy").write_text("from nobody knows where")
    fresh_folder(Record(tmp_path / "store" / "identity.json"), "a")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["identity.json"]


def test_what_cannot_be_deleted_does_not_pass_for_fresh(tmp_path, monkeypatch):
    record = Record(tmp_path / "identity.json")
    fresh_folder(record, "a")
    (tmp_path / "old.npy").write_text("old")

    def refuse(*arguments, **keywords):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "rmdir", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError):
        fresh_folder(record, "b")
    assert not record.made_from("b")


def test_ids_stay_text(tmp_path):
    (tmp_path / "table.csv").write_text("patient_id,lesion_id,fold,aphe\n007,NA,1,0.5\nnull,1.0,0,\n")
    table = read_table(tmp_path / "table.csv")
    assert table["patient_id"].tolist() == ["007", "null"] and table["lesion_id"].tolist() == ["NA", "1.0"]
    assert table["fold"].tolist() == [1, 0] and table["aphe"].isna().tolist() == [False, True]


def test_folds_are_those_of_the_manifests_patients(plan, monkeypatch, tmp_path):
    import pandas as pd

    patients = pd.DataFrame({"patient_id": ["B", "A", "D", "C"], "group": ["positive", "negative", "positive", "positive"]})
    monkeypatch.setattr(stage_data, "read_manifest", lambda folder: Manifest(tmp_path, patients, patients, patients))
    positives, fold_of = fold_of_patients(plan)
    assert positives == ["B", "D", "C"] and list(fold_of) == ["B", "A", "D", "C"]
    assert {fold_of[name] for name in positives} == {0, 1} and set(fold_of.values()) == {0, 1}


def test_a_stage_script_refuses_as_a_program_does(tmp_path):
    """From a shell: exit code 2, no traceback, nothing made."""
    script = stage.__file__.replace("stage.py", "export_results.py")
    finished = subprocess.run([sys.executable, script, "--run", str(tmp_path / "absent")], capture_output=True, text=True)
    assert finished.returncode == 2 and "a run folder" in finished.stderr and "Traceback" not in finished.stderr
    assert not any(tmp_path.iterdir())
