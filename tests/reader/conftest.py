"""A run that knows its patients, their studies, and the server as a user starts it."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from filelock import FileLock

from lirads_keras.config.profile import read_profile

HERE = Path(__file__).parent
# The helpers stand beside the tests, which are no package.
sys.path.insert(0, str(HERE))

from scripted import Scripted  # noqa: E402

MAKE_RUN = HERE / "make_run.py"
SMOKE = HERE.parents[1] / "experiments" / "profiles" / "smoke.yaml"
START_S, JOB_S = 60, 180
"""Longest waits, for a machine that does other things, too."""


@pytest.fixture(scope="session")
def reader_made(tmp_path_factory, worker_id) -> Path:
    """What make_run.py makes, once for all processes; nobody may change it."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    folder = shared / "reader-made"
    with FileLock(shared / "reader-made.lock"):
        if not (folder / "finished").exists():
            made = subprocess.run([sys.executable, str(MAKE_RUN), str(folder)], capture_output=True, text=True)
            assert made.returncode == 0, f"{made.stdout}\n{made.stderr[-5000:]}"
            (folder / "finished").touch()
    return folder


@pytest.fixture(scope="session")
def reader_run(reader_made) -> Path:
    """A run of tiny networks that find the lesion of `one-lesion` (Dice ≥ 0.7); APHE present, washout and capsule absent."""
    return reader_made / "run"


@pytest.fixture(scope="session")
def reader_studies(reader_made) -> Path:
    """The studies `one-lesion` (38 mm), `oblique` and `no-lesion`."""
    return reader_made / "studies"


class ReaderServer:
    """`lirads read` as a process on a free port; `client` asks it as the reader `name`."""

    def __init__(self, out: Path, arguments: list[str]) -> None:
        self.out, self._arguments = out, arguments
        self.log_path = out.parent / f"{out.name}.log"
        self.start()

    def start(self) -> None:
        self._log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lirads_keras", "read", "--out", str(self.out), "--port", "0", *self._arguments],
            stdout=subprocess.PIPE, stderr=self._log, text=True, start_new_session=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("http"), f"{first}\n{self.log()}"
        self.printed_url = first.split()[0]
        self.url = self.printed_url.partition("?")[0].rstrip("/")

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def client(self, name: str = "Reader One", **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-Lirads-Reader": quote(name)}, timeout=JOB_S, **options)

    def find_study(self, label: str) -> str:
        with self.client() as client:
            return next(row["study_id"] for row in client.get("/api/studies").json()["studies"] if row["label"] == label)

    def kill(self) -> None:
        """As when the power goes: no clean end; the worker goes with it."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_S)

    def restart(self) -> None:
        self._end(signal.SIGKILL)
        self.start()

    def _end(self, how: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            pass
        self.process.wait(START_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


StartReader = Callable[..., ReaderServer]


@pytest.fixture(scope="module")
def start_reader(reader_run, reader_studies, tmp_path_factory) -> Iterator[StartReader]:
    """Starts servers, `start_reader(*more_arguments, studies=…, out=…)`; all are ended after the module."""
    servers: list[ReaderServer] = []

    def start(*arguments: str, studies: Path = reader_studies, out: Path | None = None) -> ReaderServer:
        servers.append(ReaderServer(out or tmp_path_factory.mktemp("reader") / "out", ["--run", str(reader_run), "--studies", str(studies), *arguments]))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def reader_server(start_reader) -> ReaderServer:
    """One server for a module's tests."""
    return start_reader()


def wait_for_job(client: httpx.Client, study_id: str) -> dict:
    """STATE when the study's job is over; a job that failed is an error."""
    deadline = time.monotonic() + JOB_S
    while (state := client.get(f"/api/studies/{study_id}").json())["job"] is not None:
        assert state["job"]["state"] != "failed", state["job"]
        assert time.monotonic() < deadline, state["job"]
        time.sleep(0.05)
    return state


@pytest.fixture(scope="session")
def wait_for() -> Callable[[httpx.Client, str], dict]:
    return wait_for_job


@pytest.fixture
def scripted(tmp_path) -> Iterator[Callable[..., Scripted]]:
    """Makes applications without networks, `scripted(…)` as `Scripted`; all over one folder, so that a second one finds the first one's journal."""
    made: list[Scripted] = []

    def make(**options) -> Scripted:
        made.append(Scripted(tmp_path, read_profile(SMOKE), **options))
        return made[-1]

    yield make
    for application in made:
        application.close()
