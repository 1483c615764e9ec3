"""Studies of a folder, and of a real Orthanc on loopback; a server that misbehaves is in tests/io/test_dicomweb.py."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom.uid import generate_uid

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import Category, FeatureProbabilities, Observation, Phase, Report, ScoredLesion
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.dicom_results import write_dicom_results
from lirads_keras.io.dicom_seg import read_segmentation
from lirads_keras.io.dicom_sr import read_structured_report
from lirads_keras.lesions import measure_lesions
from lirads_keras.phantom.build import build_cohort
from lirads_keras.progress import ignore_progress
from lirads_keras.reader.sources import DicomWebSource, FolderSource

PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
PLUGINS = [Path("/usr/share/orthanc/plugins"), Path("/usr/local/share/orthanc/plugins")]
START_S = 30


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DICOM files of one virtual patient; no test may change them."""
    folder = tmp_path_factory.mktemp("cohort")
    settings = CohortSettings(patients_positive=1, patients_negative=0, matrix_px=64, pixel_spacing_mm=6.0, slices=16, slice_spacing_mm=10.0, seed=7)
    build_cohort(settings, folder, jobs=1, progress=ignore_progress)
    return next((folder / "dicom").iterdir())


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb address of an Orthanc of this test's own, without DICOM's network protocol, reachable from this machine alone."""
    program = shutil.which("Orthanc", path=PROGRAM_PATH)
    if program is None or not any(folder.is_dir() for folder in PLUGINS):
        pytest.skip("Orthanc with its DICOMweb plug-in is not installed (apt install orthanc orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "orthanc.json").write_text(json.dumps({
        "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"), "HttpPort": port,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomServerEnabled": False, "OrthancExplorerEnabled": False,
        "HttpServerEnabled": True, "Plugins": [str(plugins) for plugins in PLUGINS if plugins.is_dir()],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}))
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}/dicom-web"
        deadline = time.monotonic() + START_S
        while True:
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text(errors="replace")[-3000:]
            try:
                requests.get(f"{url}/studies", timeout=1).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.05)
        yield url
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def take_uids(url: str) -> set[str]:
    return {row["0020000D"]["Value"][0] for row in DICOMwebClient(url).search_for_studies()}


def copy_under_new_uids(folder: Path, out: Path) -> Path:
    """The same study as another one: of tests that share a server each has its own."""
    uids: dict[str, str] = {}
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(dataset, keyword, uids.setdefault(getattr(dataset, keyword), generate_uid(prefix="2.25.")))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        (out / path.parent.name).mkdir(parents=True, exist_ok=True)
        dataset.save_as(out / path.parent.name / path.name, enforce_file_format=True)
    return out


def send(url: str, folder: Path) -> str:
    """Stores a study by STOW, as another program would; returns its UID."""
    datasets = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    DICOMwebClient(url).store_instances(datasets)
    return str(datasets[0].StudyInstanceUID)


def by_uid(paths: list[Path]) -> dict[str, pydicom.FileDataset]:
    return {str(dataset.SOPInstanceUID): dataset for dataset in map(pydicom.dcmread, paths)}


def test_a_study_of_a_real_pacs_is_the_study_that_was_sent(orthanc: str, study_folder: Path, tmp_path: Path) -> None:
    sent_folder = copy_under_new_uids(study_folder, tmp_path / "sent")
    before = {entry.study_id for entry in DicomWebSource(orthanc, tmp_path / "cache").list_studies()}
    uid = send(orthanc, sent_folder)
    source = DicomWebSource(orthanc, tmp_path / "cache")
    entry, = [entry for entry in source.list_studies() if entry.study_id not in before]
    assert re.fullmatch(r"[0-9a-f]{16}", entry.study_id) and entry.label == f"study {entry.study_id[:8]}"
    told: list[str] = []
    got, sent = source.read(entry.study_id, lambda fraction, message: told.append(message)), read_study(sent_folder)
    assert (got.study_uid, got.patient_id) == (uid, entry.label) == (sent.study_uid, entry.label)
    assert told[0] == "fetching series 1 of 3: 0 of 16 images" and told[-1] == "reading the headers"
    assert got.phases().keys() == sent.phases().keys() == {Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED}
    for phase, series in sent.phases().items():
        assert (got.phases()[phase].series_uid, got.phases()[phase].description) == (series.series_uid, series.description)
        mine, theirs = read_volume(got.phases()[phase]), read_volume(series)
        np.testing.assert_array_equal(mine.array, theirs.array)
        np.testing.assert_array_equal(mine.affine, theirs.affine)
    originals = by_uid(list(sent_folder.rglob("*.dcm")))
    fetched = by_uid(list((tmp_path / "cache" / entry.study_id).iterdir()))
    assert fetched == originals and len(fetched) == 48
    for series in sent.series:
        assert source.find_study(series.series_uid) == entry.study_id
    assert source.find_study("1.2.3") is None


def score_two(labels: np.ndarray, grid) -> list[ScoredLesion]:
    observation = Observation(20.5, True, True, None)
    return [ScoredLesion(lesion, FeatureProbabilities(0.9, 0.75, None), observation, Category.LR_5, "because") for lesion in measure_lesions(labels, grid)]


def test_results_stored_in_a_real_pacs_come_back_equal(orthanc: str, study_folder: Path, tmp_path: Path) -> None:
    uid = send(orthanc, copy_under_new_uids(study_folder, tmp_path / "sent"))
    source = DicomWebSource(orthanc, tmp_path / "cache")
    delayed = next(series for series in read_study(tmp_path / "sent").series if series.phase == Phase.DELAYED)
    study_id = source.find_study(delayed.series_uid)
    assert study_id is not None
    study = source.read(study_id, ignore_progress)
    grid = read_volume(study.phases()[Phase.DELAYED])
    labels = np.zeros(grid.shape, np.uint16)
    labels[3:6, 20:27, 30:35] = 1
    labels[9, 40:44, 12:19] = 2
    results = write_dicom_results(tmp_path / "results", study, grid, Report("P", "1", tuple(score_two(labels, grid)), {"lirads_keras": "0"}), "Ann Reader")
    assert results.segmentation is not None
    files = [results.segmentation, results.report]
    assert source.store(study_id, files) == orthanc
    client = DICOMwebClient(orthanc)
    for path in files:
        original = pydicom.dcmread(path)
        back = client.retrieve_instance(uid, original.SeriesInstanceUID, original.SOPInstanceUID)
        assert back == original and back.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        back.save_as(tmp_path / f"back-{path.name}", enforce_file_format=True)
    np.testing.assert_array_equal(read_segmentation(tmp_path / "back-seg.dcm", grid), labels)
    assert read_structured_report(tmp_path / "back-sr.dcm") == read_structured_report(results.report)
    # The results lie in the study now, and are no part of its images.
    assert source.read(study_id, ignore_progress) == study


@pytest.mark.slow  # 20 s beside the run that all tests of the reader share
@pytest.mark.alone
def test_what_is_read_from_a_pacs_and_saved_is_stored_there(orthanc: str, reader_run: Path, reader_studies: Path, tmp_path: Path, wait_for) -> None:
    uid = send(orthanc, copy_under_new_uids(reader_studies / "oblique", tmp_path / "sent"))
    source = DicomWebSource(orthanc, tmp_path / "cache")
    study_id = source.find_study(read_study(tmp_path / "sent").series[0].series_uid)
    command = [sys.executable, "-m", "lirads_keras", "read", "--run", str(reader_run), "--dicomweb", orthanc, "--out", str(tmp_path / "out"), "--port", "0"]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    try:
        assert server.stdout is not None
        with httpx.Client(base_url=server.stdout.readline().split()[0], headers={"X-Lirads-Reader": "Ann"}, timeout=180) as client:
            state = client.get(f"/api/studies/{study_id}").json()
            client.post(f"/api/studies/{study_id}/run", json={"revision": state["revision"]}).raise_for_status()
            state = wait_for(client, study_id)
            assert state["lesions"]
            saved = client.post(f"/api/studies/{study_id}/save", json={"revision": state["revision"]}).json()["saved"]
        assert saved["stored"] == orthanc and saved["store_error"] is None
        log_text = (tmp_path / "log").read_text()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()
    for name in ("seg.dcm", "sr.dcm"):
        original = pydicom.dcmread(tmp_path / "out" / saved["where"] / name)
        assert original.StudyInstanceUID == uid
        assert DICOMwebClient(orthanc).retrieve_instance(uid, original.SeriesInstanceUID, original.SOPInstanceUID) == original
    # Neither the study's UIDs nor its patient get into the log.
    dataset = pydicom.dcmread(next((tmp_path / "sent").rglob("*.dcm")), stop_before_pixels=True)
    assert not any(str(secret) in log_text for secret in (uid, dataset.SeriesInstanceUID, dataset.PatientID, dataset.PatientName))


def test_a_result_of_another_study_is_not_stored(orthanc: str, study_folder: Path, tmp_path: Path) -> None:
    send(orthanc, copy_under_new_uids(study_folder, tmp_path / "sent"))
    source = DicomWebSource(orthanc, tmp_path / "cache")
    study_id = source.find_study(read_study(tmp_path / "sent").series[0].series_uid)
    assert study_id is not None
    other = next(copy_under_new_uids(study_folder, tmp_path / "other").rglob("*.dcm"))
    before = take_uids(orthanc)
    with pytest.raises(InputError):
        source.store(study_id, [other])
    assert take_uids(orthanc) == before


def test_a_pacs_that_goes_away_is_told(orthanc: str, tmp_path: Path) -> None:
    source = DicomWebSource(orthanc.replace("/dicom-web", "/elsewhere"), tmp_path)
    with pytest.raises(InputError, match="elsewhere, search for studies: expected DICOMweb services at this address, found 404 Not Found"):
        source.list_studies()
    with pytest.raises(InputError, match="no such study"):
        DicomWebSource(orthanc, tmp_path).read("0123456789abcdef", ignore_progress)
    with pytest.raises(InputError, match="no such study"):
        DicomWebSource(orthanc, tmp_path).read("../../../../../", ignore_progress)


def test_a_folder_of_studies(study_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(study_folder, tmp_path / "B 2")
    copy_under_new_uids(study_folder, tmp_path / "A")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("")
    source = FolderSource(tmp_path)
    entries = source.list_studies()
    assert [entry.label for entry in entries] == ["A", "B 2"] and all(re.fullmatch(r"[0-9a-f]{16}", entry.study_id) for entry in entries)
    assert FolderSource(tmp_path / "A" / "..").list_studies() == entries
    told: list[tuple[float | None, str]] = []
    study = source.read(entries[1].study_id, lambda *progress: told.append(progress))
    assert told == [(0, "reading the headers")]
    expected = read_study(tmp_path / "B 2")
    assert (study.patient_id, study.series, study.study_uid) == ("B 2", expected.series, expected.study_uid)
    assert source.find_study(expected.series[0].series_uid) == entries[1].study_id
    assert source.find_study("1.2.3") is None
    assert source.store(entries[0].study_id, [tmp_path / "seg.dcm"]) is None


def test_fetching_is_the_larger_part_of_reading_from_a_pacs(study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(server, study_uid, folder, progress, *, bytes_max):
        progress(0.5, "half of the images")
        shutil.copytree(study_folder, folder)

    monkeypatch.setattr("lirads_keras.io.dicomweb.DicomWebServer.find_studies", lambda server: ["1.2.3"])
    monkeypatch.setattr("lirads_keras.io.dicomweb_fetch.fetch_study", fetch)
    source = DicomWebSource("http://127.0.0.1/dicom-web", tmp_path / "cache")
    entry, = source.list_studies()
    told: list[tuple[float | None, str]] = []
    assert source.read(entry.study_id, lambda *progress: told.append(progress)).series
    assert told == [(0.45, "half of the images"), (0.9, "reading the headers")]


def test_ids_tell_folders_of_one_name_apart(tmp_path: Path) -> None:
    for cohort in ("a", "b"):
        (tmp_path / cohort / "P001").mkdir(parents=True)
    first, second = (FolderSource(tmp_path / cohort).list_studies()[0] for cohort in ("a", "b"))
    assert first.label == second.label and first.study_id != second.study_id


def test_studies_come_and_go(study_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    source = FolderSource(tmp_path)
    shutil.copytree(study_folder, tmp_path / "second")
    gone, there = source.list_studies()
    shutil.rmtree(tmp_path / "first")
    assert source.list_studies() == [there]
    assert len(source.read(there.study_id, ignore_progress).phases()) == 3
    for study_id in (gone.study_id, "", "../second", "second", str(tmp_path / "second")):
        with pytest.raises(InputError, match="expected one of the studies that are listed, found no such study"):
            source.read(study_id, ignore_progress)


def test_a_study_that_cannot_be_read_does_not_hide_the_others(study_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.dcm").write_bytes(b"nothing")
    shutil.copytree(study_folder, tmp_path / "b")
    source = FolderSource(tmp_path)
    series_uid = read_study(tmp_path / "b").series[0].series_uid
    assert source.find_study(series_uid) == source.list_studies()[1].study_id
    with pytest.raises(InputError, match="broken.dcm"):
        source.read(source.list_studies()[0].study_id, ignore_progress)


def test_a_phase_map_is_for_every_study(study_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(study_folder, tmp_path / "studies" / "a")
    delayed = read_study(study_folder).phases()[Phase.DELAYED].series_uid
    (tmp_path / "map.yaml").write_text(f"arterial: {{series: {delayed}}}\n")
    source = FolderSource(tmp_path / "studies", tmp_path / "map.yaml")
    phases = source.read(source.list_studies()[0].study_id, ignore_progress).phases()
    assert phases[Phase.ARTERIAL].series_uid == delayed and Phase.DELAYED not in phases


@pytest.mark.parametrize("make, found", [
    (lambda folder: folder / "none", "no such folder"), (lambda folder: folder, "no subfolder")])
def test_a_folder_without_studies(tmp_path: Path, make, found: str) -> None:
    with pytest.raises(InputError, match=found):
        FolderSource(make(tmp_path))
