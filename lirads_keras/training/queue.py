"""One queue for processes that train side by side: each training is taken by one of them, and nobody waits while there is one to take."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

Item = TypeVar("Item")


def take_in_turn(items: Sequence[Item], *, name: Callable[[Item], str], is_finished: Callable[[Item], bool], locks: Path) -> Iterator[Item]:
    """Yields, in their order, the items that are not finished and that no other process is at; the caller finishes each before it asks for the next.

    What another process is at is left to it: whoever started the processes goes on when all of them are through. The system gives back the lock of a
    process that was killed.

    Args:
        items: trainings, the same for all processes, in any order.
        name: of an item; it becomes a file's name.
        is_finished: whether the item needs no work.
        locks: folder of the locks.
    """
    locks.mkdir(parents=True, exist_ok=True)
    for item in items:
        if is_finished(item):
            continue
        try:
            with FileLock(locks / f"{name(item)}.lock", timeout=0):
                if not is_finished(item):
                    yield item
        except Timeout:
            continue
