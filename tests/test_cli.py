"""`lirads` as a user types it."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml

from lirads_keras.commands.predict import read_named_study
from lirads_keras.inference.notices import TRAINED_ON
from lirads_keras.io.trained_studies import compute_study_hash, read_trained_studies
from lirads_keras.run import RunFolder

sys.path.insert(0, str(Path(__file__).resolve().parent))
from conftest import children_cpu_s, cohort_of  # noqa: E402

LIRADS = [sys.executable, "-m", "lirads_keras"]


def lirads(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([*LIRADS, *map(str, arguments)], capture_output=True, text=True)


def refused(finished: subprocess.CompletedProcess, *words: str) -> bool:
    """One error a line, exit code 2, no traceback."""
    return (finished.returncode == 2 and "Traceback" not in finished.stderr and all(word in finished.stderr for word in words)
            and any(line.startswith("error: ") for line in finished.stderr.splitlines()))


@pytest.fixture(scope="module")
def virtual_study(smoke_run) -> Path:
    """All DICOM files of a virtual patient with lesions, phases in their own folders."""
    return sorted((cohort_of(smoke_run) / "dicom").iterdir())[0]


@pytest.fixture(scope="module")
def real_series() -> Path:
    """Three time points of 60 slices in one series without a temporal identifier (GE Signa, breast)."""
    if "LIRADS_REAL_DATA" not in os.environ:
        pytest.skip("LIRADS_REAL_DATA is not set: no real scanner files")
    return Path(os.environ["LIRADS_REAL_DATA"]) / "mr_dce_one_series" / "image_dce_3dfgre_orig"


def test_help_comes_in_under_a_second():
    started = children_cpu_s()
    finished = lirads("--help")
    assert finished.returncode == 0 and "predict" in finished.stdout and "Research use only" in finished.stdout
    assert children_cpu_s() - started < 1


def test_predict_reports_a_virtual_study(smoke_run, virtual_study, tmp_path):
    shutil.copytree(virtual_study, tmp_path / "mine")
    finished = lirads("predict", tmp_path / "mine", "--run", smoke_run, "--out", tmp_path / "result", "--networks", "fold-0")
    assert finished.returncode == 0, finished.stderr
    text = (tmp_path / "result" / "report.json").read_text()
    report = json.loads(text)
    assert report["patient_id"] == "mine" and virtual_study.name not in text + finished.stdout + finished.stderr
    assert "Research use only" in report["notice"]
    tested_in = read_trained_studies(RunFolder(smoke_run).trained_studies)[compute_study_hash(report["study_uid"])]
    assert (TRAINED_ON in report["notices"]) == (tested_in != 0)
    assert report["versions"]["rules"] == "paper" and report["versions"]["characterisation variant"] == "vgg16-adaptive"
    for lesion in report["lesions"]:
        assert lesion["category"] in {"LR-3", "LR-4", "LR-5"} and lesion["category"] in lesion["reasons"]
        assert lesion["diameter_mm"] > 0 and set(lesion["features"]) == {"aphe", "washout", "capsule"}
        assert (tmp_path / "result" / lesion["overlay"]).read_bytes().startswith(b"\x89PNG")


def test_a_patients_own_id_is_read_only_on_request(virtual_study, tmp_path):
    shutil.copytree(virtual_study, tmp_path / "mine")
    ids = [read_named_study(tmp_path / "mine", None, keep_ids=keep).patient_id for keep in (False, True)]
    assert ids == ["mine", virtual_study.name]


@pytest.fixture
def axial_series(real_series, tmp_path) -> Path:
    """The real series, which is sagittal, with the breast turned so that its slices are axial: rows run to the left, columns to the back."""
    (tmp_path / "axial").mkdir()
    for path in real_series.iterdir():
        dataset = pydicom.dcmread(path)
        row, column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
        position = np.stack([row, column, np.cross(row, column)]) @ np.array(dataset.ImagePositionPatient, float)
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [f"{value:.4f}" for value in position]
        dataset.save_as(tmp_path / "axial" / path.name)
    return tmp_path / "axial"


@pytest.mark.slow
def test_predict_reads_three_time_points_of_one_real_series(smoke_run, real_series, axial_series, tmp_path):
    phase_map = tmp_path / "phases.yaml"
    phase_map.write_text(yaml.safe_dump({"arterial": {"time_point": 0}, "portal_venous": {"time_point": 1}, "delayed": {"time_point": 2}}))
    options = ["--run", smoke_run, "--out", tmp_path / "result", "--phase-map", phase_map]
    assert refused(lirads("predict", real_series, *options), "axial", "sagittal slices")
    command = ["predict", axial_series, *options]
    assert refused(lirads(*command), "arterial", "cut-off of 80", "auto"), "this scanner's 99th percentile lies under the paper's cut-off"
    assert not (tmp_path / "result").exists()
    finished = lirads(*command, "--background-cutoff", "auto")
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "result" / "report.json").read_text())
    assert report["study_uid"] and isinstance(report["lesions"], list) and report["versions"]["background_cutoff"] == "auto"


def test_the_same_real_series_without_a_phase_map_says_what_to_do(smoke_run, real_series, tmp_path):
    finished = lirads("predict", real_series, "--run", smoke_run, "--out", tmp_path / "result")
    assert refused(finished, "delayed", "phase map")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("phase_map, words", [
    ({"delayed": {"series": "no such series"}}, ["no such series"]),
    ({"delayed": {"time_point": 9}}, ["9"]),
    ({"late": {"time_point": 0}}, ["late"]),
    ([1], ["phases.yaml"]),
])
def test_a_phase_map_that_names_nothing_is_refused(smoke_run, virtual_study, tmp_path, phase_map, words):
    (tmp_path / "phases.yaml").write_text(yaml.safe_dump(phase_map))
    finished = lirads("predict", virtual_study, "--run", smoke_run, "--out", tmp_path / "result", "--phase-map", tmp_path / "phases.yaml")
    assert refused(finished, *words)
    assert not (tmp_path / "result").exists()


def test_no_study_at_the_path(smoke_run, tmp_path):
    assert refused(lirads("predict", tmp_path / "nowhere", "--run", smoke_run, "--out", tmp_path / "result"), "nowhere")
    (tmp_path / "empty").mkdir()
    assert refused(lirads("predict", tmp_path / "empty", "--run", smoke_run, "--out", tmp_path / "result"), "empty")
    assert not (tmp_path / "result").exists()


def test_a_study_without_a_delayed_phase_is_read_by_the_variant_that_can(smoke_run, virtual_study, tmp_path):
    shutil.copytree(virtual_study, tmp_path / "study")
    for folder in (tmp_path / "study").iterdir():
        if "delayed" in folder.name:
            shutil.rmtree(folder)
    command = ["predict", tmp_path / "study", "--run", smoke_run, "--out", tmp_path / "result"]
    assert refused(lirads(*command, "--segmentation", "delayed"), "the segmentation variant delayed reads, or --segmentation three-phase")
    assert not (tmp_path / "result").exists()
    finished = lirads(*command)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "result" / "report.json").read_text())
    assert report["versions"]["segmented phases"] == "arterial portal_venous" and "on the grid of the portal venous phase" in report["notices"][-1]


def test_two_series_for_one_phase(smoke_run, virtual_study, tmp_path):
    import pydicom

    shutil.copytree(virtual_study, tmp_path / "study")
    delayed = next(folder for folder in (tmp_path / "study").iterdir() if "delayed" in folder.name)
    twin = tmp_path / "study" / "again"
    twin.mkdir()
    for path in delayed.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = dataset.SeriesInstanceUID[:-4] + "9999"
        dataset.SOPInstanceUID = dataset.SOPInstanceUID[:-4] + "9" + path.stem[-3:]
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(twin / path.name)
    assert refused(lirads("predict", tmp_path / "study", "--run", smoke_run, "--out", tmp_path / "result"), "delayed")
    assert not (tmp_path / "result").exists()


def test_a_truncated_file(smoke_run, virtual_study, tmp_path):
    shutil.copytree(virtual_study, tmp_path / "study")
    victim = sorted((tmp_path / "study").rglob("*.dcm"))[5]
    victim.write_bytes(victim.read_bytes()[:-500])
    assert refused(lirads("predict", tmp_path / "study", "--run", smoke_run, "--out", tmp_path / "result"), victim.name)
    assert not (tmp_path / "result").exists()


def test_a_run_without_weights(smoke_run, virtual_study, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(smoke_run / "profile.yaml", tmp_path / "run")
    finished = lirads("predict", virtual_study, "--run", tmp_path / "run", "--out", tmp_path / "result")
    assert refused(finished, "segmentation/three-phase/full/model.keras", "characterization/vgg16-adaptive/full/model.keras", "--networks ensemble")
    assert refused(lirads("predict", virtual_study, "--run", tmp_path / "absent", "--out", tmp_path / "result"), "absent")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("cutoff", ["otsu", "-1", "nan", "inf"])
def test_a_cutoff_that_is_no_intensity_is_refused(smoke_run, virtual_study, tmp_path, cutoff):
    finished = lirads("predict", virtual_study, "--run", smoke_run, "--out", tmp_path / "result", f"--background-cutoff={cutoff}")
    assert finished.returncode == 2 and "expected auto or a number of scanner units from 0" in finished.stderr and repr(cutoff) in finished.stderr


def test_a_result_is_never_overwritten(smoke_run, virtual_study, tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "report.json").write_text("mine")
    assert refused(lirads("predict", virtual_study, "--run", smoke_run, "--out", tmp_path / "result"), "a new or an empty folder")
    assert (tmp_path / "result" / "report.json").read_text() == "mine"


def test_cohort_build_is_the_cohort_of_the_workflow(smoke_run, tmp_path):
    profile = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"
    finished = lirads("cohort", "build", "--profile", profile, "--out", tmp_path / "cohort", "--jobs", 2)
    assert finished.returncode == 0, finished.stderr
    for table in ("patients.csv", "series.csv", "lesions.csv"):
        assert (tmp_path / "cohort" / table).read_bytes() == (cohort_of(smoke_run) / table).read_bytes()


@pytest.mark.slow
def test_several_studies_go_on_after_a_bad_one_and_are_not_done_twice(smoke_run, virtual_study, tmp_path):
    studies, out = tmp_path / "studies", tmp_path / "results"
    (studies / "bad").mkdir(parents=True)
    (studies / "bad" / "notes.txt").write_text("no DICOM file")
    for name in ("first", "second"):
        (studies / name).symlink_to(virtual_study)
    command = ["predict", "--studies", studies, "--run", smoke_run, "--out", out, "--networks", "fold-0", "--explain"]
    finished = lirads(*command)
    assert refused(finished, str(studies / "bad")) and "2 of 3 studies analysed, 1 failed" in finished.stdout
    assert sorted(path.name for path in out.iterdir()) == ["batch.json", "first", "second"]
    first, second = (json.loads((out / name / "report.json").read_text()) for name in ("first", "second"))
    assert [first.pop("patient_id"), second.pop("patient_id")] == ["first", "second"]
    assert first == second and all((out / "first" / lesion["explanation"]).is_file() for lesion in first["lesions"])
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    shutil.rmtree(studies / "bad")
    again = lirads(*command)
    assert again.returncode == 0 and "2 of 2 studies were done by an earlier call" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written
    assert refused(lirads(*command[:-1]), "explain", "True, as in the earlier call")


def test_a_call_without_a_study_is_refused(smoke_run, tmp_path):
    assert refused(lirads("predict", "--run", smoke_run, "--out", tmp_path / "result"), "STUDY: expected the folder of a study, or --studies")
