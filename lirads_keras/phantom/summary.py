"""cohort_summary.csv: the figures of the paper's Tables 1 and 2 and of §2.3 that a cohort can be held against, beside the virtual cohort's."""
from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.cohort import DIAGNOSIS_NEGATIVE, DIAGNOSIS_POSITIVE
from lirads_keras.phantom.shift import SHIFTS
from lirads_keras.phantom.signal import SCANNERS

PAPER_RESULTS = Path(__file__).resolve().parents[2] / "data_manifests" / "paper_results.csv"
"""Of the checkout; a package that was installed without it leaves the paper's column empty."""

SEQUENCE = "T1-weighted 3D LAVA/THRIVE"
SMALL_MM = 20.0

Figure = tuple[str, str, str, str]
"""Item, quantity and level as in paper_results.csv, and the cohort's value."""


def build_summary_table(records: Sequence[dict[str, Any]], settings: CohortSettings) -> list[dict[str, str]]:
    """Rows of cohort_summary.csv in the paper's order; diameters are the simulated readers' consensus."""
    printed = _read_printed()
    rows = []
    scanners = SHIFTS[settings.shift].used_scanners()
    for item, quantity, level, value in (*_describe_patients(records, scanners), *_describe_sequence(settings), *_count_diagnoses(records)):
        paper, unit = printed.get((item, quantity, level), ("", ""))
        rows.append({
            "source": item.replace("§", "Section "), "item": f"{quantity}, {level}", "unit": unit, "paper": paper, "cohort": value})
    return rows


def _read_printed() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Value and unit of each printed figure."""
    if not PAPER_RESULTS.exists():
        return {}
    with open(PAPER_RESULTS, encoding="utf-8", newline="") as file:
        return {(row["item"], row["quantity"], row["level"]): (row["value"], row["unit"]) for row in csv.DictReader(file)}


def _describe_patients(records: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[Figure]:
    patients = [record["patient"] for record in records]
    lesions = [lesion for record in records for lesion in record["lesions"]]
    groups, sexes, scanners = (Counter(patient[name] for patient in patients) for name in ("group", "sex", "scanner"))
    ages = [patient["age_years"] for patient in patients]
    diameters = np.array([lesion["diameter_mm"] for lesion in lesions]) / 10

    def add(quantity: str, level: str, value: object) -> Figure:
        return "§2.3", quantity, level, str(value)

    yield add("patients", "all", len(patients))
    yield add("patients", "positive", groups["positive"])
    yield add("patients", "negative", groups["negative"])
    yield add("lesions", "LR-3/4/5", len(lesions))
    yield add("lesion classes", "scored", len({lesion["category"] for lesion in lesions}))
    yield add("age", "mean", f"{np.mean(ages):.2f}")
    yield add("age", "standard deviation", _deviation(ages))
    yield add("sex", "male", f"{100 * sexes['M'] / len(patients):.2f}")
    yield add("sex", "female", f"{100 * sexes['F'] / len(patients):.2f}")
    if lesions:
        yield add("lesion diameter", "mean", f"{diameters.mean():.2f}")
        yield add("lesion diameter", "standard deviation", _deviation(diameters))
        yield add("lesion diameter", "minimum", f"{diameters.min():.2f}")
        yield add("lesion diameter", "maximum", f"{diameters.max():.2f}")
        yield add("lesions smaller than 2 cm", "LR-3/4/5", f"{100 * np.mean(diameters < SMALL_MM / 10):.1f}")
    yield add("readers", "all", 2)
    yield add("scanners", "all", len(scanners))
    for number, scanner in enumerate(names, start=1):
        yield add("scanner", str(number), f"{scanner}: {scanners[scanner]} of {len(patients)} patients")
    rates = [patient["injection_rate_ml_s"] for patient in patients]
    yield add("contrast injection rate", "minimum", f"{min(rates):g}")
    yield add("contrast injection rate", "maximum", f"{max(rates):g}")
    for phase in ("arterial", "portal_venous"):
        times = [patient[f"{phase}_s"] for patient in patients]
        yield add("time after injection", f"{phase.replace('_', ' ')} minimum", f"{min(times):g}")
        yield add("time after injection", f"{phase.replace('_', ' ')} maximum", f"{max(times):g}")
    yield add("time after injection", "delayed", " to ".join(f"{time:g}" for time in sorted({patient["delayed_s"] for patient in patients})))


def _describe_sequence(settings: CohortSettings) -> Iterator[Figure]:
    sequence = SCANNERS[SHIFTS[settings.shift].used_scanners()[0]].sequence
    for quantity, value in (
            ("section thickness", f"{settings.slice_spacing_mm:g}"), ("intersection gap", "0"), ("matrix", f"{settings.matrix_px} × {settings.matrix_px}"),
            ("NEX", "1"), ("TR", f"{sequence.repetition_time_ms:g}"), ("TE", f"{sequence.echo_time_ms:g}")):
        yield "Table 1", quantity, SEQUENCE, value


def _count_diagnoses(records: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    counts = Counter((record["patient"]["group"], record["patient"]["diagnosis_method"]) for record in records)
    for method in dict.fromkeys([*DIAGNOSIS_POSITIVE, *DIAGNOSIS_NEGATIVE]):
        for group in ("positive", "negative"):
            yield "Table 2", f"{group} patients", method, str(counts[group, method])


def _deviation(values: Sequence[float] | np.ndarray) -> str:
    """Of a sample; none of a single value."""
    return f"{np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
