"""How a table of features is written: its encoding and separators, its header, and rows with empty cells at the end."""
from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lirads_keras.errors import InputError, Problem
from lirads_keras.evaluation.feature_cells import UNIT_OPTION
from lirads_keras.io.column_names import find_typos

REQUIRED = ("lesion_id", "diameter_mm", "aphe", "washout", "capsule")
OPTIONAL_FLAGS = ("threshold_growth", "ancillary_malignant", "ancillary_benign", "rim_aphe")
GROWTH_COLUMNS = ("prior_diameter_mm", "days")
NUMBERS = ("diameter_mm", *GROWTH_COLUMNS)
SIZE_SOURCES = ("size_by", "prior_size_by")
PRIOR_COLUMNS = ("prior_modality", "prior_untreated", *SIZE_SOURCES)
"""What is said of the earlier size, and of who measured."""

KNOWN = (*REQUIRED, *OPTIONAL_FLAGS, *GROWTH_COLUMNS, *PRIOR_COLUMNS, "age_years", "override")
"""Every column that is read; others are passed on."""

RESULT_COLUMNS = ("category", "reasons")

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", "\uff0c": "full-width commas", " ": "spaces"}
"""What stands between cells of tables that are no CSV as it is read here."""

_COMMAS = "cells separated by commas (in a spreadsheet: save as CSV UTF-8, comma delimited)"
_MARKS = {b"PK\x03\x04": "a workbook or another zip file", b"\xd0\xcf\x11\xe0": "an old Excel workbook"}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_START_BYTES = 1 << 16
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE | re.DOTALL)
"""The line with which Excel is told, or tells, what separates cells."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The header: its names without unnamed columns at the end, how many cells it has with them, and where each known column stands."""

    header: list[str]
    cells: int
    positions: dict[str, int]

    def fit(self, row: list[str]) -> list[str] | None:
        """A row without empty cells beyond the named columns; None if it has too few cells, others beyond them, or leaves a doubt."""
        named = len(self.header)
        if len(row) < named or any(map(str.strip, row[named:])) or (len(row) not in (named, self.cells) and self._may_be_shifted(row)):
            return None
        return row[:named]

    def _may_be_shifted(self, row: Sequence[str]) -> bool:
        """Whether a number may have been cut in two: "25,4" without quotes in a row whose last cell is blank."""
        return any(
            position + 1 < len(row) and row[position].strip().isdecimal() and row[position + 1].strip().isdecimal()
            for name, position in self.positions.items() if name in NUMBERS)


class TableReader:
    """Rows of an open table after its header, and the line of the file on which the last of them ended."""

    def __init__(self, lines: Iterator[str], lines_before: int) -> None:
        self._reader = csv.reader(lines, strict=True)
        self._before = lines_before

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        return next(self._reader)

    @property
    def line(self) -> int:
        return self._reader.line_num + self._before


@contextmanager
def open_table(path: Path) -> Iterator[TableReader]:
    """The rows of a UTF-8 CSV file, the header first.

    Raises:
        InputError: a file of another kind, another encoding or with other separators, each named.
    """
    reader: TableReader | None = None
    try:
        _check_kind(path)
        with open(path, encoding="utf-8-sig", newline="") as file:
            first, before = file.readline(), 0
            if told := _SEPARATOR_LINE.fullmatch(first):
                if told[1] != ",":
                    raise InputError(Problem(f"{path}, line 1", _COMMAS, SEPARATORS.get(told[1], repr(told[1]))))
                first, before = file.readline(), 1
            if separator := find_separator(first):
                raise InputError(Problem(f"{path}, line {1 + before}", _COMMAS, separator))
            reader = TableReader(chain([first] if first else [], file), before)
            yield reader
    except OSError as error:
        raise InputError(Problem(str(error.filename or path), "a file that can be read and written", error.strerror or str(error))) from error
    except UnicodeDecodeError as error:
        raise InputError(Problem(
            str(path), "UTF-8 text (in a spreadsheet: save as CSV UTF-8)", f"the byte {error.object[error.start]:#04x}")) from error
    except csv.Error as error:
        where = f"{path}, line {reader.line}" if reader else str(path)
        raise InputError(Problem(where, "a CSV file", str(error))) from error


def read_layout(reader: TableReader, path: Path, problems: list[Problem]) -> Layout:
    """Reads the header; what is wrong with it is added to `problems`. Case, blanks and brackets in the names make no difference."""
    row = [cell.strip() for cell in next(reader, [])]
    header = row[:max((index for index, cell in enumerate(row, 1) if cell), default=0)]
    names = [_simplify(cell) for cell in header]
    where = f"{path}, line {max(reader.line, 1)}"
    problems += [Problem(where, f"a column {name}{f' ({UNIT_OPTION} says in what unit)' if name == 'diameter_mm' else ''}", ", ".join(header) or "nothing")
                 for name in REQUIRED if name not in names]
    problems += [Problem(where, f"one column {name}", f"{count}") for name, count in Counter(names).items() if name and count > 1]
    problems += [Problem(where, f"no column {name}, which is added", "one") for name in RESULT_COLUMNS if name in names]
    growth = [name for name in GROWTH_COLUMNS if name in names]
    if len(growth) == 1:
        problems.append(Problem(where, f"both of {' and '.join(GROWTH_COLUMNS)}", f"only {growth[0]}"))
    if growth and "threshold_growth" in names:
        problems.append(Problem(where, f"threshold_growth, or {' and '.join(GROWTH_COLUMNS)} to compute it from", "both"))
    problems += [Problem(f"{where}, {header[names.index(typo)]}", f"the column {column}, or a name less like it", "one that would not be read")
                 for column, typo in find_typos(names, KNOWN).items() if column not in REQUIRED]
    return Layout(header, len(row), {name: names.index(name) for name in KNOWN if name in names})


def find_separator(line: str) -> str | None:
    """What separates the names of columns in a header, in words, if commas do not."""
    def count(separator: str) -> int:
        return len({_simplify(cell.strip(" \"'\r\n")) for cell in line.split(separator)} & set(KNOWN))

    best = max(SEPARATORS, key=count)
    return SEPARATORS[best] if count(best) > max(1, count(",")) else None


def describe_row(row: Sequence[str], layout: Layout) -> str:
    """What a row that does not fit has instead of the header's cells."""
    text = ",".join(row)
    separator = next((words for mark, words in SEPARATORS.items() if mark != " " and text.count(mark) >= len(layout.header) - 1), None)
    if separator and len(row) < len(layout.header):
        return f"{len(row)}, and {separator}"
    return f"{len(row)}" + (", which may be a decimal comma" if len(row) > len(layout.header) and not any(row[len(layout.header):]) else "")


def _check_kind(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    for mark, kind in _MARKS.items():
        if start.startswith(mark):
            raise InputError(Problem(str(path), "a CSV file (in a spreadsheet: save as CSV UTF-8)", kind))
    if start.startswith(_UTF_16_MARKS) or b"\0" in start:
        # A half character at the end of what was read is no fault of the file.
        text = start.decode("utf-16", "ignore").splitlines() if start.startswith(_UTF_16_MARKS) else []
        separator = find_separator(text[0]) if text else None
        found = ("UTF-16 text" if text else "zero bytes: UTF-16 text or no text") + (f", its cells separated by {separator}" if separator else "")
        raise InputError(Problem(str(path), "UTF-8 text with " + _COMMAS, found))


def _simplify(name: str) -> str:
    """"Diameter (mm)" and "diameter_mm" are one column."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
