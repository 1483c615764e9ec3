"""A virtual data set is built part by part: resumable, in any order, with any number of processes, always the same bytes."""
from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from lirads_keras.config.base import Settings
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.records import Record
from lirads_keras.progress import Progress, tell_count

VERSION = 3
"""Rises when the phantom changes: what an older version built is built again."""


def claim_folder(folder: Path, settings: Settings, patients: int) -> None:
    """Takes a folder for a data set of so many patients, and drops what an older version of the phantom has built there.

    Raises:
        InputError: the folder holds the data of other settings, or of more patients.
    """
    record, identity = Record(folder / "phantom.json"), settings.digest()
    if found := record.read():
        if not record.made_from(identity):
            raise InputError(Problem(str(folder), f"a folder for settings {identity}", f"data of settings {found.get('identity', 'of an older version')}"))
        if found["version"] != VERSION:
            (folder / "patients.csv").unlink(missing_ok=True)
            shutil.rmtree(folder / "records", ignore_errors=True)
        elif found["patients"] > patients:
            raise InputError(Problem(str(folder), f"{found['patients']} patients, as there are, or more, or a new folder", str(patients)))
        elif found["patients"] < patients:
            # Its manifest is of fewer.
            (folder / "patients.csv").unlink(missing_ok=True)
    record.write(identity, version=VERSION, settings=settings.model_dump(mode="json"), patients=patients)


def build_parts(what: str, build: Callable[..., Any], arguments: dict[int, tuple[Any, ...]], records: dict[int, Path], jobs: int, progress: Progress) -> None:
    """Calls `build` for each part whose record is not there; a call writes its record last.

    Args:
        what: word for a part, for the progress.
        build: in another process, where there are several.
        arguments: of each part.
        records: of each part.
        jobs: processes; they change no byte.
        progress: told after each part.
    """
    missing = [index for index in arguments if not records[index].exists()]
    done = len(arguments) - len(missing)
    tell_count(progress, what, done, len(arguments))
    if jobs == 1 or len(missing) <= 1:
        for done, index in enumerate(missing, start=done + 1):
            build(*arguments[index])
            tell_count(progress, what, done, len(arguments))
        return
    # Spawned, not forked: a fork of a process with threads (TensorFlow, ITK) may hang.
    with ProcessPoolExecutor(min(jobs, len(missing)), multiprocessing.get_context("spawn"), _use_one_thread) as pool:
        futures = [pool.submit(build, *arguments[index]) for index in missing]
        try:
            for done, future in enumerate(as_completed(futures), start=done + 1):
                future.result()
                tell_count(progress, what, done, len(arguments))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _use_one_thread() -> None:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
