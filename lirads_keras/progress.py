"""How far a long work is: one protocol for stages, commands and the reading application."""
from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told the share of the work that is done, from 0 to 1 (None where nobody can say), and in words what is being done. It may end the work by raising."""

    def __call__(self, fraction: float | None, message: str) -> None: ...


def ignore_progress(fraction: float | None, message: str) -> None:
    """For callers whom it does not concern."""


def tell_count(progress: Progress, what: str, done: int, total: int) -> None:
    """Tells of a work in equal parts: `patient 3 of 12` are 0.25. A work of no parts is done."""
    progress(done / total if total else 1.0, f"{what} {done} of {total}")


def part_of(progress: Progress, first: float, last: float, prefix: str = "") -> Progress:
    """Tells of a work that is the stretch from `first` to `last` of a larger one; what it says gets `prefix` before it."""
    def tell(fraction: float | None, message: str) -> None:
        progress(None if fraction is None else first + (last - first) * fraction, prefix + message)

    return tell
