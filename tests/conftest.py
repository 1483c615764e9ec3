"""Environment of every test, and the rule that where the tests decide, nothing is skipped for want of a program or of data."""
from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("without a deadline", deadline=None)
hypothesis.settings.load_profile("without a deadline")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turns a skip into a failure under CI=true, where every program is installed; real files may be missing only as a whole."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        real_data_absent = "LIRADS_REAL_DATA" in str(report.longrepr) and "LIRADS_REAL_DATA" not in os.environ
        if not real_data_absent:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


CHECKOUT = Path(__file__).resolve().parent.parent


def children_cpu_s() -> float:
    """Processor seconds of all processes that were started and have ended: how long a command takes on an idle machine, whatever runs beside it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_reproduce(folder: Path, *arguments: str, profile: str = "smoke") -> subprocess.Popen:
    """Starts the main job as `make reproduce` does, in a process group of its own; runs/smoke and data/ are made in `folder`."""
    command = [sys.executable, str(CHECKOUT / "experiments" / "reproduce.py"), "--profile", profile, "--run", str(folder / "runs" / "smoke"),
               "--data", str(folder / "data"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory, worker_id) -> Path:
    """The run folder of a finished smoke workflow, made once for all tests that look at it, in whichever process; nobody may change it.

    Several commands share the one in the folder that LIRADS_TESTS_SHARE names.
    """
    own = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    shared = Path(os.environ.get("LIRADS_TESTS_SHARE", own))
    folder = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not (folder / "finished").exists():
            folder.mkdir(exist_ok=True)
            workflow = start_reproduce(folder)
            out, err = workflow.communicate()
            assert workflow.returncode == 0, f"{out}\n{err}\n{(folder / 'runs' / 'smoke' / 'workflow.log').read_text()[-5000:]}"
            (folder / "finished").touch()
    return folder / "runs" / "smoke"


def cohort_of(run: Path) -> Path:
    """The folder of a run's own virtual cohort; its further draws stand beside it."""
    inputs = json.loads((run / "inputs.json").read_text())
    return Path(inputs["data"]) / "cohorts" / inputs["digests"]["cohort"]


def results_of(run: Path) -> dict[str, bytes]:
    """The content of every file of a run's results but durations.csv, which alone differs when the same run is made again."""
    return {path.name: path.read_bytes() for path in sorted((run / "results").iterdir()) if path.name != "durations.csv"}
