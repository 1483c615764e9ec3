"""Stage report: hands the results to R, which does all inference and all figures; then the model card."""
from __future__ import annotations

import subprocess

from model_card import write_model_card
from stage import run_stage
from stages import CHECKOUT, Plan

from lirads_keras.errors import InputError, Problem
from lirads_keras.progress import Progress


def work(plan: Plan, progress: Progress, part: str) -> None:
    progress(0, "R")
    command = ["Rscript", str(CHECKOUT / "r_analysis" / "run.R"), "--results", str(plan.run.results), "--out", str(plan.run.report),
               "--paper", str(CHECKOUT / "data_manifests" / "paper_results.csv")]
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if finished.returncode == 2:
        raise InputError(Problem(" ".join(command), "results that the R analysis accepts", finished.stderr.strip()))
    if finished.returncode:
        raise RuntimeError(f"the R analysis failed:\n{finished.stderr}")
    write_model_card(plan)


if __name__ == "__main__":
    run_stage("report", work)
