"""The tidy result tables that R reads: columns as r_analysis/schema.csv describes them, checked before a byte is written."""
from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from stages import CHECKOUT

from lirads_keras.io.atomic import write_text
from lirads_keras.variants import list_variants

SCHEMA = CHECKOUT / "r_analysis" / "schema.csv"

ColumnType = Literal["string", "integer", "number", "flag", "factor"]


@dataclass(frozen=True)
class Column:
    """A column of a table, or a key of run.csv.

    `required`: no cell is empty. `identifies_row`: these columns together are unique, and rows are sorted by them. `allowed`: the values of
    a factor, or the interval of a number such as "[0, 1]" or "(0, Inf)".
    """

    name: str
    type: ColumnType
    required: bool
    identifies_row: bool
    allowed: tuple[str, ...]


def _read_schema(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_allowed(row: Mapping[str, str]) -> tuple[str, ...]:
    """Of a factor its values; "variants.csv: features direct" stands for the registry's names of these kinds."""
    source, colon, kinds = row["allowed"].partition(": ")
    if colon and source == "variants.csv":
        return tuple(str(variant["variant"]) for variant in list_variants() if variant["kind"] in kinds.split())
    if row["type"] == "factor":
        return tuple(row["allowed"].split("|"))
    return (row["allowed"],) if row["allowed"] else ()


def _read_column(row: Mapping[str, str]) -> Column:
    return Column(row["run_key"] or row["column"], cast(ColumnType, row["type"]), row["required"] == "1", row["identifies_row"] == "1", _read_allowed(row))


def _name_table(row: Mapping[str, str]) -> str:
    return row["file"].removesuffix(".csv")


def read_columns(schema: Path) -> dict[str, tuple[Column, ...]]:
    """The tables of a schema by their names without ".csv", each with its columns in order."""
    rows = _read_schema(schema)
    return {name: tuple(_read_column(row) for row in rows if _name_table(row) == name and not row["run_key"]) for name in dict.fromkeys(map(_name_table, rows))}


_ROWS = _read_schema(SCHEMA)

TABLES = read_columns(SCHEMA)
"""Every table of `results/` by its name without ".csv"."""

RUN_KEYS = {row["run_key"]: _read_column(row) for row in _ROWS if row["run_key"]}
"""Keys that run.csv holds at least, and what their values are."""

ORDERS = {_name_table(row): row["order"] for row in _ROWS}
"""Rows of each table: sorted by what identifies them ("sorted"), or as they come, from the variants' registry or the virtual cohort's own tables."""

COHORT_TABLES = tuple(name for name, order in ORDERS.items() if order == "cohort")
"""Of a virtual cohort alone."""


def build_results_table(name: str, records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a frame with the columns of table `name`, also when there is no record; a column that may be empty may lack, and is empty then.

    Raises:
        ValueError: a record lacks a required column, or has one that the table does not have.
    """
    columns = [column.name for column in TABLES[name]]
    required = {column.name for column in TABLES[name] if column.required}
    rows = list(records)
    for row in rows:
        if not required <= set(row) <= set(columns):
            raise ValueError(f"{name}.csv: expected the columns {', '.join(columns)}, found {', '.join(row)}")
    return pd.DataFrame(rows, columns=columns)


def write_results_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Writes `folder/name.csv`, whole or not at all: UTF-8, %.6g, empty cells for what is missing, rows sorted by what identifies them.

    Equal content gives equal bytes, whatever the order of the rows; the order that comes is kept where `ORDERS` says so. Factors sort in their stated order,
    patients and lesions as text.

    Args:
        folder: the run's `results/`.
        name: a key of `TABLES`.
        frame: its columns, in any order; flags may be bool or 0 and 1.

    Returns:
        The path written.

    Raises:
        ValueError: the table is unknown, or columns, types, values or uniqueness do not fit it; all complaints at once.
    """
    if name not in TABLES:
        raise ValueError(f"no results table {name!r}; there are {', '.join(TABLES)}")
    return write_table(folder / f"{name}.csv", TABLES[name], frame, keep_order=ORDERS[name] != "sorted")


def write_table(path: Path, columns: tuple[Column, ...], frame: pd.DataFrame, *, keep_order: bool = False) -> Path:
    """As `write_results_table`, of a table that has these columns, into any file; `keep_order`: rows stay as they come.

    Raises:
        ValueError: columns, types, values or uniqueness do not fit; all complaints at once.
    """
    table = check_table(path.stem, columns, frame)
    if not keep_order:
        table = table.sort_values([column.name for column in columns if column.identifies_row], kind="stable", na_position="first")
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return path


def check_table(name: str, columns: tuple[Column, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with these columns in order and the types that are written, or a ValueError with all complaints about `name`.csv."""
    expected = [column.name for column in columns]
    if sorted(frame.columns) != sorted(expected):
        raise ValueError(f"{name}.csv: expected the columns {', '.join(expected)}, found {', '.join(map(str, frame.columns))}")
    complaints: list[str] = []
    table = pd.DataFrame({column.name: _convert(frame[column.name].reset_index(drop=True), column, complaints) for column in columns}, columns=expected)
    if name == "run":
        _check_run(table, complaints)
    key = [column.name for column in columns if column.identifies_row]
    doubled = table.duplicated(key)
    if not complaints and doubled.any():
        first = table[doubled][key].iloc[0]
        complaints.append(f"{', '.join(key)}: {int(doubled.sum())} rows come twice, first {', '.join(map(str, first))}")
    if complaints:
        raise ValueError("\n".join(f"{name}.csv, {complaint}" for complaint in complaints))
    return table


def _check_run(table: pd.DataFrame, complaints: list[str]) -> None:
    for key, column in RUN_KEYS.items():
        values = table.loc[table["key"] == key, "value"]
        if values.empty:
            complaints.append(f"key: {key} missing")
        else:
            _convert(values.astype(object), column, complaints)


def _convert(values: pd.Series, column: Column, complaints: list[str]) -> pd.Series:
    """The column with the dtype that writes as the schema says; cells that do not fit are reported."""
    empty = values.isna() | (values.astype("string") == "").fillna(False).astype(bool)
    known = values[~empty]
    if column.required and empty.any():
        complaints.append(f"{column.name}: expected no empty cell, found {int(empty.sum())}")
    if column.type == "string":
        return values.where(~empty, None).astype("string")
    if column.type == "factor":
        strange = ~values.astype("string").isin(column.allowed) & ~empty
        _complain(values[strange], column, f"one of {', '.join(column.allowed)}", complaints)
        return pd.Series(pd.Categorical(values.where(~(empty | strange), None).astype("string"), categories=list(column.allowed), ordered=True))
    numbers = pd.to_numeric(known, errors="coerce").astype(np.float64)
    whole = column.type in ("integer", "flag")
    allowed = "0 or 1" if column.type == "flag" else f"a {'whole number' if whole else 'number'}{' in ' + column.allowed[0] if column.allowed else ''}"
    bad = ~np.isfinite(numbers) | (~_is_in_interval(numbers, column.allowed[0]) if column.allowed else False)
    if whole:
        bad |= numbers != np.rint(numbers)
    if column.type == "flag":
        bad |= ~numbers.isin([0, 1])
    _complain(known[bad], column, allowed, complaints)
    if column.identifies_row and column.type == "number":
        # Rows are told apart by what is written: 0.1 + 0.2 and 0.3 are one threshold.
        numbers = numbers.map(lambda number: float(f"{number:.6g}"))
    full = numbers.where(~bad).reindex(values.index)
    return full.astype("Int64") if whole else full


def _complain(bad: pd.Series, column: Column, expected: str, complaints: list[str]) -> None:
    if len(bad):
        complaints.append(f"{column.name}: expected {expected}, found {bad.iloc[0]} in row {bad.index[0]} ({len(bad)} such cells)")


def _is_in_interval(numbers: pd.Series, interval: str) -> pd.Series:
    low, high = (float(limit) for limit in interval[1:-1].split(","))
    return (numbers >= low if interval[0] == "[" else numbers > low) & (numbers <= high if interval[-1] == "]" else numbers < high)
