"""Many studies into a store: each once, however often and wherever the work was stopped, and nothing but these studies."""
from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.records import Record
from lirads_keras.preprocessing.store import FORMAT, write_stored_study
from lirads_keras.progress import Progress, tell_count

ReadStudy = Callable[[], tuple[Mapping[str, Volume], np.ndarray | None]]
"""Gives what `write_stored_study` takes: volumes by phase, and the mask."""


def identify(parts: list[Any]) -> str:
    """Of what a study is stored from."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def store_study(folder: Path, identity: str, read: ReadStudy, settings: PreprocessingSettings) -> None:
    """Stores a study, unless the folder holds what was stored under this identity.

    Raises:
        InputError: as `read` and `write_stored_study`.
    """
    identity = f"{identity}, format {FORMAT}"
    record = Record(folder / "source.json")
    if record.made_from(identity):
        return
    volumes, mask = read()
    # The old record goes first: a study that was replaced in part must not pass for either.
    record.remove()
    write_stored_study(folder, volumes, mask, settings)
    record.write(identity)


def store_studies(store: Path, tasks: Mapping[str, Callable[[], None]], *, jobs: int, progress: Progress) -> None:
    """Runs each study's task, in several processes, and leaves nothing but these studies in the store.

    Args:
        store: made if absent; gets a folder a study.
        tasks: of each study by its folder's name; each stores it with `store_study`.
        jobs: processes.
        progress: told after each study.

    Raises:
        InputError: of all tasks, after the last.
    """
    store.mkdir(parents=True, exist_ok=True)
    for path in set(store.iterdir()) - {store / name for name in tasks}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    problems: list[Problem] = []
    for done, finish in enumerate(_run(list(tasks.values()), jobs), start=1):
        try:
            finish()
        except InputError as error:
            problems.extend(error.problems)
        tell_count(progress, "study", done, len(tasks))
    raise_if_any(problems)


def _run(tasks: Sequence[Callable[[], None]], jobs: int) -> Iterator[Callable[[], None]]:
    """What ends each task, or raises its error; a single process runs them itself, one when it is asked for."""
    if jobs == 1 or len(tasks) < 2:
        yield from tasks
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("forkserver")) as pool:
        for future in as_completed([pool.submit(task) for task in tasks]):
            yield future.result
