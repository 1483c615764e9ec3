"""The tidy result tables that R reads: their columns in one place, checked before a byte is written.

`r_analysis/schema.csv` describes the same tables, with units, meanings and examples, for R and for people.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lirads_keras.entities import HEAD_FEATURES, SCORED_CATEGORIES
from lirads_keras.io.atomic import write_text
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

ColumnType = Literal["string", "integer", "number", "flag", "factor"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `required`: no cell is empty. `identifies_row`: these columns together are unique, and rows are sorted by them. `allowed`: the values of
    a factor, or the interval of a number such as "[0, 1]" or "(0, Inf)".
    """

    name: str
    type: ColumnType
    required: bool = True
    identifies_row: bool = False
    allowed: tuple[str, ...] = ()


SCORED_VARIANTS = tuple(CHARACTERIZATION_VARIANTS)
FEATURE_VARIANTS = tuple(name for name, variant in CHARACTERIZATION_VARIANTS.items() if variant.reads_features)

DIAGRAMS = ("features_step", "workflow", "phases", "pipeline", "unet_plus_plus", "cbam", "multitask")
"""Diagrams of architecture and workflow that R draws."""

_UNIT = ("[0, 1]",)
_COUNT = ("[0, Inf)",)
_LENGTH = ("(0, Inf)",)
_CATEGORIES = tuple(str(category) for category in SCORED_CATEGORIES)
_PATIENT = Column("patient_id", "string", identifies_row=True)
_GROUP = Column("group", "factor", allowed=("positive", "negative"))
_FOLD = Column("fold", "integer", allowed=_COUNT)
_LESION = Column("lesion_id", "string", identifies_row=True)
_THRESHOLD = Column("threshold", "number", identifies_row=True, allowed=_UNIT)
_ROI = Column("roi", "factor", identifies_row=True, allowed=("reference_roi", "automatic_roi"))
_DIAGRAM = Column("figure", "factor", identifies_row=True, allowed=DIAGRAMS)

TABLES: dict[str, tuple[Column, ...]] = {
    "run": (Column("key", "string", identifies_row=True), Column("value", "string", required=False)),
    "variants": (
        Column("variant", "string", identifies_row=True), Column("kind", "factor", allowed=("segmentation", "features", "direct")),
        Column("trunk", "string", required=False), Column("mode", "factor", required=False, allowed=("adaptive", "plain")),
        Column("frozen", "flag", required=False), Column("size_input", "flag", required=False), Column("phases", "string"),
        Column("paper_item", "string", required=False), Column("words", "string")),
    "patients": (
        _PATIENT, _GROUP, _FOLD, Column("n_lesions_ref", "integer", allowed=_COUNT), Column("age_years", "number", required=False, allowed=("[0, 130]",)),
        Column("sex", "factor", required=False, allowed=("M", "F")), Column("scanner", "string", required=False)),
    "lesions": (
        _PATIENT, _LESION, _FOLD, Column("diameter_mm", "number", allowed=_LENGTH), Column("category_ref", "factor", allowed=_CATEGORIES),
        Column("aphe_ref", "flag", required=False), Column("washout_ref", "flag", required=False), Column("capsule_ref", "flag", required=False),
        Column("category_true", "factor", required=False, allowed=_CATEGORIES)),
    "dice_by_threshold": (_PATIENT, _FOLD, _THRESHOLD, Column("dice", "number", allowed=_UNIT)),
    "fold_thresholds": (
        Column("fold", "integer", identifies_row=True, allowed=_COUNT), Column("threshold_chosen", "number", allowed=_UNIT),
        Column("dice_validation", "number", required=False, allowed=_UNIT)),
    "pixel_counts": (
        _PATIENT, _GROUP, _FOLD, _THRESHOLD, *(Column(name, "integer", allowed=_COUNT) for name in ("tp", "fp", "fn", "tn"))),
    "lesion_detection": (
        _THRESHOLD, _PATIENT, _GROUP, _FOLD, Column("kind", "factor", identifies_row=True, allowed=("reference", "predicted")), _LESION,
        Column("diameter_mm", "number", allowed=_LENGTH), Column("matched", "flag")),
    "patient_detection": (
        _THRESHOLD, _PATIENT, _GROUP, _FOLD, Column("has_reference", "flag"), Column("has_prediction", "flag"), Column("detected", "flag")),
    "features": (
        Column("variant", "factor", identifies_row=True, allowed=FEATURE_VARIANTS), _ROI, _FOLD, _PATIENT, _LESION,
        Column("feature", "factor", identifies_row=True, allowed=tuple(str(feature) for feature in HEAD_FEATURES)),
        Column("reference", "flag", required=False), Column("probability", "number", required=False, allowed=_UNIT)),
    "categories": (
        Column("variant", "factor", identifies_row=True, allowed=SCORED_VARIANTS), _ROI, _FOLD, _PATIENT, _LESION,
        Column("diameter_mm", "number", required=False, allowed=_LENGTH), Column("category_ref", "factor", allowed=_CATEGORIES),
        Column("category_pred", "factor", required=False, allowed=_CATEGORIES), Column("detected", "flag"), Column("reasons", "string", required=False)),
    "training_history": (
        Column("stage", "factor", identifies_row=True, allowed=("pretrain", "finetune", "characterization")),
        Column("variant", "factor", required=False, identifies_row=True, allowed=SCORED_VARIANTS),
        Column("fold", "integer", required=False, identifies_row=True, allowed=_COUNT), Column("epoch", "integer", identifies_row=True, allowed=_COUNT),
        Column("metric", "string", identifies_row=True), Column("value", "number", required=False)),
    "baseline_segmentation": (
        _PATIENT, _FOLD, Column("lower", "number"), Column("upper", "number"), Column("dice", "number", allowed=_UNIT)),
    "surface": (
        _PATIENT, _FOLD, Column("threshold", "number", allowed=_UNIT), Column("mean_surface_distance_mm", "number", required=False, allowed=_COUNT),
        Column("hausdorff95_mm", "number", required=False, allowed=_COUNT), Column("volume_ref_ml", "number", allowed=_COUNT),
        Column("volume_pred_ml", "number", allowed=_COUNT)),
    "pretrain_dice": (
        Column("ct_id", "string", identifies_row=True), Column("label", "factor", identifies_row=True, allowed=("liver", "tumour")),
        Column("dice", "number", required=False, allowed=_UNIT)),
    "cohort_summary": (
        Column("source", "string", identifies_row=True), Column("item", "string", identifies_row=True),
        Column("unit", "string", required=False, identifies_row=True), Column("paper", "string", required=False), Column("cohort", "string", required=False)),
    "cohort_realism": (
        Column("quantity", "string", identifies_row=True), Column("group", "string", required=False, identifies_row=True),
        Column("phase", "string", required=False, identifies_row=True), Column("unit", "string", required=False),
        Column("n", "integer", required=False, allowed=_COUNT),
        *(Column(f"{which}{bound}", "number", required=False) for which in ("measured", "literature") for bound in ("", "_low", "_high")),
        Column("source", "string", required=False, identifies_row=True)),
    "contrast_curves": (
        Column("tissue", "string", identifies_row=True), Column("field_strength_t", "number", identifies_row=True, allowed=_LENGTH),
        Column("time_s", "number", identifies_row=True), Column("signal_over_precontrast", "number", required=False, allowed=_COUNT),
        Column("signal_over_liver", "number", required=False, allowed=_COUNT)),
    "reader_ceiling": (_PATIENT, Column("dice_readers", "number", allowed=_UNIT)),
    "seed_accuracy": (
        Column("variant", "factor", identifies_row=True, allowed=SCORED_VARIANTS), Column("seed", "integer", identifies_row=True, allowed=_COUNT), _ROI,
        Column("accuracy", "number", allowed=_UNIT), Column("n", "integer", allowed=("[1, Inf)",))),
    "half_split": (
        Column("variant", "factor", identifies_row=True, allowed=SCORED_VARIANTS), _ROI, _PATIENT, _LESION,
        Column("category_ref", "factor", allowed=_CATEGORIES), Column("category_pred", "factor", required=False, allowed=_CATEGORIES)),
    "durations": (Column("stage", "string", identifies_row=True), Column("seconds", "number", allowed=_COUNT)),
    "diagram_nodes": (
        _DIAGRAM, Column("node_id", "string", identifies_row=True), Column("label", "string"),
        Column("kind", "factor", allowed=("data", "step", "operation", "encoder", "decoder", "attention", "head", "rule")),
        Column("x", "number"), Column("y", "number"), Column("detail", "string", required=False),
        *(Column(name, "integer", required=False, allowed=("[1, Inf)",)) for name in ("rows_px", "columns_px", "channels")),
        Column("parameters", "integer", required=False, allowed=_COUNT)),
    "diagram_edges": (
        _DIAGRAM, Column("source", "string", identifies_row=True), Column("target", "string", identifies_row=True),
        Column("kind", "factor", allowed=("flow", "down", "up", "skip", "reads"))),
}
"""Every table of `results/` by its name without ".csv"."""

COHORT_TABLES = ("cohort_summary", "cohort_realism", "contrast_curves", "reader_ceiling")
"""Of a virtual cohort alone."""

TABLES_AS_WRITTEN = ("variants", *COHORT_TABLES)
"""Their rows stay in the order in which they come."""

RUN_KEYS = {column.name: column for column in (
    Column("run", "string"), Column("cohort", "string"), Column("profile", "string"), Column("commit", "string", required=False),
    Column("dirty", "flag", required=False), Column("seed", "integer"), Column("folds", "integer", allowed=("[2, Inf)",)),
    Column("rules", "factor", allowed=("paper", "v2018")), Column("decision_threshold", "number", allowed=_UNIT),
    Column("python", "string"), Column("tensorflow", "string"), Column("keras", "string"))}
"""Keys that run.csv holds at least, and what their values are."""


def build_results_table(name: str, records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a frame with the columns of table `name`, also when there is no record; a record must have every column and no other."""
    columns = [column.name for column in TABLES[name]]
    rows = list(records)
    for row in rows:
        if set(row) != set(columns):
            raise ValueError(f"{name}.csv: expected the columns {', '.join(columns)}, found {', '.join(row)}")
    return pd.DataFrame(rows, columns=columns)


def write_results_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Writes `folder/name.csv`, whole or not at all: UTF-8, %.6g, empty cells for what is missing, rows sorted by what identifies them.

    Equal content gives equal bytes, whatever the order of the rows; that of `TABLES_AS_WRITTEN` is kept. Factors sort in their stated order,
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
    columns = TABLES[name]
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
    path = folder / f"{name}.csv"
    if name not in TABLES_AS_WRITTEN:
        table = table.sort_values(key, kind="stable", na_position="first")
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return path


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
