"""Stage cohort: the virtual cohort, or a check of the user's manifest."""
from __future__ import annotations

from filelock import FileLock
from stage import run_stage
from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.manifest_checks import find_box_problems
from lirads_keras.io.manifests import read_manifest
from lirads_keras.phantom.build import build_cohort
from lirads_keras.progress import Progress


def work(plan: Plan, progress: Progress, part: str) -> None:
    if plan.user_manifest:
        manifest = read_manifest(plan.user_manifest)
        if manifest.lesions.empty:
            raise InputError(Problem(str(manifest.folder / "lesions.csv"), "a row for each lesion", "none"))
        raise_if_any(find_box_problems(manifest.folder, manifest.patients))
        # That there are enough patients for the folds should not be found out after hours of training.
        fold_of_patients(plan)
        progress(1, f"manifest of {len(manifest.patients)} patients")
        return
    plan.manifest.mkdir(parents=True, exist_ok=True)
    # Runs share cohorts; a second run waits for the first to finish building.
    with FileLock(plan.manifest.with_suffix(".lock")):
        build_cohort(plan.profile.cohort, plan.manifest, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("cohort", work)
