"""The one kind of error a user sees: what is wrong with the input, all of it at once.

Everything a user can get wrong (a path, a DICOM tag, a cell of a table, a profile key) raises `InputError`;
the command line prints it without a traceback and exits with 2. Anything else that is raised is a defect of this package.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input.

    `where` names the file, and the row, column or tag in it; `expected` and `found` say what was asked for and what stood there.
    """

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"


class InputError(Exception):
    """Raised for bad input; carries every problem that was found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an InputError needs at least one Problem")
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def raise_if_any(problems: list[Problem]) -> None:
    """Raises one InputError with all `problems`, or returns if there are none."""
    if problems:
        raise InputError(*problems)
