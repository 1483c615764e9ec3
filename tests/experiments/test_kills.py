"""Eleven random `kill -9` across the stages of segmentation: the run that went on ends with the same bits as the one that was left alone."""
from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
KILLS = {"pretrain": 3, "starts": 1, "folds": 5, "full": 2}
SCRIPTS = {"pretrain": [["pretrain.py"]], "starts": [["train_starts.py", "--part", "0"], ["train_starts.py", "--part", "1"]],
           "folds": [["train_folds.py", "--part", "0"], ["train_folds.py", "--part", "1"]],
           "full": [["train_full.py", "--part", "0"], ["train_full.py", "--part", "1"]]}
"""What runs side by side, and is killed together."""
RECORDS = {"pretrain": "pretrain.json", "starts": "starts-0.json", "folds": "folds-0.json", "full": "full-0.json"}
VARIANTS = ("delayed", "three-phase")
FOLDERS = {"pretrain": ["pretrain"], "starts": [f"{variant}/start-{group}" for variant in VARIANTS for group in range(2)],
           "folds": [f"{variant}/fold-{fold}" for variant in VARIANTS for fold in range(3)],
           "full": [f"{variant}/{name}" for variant in VARIANTS for name in ("start-full", "full")]}
SEED = 5


def start_stage(stage: str, run: Path) -> list[subprocess.Popen]:
    return [subprocess.Popen([sys.executable, str(EXPERIMENTS / script), "--run", str(run), *part], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for script, *part in SCRIPTS[stage]]


def usual_seconds(stage: str, run: Path) -> float:
    return json.loads((run / "done" / RECORDS[stage]).read_text())["seconds"]


def wait_for_all(jobs: list[subprocess.Popen], seconds: float) -> bool:
    """Whether all jobs ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while any(job.poll() is None for job in jobs):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def written_states(stage: str, run: Path) -> dict[Path, int]:
    """When the states of the stage's unfinished trainings were written."""
    found = {}
    for name in FOLDERS[stage]:
        with contextlib.suppress(FileNotFoundError):
            path = run / "segmentation" / name / "state.npz"
            found[path] = path.stat().st_mtime_ns
    return found


def wait_for_epoch(stage: str, jobs: list[subprocess.Popen], run: Path) -> None:
    """Until a job has finished an epoch of a training that is not at its end, or all have ended."""
    before = written_states(stage, run)
    while any(job.poll() is None for job in jobs) and written_states(stage, run).items() <= before.items():
        time.sleep(0.01)


def weights_of(path: Path) -> dict[str, np.ndarray]:
    """Of a .keras file, which also holds the time at which it was written."""
    found = {}
    with zipfile.ZipFile(path) as archive, h5py.File(BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.slow
def test_eleven_random_kills_change_no_bit(smoke_run, tmp_path):
    """Every other kill comes at a random moment of the stage's usual duration: in tracing, an epoch, a write or a prediction; the rest soon after the end of
    an epoch, since epochs are short at this size. Ten minutes beside other tests."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("profile.yaml", "inputs.json"):
        shutil.copy(smoke_run / name, run)
    for name in ("store", "store-ct"):
        (run / name).symlink_to(smoke_run / name)
    generator = random.Random(SEED)
    met = set()
    for stage, kills in KILLS.items():
        seconds = usual_seconds(stage, smoke_run)
        while kills:
            started = time.monotonic()
            jobs = start_stage(stage, run)
            in_training = kills % 2 == 0
            if in_training:
                wait_for_epoch(stage, jobs, run)
            ended = wait_for_all(jobs, generator.uniform(0, 0.3) if in_training else generator.uniform(0.3, 1) * seconds)
            if not ended:
                for job in jobs:
                    job.send_signal(signal.SIGKILL)
                kills -= 1
            for job in jobs:
                _, error = job.communicate()
                assert job.returncode in (0, -signal.SIGKILL), error.decode()[-3000:]
            met |= {path.name for path in (run / "segmentation").rglob("*")}
            if ended and kills:
                # They ended before their last kill, as on a machine that has less to do than when the smoke run was made: once more from the beginning.
                seconds = min(seconds, time.monotonic() - started)
                for name in FOLDERS[stage]:
                    shutil.rmtree(run / "segmentation" / name)
        for job in start_stage(stage, run):
            _, error = job.communicate()
            assert job.returncode == 0, error.decode()[-3000:]
    assert "state.npz" in met
    expected = {path.relative_to(smoke_run): path for path in sorted((smoke_run / "segmentation").rglob("*")) if path.is_file()}
    # A name with a dot is what a killed write of a prediction left beside its file.
    found = {path.relative_to(run): path for path in sorted((run / "segmentation").rglob("*")) if path.is_file() and not path.name.startswith(".")}
    assert found.keys() == expected.keys()
    for name, path in found.items():
        if path.suffix == ".keras":
            whole = weights_of(expected[name])
            assert whole and weights_of(path).keys() == whole.keys()
            assert all(np.array_equal(array, whole[key]) for key, array in weights_of(path).items()), name
        else:
            assert path.read_bytes() == expected[name].read_bytes(), name
