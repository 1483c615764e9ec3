"""CSV tables that a user writes: read as text, checked cell by cell, then converted."""
from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from lirads_keras.errors import Problem
from lirads_keras.io.column_names import find_typos

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Narrower than Python's own float(), which takes 1_000, too."""


_SEPARATORS = {";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class Column:
    """What the cells of a column may hold. `kind` is text, name (safe as a file name), integer or number."""

    kind: str
    required: bool = True
    choices: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 0.0


@dataclass(frozen=True)
class Table:
    """A CSV file as it was read: cells as text, and the line of each row."""

    path: Path
    frame: pd.DataFrame
    lines: list[int]

    def where(self, row: int, column: str) -> str:
        return f"{self.path}, line {self.lines[row]}, {column}"

    def cells(self, *columns: str) -> list[tuple[Any, ...]]:
        return list(self.frame[list(columns)].itertuples(index=False, name=None))

    def take(self, rows: Sequence[int]) -> Table:
        """The same table with these rows only."""
        return Table(self.path, self.frame.iloc[list(rows)].reset_index(drop=True), [self.lines[row] for row in rows])

    def with_columns(self, columns: Iterable[str]) -> Table:
        """The same table, with an empty column for each of `columns` that it lacks."""
        absent = {column: "" for column in columns if column not in self.frame}
        return Table(self.path, self.frame.assign(**absent), self.lines)

    def rows_named_by(self, problems: Iterable[Problem]) -> set[int]:
        """The rows that `problems` speak of."""
        begin = f"{self.path}, line "
        lines = {problem.where.removeprefix(begin).split(",")[0] for problem in problems if problem.where.startswith(begin)}
        return {row for row, line in enumerate(self.lines) if str(line) in lines}


def read_table(path: Path, required: Iterable[str], problems: list[Problem], optional: Iterable[str] = ()) -> Table | None:
    """Reads a UTF-8 CSV file as stripped text.

    Args:
        path: of the file.
        required: columns that it must have.
        problems: is appended what is wrong with the file as a whole: absent, no UTF-8, no CSV, columns missing or twice, rows of another length,
            names of columns that look like a mistyped one.
        optional: columns that it may have; further ones are kept, too.

    Returns:
        The rows of the right length; None if there is no file with these columns.
    """
    required, optional = list(required), list(optional)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if separator := _find_separator(text, required):
            problems.append(Problem(f"{path}, line 1", "cells separated by commas", f"{separator} between them"))
            return None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        problems.append(Problem(str(path), "a readable CSV file", error.strerror or str(error)))
        return None
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), "UTF-8 text", f"the byte {error.object[error.start]:#04x} at {error.start}"))
        return None
    except csv.Error as error:
        problems.append(Problem(f"{path}, line {reader.line_num}", "a CSV file", str(error)))
        return None
    rows = _drop_empty_columns(rows)
    header = rows[0][1] if rows else []
    typos = find_typos(header, [*required, *optional])
    hints = {column: f" (did you mean {column} by {typo}?)" for column, typo in typos.items()}
    faults = [Problem(f"{path}, line 1", f"a column {column}", (", ".join(header) or "nothing") + hints.get(column, ""))
              for column in required if column not in header]
    problems += [
        Problem(f"{path}, line 1, {typos[column]}", f"the column {column}, or a name less like it", f"{typos[column]} (did you mean {column}?)")
        for column in optional if column in typos]
    faults += [Problem(f"{path}, line 1", f"one column {column or 'without a name'}", f"{count}") for column, count in Counter(header).items() if count > 1]
    problems += faults
    ragged = [(line, row) for line, row in rows[1:] if len(row) != len(header)]
    problems += [Problem(f"{path}, line {line}", f"{len(header)} cells", f"{len(row)}") for line, row in ragged]
    if faults:
        return None
    whole = [(line, row) for line, row in rows[1:] if len(row) == len(header)]
    return Table(path, pd.DataFrame([row for _, row in whole], columns=header, dtype=str), [line for line, _ in whole])


def _find_separator(text: str, required: Iterable[str]) -> str:
    """What stands between the cells instead of commas, if the first line has the required columns so; in words."""
    line = next(iter(text.splitlines()), "")
    return next((
        words for mark, words in _SEPARATORS.items()
        if mark in line and "," not in line and set(required) <= {cell.strip().strip('"') for cell in line.split(mark)}), "")


def _drop_empty_columns(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Without the empty cells at the end of all rows, which spreadsheets write where something once stood."""
    if not rows or rows[0][1][-1]:
        named = len(rows[0][1]) if rows else 0
    else:
        named = max(index for row in rows for index, cell in enumerate(row[1], start=1) if cell)
    return [(line, row if any(row[named:]) else row[:named]) for line, row in rows]


def check_cells(table: Table, columns: Mapping[str, Column], problems: list[Problem]) -> None:
    """Appends a problem for each cell that its column does not allow."""
    for name, column in columns.items():
        for row, text in enumerate(table.frame[name] if name in table.frame else ()):
            if expected := _find_fault(text, column):
                problems.append(Problem(table.where(row, name), expected, repr(text) if text else "an empty cell"))


def _find_fault(text: str, column: Column) -> str:
    """What a cell should hold, if it does not."""
    if not text:
        return _describe(column) if column.required else ""
    if column.choices:
        fits = text in column.choices
    elif column.kind == "name":
        fits = text not in (".", "..") and not set(text) & set('/\\:\0\n\r\t') and len(text) <= 100
    elif column.kind == "text":
        fits = True
    else:
        number = float(text) if NUMBER.fullmatch(text) else nan
        fits = column.lowest <= number <= column.highest and (column.kind == "number" or number.is_integer())
    return "" if fits else _describe(column)


def _describe(column: Column) -> str:
    if column.choices:
        return " or ".join(column.choices)
    words = {"text": "text", "name": "a name without slashes, colons and tabs, of at most 100 characters", "integer": "a whole number", "number": "a number"}
    return words[column.kind] + (f" from {column.lowest:g} to {column.highest:g}" if column.kind in ("integer", "number") else "")


def check_unique(table: Table, key: tuple[str, ...], problems: list[Problem]) -> None:
    """Appends a problem for each row whose key stands in an earlier row."""
    first: dict[tuple[Any, ...], int] = {}
    for row, value in enumerate(table.cells(*key)):
        if all(value) and first.setdefault(value, row) != row:
            problems.append(Problem(table.where(row, " + ".join(key)), "each once", f"{' + '.join(value)} again (first in line {table.lines[first[value]]})"))


def convert_columns(frame: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Checked text as numbers: float64, or int64 where every row has one, else Int64 with NA."""
    converted = frame.copy()
    for name, column in columns.items():
        if name in frame and column.kind in ("integer", "number"):
            numbers = pd.to_numeric(frame[name].replace("", None)).astype("float64")
            if column.kind == "number":
                converted[name] = numbers
            else:
                converted[name] = numbers.astype("int64") if column.required else numbers.astype("Int64")
    return converted
