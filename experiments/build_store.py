"""Stage store: DICOM and masks become memory-mapped arrays on the delayed grid, with the scalars of Eq. 1."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from stage import run_stage
from stages import Plan, compute_code_digest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import raise_if_any
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import Manifest, read_manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.preprocessing.study_store import identify, store_studies, store_study
from lirads_keras.progress import Progress
from lirads_keras.provenance import compute_sha256


def store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings, code: str = "") -> None:
    series = series_of(manifest, patient_id)
    mask_path = manifest.mask_path(patient_id)
    labels = sorted(manifest.lesions.loc[manifest.lesions["patient_id"] == patient_id, "mask_label"].astype(str))
    images = [[str(phase), one.temporal_index, one.frames, [compute_sha256(path) for path in dict.fromkeys(one.files)]]
              for phase, one in sorted(series.items())]
    identity = identify([images, compute_sha256(mask_path) if mask_path else None, labels, settings.digest(), code])

    def read() -> tuple[dict[str, Volume], np.ndarray | None]:
        volumes = read_aligned_phases(series, settings.registration)
        mask = read_mask_on_grid(mask_path, volumes[Phase.DELAYED]) if mask_path else None
        raise_if_any(find_label_problems(manifest.folder, manifest.lesions, patient_id, mask, mask_path))
        return {str(phase): volume for phase, volume in volumes.items()}, mask

    store_study(folder, identity, read, settings)


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest, settings, code = read_manifest(plan.manifest), plan.profile.preprocessing, compute_code_digest("store")
    tasks = {patient_id: partial(store_patient, plan.run.store(patient_id), manifest, patient_id, settings, code)
             for patient_id in manifest.patients["patient_id"]}
    store_studies(plan.run.stores, tasks, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("store", work)
