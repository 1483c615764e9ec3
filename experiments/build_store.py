"""Stage store: DICOM and masks become memory-mapped arrays on the delayed grid, with the scalars of Eq. 1."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from stage import run_stage
from stages import Plan, compute_code_digest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.errors import raise_if_any
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import Manifest, read_manifest
from lirads_keras.preprocessing import patient_store
from lirads_keras.preprocessing.study_store import store_studies
from lirads_keras.progress import Progress


def store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings, code: str = "") -> None:
    """Stores a patient whose mask's labels are the rows of lesions.csv; `code` is the digest of what makes the store."""
    labels = sorted(manifest.lesions.loc[manifest.lesions["patient_id"] == patient_id, "mask_label"].astype(str))

    def check_labels(mask: np.ndarray | None) -> np.ndarray | None:
        raise_if_any(find_label_problems(manifest.folder, manifest.lesions, patient_id, mask, manifest.mask_path(patient_id)))
        return mask

    patient_store.store_patient(folder, manifest, patient_id, settings, check_labels, [labels, code])


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest, settings, code = read_manifest(plan.manifest), plan.profile.preprocessing, compute_code_digest("store")
    tasks = {patient_id: partial(store_patient, plan.run.store(patient_id), manifest, patient_id, settings, code)
             for patient_id in manifest.patients["patient_id"]}
    store_studies(plan.run.stores, tasks, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("store", work)
