"""`lirads read` as a user starts it, with real networks: from Run to the files on the disk, through kills.

A minute and a half on two cores, beside the fixture's minute.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from scripted import Reader, from_nifti

from lirads_keras.evaluation.overlap import compute_dice
from lirads_keras.io.grids import same_grid, to_itk
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def log_in(server, label: str = "one-lesion", name: str = "Reader One") -> Reader:
    return Reader(server.url, name, server.find_study(label))


def get_mask(reader: Reader, folder: Path) -> np.ndarray:
    return from_nifti(reader.http.get(f"{reader.study}/masks/{reader.state['mask']['mask_id']}.nii").content, folder).array > 0


def send(reader: Reader, mask: np.ndarray, folder: Path) -> None:
    """Sends a mask in the place of the delayed phase, as the page does."""
    import SimpleITK as sitk

    (folder / "delayed.nii").write_bytes(reader.http.get(f"{reader.study}/volumes/delayed.nii").content)
    delayed = read_nifti(folder / "delayed.nii")
    sitk.WriteImage(to_itk(delayed.with_array(mask.astype(np.uint8))), str(folder / "sent.nii"))
    answer = reader.http.post(f"{reader.study}/mask", params={"revision": reader.state["revision"]}, content=(folder / "sent.nii").read_bytes())
    assert answer.status_code == 200, answer.text
    reader.state = answer.json()


@pytest.fixture
def fresh(start_reader, tmp_path):
    """A server of its own."""
    server = start_reader(out=tmp_path / "out")
    yield server
    server.kill()


def test_the_page_says_what_lirads_predict_says(reader_server, reader_run, reader_studies, tmp_path):
    reader = log_in(reader_server)
    reader.do("run")
    predicted = subprocess.run([sys.executable, "-m", "lirads_keras", "predict", str(reader_studies / "one-lesion"), "--run", str(reader_run),
                                "--out", str(tmp_path / "predicted")], capture_output=True, text=True)
    assert predicted.returncode == 0, predicted.stderr
    report = json.loads((tmp_path / "predicted" / "report.json").read_text())
    assert len(report["lesions"]) == len(reader.state["lesions"]) >= 1
    for of_page, of_report in zip(reader.state["lesions"], report["lesions"], strict=True):
        assert (of_page["lesion_id"], of_page["category"], of_page["reasons"], of_page["largest_slice"]) == (
            of_report["lesion_id"], of_report["category"], of_report["reasons"], of_report["largest_slice"])
        assert of_page["diameter_mm"] == pytest.approx(of_report["diameter_mm"], abs=1e-6)
        for name, feature in of_report["features"].items():
            assert of_page["features"][name]["probability"] == pytest.approx(feature["probability"], abs=1e-6)


def test_the_mask_is_the_lesion(reader_server, reader_made, tmp_path):
    reader = log_in(reader_server)
    if reader.state["stage"] == "new":
        reader.do("run")
    (tmp_path / "delayed.nii").write_bytes(reader.http.get(f"{reader.study}/volumes/delayed.nii").content)
    reference = read_mask_on_grid(reader_made / "masks" / "one-lesion.nii.gz", read_nifti(tmp_path / "delayed.nii")) > 0
    found = get_mask(reader, tmp_path)
    assert compute_dice(*(int(np.count_nonzero(part)) for part in (found & reference, found & ~reference, ~found & reference))) >= 0.7


@pytest.mark.parametrize("label", ["one-lesion", "oblique"])
def test_from_run_to_the_files_on_the_disk(reader_server, label, tmp_path):
    from lirads_keras.io.dicom_seg import read_segmentation
    from lirads_keras.io.dicom_sr import read_structured_report

    reader = log_in(reader_server, label, "Dr. Müller")
    reader.do("run")
    first = max(reader.state["lesions"], key=lambda lesion: lesion["volume_ml"])
    lesion_id, before = first["lesion_id"], first["diameter_mm"]
    mask = get_mask(reader, tmp_path)
    z, y, x = (round(value) for value in first["centroid_zyx"])
    edited = mask.copy()
    edited[:, :, x:] &= False
    send(reader, edited, tmp_path)
    reader.do("next")
    assert reader.lesion(lesion_id)["diameter_mm"] < before
    reader.edit(lesion_id, "washout", True)
    reader.edit(lesion_id, "aphe", True)
    expected = reader.lesion(lesion_id)
    assert "washout" in expected["reasons"] and expected["changed"]
    saved = reader.post("save")["saved"]
    folder = reader_server.out / saved["where"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(saved["files"]) == ["report.html", "report.json", "seg.dcm", "sr.dcm"]

    report = json.loads((folder / "report.json").read_text())
    row = next(row for row in report["lesions"] if row["lesion_id"] == lesion_id)
    assert (row["category"], row["reasons"]) == (expected["category"], expected["reasons"])
    assert row["diameter_mm"] == pytest.approx(expected["diameter_mm"], abs=1e-6)
    assert report["observer"] == "Dr. Müller" and row["features"]["washout"]["by"] == "reader" and row["machine_category"] == expected["machine_category"]
    delayed = read_nifti(tmp_path / "delayed.nii")
    labels = read_segmentation(folder / "seg.dcm", delayed)
    assert len(np.unique(labels)) - 1 == len(reader.state["lesions"]) and not np.any((labels > 0) & ~edited)
    reported = {lesion.lesion_id: lesion for lesion in read_structured_report(folder / "sr.dcm")}
    assert reported[lesion_id].category == expected["category"] and reported[lesion_id].diameter_mm == pytest.approx(expected["diameter_mm"], abs=0.01)
    html = (folder / "report.html").read_text()
    assert "Research use only" in html and "Dr. Müller" in html and expected["category"] in html
    for name in saved["files"]:
        assert reader.http.get(f"{reader.study}/saved/{saved['save_id']}/{name}").content == (folder / name).read_bytes()
    # A second save stands beside the first.
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = reader.post("save")["saved"]
    assert again["save_id"] != saved["save_id"] and {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_a_study_without_a_lesion_can_be_saved(reader_server):
    reader = log_in(reader_server, "no-lesion")
    reader.do("run")
    for lesion in list(reader.state["lesions"]):
        assert lesion["volume_ml"] > 0
    saved = reader.post("save")["saved"]
    assert "sr.dcm" in saved["files"] and ("seg.dcm" in saved["files"]) == bool(reader.state["lesions"])


def test_an_explanation_is_a_picture(reader_server):
    reader = log_in(reader_server)
    if reader.state["stage"] == "new":
        reader.do("run")
    reader.do("lesions/P1/explanation")
    assert reader.http.get(f"{reader.study}/lesions/P1/explanation").content.startswith(b"\x89PNG")


def test_the_patient_is_named_on_request_alone(reader_server):
    reader = log_in(reader_server)
    assert "Virtual" not in json.dumps(reader.look())
    identity = reader.http.get(f"{reader.study}/identity").json()
    assert identity["patient_name"] == "VC-0008^Virtual" and identity["patient_id"] == "VC-0008" and identity["birth_date"] == ""
    assert set(identity) == {"patient_name", "patient_id", "birth_date", "sex", "study_date", "accession_number"}


def test_an_edit_is_there_after_kill_9(fresh, tmp_path):
    reader = log_in(fresh)
    reader.do("run")
    send(reader, get_mask(reader, tmp_path) & (np.arange(24)[:, None, None] % 2 == 0), tmp_path)
    reader.edit("P1", "washout", True)
    before = reader.state
    fresh.restart()
    after = log_in(fresh)
    assert {**after.state, "readers": None} == {**before, "readers": None} and not list((fresh.out / "cache" / "bodies").iterdir())
    after.post("undo")
    assert after.state["lesions"][0]["features"]["washout"]["by"] == "network"
    # Killed during a job, too, the study is as before it.
    before = after.state
    after.post("next", 202)
    fresh.restart()
    again = log_in(fresh)
    assert {**again.state, "readers": None} == {**before, "readers": None} and again.state["job"] is None


def test_a_worker_that_is_killed_in_a_job_fails_it_and_the_next_one_works(fresh):
    reader = log_in(fresh)
    reader.do("run")
    worker = next(child for child in psutil.Process(fresh.process.pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline()))
    reader.post("run", 202)
    # A worker that dies before it has the job is replaced, and the job is done; this one has begun.
    while (job := reader.look()["job"])["message"] in ("waiting for its turn", "starting"):
        time.sleep(0.001)
    worker.kill()
    while (job := reader.look()["job"])["state"] != "failed":
        time.sleep(0.02)
    assert "worker process" in job["error"] and "SIGKILL" in job["error"] and reader.state["stage"] == "characterised"
    assert reader.edit("P1", "washout", True)["lesions"]
    assert reader.do("run")["job"] is None


def test_no_process_stays_after_a_stop_or_a_kill(start_reader, tmp_path):
    for end in ("stop", "kill_server_alone"):
        server = start_reader(out=tmp_path / end)
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert children
        if end == "stop":
            assert server.stop() == 0
        else:
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        gone, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
        assert end == "kill_server_alone" or not (tmp_path / end / "cache").exists(), "patients' images do not stay"


def test_a_second_server_on_the_same_folder_is_refused(reader_server, reader_run, reader_studies):
    command = [sys.executable, "-m", "lirads_keras", "read", "--run", reader_run, "--studies", reader_studies, "--out", reader_server.out, "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2 and "another `lirads read` uses" in second.stderr and "Traceback" not in second.stderr


def test_a_study_that_changed_on_the_disk_is_refused_and_the_others_go_on(start_reader, reader_studies, tmp_path):
    shutil.copytree(reader_studies / "one-lesion", tmp_path / "studies" / "mine")
    shutil.copytree(reader_studies / "no-lesion", tmp_path / "studies" / "other")
    server = start_reader(studies=tmp_path / "studies", out=tmp_path / "out")
    reader = log_in(server, "mine")
    reader.do("run")
    shutil.rmtree(tmp_path / "studies" / "mine")
    shutil.copytree(reader_studies / "oblique", tmp_path / "studies" / "mine")
    server.restart()
    answer = httpx.get(f"{server.url}{reader.study}", timeout=60)
    assert answer.status_code == 422 and "the images that its journal is about" in answer.json()["error"]["message"]
    assert log_in(server, "other").state["stage"] == "new"
    server.kill()


def test_the_page_answers_while_a_job_runs(reader_server):
    reader, other = log_in(reader_server), log_in(reader_server, "oblique", "Reader Two")
    reader.do("run")
    other.do("run")
    reader.post("run", 202)
    seconds = []
    while reader.look()["job"] is not None:
        started = time.perf_counter()
        other.edit("P1", "washout", len(seconds) % 2 == 0)
        seconds.append(time.perf_counter() - started)
    assert len(seconds) > 3 and statistics.median(seconds) < 0.5


def test_the_log_names_nobody(reader_server):
    reader = log_in(reader_server, name="Dr. Secretive")
    reader.do("run")
    reader.http.get(f"{reader.study}/identity")
    reader.post("save")
    log = reader_server.log()
    assert "GET /api/studies/{study_id}/identity 200" in log
    for word in ("one-lesion", "VC-0008", "Virtual", "Secretive", reader.study.rpartition("/")[2], str(reader_server.out)):
        assert word not in log, word


def test_others_need_the_token(start_reader, tmp_path):
    server = start_reader("--host", "127.0.0.1", out=tmp_path / "out")
    assert "?token=" in server.printed_url
    token = server.printed_url.partition("?token=")[2]
    assert httpx.get(f"{server.url}/api/session").status_code == 401
    with httpx.Client() as browser:
        assert browser.get(server.printed_url).status_code == 200
        assert browser.get(f"{server.url}/api/session").status_code == 200
    assert token not in server.log() and not any(token in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    server.kill()


def test_volumes_of_the_page_are_the_pipelines(reader_server, reader_studies, tmp_path):
    from lirads_keras.io.dicom import read_study
    from lirads_keras.preprocessing.study import read_aligned_phases

    for label in ("one-lesion", "oblique"):
        reader = log_in(reader_server, label)
        for phase, volume in read_aligned_phases(read_study(reader_studies / label).phases()).items():
            served = from_nifti(reader.http.get(f"{reader.study}/volumes/{phase}.nii").content, tmp_path)
            assert same_grid(served, volume) and np.array_equal(served.array, volume.array)
