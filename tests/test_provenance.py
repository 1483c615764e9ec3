from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import keras
import pytest

from lirads_keras.config.profile import read_profile
from lirads_keras.provenance import code_version, compute_sha256, package_versions, run_record

SMOKE = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository with one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nobody@example.org")
    folder = tmp_path / "check out"
    folder.mkdir()
    (folder / "code.py").write_text("a = 1\n")
    for words in (["init", "-q"], ["add", "code.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return folder


def test_sha256_is_that_of_fips_180(tmp_path):
    """The digest of "abc" in NIST's examples."""
    (tmp_path / "file").write_bytes(b"abc")
    assert compute_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_installed_packages_have_versions_and_absent_ones_are_left_out(monkeypatch):
    monkeypatch.setattr("lirads_keras.provenance.PACKAGES", ("keras", "no-such-package-at-all"))
    assert package_versions() == {"python": platform.python_version(), "keras": keras.__version__}


def test_the_commit_and_whether_tracked_files_differ(checkout):
    commit, dirty = code_version(checkout)
    assert len(commit) == 40 and dirty is False
    (checkout / "notes.txt").write_text("not tracked")
    assert code_version(checkout) == (commit, False)
    (checkout / "code.py").write_text("a = 2\n")
    assert code_version(checkout) == (commit, True)


def test_outside_of_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_version(tmp_path) == ("unknown", None)


def test_without_git_the_commit_is_unknown(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version(checkout) == ("unknown", None)


def test_the_record_of_a_run_can_be_written_and_holds_every_setting(checkout):
    profile = read_profile(SMOKE)
    record = json.loads(json.dumps(run_record(profile, checkout)))
    assert record["commit"] == code_version(checkout)[0] and record["dirty"] is False
    assert type(profile).model_validate(record["profile"]) == profile and record["profile_digest"] == profile.digest()
    assert set(record) == {"commit", "dirty", "profile", "profile_digest", "versions", "platform"} and str(Path.home()) not in str(record)
    assert record["versions"]["keras"] == keras.__version__ and record["platform"]["machine"] == platform.machine()
