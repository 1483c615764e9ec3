"""`lirads score`: a table of lesions' features gets its categories, a part of the table at a time."""
from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import Category
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import replacing
from lirads_keras.lirads.batch import NOT_ASSESSED, ObservationColumns, ReaderDecision, categorize_columns
from lirads_keras.lirads.diagnostic_table import RULE_SETS
from lirads_keras.lirads.growth import find_threshold_growth
from lirads_keras.lirads.steps import OVERRIDE_ORDER, TIES

REQUIRED = ("lesion_id", "diameter_mm", "aphe", "washout", "capsule")
ASSESSED = ("aphe", "washout", "capsule")
"""Columns whose blank cells mean "not assessed"; in the other columns of features a blank is an absent feature."""

OPTIONAL_FLAGS = ("threshold_growth", "ancillary_malignant", "ancillary_benign")
GROWTH_COLUMNS = ("prior_diameter_mm", "days")
RESULT_COLUMNS = ("category", "reasons")

FLAGS = {"yes": 1, "no": 0, "true": 1, "false": 0, "1": 1, "0": 0, "": NOT_ASSESSED}
"""What a feature's cell may hold, in upper or lower case."""

ROWS_AT_A_TIME = 20_000
PROBLEMS_PER_COLUMN = 100
"""So many bad cells of a column are told one by one; of the others, the number."""


class BadCell(Exception):
    """A cell holds something else than `expected`."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def parse_name(text: str) -> str:
    if not text.strip():
        raise BadCell("a lesion's name")
    return text


def parse_flag(text: str) -> int:
    """1, 0, or −1 for a blank."""
    try:
        return FLAGS[text.strip().lower()]
    except KeyError:
        raise BadCell("yes, no, true, false, 1, 0 or nothing") from None


def parse_positive(text: str) -> float:
    # float() itself also takes 1_000 and digits of other scripts.
    try:
        value = float(text) if text.isascii() and "_" not in text else nan
    except ValueError:
        value = nan
    if not 0 < value < inf:
        raise BadCell("a positive number")
    return value


def parse_optional_positive(text: str) -> float:
    """NaN for a blank."""
    return parse_positive(text) if text.strip() else nan


def parse_decision(text: str) -> ReaderDecision:
    """Categories that override the table, separated by spaces or semicolons; or two with | between which the reader is undecided."""
    words = re.split(r"[;\s]+", text.strip().upper()) if text.strip() else []
    if all(word in OVERRIDE_ORDER for word in words):
        return ReaderDecision(tuple(Category(word) for word in words))
    pair = words[0].split("|")
    if len(words) == 1 and frozenset(pair) in TIES:
        return ReaderDecision(tie=(Category(pair[0]), Category(pair[1])))
    raise BadCell(f"{', '.join(OVERRIDE_ORDER)}, or a tie such as LR-4|LR-5, or nothing")


PARSERS: dict[str, Callable[[str], Any]] = {
    "lesion_id": parse_name, "diameter_mm": parse_positive, **{name: parse_flag for name in (*ASSESSED, *OPTIONAL_FLAGS)},
    **{name: parse_optional_positive for name in GROWTH_COLUMNS}, "override": parse_decision}
"""Every column that is read; others are passed on."""


class _Memory(dict[str, Any]):
    """Parses each text once: most columns hold a handful of different ones."""

    def __init__(self, parse: Callable[[str], Any]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> Any:
        value = self[text] = self._parse(text)
        return value


@dataclass(frozen=True, eq=False)
class _Layout:
    """The header: where each known column stands."""

    header: list[str]
    positions: dict[str, int]


def score_feature_table(path: Path, out: Path, rules: str) -> int:
    """Writes the table with the columns category and reasons added.

    Args:
        path: UTF-8 CSV with the columns of REQUIRED; optionally `threshold_growth`, or `prior_diameter_mm` and `days` (between the two
            measurements) from which it is computed; `ancillary_malignant`, `ancillary_benign`, `override`; any others are passed on.
        out: CSV; cells of the input stand in it as they came.
        rules: `paper` or `v2018`.

    Returns:
        The number of lesions.

    Raises:
        InputError: an unknown rule set, columns that are missing, twice or contradict each other, rows of another length, cells that do not
            fit their column (with line and column), all of them; nothing is written then.
    """
    problems = [] if rules in RULE_SETS else [Problem("--rules", f"one of {', '.join(RULE_SETS)}", rules)]
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            layout = _read_header(csv.reader(file, strict=True), path, problems)
        raise_if_any(problems)
        try:
            return _write_scored(path, out, layout, rules)
        except (BadCell, _RaggedRow):
            # What is wrong is found again row by row, which is slower and knows the lines.
            raise InputError(*_find_problems(path, layout)) from None
    except OSError as error:
        raise InputError(Problem(str(error.filename or path), "a file that can be read and written", error.strerror or str(error))) from error
    except UnicodeDecodeError as error:
        raise InputError(Problem(str(path), "UTF-8 text", f"the byte {error.object[error.start]:#04x}")) from error
    except csv.Error as error:
        raise InputError(Problem(str(path), "a CSV file", str(error))) from error


class _RaggedRow(Exception):
    """A row has more or fewer cells than the header."""


def _read_header(reader: Iterator[list[str]], path: Path, problems: list[Problem]) -> _Layout:
    header = [cell.strip() for cell in next(reader, [])]
    where = f"{path}, line 1"
    problems += [Problem(where, f"a column {name}", ", ".join(header) or "nothing") for name in REQUIRED if name not in header]
    problems += [Problem(where, f"one column {name}", f"{count}") for name, count in Counter(header).items() if count > 1]
    problems += [Problem(where, f"no column {name}, which is added", "one") for name in RESULT_COLUMNS if name in header]
    growth = [name for name in GROWTH_COLUMNS if name in header]
    if len(growth) == 1:
        problems.append(Problem(where, f"both of {' and '.join(GROWTH_COLUMNS)}", f"only {growth[0]}"))
    if growth and "threshold_growth" in header:
        problems.append(Problem(where, f"threshold_growth, or {' and '.join(GROWTH_COLUMNS)} to compute it from", "both"))
    return _Layout(header, {name: header.index(name) for name in PARSERS if name in header})


def _write_scored(path: Path, out: Path, layout: _Layout, rules: str) -> int:
    lesions = 0
    memories = {name: _Memory(PARSERS[name]) for name in layout.positions if PARSERS[name] is parse_flag}
    with open(path, encoding="utf-8-sig", newline="") as file, replacing(out) as beside, open(beside, "w", encoding="utf-8", newline="") as target:
        reader = csv.reader(file, strict=True)
        next(reader)
        target.write(_to_csv([[*layout.header, *RESULT_COLUMNS]]))
        while rows := list(islice(reader, ROWS_AT_A_TIME)):
            # Spreadsheets leave lines of commas at the end.
            if not all(map(any, rows)):
                rows = [row for row in rows if any(row)]
            if not set(map(len, rows)) <= {len(layout.header)}:
                raise _RaggedRow
            columns = list(zip(*rows, strict=True))
            if columns:
                target.write(_format_rows(rows, *categorize_columns(_parse_columns(columns, layout, memories), rules)))
                lesions += len(rows)
    return lesions


def _format_rows(rows: list[list[str]], categories: list[str], reasons: list[str]) -> str:
    """The rows as CSV; by hand where no cell needs quotes, which is three times as fast. Reasons always do, and hold none."""
    lines = list(map(",".join, rows))
    together = "\n".join(lines)
    is_plain = together.count(",") == len(rows) * (len(rows[0]) - 1) and together.count("\n") == len(rows) - 1
    if is_plain and '"' not in together and "\r" not in together:
        return "".join([f'{line},{category},"{reason}"\n' for line, category, reason in zip(lines, categories, reasons, strict=True)])
    return _to_csv([*row, category, reason] for row, category, reason in zip(rows, categories, reasons, strict=True))


def _to_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _parse_columns(columns: list[tuple[str, ...]], layout: _Layout, memories: dict[str, _Memory]) -> ObservationColumns:
    rows = len(columns[0])
    cells = {name: columns[position] for name, position in layout.positions.items()}

    def flags(name: str) -> np.ndarray:
        if name not in cells:
            return np.zeros(rows, np.int8)
        codes = np.fromiter(map(memories[name].__getitem__, cells[name]), np.int8, rows)
        return codes if name in ASSESSED else np.maximum(codes, 0)

    if not all(map(str.strip, cells["lesion_id"])):
        raise BadCell("a lesion's name")
    diameter_mm = _parse_numbers(cells["diameter_mm"], parse_positive)
    growth = flags("threshold_growth")
    if "days" in cells:
        prior_mm, days = (_parse_numbers(cells[name], parse_optional_positive) for name in GROWTH_COLUMNS)
        if (np.isnan(prior_mm) != np.isnan(days)).any():
            raise BadCell("both or none")
        growth = find_threshold_growth(diameter_mm, prior_mm, days).astype(np.int8)
    decisions = [ReaderDecision()]
    decision = np.zeros(rows, np.int64)
    if "override" in cells:
        texts = sorted(set(cells["override"]))
        decisions = [parse_decision(text) for text in texts]
        numbers = {text: number for number, text in enumerate(texts)}
        decision = np.fromiter(map(numbers.__getitem__, cells["override"]), np.int64, rows)
    return ObservationColumns(
        diameter_mm, flags("aphe"), flags("washout"), flags("capsule"), growth, flags("ancillary_malignant"), flags("ancillary_benign"), decision,
        tuple(decisions))


def _parse_numbers(cells: tuple[str, ...], parse: Callable[[str], float]) -> np.ndarray:
    """As `parse` of each cell; all at once where they are plain positive numbers."""
    together = "".join(cells)
    if together.isascii() and "_" not in together:
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if ((numbers > 0) & (numbers < inf)).all():
                return numbers
    return np.fromiter(map(parse, cells), np.float64, len(cells))


def _find_problems(path: Path, layout: _Layout) -> list[Problem]:
    problems: list[Problem] = []
    counts: Counter[str] = Counter()

    def add(line: int, column: str, expected: str, found: str) -> None:
        counts[column] += 1
        if counts[column] <= PROBLEMS_PER_COLUMN:
            problems.append(Problem(f"{path}, line {line}{', ' + column if column else ''}", expected, found))

    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader)
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(layout.header):
                add(reader.line_num, "", f"{len(layout.header)} cells", f"{len(row)}")
                continue
            for name, position in layout.positions.items():
                try:
                    PARSERS[name](row[position])
                except BadCell as error:
                    add(reader.line_num, name, error.expected, repr(row[position]) if row[position].strip() else "an empty cell")
            if "days" in layout.positions:
                prior, days = (bool(row[layout.positions[name]].strip()) for name in GROWTH_COLUMNS)
                if prior != days:
                    add(reader.line_num, GROWTH_COLUMNS[prior], f"a number, because {GROWTH_COLUMNS[days]} has one", "an empty cell")
    problems += [Problem(f"{path}, {column or 'rows'}", f"no more than the {PROBLEMS_PER_COLUMN} wrong ones told above", f"{count - PROBLEMS_PER_COLUMN} more")
                 for column, count in counts.items() if count > PROBLEMS_PER_COLUMN]
    return problems
