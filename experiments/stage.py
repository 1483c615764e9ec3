"""What every stage script does alike: read the plan, tell its progress, report bad input, say that it is done."""
from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stages import Plan, read_plan

from lirads_keras.errors import InputError
from lirads_keras.io.atomic import write_json


class Progress:
    """Writes how far a stage is, at most once a second, for the wrapper's progress bar."""

    def __init__(self, plan: Plan, stage: str, part: str) -> None:
        self._path = plan.run / "progress" / f"{stage}{'-' + part if part else ''}.json"
        self._stage, self._started, self._written = stage, time.time(), 0.0

    def __call__(self, done: float, total: float, detail: str = "") -> None:
        now = time.time()
        if now - self._written >= 1 or done >= total:
            self._written = now
            write_json(self._path, {"stage": self._stage, "fraction": done / max(total, 1e-9), "detail": detail, "started": self._started})

    def close(self) -> None:
        self._path.unlink(missing_ok=True)


def run_stage(name: str, work: Callable[[Plan, Progress, str], None]) -> None:
    """Runs `work(plan, progress, part)` as the stage `name` and writes its done.json; bad input ends with exit code 2."""
    parser = argparse.ArgumentParser(description=f"stage {name} of a run; started by the workflow")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--part", default="", help="number of the group of folds or of variants")
    arguments = parser.parse_args()
    started = time.time()
    try:
        plan = read_plan(arguments.run)
        progress = Progress(plan, name, arguments.part)
        work(plan, progress, arguments.part)
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        # Snakemake gives every failed job the same exit code; this file tells the wrapper that the input was at fault.
        if arguments.run.is_dir():
            write_json(arguments.run / "problems.json", [str(problem) for problem in error.problems])
        raise SystemExit(2) from None
    write_json(plan.done_file(name, arguments.part), {
        "digest": plan.digest(name, arguments.part), "started": round(started, 1), "seconds": round(time.time() - started, 1)})
    progress.close()
