"""The main job at smoke size, from DICOM to the report, run as a user runs it."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from reproduce import RUN_VARIABLE, end_leftovers
from results_tables import TABLES

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import children_cpu_s, cohort_of, results_of, start_reproduce  # noqa: E402


def test_every_results_table_is_written(smoke_run):
    names = {path.name for path in (smoke_run / "results").iterdir()}
    assert names >= {f"{name}.csv" for name in TABLES} | {"cohort_montage.png", "figure_8.png", "figure_11.png"}
    lesions = pd.read_csv(smoke_run / "results" / "lesions.csv")
    categories = pd.read_csv(smoke_run / "results" / "categories.csv")
    rows = categories.groupby(["variant", "roi", "segmentation"], dropna=False).size()
    assert rows.eq(len(lesions)).all() and len(rows) == 7 * 3
    assert (categories["segmentation"].isin(["delayed", "three-phase"]) == categories["roi"].eq("automatic_roi")).all()
    assert categories["variant"].nunique() == 7
    features = pd.read_csv(smoke_run / "results" / "features.csv")
    assert set(features["variant"]) == {name for name in categories["variant"] if not name.startswith("direct-")}
    half = pd.read_csv(smoke_run / "results" / "half_split.csv")
    assert half["variant"].nunique() == 7 and len(half) < len(categories)
    assert half.groupby(["variant", "roi", "segmentation"], dropna=False).size().nunique() == 1
    assert set(pd.read_csv(smoke_run / "results" / "seed_accuracy.csv")["n"]) == {len(lesions)}
    detection = pd.read_csv(smoke_run / "results" / "patient_detection.csv")
    assert detection["patient_id"].nunique() == 12 and set(detection["group"]) == {"positive", "negative"}


@pytest.mark.parametrize("variant", ["delayed", "three-phase"])
def test_a_test_patient_is_never_among_those_that_its_fold_was_tuned_on(smoke_run, variant):
    fold_of = pd.read_csv(smoke_run / "results" / "patients.csv").set_index("patient_id")["fold"]
    for fold in range(3):
        folder = smoke_run / "segmentation" / variant / f"fold-{fold}"
        said = json.loads((folder / "fold.json").read_text())
        tuned_on = {*said["stopping_patients"], *said["choice_patients"]}
        predicted = {path.stem for path in (folder / "predictions").iterdir()}
        assert predicted == set(fold_of.index[fold_of == fold])
        assert tuned_on and not tuned_on & predicted


def test_networks_for_use_are_trained_on_all_patients(smoke_run):
    for variant in ("segmentation/delayed", "segmentation/three-phase", "characterization/vgg16-adaptive"):
        assert (smoke_run / variant / "full" / "model.keras").is_file()
    fold_of_study = json.loads((smoke_run / "trained_studies.json").read_text())["fold_of_study"]
    assert len(fold_of_study) == 9 and set(fold_of_study.values()) == {0, 1, 2}


def test_the_report_begins_with_the_cohort(smoke_run):
    html = (smoke_run / "report" / "report.html").read_text()
    body = html[html.index("<body"):]
    assert "virtual cohort" in body[:5000].lower()
    assert (smoke_run / "report" / "paper_comparison.csv").is_file()


def test_provenance_names_code_and_settings(smoke_run):
    record = json.loads((smoke_run / "provenance.json").read_text())
    assert record["profile"]["name"] == "smoke" and "keras" in record["versions"] and record["commit"]


def test_a_finished_run_says_so_at_once(smoke_run):
    before = results_of(smoke_run)
    started = children_cpu_s()
    again = start_reproduce(smoke_run.parent.parent)
    out, err = again.communicate()
    assert again.returncode == 0 and "finished" in out, err
    assert children_cpu_s() - started < 5
    assert results_of(smoke_run) == before


def test_a_locked_run_and_another_profile_are_refused(smoke_run, tmp_path):
    from filelock import FileLock

    with FileLock(smoke_run / ".lock"):
        _, err = (busy := start_reproduce(smoke_run.parent.parent)).communicate()
    assert busy.returncode == 2 and "found its lock held" in err
    _, err = (other := start_reproduce(smoke_run.parent.parent, profile="cpu")).communicate()
    assert other.returncode == 2 and "a run of the profile smoke" in err


def test_a_run_of_other_patients_is_not_written_over(smoke_run):
    cohort = cohort_of(smoke_run)
    before = (smoke_run / "inputs.json").read_bytes()
    _, err = (job := start_reproduce(smoke_run.parent.parent, "--manifest", str(cohort))).communicate()
    assert job.returncode == 2 and "or a new folder, found a run of the virtual cohort" in err
    assert (smoke_run / "inputs.json").read_bytes() == before


@pytest.mark.parametrize("arguments, profile, words", [
    ([], "tiny", ["PROFILE", "auto, cpu, gpu, paper, smoke", "'tiny'"]),
    (["--manifest", "nowhere"], "smoke", ["nowhere", "expected a manifest folder", "no such folder"]),
])
def test_bad_arguments_are_told_in_one_go_and_leave_nothing(tmp_path, arguments, profile, words):
    _, err = (job := start_reproduce(tmp_path, *arguments, profile=profile)).communicate()
    assert job.returncode == 2 and all(word in err for word in words) and "Traceback" not in err
    assert not any(tmp_path.iterdir())


def test_a_profile_with_an_unknown_key_is_refused(tmp_path, smoke_run):
    content = json.loads((smoke_run / "profile.yaml").read_text())
    content["segmentation"]["epochs"] = 3
    (tmp_path / "mine.yaml").write_text(json.dumps(content))
    _, err = (job := start_reproduce(tmp_path, profile=str(tmp_path / "mine.yaml"))).communicate()
    assert job.returncode == 2 and "segmentation.epochs" in err and "unknown setting" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_run_killed_in_a_fold_ends_with_the_same_results(smoke_run, tmp_path):
    shutil.copytree(smoke_run.parent.parent / "data", tmp_path / "data")
    job = start_reproduce(tmp_path)
    run = tmp_path / "runs" / "smoke"
    try:
        # There from the end of a fold's first epoch to the end of its training; the third fold is begun by the process that has finished one of the others.
        wait_for((state := run / "segmentation" / "delayed" / "fold-2" / "state.npz").is_file, job)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert state.is_file()
    finished = {path: path.stat().st_mtime_ns for path in (run / "segmentation" / "delayed").glob("fold-*/fold.json")}
    assert finished
    again = start_reproduce(tmp_path)
    _, err = again.communicate()
    assert again.returncode == 0, err
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert results_of(run) == results_of(smoke_run)


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_result(smoke_run, tmp_path):
    shutil.copytree(smoke_run.parent.parent / "data", tmp_path / "data")
    content = json.loads((smoke_run / "profile.yaml").read_text())
    content["workflow"]["jobs"] = 3
    (tmp_path / "mine.yaml").write_text(json.dumps(content))
    _, err = (job := start_reproduce(tmp_path, profile=str(tmp_path / "mine.yaml"))).communicate()
    assert job.returncode == 0, err
    found, expected = results_of(tmp_path / "runs" / "smoke"), results_of(smoke_run)
    assert found.keys() == expected.keys()
    # run.csv tells the settings' digest.
    assert [name for name in expected if found[name] != expected[name]] == ["run.csv"]


@pytest.mark.slow
def test_bad_input_ends_what_runs_beside_it(smoke_run, tmp_path):
    cohort = cohort_of(smoke_run)
    shutil.copytree(cohort, tmp_path / "mine")
    first = sorted((tmp_path / "mine" / "dicom").iterdir())[0]
    broken = sorted(path for path in first.rglob("*") if path.is_file())[0]
    broken.write_bytes(broken.read_bytes()[:2000])
    # Pre-training runs beside the store that meets the file, and would take an hour.
    content = json.loads((smoke_run / "profile.yaml").read_text())
    content["segmentation"]["pretrain"] |= {"epochs": 1000, "patience_epochs": 1000}
    (tmp_path / "mine.yaml").write_text(json.dumps(content | {"name": "mine"}))
    job = start_reproduce(tmp_path, "--manifest", str(tmp_path / "mine"), profile=str(tmp_path / "mine.yaml"))
    try:
        _, err = job.communicate(timeout=300)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == 2 and str(broken) in err and "Traceback" not in err, err


def wait_for(condition, job: subprocess.Popen, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert job.poll() is None and time.monotonic() < deadline, "the workflow ended before it could be killed"
        time.sleep(0.02)


def test_what_a_killed_workflow_left_at_work_on_this_run_is_ended(tmp_path):
    def start(run: Path) -> subprocess.Popen:
        program = "print('on', flush=True); import time; time.sleep(600)"
        return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, RUN_VARIABLE: str(run)}, stdout=subprocess.PIPE, text=True)

    mine, other = start(tmp_path / "mine"), start(tmp_path / "other")
    try:
        assert mine.stdout is not None and mine.stdout.readline() == "on\n"
        end_leftovers(tmp_path / "mine")
        assert not psutil.pid_exists(mine.pid) and other.poll() is None
    finally:
        other.kill()
        other.wait()
