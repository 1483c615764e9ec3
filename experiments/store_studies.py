"""What the stores of patients and of CT volumes do alike.

Each study is keyed by the content of its files, the settings and the code: what has not changed is not stored again.
"""
from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from stage import Progress
from stages import Plan

from lirads_keras.config import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_json
from lirads_keras.preprocessing.store import write_stored_study

SOURCE_FILE = "source.json"
"""In a study's folder: the identity of what it was stored from."""


def identify(parts: list[Any]) -> str:
    """Of what a study is stored from."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def write_study(folder: Path, identity: str, volumes: Mapping[str, Volume], mask: np.ndarray | None, settings: PreprocessingSettings) -> None:
    """Stores a study and, last, the record of what it was stored from."""
    # The old record goes first: a study that was replaced in part must not pass for either.
    (folder / SOURCE_FILE).unlink(missing_ok=True)
    write_stored_study(folder, volumes, mask, settings)
    write_json(folder / SOURCE_FILE, {"identity": identity})


def store_studies(plan: Plan, store: Path, tasks: Mapping[str, Callable[[], None]], progress: Progress) -> None:
    """Runs each study's task and leaves nothing but these studies in the store.

    Raises:
        InputError: of all tasks, after the last.
    """
    store.mkdir(parents=True, exist_ok=True)
    for path in set(store.iterdir()) - {store / name for name in tasks}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    problems: list[Problem] = []
    with ProcessPoolExecutor(plan.profile.workflow.threads, mp_context=get_context("forkserver")) as pool:
        for done, future in enumerate(as_completed(pool.submit(task) for task in tasks.values()), start=1):
            try:
                future.result()
            except InputError as error:
                problems.extend(error.problems)
            progress(done, len(tasks), f"study {done} of {len(tasks)}")
    raise_if_any(problems)
