"""Processes that share a queue: each item is worked off once, and what a killed one held is taken over."""
from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from lirads_keras.training.queue import take_in_turn

WORKER = """
import sys, time
from pathlib import Path
from lirads_keras.training.queue import take_in_turn
folder, worker, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
for item in take_in_turn(range(12), name=str, is_finished=lambda item: (folder / f"{item}.done").exists(), locks=folder / "locks"):
    with open(folder / "begun.txt", "a") as file:
        file.write(f"{item} {worker}\\n")
    time.sleep(seconds)
    (folder / f"{item}.done").touch()
"""


def start_worker(folder: Path, worker: str, seconds: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder), worker, str(seconds)], cwd=Path(__file__).parents[2])


def read_begun(folder: Path) -> list[tuple[str, str]]:
    path = folder / "begun.txt"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []  # type: ignore[misc]


def take(folder: Path, items=range(4)) -> list[int]:
    taken = []
    for item in take_in_turn(items, name=str, is_finished=lambda item: (folder / f"{item}.done").exists(), locks=folder / "locks"):
        taken.append(item)
        (folder / f"{item}.done").touch()
    return taken


def test_one_process_takes_all_in_order_but_what_is_finished(tmp_path):
    (tmp_path / "2.done").touch()
    assert take(tmp_path, [3, 2, 0, 1]) == [3, 0, 1] and take(tmp_path) == []


def test_workers_share_the_items_and_do_none_twice(tmp_path):
    workers = [start_worker(tmp_path, name, 0.05) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    begun = read_begun(tmp_path)
    assert sorted(int(item) for item, _ in begun) == list(range(12))
    assert all((tmp_path / f"{item}.done").exists() for item in range(12))


def test_what_a_killed_worker_held_is_taken_over(tmp_path):
    worker = start_worker(tmp_path, "a", 60)
    while not read_begun(tmp_path):
        time.sleep(0.01)
    assert take(tmp_path) == [1, 2, 3], "the first is another's"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert take(tmp_path) == [0]


def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(RuntimeError, match="broken"):
        for _ in take_in_turn([0], name=str, is_finished=lambda item: False, locks=tmp_path / "locks"):
            raise RuntimeError("broken")
    with FileLock(tmp_path / "locks" / "0.lock", timeout=0):
        pass
