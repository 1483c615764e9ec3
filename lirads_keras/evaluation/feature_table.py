"""`lirads score`: a table of lesions' features gets its categories, a part of the table at a time."""
from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.evaluation.feature_cells import (
    LARGEST_MM,
    LONGEST_DAYS,
    UNIT_OPTION,
    USUAL_FROM_MM,
    BadCell,
    SizeUnit,
    UnclearUnit,
    is_blank,
    parse_age,
    parse_decision,
    parse_flag,
    parse_modality,
    parse_name,
    parse_optional_days,
    parse_size_source,
)
from lirads_keras.evaluation.feature_layout import GROWTH_COLUMNS, OPTIONAL_FLAGS, RESULT_COLUMNS, SIZE_SOURCES, Layout, describe_row, open_table, read_layout
from lirads_keras.io.atomic import replacing
from lirads_keras.lirads.applicability import ADULT_FROM_YEARS, UNDER_18
from lirads_keras.lirads.batch import ObservationColumns, ReaderDecision, categorize_columns
from lirads_keras.lirads.diagnostic_table import RULE_SETS
from lirads_keras.lirads.growth import find_threshold_growth

ASSESSED = ("aphe", "washout", "capsule")
"""Columns whose blank cells mean "not assessed"; in the other columns of features a blank is an absent feature."""

FLAG_COLUMNS = (*ASSESSED, *OPTIONAL_FLAGS)
FEW_TEXTS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys((*FLAG_COLUMNS, "prior_untreated"), parse_flag), "prior_modality": parse_modality, **dict.fromkeys(SIZE_SOURCES, parse_size_source),
    "age_years": parse_age}
"""Columns that hold a handful of different texts."""

ROWS_AT_A_TIME = 20_000
PROBLEMS_PER_COLUMN = 100
"""So many bad cells of a column are told one by one; of the others, the number."""


class _Memory(dict[str, Any]):
    """Parses each text once: most columns hold a handful of different ones."""

    def __init__(self, parse: Callable[[str], Any]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> Any:
        value = self[text] = self._parse(text)
        return value


def score_feature_table(path: Path, out: Path, rules: str, unit: str | None = None, *, despite_age: bool = False) -> int:
    """Writes the table with the columns category and reasons added.

    Args:
        path: UTF-8 CSV with the columns of REQUIRED; optionally `threshold_growth`, or `prior_diameter_mm` and `days` (between the two
            measurements) from which it is computed, perhaps with `prior_modality`, `prior_untreated`, `size_by` and `prior_size_by` (see
            `_find_growth`); `rim_aphe`, `ancillary_malignant`, `ancillary_benign`, `override`; `age_years`; any others are passed on.
        out: CSV; cells of the input stand in it as they came.
        rules: `paper` or `v2018`.
        unit: of the sizes, "mm" or "cm"; None: mm, where nothing speaks against it.
        despite_age: rows with an age under 18 get a category, too; else it is withheld.

    Returns:
        The number of lesions.

    Raises:
        InputError: an unknown rule set, no UTF-8 CSV, columns that are missing, twice or contradict each other, rows of another length, cells that do
            not fit their column (with line and column), sizes whose unit is in doubt, ties that do not hold the row's category, all of them; nothing
            is written then.
    """
    problems = [] if rules in RULE_SETS else [Problem("--rules", f"one of {', '.join(RULE_SETS)}", rules)]
    sizes = SizeUnit(unit)
    try:
        with open_table(path) as reader:
            layout = read_layout(reader, path, problems)
    except InputError as error:
        raise InputError(*problems, *error.problems) from None
    raise_if_any(problems)
    try:
        return _write_scored(path, out, layout, rules, sizes, despite_age)
    except (BadCell, _RaggedRow, _WrongTie):
        # What is wrong is found again row by row, which is slower and knows the lines.
        raise InputError(*_find_problems(path, layout, rules, sizes)) from None


class _RaggedRow(Exception):
    """A row has more or fewer cells than the header."""


class _WrongTie(Exception):
    """A reader is undecided between categories of which neither is the row's."""


@dataclass
class _SizeCount:
    """Sizes of a table, and how many are small for one in mm."""

    lesions: int = 0
    small: int = 0

    @property
    def is_unclear(self) -> bool:
        return 2 * self.small > self.lesions


def _write_scored(path: Path, out: Path, layout: Layout, rules: str, sizes: SizeUnit, despite_age: bool) -> int:
    count = _SizeCount()
    memories = _make_memories(layout)
    with open_table(path) as reader, replacing(out) as beside, open(beside, "w", encoding="utf-8", newline="") as target:
        next(reader)
        target.write(_to_csv([[*layout.header, *RESULT_COLUMNS]]))
        while rows := list(islice(reader, ROWS_AT_A_TIME)):
            # Spreadsheets leave lines of commas at the end.
            if not all(map(any, rows)):
                rows = [row for row in rows if any(row)]
            if not set(map(len, rows)) <= {len(layout.header)}:
                rows = [_fit(row, layout) for row in rows]
            columns = list(zip(*rows, strict=True))
            if columns:
                observations = _parse_columns(columns, layout, memories, sizes, despite_age)
                try:
                    scored = categorize_columns(observations, rules)
                except InputError:
                    raise _WrongTie from None
                target.write(_format_rows(rows, *scored))
                count.lesions += len(rows)
                count.small += int(np.count_nonzero(observations.diameter_mm < USUAL_FROM_MM))
        if sizes.name is None and count.is_unclear:
            raise UnclearUnit("sizes in mm")
    return count.lesions


def _make_memories(layout: Layout) -> dict[str, _Memory]:
    return {name: _Memory(parse) for name, parse in FEW_TEXTS.items() if name in layout.positions}


def _fit(row: list[str], layout: Layout) -> list[str]:
    fitted = layout.fit(row)
    if fitted is None:
        raise _RaggedRow
    return fitted


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


def _parse_columns(columns: list[tuple[str, ...]], layout: Layout, memories: dict[str, _Memory], sizes: SizeUnit,
                   despite_age: bool) -> ObservationColumns:
    rows = len(columns[0])
    cells = {name: columns[position] for name, position in layout.positions.items()}

    def flags(name: str) -> np.ndarray:
        if name not in cells:
            return np.zeros(rows, np.int8)
        codes = np.fromiter(map(memories[name].__getitem__, cells[name]), np.int8, rows)
        return codes if name in ASSESSED else np.maximum(codes, 0)

    for name in set(cells["lesion_id"]):
        parse_name(name)
    diameter_mm = _parse_numbers(cells["diameter_mm"], sizes.parse, sizes.lowest_mm, LARGEST_MM, sizes.to_mm)
    growth, proposed = flags("threshold_growth"), None
    if "days" in cells:
        prior_mm = _parse_numbers(cells["prior_diameter_mm"], sizes.parse_optional, sizes.lowest_mm, LARGEST_MM, sizes.to_mm)
        days = _parse_numbers(cells["days"], parse_optional_days, 0.0, LONGEST_DAYS)
        if (np.isnan(prior_mm) != np.isnan(days)).any():
            raise BadCell("both or none")
        growth, proposed = _find_growth(find_threshold_growth(diameter_mm, prior_mm, days), cells, memories)
    decisions = [ReaderDecision()]
    decision = np.zeros(rows, np.int64)
    if "override" in cells:
        texts = sorted(set(cells["override"]))
        decisions = [parse_decision(text) for text in texts]
        numbers = {text: number for number, text in enumerate(texts)}
        decision = np.fromiter(map(numbers.__getitem__, cells["override"]), np.int64, rows)
    return ObservationColumns(
        diameter_mm, flags("aphe"), flags("washout"), flags("capsule"), growth, flags("ancillary_malignant"), flags("ancillary_benign"), decision,
        tuple(decisions), flags("rim_aphe"), proposed, _withhold(cells, memories) if "age_years" in cells and not despite_age else None)


def _find_growth(grown: np.ndarray, cells: dict[str, tuple[str, ...]], memories: dict[str, _Memory]) -> tuple[np.ndarray, np.ndarray]:
    """Of lesions that grew, by their sizes (n,): threshold growth that counts, and such that is proposed only. That is it where a column says that the earlier
    size is of no CT or MR, that the lesion was treated, or that one size is the network's and the other a reader's; or leaves one of these blank."""
    counts = np.ones(len(grown), bool)
    if "prior_modality" in cells:
        counts &= np.array([memories["prior_modality"][text] for text in cells["prior_modality"]])
    if "prior_untreated" in cells:
        counts &= np.array([memories["prior_untreated"][text] == 1 for text in cells["prior_untreated"]])
    if any(name in cells for name in SIZE_SOURCES):
        now, then = ([memories[name][text] for text in cells[name]] if name in cells else [""] * len(grown) for name in SIZE_SOURCES)
        counts &= np.array(now) == np.array(then)
    return (grown & counts).astype(np.int8), (grown & ~counts).astype(np.int8)


def _withhold(cells: dict[str, tuple[str, ...]], memories: dict[str, _Memory]) -> np.ndarray:
    """Why each row gets no category (n,); nothing where it gets one, an unknown age among them."""
    return np.array([UNDER_18 if memories["age_years"][text] < ADULT_FROM_YEARS else "" for text in cells["age_years"]], dtype=object)


def _parse_numbers(cells: tuple[str, ...], parse: Callable[[str], float], lowest: float, highest: float,
                   convert: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
    """As `parse` of each cell; all at once where they are plain positive numbers that `convert` brings between the limits."""
    together = "".join(cells)
    if together.isascii() and "_" not in together:
        try:
            numbers = convert(np.fromiter(map(float, cells), np.float64, len(cells)))
        except ValueError:
            pass
        else:
            if ((numbers > 0) & (numbers >= lowest) & (numbers <= highest)).all():
                return numbers
    return np.fromiter(map(parse, cells), np.float64, len(cells))


def _find_problems(path: Path, layout: Layout, rules: str, sizes: SizeUnit) -> list[Problem]:
    parsers: dict[str, Callable[[str], Any]] = {
        "lesion_id": parse_name, "diameter_mm": sizes.parse, **FEW_TEXTS, "prior_diameter_mm": sizes.parse_optional,
        "days": parse_optional_days, "override": parse_decision}
    found: list[tuple[str, Problem, bool]] = []
    counts = _SizeCount()

    def add(line: int, column: str, expected: str, text: str, *, of_unit: bool = False) -> None:
        found.append((column, Problem(f"{path}, line {line}{', ' + column if column else ''}", expected, text), of_unit))

    with open_table(path) as reader:
        next(reader)
        for row in reader:
            if not any(row):
                continue
            fitted = layout.fit(row)
            if fitted is None:
                add(reader.line, "", f"{len(layout.header)} cells", describe_row(row, layout))
                continue
            for name, position in layout.positions.items():
                text = fitted[position]
                try:
                    value = parsers[name](text)
                except BadCell as error:
                    add(reader.line, name, error.expected, repr(text) if text.strip() else "an empty cell",
                        of_unit=isinstance(error, UnclearUnit))
                    value = 0.0 if isinstance(error, UnclearUnit) else nan
                if name == "diameter_mm" and not isnan(value):
                    counts.lesions += 1
                    counts.small += value < USUAL_FROM_MM
            if "days" in layout.positions:
                prior, days = (not is_blank(fitted[layout.positions[name]]) for name in GROWTH_COLUMNS)
                if prior != days:
                    add(reader.line, GROWTH_COLUMNS[prior], f"a number, because {GROWTH_COLUMNS[days]} has one", "an empty cell")
            if "override" in layout.positions and "|" in fitted[layout.positions["override"]]:
                for problem in _find_tie_problems(fitted, layout, rules, sizes):
                    add(reader.line, "override", problem.expected, problem.found)
    problems = []
    if sizes.name is None and counts.is_unclear:
        # Then no single size is the one that is wrong.
        found = [fault for fault in found if not fault[2]]
        problems.append(Problem(f"{path}, diameter_mm", f"sizes in mm, half of them {USUAL_FROM_MM:g} or more, or {UNIT_OPTION} to say what they are in",
                                f"{counts.small} of {counts.lesions} smaller (centimetres?)"))
    return [*_shorten(found, path), *problems]


def _find_tie_problems(row: list[str], layout: Layout, rules: str, sizes: SizeUnit) -> tuple[Problem, ...]:
    """What is wrong with a row's tie, where its cells are sound otherwise."""
    try:
        categorize_columns(_parse_columns([(cell,) for cell in row], layout, _make_memories(layout), sizes, despite_age=True), rules)
    except BadCell:
        return ()
    except InputError as error:
        return error.problems
    return ()


def _shorten(found: Sequence[tuple[str, Problem, bool]], path: Path) -> Iterator[Problem]:
    """The first problems of each column, and how many more there are."""
    counts: Counter[str] = Counter()
    for column, problem, _ in found:
        counts[column] += 1
        if counts[column] <= PROBLEMS_PER_COLUMN:
            yield problem
    for column, count in counts.items():
        if count > PROBLEMS_PER_COLUMN:
            yield Problem(f"{path}, {column or 'rows'}", f"no more than the {PROBLEMS_PER_COLUMN} wrong ones told above", f"{count - PROBLEMS_PER_COLUMN} more")
