"""Stage draw_store: builds and stores the patients of the further virtual cohorts, in what the pre-training leaves of the cores."""
from __future__ import annotations

from functools import partial

from build_store import store_patient
from draw_parts import DrawPart, list_draw_parts
from filelock import FileLock
from stage import run_stage
from stages import Plan, compute_code_digest

from lirads_keras.io.manifests import read_manifest
from lirads_keras.phantom.build import build_cohort
from lirads_keras.preprocessing.study_store import store_studies
from lirads_keras.progress import Progress, part_of


def store_part(plan: Plan, part: DrawPart, progress: Progress) -> None:
    """Builds the patients of a part and stores them in the run, or goes on where an earlier call was stopped."""
    folder, threads = part.folder(plan.data), plan.profile.workflow.threads
    folder.mkdir(parents=True, exist_ok=True)
    # Runs share cohorts; a second run waits for the first to finish building. The table of patients is written last.
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "patients.csv").exists():
            build_cohort(part.settings, folder, jobs=threads, progress=part_of(progress, 0, 0.9, f"{part.name}, "), patients=part.patients)
    manifest, code, run = read_manifest(folder), compute_code_digest("store"), plan.run.draw(part.name)
    tasks = {patient_id: partial(store_patient, run.store(patient_id), manifest, patient_id, plan.profile.preprocessing, code)
             for patient_id in manifest.patients["patient_id"]}
    store_studies(run.stores, tasks, jobs=threads, progress=part_of(progress, 0.9, 1, f"{part.name}, "))


def work(plan: Plan, progress: Progress, part: str) -> None:
    if not plan.is_virtual:
        print("Further draws are of the virtual cohort: of a user's patients there are none, and nothing is written.")
        return
    parts = list(list_draw_parts(plan.profile))
    for number, each in enumerate(parts):
        store_part(plan, each, part_of(progress, number / len(parts), (number + 1) / len(parts)))


if __name__ == "__main__":
    run_stage("draw_store", work)
