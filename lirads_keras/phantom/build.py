"""Builds the virtual cohort with all that describes it."""
from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import VIRTUAL_COHORT
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_json, write_text
from lirads_keras.phantom.cohort import build_cohort_table, choose_patients
from lirads_keras.phantom.curves import build_contrast_curves
from lirads_keras.phantom.parts import build_parts, claim_folder
from lirads_keras.phantom.patient import build_patient
from lirads_keras.phantom.realism import build_realism_table
from lirads_keras.phantom.scan import check_field_of_view
from lirads_keras.phantom.shift import SHIFTS, UNSHIFTED
from lirads_keras.phantom.summary import build_summary_table
from lirads_keras.progress import Progress

MANIFEST_COLUMNS = {
    "patients": ("patient_id", "group", "cohort", "age_years", "sex", "scanner", "diagnosis_method", "mask_path"),
    "series": ("patient_id", "phase", "path", "series_uid", "time_point"),
    "lesions": ("patient_id", "lesion_id", "mask_label", "diameter_mm", "aphe", "washout", "capsule", "category"),
    "confounders": ("patient_id", "group", "kind", "diameter_mm", "x_mm", "y_mm", "z_mm"),
}

DESCRIPTION_COLUMNS = {
    "cohort_summary": ("source", "item", "unit", "paper", "cohort"),
    "cohort_realism": ("quantity", "group", "phase", "unit", "n", "measured", "measured_low", "measured_high", "literature", "literature_low",
                       "literature_high", "source"),
    "contrast_curves": ("tissue", "field_strength_t", "time_s", "signal_over_precontrast", "signal_over_liver"),
    "reader_ceiling": ("patient_id", "dice_readers"),
}
"""Tables that describe the cohort; a run's results have them, too."""


def build_cohort(settings: CohortSettings, folder: Path, *, jobs: int, progress: Progress, patients: int | None = None) -> None:
    """Builds the virtual cohort with its manifests, or goes on where an earlier call was stopped.

    Writes `cohort_table.json` first, which tells by what a shifted cohort differs, then each patient (`dicom/`, `masks/`, `masks_true/`,
    and `records/<patient_id>.json` when it is complete), then the tables that describe the cohort,
    `confounders.csv`, `lesions.csv`, `series.csv` and, last, `patients.csv`.

    Args:
        settings: of the cohort.
        folder: of this cohort alone.
        jobs: processes; changes no byte.
        progress: told each patient that is complete; what an earlier call built counts.
        patients: so many of the cohort (default: all), as `choose_patients` chooses them; each has the same bytes as in the whole cohort,
            and a later call may ask for more.

    Raises:
        InputError: the grid is too small for a patient, the cohort has fewer patients, or the folder holds another cohort or more of it.
    """
    whole = build_cohort_table(settings)
    _check(settings, patients, len(whole))
    table = whole if patients is None else choose_patients(whole, patients)
    claim_folder(folder, settings, len(table))
    shifted = {} if SHIFTS[settings.shift] == UNSHIFTED else {"shift": asdict(SHIFTS[settings.shift])}
    write_json(folder / "cohort_table.json", {"cohort": VIRTUAL_COHORT, **shifted, "patients": [asdict(plan) for plan in whole]})
    records = {plan.index: folder / "records" / f"{plan.patient_id}.json" for plan in table}
    build_parts("patient", build_patient, {plan.index: (plan, settings, folder, records[plan.index]) for plan in table}, records, jobs, progress)
    contents = [json.loads(records[plan.index].read_text(encoding="utf-8")) for plan in table]
    _write_snap_labels(folder / "masks" / "labels.txt", max((len(plan.lesions) for plan in table), default=0))
    _write_description(folder, contents, settings)
    _write_csv(folder / "confounders.csv", MANIFEST_COLUMNS["confounders"], [row for content in contents for row in content["confounders"]])
    _write_csv(folder / "lesions.csv", MANIFEST_COLUMNS["lesions"], [row for content in contents for row in content["lesions"]])
    _write_csv(folder / "series.csv", MANIFEST_COLUMNS["series"], [row for content in contents for row in content["series"]])
    _write_csv(folder / "patients.csv", MANIFEST_COLUMNS["patients"], [content["patient"] for content in contents])


def _check(settings: CohortSettings, patients: int | None, most: int) -> None:
    problems: list[Problem] = []
    try:
        check_field_of_view("cohort", settings)
    except InputError as error:
        problems += error.problems
    if patients is not None and not 1 <= patients <= most:
        problems.append(Problem("number of patients", f"1 to {most}, the whole cohort", str(patients)))
    raise_if_any(problems)


def _write_description(folder: Path, contents: list[dict[str, Any]], settings: CohortSettings) -> None:
    tables: dict[str, Any] = {
        "cohort_summary": build_summary_table(contents, settings),
        "cohort_realism": build_realism_table(contents, settings.seed, SHIFTS[settings.shift]),
        "contrast_curves": build_contrast_curves(),
        "reader_ceiling": [
            {"patient_id": content["patient"]["patient_id"], "dice_readers": content["measurements"]["dice_readers"]}
            for content in contents if content["lesions"]],
    }
    for name, columns in DESCRIPTION_COLUMNS.items():
        # As written in the results, so that a rounding error in the last digit changes no byte.
        rows = [{key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()} for row in tables[name]]
        _write_csv(folder / f"{name}.csv", columns, rows)


def _write_csv(path: Path, first_columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    columns = list(dict.fromkeys([*first_columns, *(key for row in rows for key in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _write_snap_labels(path: Path, labels: int) -> None:
    """ITK-SNAP's label description file: index, red, green, blue, opacity, visible in slices, visible in 3-D, name."""
    colours = [(230, 60, 60), (60, 160, 230), (90, 200, 90), (240, 180, 40), (170, 90, 220), (80, 210, 200)]
    lines = ['0 0 0 0 0 0 0 "Clear Label"']
    lines += [f'{label} {" ".join(map(str, colours[(label - 1) % len(colours)]))} 1 1 1 "Lesion L{label}"' for label in range(1, labels + 1)]
    write_text(path, "\n".join(lines) + "\n")
