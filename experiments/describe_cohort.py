"""What a run's results say of its virtual cohort: the tables that stand in the cohort's folder, and a picture of some patients."""
from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from results_tables import COHORT_TABLES, build_results_table, write_results_table
from stage_data import read_table
from stages import Plan

from lirads_keras.entities import ENHANCED_PHASES
from lirads_keras.evaluation.cohort_montage import MontageCase, MontageRow, choose_montage_cases, cut_montage_row, plot_montage
from lirads_keras.io.atomic import write_bytes
from lirads_keras.preprocessing.store import read_stored_study

MONTAGE_DPI = 120


def describe_cohort(plan: Plan) -> None:
    """Writes the cohort's tables and `cohort_montage.png` into `results/`; of a user's own cohort there is nothing to write."""
    if not plan.is_virtual:
        return
    for name in COHORT_TABLES:
        table = pd.read_csv(plan.manifest / f"{name}.csv", dtype=str, keep_default_na=False)
        described = [{str(column): cell for column, cell in row.items()} for row in table.to_dict("records")]
        write_results_table(plan.run / "results", name, build_results_table(name, described))
    patients, lesions, confounders = (_read(plan, name) for name in ("patients", "lesions", "confounders"))
    rows = [_cut(plan, case) for case in choose_montage_cases(patients, lesions, confounders)]
    figure = plot_montage(rows, patients[0]["cohort"])
    write_bytes(plan.run / "results" / "cohort_montage.png",
                lambda file: figure.savefig(file, format="png", dpi=MONTAGE_DPI, metadata={"Software": None}))


def _read(plan: Plan, name: str) -> list[dict[Any, Any]]:
    return read_table(plan.manifest / f"{name}.csv").to_dict("records")


def _cut(plan: Plan, case: MontageCase) -> MontageRow:
    study = read_stored_study(plan.run / "store" / case.patient_id)
    return cut_montage_row(case, [study.image(str(phase)) for phase in ENHANCED_PHASES], np.asarray(study.mask()), study.spacing_mm, study.affine)
