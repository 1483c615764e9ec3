"""The front door: set-up that does nothing twice and says what is missing."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import children_cpu_s  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare_checkout(tmp_path) -> Path:
    """What the set-up reads, without an environment."""
    for name in ("requirements.txt", "setup.cfg", "pyproject.toml", "experiments/setup.sh", "experiments/r-packages.txt", "experiments/requirements-cuda.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(["sh", str(checkout / "experiments" / "setup.sh")], capture_output=True, text=True,
                          env={**os.environ, "LIRADS_NO_APT": "1", **environment})


def test_a_second_set_up_is_silent_and_quick():
    if not list((CHECKOUT / ".venv").glob(".setup-*")):
        pytest.skip("the environment was not made by `make setup`")
    started = children_cpu_s()
    finished = set_up(CHECKOUT)
    assert finished.returncode == 0 and finished.stdout == "" and "installing" not in finished.stderr
    assert children_cpu_s() - started < 2


def test_an_unfit_python_is_named(bare_checkout):
    unfit = bare_checkout / "python"
    unfit.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1\nexit 1\n')
    unfit.chmod(0o755)
    finished = set_up(bare_checkout, PYTHON=str(unfit))
    assert finished.returncode == 2
    assert "expected Python 3.11, 3.12 or 3.13" in finished.stderr and "Python 3.8.1" in finished.stderr
    assert not (bare_checkout / ".venv").exists()


def test_a_missing_venv_module_gives_the_line_to_type(bare_checkout):
    without = bare_checkout / "python"
    without.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac\n')
    without.chmod(0o755)
    finished = set_up(bare_checkout, PYTHON=str(without))
    assert finished.returncode == 2 and "sudo apt-get install -y python3.12-venv" in finished.stderr


def test_without_r_and_without_the_right_to_install_it_the_line_is_printed(bare_checkout):
    tools = bare_checkout / "bin"
    tools.mkdir()
    for name in ("sh", "tr", "id", "cat", "sha256sum", "cut", "uname", "wc", "grep", "dirname", "env", "rm"):
        (tools / name).symlink_to(shutil.which(name))
    finished = set_up(bare_checkout, PATH=str(tools), PYTHON="nothing")
    assert "sudo apt-get install -y r-base-core pandoc" in finished.stderr and "r-cran-ggplot2" in finished.stderr


def test_help_lists_every_target():
    makefile = (CHECKOUT / "Makefile").read_text()
    listed = subprocess.run(["make", "-C", str(CHECKOUT), "--no-print-directory"], capture_output=True, text=True).stdout
    targets = makefile.split(".PHONY: ")[1].splitlines()[0].split()
    assert {"help", "setup", "reproduce", "test", "test-slow", "lint", "analysis", "clean"} == set(targets)
    assert all(f"make {target}" in listed for target in targets)


def test_the_cuda_wheels_stand_in_for_the_cpu_build(bare_checkout):
    lines = [line.strip() for line in (bare_checkout / "experiments" / "setup.sh").read_text().splitlines()]
    command = next(line for line in lines if line.startswith("sed -E 's/^tensorflow"))
    wanted = subprocess.run(["sh", "-c", command.replace("> $wanted", "")], cwd=bare_checkout, capture_output=True, text=True, check=True).stdout
    tensorflow = [line for line in wanted.splitlines() if line.startswith("tensorflow")]
    assert tensorflow == ["tensorflow==2.21.0"]
    assert len(wanted.splitlines()) == len((bare_checkout / "requirements.txt").read_text().splitlines()) - 1
