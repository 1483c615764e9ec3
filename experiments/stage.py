"""What every stage script does alike: read the plan, tell its progress, report bad input, say that it is done."""
from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from stages import Plan, read_plan

from lirads_keras.errors import InputError
from lirads_keras.io.atomic import write_json, write_text
from lirads_keras.io.manifests import read_manifest
from lirads_keras.preprocessing.manifest_folds import read_folds

REGION_KEY = ["roi", "patient_id", "lesion_id", "fold"]
"""Columns that name a row of the stages' tables: a reference lesion, by its own region or by the predicted one."""


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


def fresh_folder(folder: Path, identity: str) -> None:
    """Makes `folder`, emptied first if what is in it was made under another identity."""
    mark = folder / "identity.txt"
    if not mark.exists() or mark.read_text() != identity:
        # The mark goes first, and what cannot be deleted is an error: a folder that is emptied in part must not pass for fresh.
        mark.unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        write_text(mark, identity)


def read_table(path: Path) -> pd.DataFrame:
    """A table of an earlier stage; ids stay the text they are, "007" and "NA" too, and only an empty cell is missing."""
    return pd.read_csv(path, dtype={"patient_id": str, "lesion_id": str}, keep_default_na=False, na_values=[""])


def fold_of_patients(plan: Plan) -> tuple[list[str], dict[str, int]]:
    """The positive patients, and the test fold of every patient, in the manifest's order."""
    return read_folds(read_manifest(plan.manifest).patients, plan.profile.segmentation.folds, plan.profile.seed)
