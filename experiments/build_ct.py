"""Stage ct: the virtual CT set for pre-training, or LiTS where the profile asks for it and it is there."""
from __future__ import annotations

from filelock import FileLock
from stage import run_stage
from stages import Plan

from lirads_keras.phantom.ct_set import build_ct
from lirads_keras.progress import Progress


def work(plan: Plan, progress: Progress, part: str) -> None:
    if plan.lits:
        progress(1, "LiTS")
        return
    plan.ct.mkdir(parents=True, exist_ok=True)
    with FileLock(plan.ct.with_suffix(".lock")):
        build_ct(plan.profile.ct, plan.ct, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("ct", work)
