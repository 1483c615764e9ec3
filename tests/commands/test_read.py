"""What `lirads read` says to a wrong command line: one error a line, exit code 2, and nothing is served or written."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lirads_keras.cli import main
from lirads_keras.commands import read
from lirads_keras.config.profile import read_profile
from lirads_keras.errors import InputError, Problem


@pytest.fixture
def run(tmp_path):
    """The files of a finished run, without anything in them."""
    profile = read_profile(Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml")
    profile = profile.model_copy(update={"segmentation": profile.segmentation.model_copy(update={"variants": ("delayed",)})})
    return make_run(tmp_path / "runs" / "smoke", profile)


def make_run(folder, profile):
    for stage in ("segmentation/delayed", "characterization/vgg16-adaptive"):
        path = folder / stage / "full" / "model.keras"
        path.parent.mkdir(parents=True)
        path.touch()
    (folder / "segmentation" / "delayed" / "full" / "fold.json").write_text('{"threshold_chosen": 0.5, "minimum_volume_mm3": 0}')
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile.model_dump(mode="json")))
    return folder


@pytest.fixture
def studies(tmp_path):
    (tmp_path / "studies" / "one").mkdir(parents=True)
    return tmp_path / "studies"


@pytest.fixture(autouse=True)
def page(monkeypatch):
    """As if the viewer had been fetched; and nothing is ever served."""
    monkeypatch.setattr("lirads_keras.reader.assets.check_assets", lambda: None)
    monkeypatch.setattr("lirads_keras.reader.server.serve", lambda app, bound: pytest.fail("served"))


def refused(capsys, *arguments: object) -> str:
    assert main(["read", *map(str, arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and all(line.startswith("error: ") for line in told.err.splitlines())
    return told.err


def test_no_studies_or_both(run, studies, capsys):
    assert "either --studies DIR or --dicomweb URL, found neither" in refused(capsys, "--run", run)
    assert "found both" in refused(capsys, "--run", run, "--studies", studies, "--dicomweb", "http://localhost:8042/dicom-web")


def test_all_that_is_wrong_with_the_addresses_is_told_at_once(run, capsys):
    told = refused(capsys, "--run", run, "--allow-origin", "ohif", "--allow-origin", "http://ok:3000", "--allow-origin", "http://a/b")
    assert len(told.splitlines()) == 3 and "--allow-origin ohif" in told and "--allow-origin http://a/b" in told


@pytest.mark.parametrize("origin, right", [
    ("http://localhost:3000", True), ("https://ohif.example", True), ("http://[::1]:3000", True), ("null", False), ("*", False), ("http://", False),
    ("http://a/", False), ("ftp://a", False), ("http://u:p@a", False), ("http://[", False)])
def test_an_origin(origin, right):
    assert read._is_origin(origin) == right


def test_a_wrong_run(studies, tmp_path, capsys):
    assert "a run folder with profile.yaml" in refused(capsys, "--run", tmp_path / "nowhere", "--studies", studies)


def test_an_unfinished_run(run, studies, capsys):
    (run / "segmentation" / "delayed" / "full" / "model.keras").unlink()
    assert "--networks ensemble takes the folds' instead" in refused(capsys, "--run", run, "--studies", studies)
    told = refused(capsys, "--run", run, "--studies", studies, "--networks", "ensemble")
    assert "fold-2/model.keras: expected weights of a finished run" in told
    assert "--segmentation: expected one of this run's, delayed" in refused(capsys, "--run", run, "--studies", studies, "--segmentation", "three-phase")


def test_a_wrong_studies_folder(run, tmp_path, capsys):
    assert "no such folder" in refused(capsys, "--run", run, "--studies", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no subfolder" in refused(capsys, "--run", run, "--studies", tmp_path / "empty")
    assert not (run / "reader").exists()


def test_a_port_in_use(run, studies, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port {port}: expected an address that is free" in refused(capsys, "--run", run, "--studies", studies, "--port", port)
    assert not (run / "reader").exists()


def test_a_host_that_is_not_this_machines(run, studies, capsys):
    assert "--host 192.0.2.1" in refused(capsys, "--run", run, "--studies", studies, "--host", "192.0.2.1")
    assert "--host no.such.host.invalid" in refused(capsys, "--run", run, "--studies", studies, "--host", "no.such.host.invalid")


@pytest.mark.parametrize("content, words", [
    (None, "No such file"), ("", "an empty file"), ("short", "5 characters"), ("with spaces in its middle", "25 characters"),
    ("ümlaut-ümlaut-ümlaut", "other characters")])
def test_a_token_file_without_a_token(run, studies, tmp_path, capsys, content, words):
    if content is not None:
        (tmp_path / "token").write_text(content, encoding="utf-8")
    assert words in refused(capsys, "--run", run, "--studies", studies, "--host", "127.0.0.1", "--token-file", tmp_path / "token")


def test_a_phase_map_that_is_none(run, studies, tmp_path, capsys):
    (tmp_path / "map.yaml").write_text("late: {time_point: 0}")
    assert "map.yaml" in refused(capsys, "--run", run, "--studies", studies, "--phase-map", tmp_path / "map.yaml")


def test_an_out_that_is_a_file(run, studies, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert "--out" in refused(capsys, "--run", run, "--studies", studies, "--out", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_journal_of_something_else(run, studies, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal.sqlite").write_bytes(b"not a journal " * 100)
    assert "the journal of a reading application" in refused(capsys, "--run", run, "--studies", studies, "--out", tmp_path / "out", "--port", 0)


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_a_readers_name_that_is_none(run, studies, capsys, name):
    assert "--reader" in refused(capsys, "--run", run, "--studies", studies, "--reader", name)


@pytest.mark.parametrize("port", ["-1", "65536", "http", ""])
def test_a_port_that_is_none(capsys, port):
    with pytest.raises(SystemExit) as stopped:
        main(["read", f"--port={port}"])
    assert stopped.value.code == 2 and "--port" in capsys.readouterr().err


def test_the_viewer_was_not_fetched(run, studies, capsys, monkeypatch):
    def missing() -> None:
        raise InputError(Problem("niivue.js", "the viewer NiiVue, which `make setup` fetches with npm", "no such file"))

    monkeypatch.setattr("lirads_keras.reader.assets.check_assets", missing)
    assert "make setup" in refused(capsys, "--run", run, "--studies", studies)


def test_the_newest_finished_run_is_the_default(run, studies, tmp_path, monkeypatch):
    profile = read_profile(run / "profile.yaml")
    newer, unfinished = make_run(tmp_path / "runs" / "a-newer", profile), make_run(tmp_path / "runs" / "z-unfinished", profile)
    (unfinished / "segmentation" / "delayed" / "full" / "model.keras").unlink()
    for path in run.rglob("model.keras"):
        os.utime(path, (1, 1))
    assert read.find_newest_run(tmp_path / "runs", None, "full").run.path == newer
    with pytest.raises(InputError, match="make reproduce"):
        read.find_newest_run(tmp_path / "nowhere", None, "full")


def test_the_server_leaves_tensorflow_to_its_worker():
    modules = "lirads_keras.reader.server, lirads_keras.reader.saving, lirads_keras.io.dicom_results, lirads_keras.inference.report_page"
    look = f"import sys, {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    looked = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert looked.stdout.strip() == "set()", looked.stderr
