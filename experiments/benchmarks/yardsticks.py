"""Trains this project's network and its yardsticks for the same minutes of a core, and keeps every patient's Dice in the table that the report reads.

    python experiments/benchmarks/yardsticks.py --run runs/dev

What is trained stands in MATRIX; each training is a process of `network_choice.py` with one thread, two at a time. RUN is a run of a virtual development cohort
whose store and pre-training on CT are finished; nothing is written into it. A training that is finished is in r_analysis/yardsticks.csv (--table) and is not
done again: stopped at any moment, the same command goes on, and what is there already can be used. A table of another cohort or of other settings is refused.
About 136 core-minutes of training, and a minute or two of testing for each of the 22 trainings; leave the machine alone meanwhile, as steps are timed.
"""
from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from filelock import FileLock, Timeout  # noqa: E402
from network_choice import OURS  # noqa: E402
from progress_bar import format_duration  # noqa: E402
from results_tables import check_table, read_columns, write_table  # noqa: E402
from stages import CHECKOUT, Plan, read_plan  # noqa: E402
from yardstick_networks import YARDSTICKS  # noqa: E402

from lirads_keras.config.profile import Profile  # noqa: E402
from lirads_keras.errors import InputError, Problem, raise_if_any  # noqa: E402
from lirads_keras.variants import SEGMENTATION_VARIANTS  # noqa: E402

TABLE = CHECKOUT / "r_analysis" / "yardsticks.csv"
COLUMNS = read_columns(CHECKOUT / "r_analysis" / "yardsticks_schema.csv")["yardsticks"]
DEVELOPMENT_SEEDS = (2023, *range(9000, 9010))
JOBS = 2
REACHED_SEED, REACHED_DICE, REACHED_WITHIN = 2023, 0.54, 0.03
"""The mean Dice that the plain U-Net has to reach on this cohort, with three phases, 5 minutes and the first turn, to be a yardstick."""


@dataclass(frozen=True)
class Training:
    """One network for so many minutes of a core, on all folds but those that it tests. This project's own network alone starts from CT."""

    network: str
    segmentation: str
    core_minutes: float
    test_folds: tuple[int, ...]

    @property
    def pretrained(self) -> bool:
        return self.network == OURS

    @property
    def key(self) -> tuple[str, str, float, str]:
        """What tells its rows from those of others."""
        return self.network, self.segmentation, self.core_minutes, " ".join(map(str, self.test_folds))

    def __str__(self) -> str:
        return f"{self.network}, {self.segmentation}, {self.core_minutes:g} min, test folds {self.key[-1]}"


TURNS = ((0, 1, 2), (3, 4, 5), (6, 7, 8))
MATRIX = tuple(dict.fromkeys(
    Training(network, segmentation, minutes, folds) for networks, all_minutes, turns in (
        # Beside the yardsticks; against the plain U-Net on all patients; the learning curve.
        ((OURS, *YARDSTICKS), (5,), TURNS[:1]), ((OURS, "plain_unet"), (5,), TURNS), ((OURS,), (1, 2, 5, 10, 20), TURNS[:1]))
    for minutes in all_minutes for folds in turns for network in networks for segmentation in SEGMENTATION_VARIANTS))
"""All trainings, in the order in which they are done."""


@dataclass(frozen=True)
class Origin:
    """The cohort and the settings that all rows of a table share."""

    cohort_seed: int
    profile_digest: str


def find_origin(plan: Plan) -> Origin:
    """Of a run.

    Raises:
        InputError: it is not of a development cohort, or has not the folds of the matrix.
    """
    profile, folds = plan.profile, 1 + max(fold for training in MATRIX for fold in training.test_folds)
    problems = []
    if not plan.is_virtual:
        problems.append(Problem("RUN", "a run of a virtual cohort", f"one of {plan.manifest}"))
    elif profile.cohort.seed not in DEVELOPMENT_SEEDS:
        problems.append(Problem("RUN", f"a development cohort: a seed of {', '.join(map(str, DEVELOPMENT_SEEDS))}", f"{profile.cohort.seed}"))
    if profile.segmentation.folds != folds:
        problems.append(Problem("RUN", f"{folds} folds", f"{profile.segmentation.folds}"))
    raise_if_any(problems)
    return Origin(profile.cohort.seed, digest_settings(profile))


def digest_settings(profile: Profile) -> str:
    """12 hex digits of all settings by which patients come to be and networks are trained and tested."""
    content = profile.model_dump(mode="json")
    chosen = {name: content[name] for name in ("seed", "cohort", "ct", "preprocessing", "segmentation", "inference")}
    chosen["segmentation"]["variants"] = sorted(chosen["segmentation"]["variants"])
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]


def read_finished(table: Path, origin: Origin) -> pd.DataFrame:
    """The rows of the trainings that are finished; none where there is no table yet.

    Raises:
        InputError: it is no such table, or one of another cohort or of other settings.
    """
    names = [column.name for column in COLUMNS]
    if not table.exists():
        return pd.DataFrame(columns=names)
    texts = {column.name: str for column in COLUMNS if column.type in ("string", "factor")}
    try:
        rows = pd.read_csv(table, dtype=texts, keep_default_na=False)
        check_table(table.stem, COLUMNS, rows)
    except ValueError as error:
        raise InputError(Problem(str(table), "a table of yardsticks", str(error))) from error
    problems = []
    for name, own in (("cohort_seed", origin.cohort_seed), ("profile_digest", origin.profile_digest)):
        others = sorted({str(value) for value in rows[name]} - {str(own)})
        if others:
            problems.append(Problem(f"{table}, column {name}", f"{own}, which this run has; trainings of another cohort or of other settings are not mixed, "
                                    "name another --table", ", ".join(others)))
    raise_if_any(problems)
    return rows


def list_left(rows: pd.DataFrame, matrix: Sequence[Training] = MATRIX) -> list[Training]:
    """The trainings of the matrix that have no rows."""
    finished = {(network, segmentation, float(minutes), folds) for network, segmentation, minutes, folds in
                rows[["network", "segmentation", "core_minutes", "test_folds"]].drop_duplicates().itertuples(index=False)}
    return [training for training in matrix if training.key not in finished]


def build_rows(training: Training, said: dict[str, Any], origin: Origin) -> pd.DataFrame:
    """What a training's line of JSON says, a row a patient."""
    network, segmentation, minutes, folds = training.key
    of_all = {"network": network, "segmentation": segmentation, "core_minutes": minutes, "test_folds": folds, "steps": said["steps"],
              "parameters": said["parameters"], "pretrained": int(training.pretrained), "pretraining_core_s": said["pretraining_core_s"],
              "training_core_s": said["training_core_s"], "cohort_seed": origin.cohort_seed, "profile_digest": origin.profile_digest}
    return pd.DataFrame([{**of_all, "patient_id": patient_id, "dice": dice} for patient_id, dice in said["dice_at_half"].items()])


def judge_plain_unet(rows: pd.DataFrame) -> str:
    """Whether the plain U-Net reached what it has to; empty where that was not trained."""
    chosen = rows[(rows["network"] == "plain_unet") & (rows["segmentation"] == "three-phase") & (rows["core_minutes"] == 5)
                  & (rows["test_folds"] == "0 1 2") & (rows["cohort_seed"] == REACHED_SEED)]
    if chosen.empty:
        return ""
    mean = chosen["dice"].mean()
    return (f"plain_unet, three-phase, 5 min: expected a mean Dice of {REACHED_DICE} ± {REACHED_WITHIN}, found {mean:.3f}: "
            f"{'a yardstick' if mean >= REACHED_DICE - REACHED_WITHIN else 'no yardstick'}")


def command_of(run: Path, training: Training) -> list[str]:
    """What trains a network and prints a line of JSON."""
    return [sys.executable, str(Path(__file__).resolve().with_name("network_choice.py")), "--run", str(run), "--network", training.network,
            "--variant", training.segmentation, "--minutes", f"{training.core_minutes:g}", "--test-folds", ",".join(map(str, training.test_folds)),
            "--negatives", "0", *(["--pretrained"] if training.pretrained else [])]


@dataclass
class Job:
    """A training at work."""

    training: Training
    command: list[str]
    started: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._out, self._errors = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, stdout=self._out, stderr=self._errors, preexec_fn=_end_with_parent)

    def read(self) -> dict[str, Any]:
        """What it printed.

        Raises:
            ValueError: it failed, or said something else; with the end of what it said.
        """
        texts = []
        for file in (self._out, self._errors):
            file.seek(0)
            texts.append(file.read())
            file.close()
        try:
            said = json.loads(texts[0].strip().splitlines()[-1]) if not self.process.returncode else None
        except (ValueError, IndexError):
            said = None
        if not isinstance(said, dict):
            raise ValueError(f"exit code {self.process.returncode}; {' '.join((texts[1] or texts[0]).split())[-800:] or 'it said nothing'}")
        return said


def _end_with_parent() -> None:
    """In a new process: if this one is killed, so is that, since it would be trained once more beside it (Linux alone can do this)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass
class Pace:
    """How long trainings take beside their minutes; the guess of a minute and a half gives way to what was measured."""

    measured: list[float] = field(default_factory=list)

    def expected_s(self, training: Training) -> float:
        return 60 * training.core_minutes + (sum(self.measured) / len(self.measured) if self.measured else 90.0)

    def left_s(self, waiting: Sequence[Training], at_work: Sequence[Job], jobs: int) -> float:
        each = [self.expected_s(training) for training in waiting]
        each += [max(self.expected_s(job.training) - (time.time() - job.started), 0.0) for job in at_work]
        return max(sum(each) / jobs, max(each, default=0.0))


def train_all(left: Sequence[Training], rows: pd.DataFrame, origin: Origin, table: Path, command: Callable[[Training], list[str]], *,
              jobs: int = JOBS, tell: Callable[[str], None] = print, wait_s: float = 1.0) -> list[Training]:
    """Does the trainings, so many at a time, and writes the table anew with each that is finished.

    Returns:
        Those that failed; the others were done all the same.
    """
    waiting, at_work, failed, pace = list(left), list[Job](), list[Training](), Pace()
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                at_work.append(Job(waiting[0], command(waiting.pop(0))))
            for job in [job for job in at_work if job.process.poll() is not None]:
                at_work.remove(job)
                try:
                    found = build_rows(job.training, job.read(), origin)
                    # An empty frame has no types of its own to give.
                    grown = pd.concat([rows, found], ignore_index=True) if len(rows) else found
                    write_table(table, COLUMNS, grown)
                except (ValueError, KeyError) as error:
                    failed.append(job.training)
                    tell(f"error: {job.training}: expected a line of JSON with what the training found, found {error}")
                    continue
                rows = grown
                pace.measured.append(time.time() - job.started - 60 * job.training.core_minutes)
                tell(f"{job.training}: mean Dice {found['dice'].mean():.3f} of {len(found)} patients; {len(waiting) + len(at_work)} left, "
                     f"about {format_duration(pace.left_s(waiting, at_work, jobs))}")
            time.sleep(wait_s)
    finally:
        for job in at_work:
            job.process.kill()
            job.process.wait()
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--table", type=Path, default=TABLE, help="default: r_analysis/yardsticks.csv")
    arguments = parser.parse_args()
    # As Ctrl-C does: what is at work is ended, and what is finished is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    table = arguments.table.resolve()
    lock = Path(tempfile.gettempdir()) / f"yardsticks-{hashlib.sha256(str(table).encode()).hexdigest()[:12]}.lock"
    try:
        with FileLock(lock, timeout=0):
            origin = find_origin(read_plan(arguments.run))
            rows = read_finished(table, origin)
            left = list_left(rows)
            print(f"{len(MATRIX) - len(left)} of {len(MATRIX)} trainings are finished, about {format_duration(Pace().left_s(left, [], JOBS))} left", flush=True)
            failed = train_all(left, rows, origin, table, lambda training: command_of(arguments.run, training), tell=lambda line: print(line, flush=True))
            print(judge_plain_unet(read_finished(table, origin)))
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except Timeout:
        print(f"error: {table}: expected no other process at work on this table, found its lock held", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
