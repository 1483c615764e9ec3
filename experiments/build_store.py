"""Stage store: DICOM and masks become memory-mapped arrays on the delayed grid, with the scalars of Eq. 1.

Each study is keyed by the content of its files, the settings and the code: what has not changed is not stored again.
"""
from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from stage import Progress, run_stage
from stages import Plan, compute_code_digest

from lirads_keras.config import PreprocessingSettings
from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_json
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import Manifest, read_manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.io.records import is_finished
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.provenance import compute_sha256

SOURCE_FILE = "source.json"
"""In a study's folder: the identity of what it was stored from."""


def store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings, code: str = "") -> None:
    series = series_of(manifest, patient_id)
    mask_path = manifest.mask_path(patient_id)
    labels = sorted(manifest.lesions.loc[manifest.lesions["patient_id"] == patient_id, "mask_label"].astype(str))
    images = [[str(phase), one.temporal_index, one.frames, [compute_sha256(path) for path in dict.fromkeys(one.files)]]
              for phase, one in sorted(series.items())]
    identity = _identify([images, compute_sha256(mask_path) if mask_path else None, labels, settings.digest(), code])
    if is_finished(folder / SOURCE_FILE, identity):
        return
    volumes = read_aligned_phases(series, settings.registration)
    mask = read_mask_on_grid(mask_path, volumes[Phase.DELAYED]) if mask_path else None
    raise_if_any(find_label_problems(manifest.folder, manifest.lesions, patient_id, mask, mask_path))
    _write(folder, identity, {str(phase): volume for phase, volume in volumes.items()}, mask, settings)


def store_ct(folder: Path, image: Path, segmentation: Path, settings: PreprocessingSettings, code: str = "") -> None:
    identity = _identify([compute_sha256(image), compute_sha256(segmentation), settings.digest(), code])
    if is_finished(folder / SOURCE_FILE, identity):
        return
    volume = read_nifti(image)
    _write(folder, identity, {"ct": volume}, read_mask_on_grid(segmentation, volume), settings)


def _identify(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write(folder: Path, identity: str, volumes: Mapping[str, Volume], mask: np.ndarray | None, settings: PreprocessingSettings) -> None:
    # The old record goes first: a study that was replaced in part must not pass for either.
    (folder / SOURCE_FILE).unlink(missing_ok=True)
    write_stored_study(folder, volumes, mask, settings)
    write_json(folder / SOURCE_FILE, {"identity": identity})


def ct_pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """(name, volume, segmentation) of a folder in LiTS layout."""
    pairs, problems = [], []
    for image in sorted(folder.glob("volume-*.nii*")):
        segmentation = image.with_name(image.name.replace("volume-", "segmentation-", 1))
        if not segmentation.exists():
            problems.append(Problem(str(segmentation), f"the labels of {image.name}", "no such file"))
        pairs.append((image.name.split(".")[0], image, segmentation))
    raise_if_any(problems)
    return pairs


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest, settings, code = read_manifest(plan.manifest), plan.profile.preprocessing, compute_code_digest("store")
    store, store_of_ct = plan.run / "store", plan.run / "store-ct"
    tasks = {store / patient_id: partial(store_patient, store / patient_id, manifest, patient_id, settings, code)
             for patient_id in manifest.patients["patient_id"]}
    tasks |= {store_of_ct / name: partial(store_ct, store_of_ct / name, image, labels, settings, code) for name, image, labels in ct_pairs(plan.ct)}
    for folder in (store, store_of_ct):
        folder.mkdir(parents=True, exist_ok=True)
        for path in set(folder.iterdir()) - tasks.keys():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    problems: list[Problem] = []
    with ProcessPoolExecutor(plan.profile.workflow.threads, mp_context=get_context("forkserver")) as pool:
        for done, future in enumerate(as_completed(pool.submit(task) for task in tasks.values()), start=1):
            try:
                future.result()
            except InputError as error:
                problems.extend(error.problems)
            progress(done, len(tasks), f"study {done} of {len(tasks)}")
    raise_if_any(problems)


if __name__ == "__main__":
    run_stage("store", work)
