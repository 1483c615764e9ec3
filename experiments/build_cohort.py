"""Stage cohort: the virtual cohort, or a check of the user's manifest."""
from __future__ import annotations

from filelock import FileLock
from stage import run_stage
from stages import Plan
from user_manifest import check_user_manifest

from lirads_keras.phantom.build import build_cohort
from lirads_keras.progress import Progress


def work(plan: Plan, progress: Progress, part: str) -> None:
    if plan.user_manifest:
        progress(1, f"manifest of {check_user_manifest(plan)} patients")
        return
    plan.manifest.mkdir(parents=True, exist_ok=True)
    # Runs share cohorts; a second run waits for the first to finish building.
    with FileLock(plan.manifest.with_suffix(".lock")):
        build_cohort(plan.profile.cohort, plan.manifest, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("cohort", work)
