"""The queue and its process: progress, refusals, cancelling, and what follows when the process dies. No networks here."""
from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lirads_keras.errors import InputError
from lirads_keras.reader.jobs import Jobs

WORK = '''
import os, signal, sys, time
from lirads_keras.errors import Problem

def work(connection, greeting):
    while True:
        try:
            kind, payload = connection.recv()
        except EOFError:
            return
        connection.send(("progress", (0.25, "begun")))
        if "sleep" in payload:
            time.sleep(payload["sleep"])
        if payload.get("die") == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if payload.get("die") == "exit":
            sys.exit(3)
        if "refuse" in payload:
            connection.send(("problems", (Problem("study", "images", payload["refuse"]),)))
        else:
            connection.send(("result", (greeting, kind, payload.get("value"), os.getpid())))
'''

NETWORKS = '''
import sys, time, types

class Tasks:
    """Instead of the networks'."""

    def __init__(self, files):
        self.files = files

    def run(self, folder, progress):
        progress(0.25, "begun")
        while not (folder / "go on").exists():
            time.sleep(0.005)
        progress(None, "nobody knows")
        while not (folder / "end").exists():
            time.sleep(0.005)
        return self.files

def work(connection, files):
    sys.modules["lirads_keras.reader.tasks"] = types.SimpleNamespace(Tasks=Tasks)
    from lirads_keras.reader.worker import serve_jobs
    serve_jobs(connection, files)
'''


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "scripted_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    from scripted_work import work

    queue = Jobs(work, "hello")
    yield queue
    queue.close()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_jobs_are_done_in_their_order_by_one_process(jobs):
    done = []
    ids = [jobs.submit("run", "s", {"value": number}, lambda job_id, result: done.append(result[2])) for number in range(5)]
    results = [jobs.wait(job_id, 20) for job_id in ids]
    assert [result[:3] for result in results] == [("hello", "run", number) for number in range(5)] and done == list(range(5))
    assert len({result[3] for result in results}) == 1 and os.getpid() != results[0][3]
    with pytest.raises(InputError, match="not cancelled"):
        jobs.wait(ids[0])


def test_progress_is_seen_and_the_next_job_waits(jobs):
    first, second = jobs.submit("run", "s", {"sleep": 0.6}), jobs.submit("next", "s", {})
    wait_until(lambda: jobs.find(first).fraction == 0.25)
    assert (jobs.find(first).state, jobs.find(first).message, jobs.find(second).state) == ("running", "begun", "queued")
    with pytest.raises(TimeoutError):
        jobs.wait(first, 0.01)
    assert jobs.wait(second, 20)[1] == "next" and jobs.find(first).state == "done"


def test_what_a_task_tells_is_what_the_server_sees(tmp_path, monkeypatch):
    (tmp_path / "scripted_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    from scripted_networks import work

    queue = Jobs(work, "the run's files")
    try:
        job_id = queue.submit("run", "s", {"folder": tmp_path})
        wait_until(lambda: (queue.find(job_id).fraction, queue.find(job_id).message) == (0.25, "begun"))
        (tmp_path / "go on").touch()
        wait_until(lambda: (queue.find(job_id).fraction, queue.find(job_id).message) == (None, "nobody knows"))
        (tmp_path / "end").touch()
        assert queue.wait(job_id, 20) == "the run's files"
    finally:
        queue.close()


def test_what_is_wrong_with_the_input_comes_back(jobs):
    with pytest.raises(InputError, match="study: expected images, found none"):
        jobs.wait(jobs.submit("run", "s", {"refuse": "none"}), 20)
    assert jobs.wait(jobs.submit("run", "s", {"value": 1}), 20)[2] == 1


@pytest.mark.parametrize("how, words", [("kill", "signal SIGKILL"), ("exit", "exit code 3")])
def test_a_process_that_dies_fails_one_job_and_is_replaced(jobs, how, words):
    ids = [jobs.submit("run", "s", payload) for payload in ({"value": 1}, {"die": how}, {"value": 2})]
    before = jobs.wait(ids[0], 20)[3]
    with pytest.raises(InputError, match=f"worker process.*try again.*found {words}"):
        jobs.wait(ids[1], 20)
    assert jobs.wait(ids[2], 20)[2] == 2
    assert jobs.wait(jobs.submit("run", "s", {}), 20)[3] != before


def test_a_process_that_died_between_two_jobs_is_replaced_without_a_word(jobs):
    pid = jobs.wait(jobs.submit("run", "s", {}), 20)[3]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: jobs._process.exitcode is not None)
    assert jobs.wait(jobs.submit("run", "s", {}), 20)[3] != pid


def test_a_running_job_can_be_cancelled(jobs):
    called = threading.Event()
    running = jobs.submit("run", "s", {"sleep": 60}, lambda job_id, result: called.set())
    after = jobs.submit("run", "s", {"value": 2})
    job = jobs.find(running)
    wait_until(lambda: job.fraction == 0.25)
    jobs.cancel(running)
    assert jobs.find(running) is None
    assert job.ended.wait(20) and "cancelled" in str(job.error) and jobs.wait(after, 20)[2] == 2 and not called.is_set()
    jobs.cancel(running)


def test_a_waiting_job_can_be_cancelled(jobs):
    running, waiting = jobs.submit("run", "s", {"sleep": 0.5}), jobs.submit("run", "s", {"value": 2})
    job = jobs.find(waiting)
    jobs.cancel(waiting)
    assert "cancelled" in str(job.error) and jobs.wait(running, 20)


def test_a_result_that_cannot_be_stored_fails_the_job(jobs):
    def refuse(job_id, result):
        from lirads_keras.errors import Problem
        raise InputError(Problem("the journal", "a disk that takes it", "full"))

    with pytest.raises(InputError, match="full"):
        jobs.wait(jobs.submit("run", "s", {}, refuse), 20)
    assert jobs.wait(jobs.submit("run", "s", {}), 20)


def test_closing_ends_the_process_and_all_jobs(jobs):
    ids = [jobs.submit("run", "s", {"sleep": 60}) for _ in range(2)]
    wait_until(lambda: jobs.find(ids[0]).fraction == 0.25)
    process, waiting = jobs._process, [jobs.find(job_id) for job_id in ids]
    jobs.close()
    assert process.exitcode is not None and all("cancelled" in str(job.error) for job in waiting)
    with pytest.raises(InputError, match="being stopped"):
        jobs.submit("run", "s", {})


def test_results_that_nobody_fetches_are_forgotten_in_the_end(jobs):
    ids = [jobs.submit("run", "s", {"value": number}) for number in range(40)]
    jobs.wait(ids[-1], 20)
    jobs.wait(jobs.submit("run", "s", {}), 20)
    assert jobs.find(ids[0]) is None and jobs.find(ids[-2]) is not None
