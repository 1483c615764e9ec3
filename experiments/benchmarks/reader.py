"""How long a reader waits: the first slice of a study, a feature's switch, and both while a job runs. Medians over rounds, with networks of a finished run.

python experiments/benchmarks/reader.py --run RUN --studies DIR [--rounds N] starts `lirads read` on a free port with a folder of its own.
"""
from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from turns import format_table

FIRST_SLICE_S, SWITCH_S = 2.0, 0.1
START_TIMEOUT_S = 600


class Server:
    """`lirads read` with an empty folder, so that no study is open."""

    def __init__(self, run: Path, studies: Path, out: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lirads_keras", "read", "--run", str(run), "--studies", str(studies), "--out", str(out), "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"error: lirads read: expected a server, found exit code {self._process.wait()}")
        self.client = httpx.Client(base_url=line.split()[0], headers={"X-Lirads-Reader": "benchmark"}, timeout=START_TIMEOUT_S)

    def close(self) -> None:
        self.client.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_for_job(self, study: str) -> dict:
        while (state := self.client.get(study).raise_for_status().json())["job"] is not None:
            if state["job"]["state"] == "failed":
                raise SystemExit(f"error: {state['job']['error']}")
            time.sleep(0.05)
        return state


def measure(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def open_study(server: Server, study: str) -> None:
    """What the page asks for before it can draw: the state and the three phases."""
    state = server.client.get(study).raise_for_status().json()
    for phase in state["phases"]:
        server.client.get(f"{study}/volumes/{phase}.nii").raise_for_status()


def switch(server: Server, study: str, state: dict, value: bool) -> dict:
    body = {"revision": state["revision"], "lesion_id": state["lesions"][0]["lesion_id"], "field": "washout", "value": value}
    return server.client.post(f"{study}/edits", json=body).raise_for_status().json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--studies", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--switches", type=int, default=50)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"first slices": [], "first slices while the networks load": [], "run": [], "switch": [], "switch while a job runs": []}
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as out:
            server = Server(arguments.run, arguments.studies, Path(out))
            try:
                studies = [f"/api/studies/{row['study_id']}" for row in server.client.get("/api/studies").json()["studies"]]
                seconds["first slices while the networks load"].append(measure(lambda: open_study(server, studies[0])))
                state: dict = {}
                for study in studies:
                    revision = server.client.get(study).json()["revision"]
                    server.client.post(f"{study}/run", json={"revision": revision}).raise_for_status()
                    seconds["run"].append(measure(lambda: state.update(server.wait_for_job(study))))
                    if state["lesions"]:
                        break
                for index in range(arguments.switches):
                    seconds["switch"].append(measure(lambda: state.update(switch(server, study, state, index % 2 == 0))))
                others = [other for other in studies if other != study]
                if others:
                    revision = server.client.get(others[0]).json()["revision"]
                    server.client.post(f"{others[0]}/run", json={"revision": revision}).raise_for_status()
                    while server.client.get(others[0]).json()["job"] is not None:
                        seconds["switch while a job runs"].append(measure(lambda: state.update(switch(server, study, state, True))))
                for other in others[1:]:
                    seconds["first slices"].append(measure(lambda: open_study(server, other)))
            finally:
                server.close()
    aims = {"first slices": FIRST_SLICE_S, "first slices while the networks load": FIRST_SLICE_S, "switch": SWITCH_S, "switch while a job runs": SWITCH_S}
    print(format_table(("what", "median s", "largest s", "n", "aim s"), [
        (name, statistics.median(values), max(values), len(values), aims.get(name, "")) for name, values in seconds.items() if values]))


if __name__ == "__main__":
    main()
