"""One queue for processes that train side by side: each training is taken by one of them, and nobody waits while there is one to take."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

Item = TypeVar("Item")

WORKFLOW_VARIABLE = "LIRADS_WORKFLOW"
"""Environment variable that names the workflow a process belongs to; the wrapper sets it."""


def take_in_turn(items: Sequence[Item], *, name: Callable[[Item], str], is_finished: Callable[[Item], bool], locks: Path) -> Iterator[Item]:
    """Yields, in their order, the items that are not finished and that no other process is at; the caller finishes each before it asks for the next.

    What another process of the same workflow is at is left to it: the workflow's next stage starts when all its processes are through. A process of
    an earlier workflow, which outlived it, is waited for, since nobody would ask again for what it might leave undone.
    The system gives back the lock of a process that was killed.

    Args:
        items: trainings, the same for all processes, in any order.
        name: of an item; it becomes a file's name.
        is_finished: whether the item needs no work.
        locks: folder of the locks.
    """
    locks.mkdir(parents=True, exist_ok=True)
    workflow = os.environ.get(WORKFLOW_VARIABLE, "")
    for item in items:
        if is_finished(item):
            continue
        path = locks / f"{name(item)}.lock"
        owner = path.with_suffix(".owner")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if _read(owner) == workflow:
                continue
            lock.acquire()
        try:
            owner.write_text(workflow)
            if not is_finished(item):
                yield item
        finally:
            lock.release()


def _read(owner: Path) -> str | None:
    try:
        return owner.read_text()
    except OSError:
        return None
