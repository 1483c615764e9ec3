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
from lirads_keras.io.open_files import allow_open_files
from lirads_keras.progress import Progress
from lirads_keras.run import RunFolder


class ProgressFile:
    """Writes how far a stage is, at most once a second, for the wrapper's progress bar."""

    def __init__(self, plan: Plan, stage: str, part: str) -> None:
        self._path = plan.run.progress(stage, part)
        self._stage, self._started, self._written = stage, time.time(), 0.0

    def __call__(self, fraction: float | None, message: str) -> None:
        now = time.time()
        if now - self._written >= 1 or fraction == 1:
            self._written = now
            write_json(self._path, {"stage": self._stage, "fraction": fraction or 0.0, "detail": message, "started": self._started})

    def close(self) -> None:
        self._path.unlink(missing_ok=True)


def run_stage(name: str, work: Callable[[Plan, Progress, str], None]) -> None:
    """Runs `work(plan, progress, part)` as the stage `name` and writes its done.json; bad input ends with exit code 2."""
    parser = argparse.ArgumentParser(description=f"stage {name} of a run; started by the workflow")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--part", default="", help="number of the process, where several share a queue")
    arguments = parser.parse_args()
    started = time.time()
    allow_open_files()
    try:
        plan = read_plan(arguments.run)
        progress = ProgressFile(plan, name, arguments.part)
        work(plan, progress, arguments.part)
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        # Snakemake gives every failed job the same exit code; this file tells the wrapper that the input was at fault.
        if arguments.run.is_dir():
            write_json(RunFolder(arguments.run).problems, [str(problem) for problem in error.problems])
        raise SystemExit(2) from None
    plan.done(name, arguments.part).write(plan.identity(name, arguments.part), started=round(started, 1), seconds=round(time.time() - started, 1))
    progress.close()
