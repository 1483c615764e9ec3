"""Stage store: DICOM and masks become memory-mapped arrays on the delayed grid, with the scalars of Eq. 1."""
from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from stage import Progress, fresh_folder, run_stage
from stages import Plan

from lirads_keras.config import PreprocessingSettings
from lirads_keras.entities import Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import Manifest, read_manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.preprocessing.study import read_aligned_phases


def store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings) -> None:
    volumes = read_aligned_phases(series_of(manifest, patient_id), settings.registration)
    mask_path = manifest.mask_path(patient_id)
    mask = read_mask_on_grid(mask_path, volumes[Phase.DELAYED]) if mask_path else None
    raise_if_any(find_label_problems(manifest.folder, manifest.lesions, patient_id, mask, mask_path))
    write_stored_study(folder, {str(phase): volume for phase, volume in volumes.items()}, mask, settings)


def store_ct(folder: Path, image: Path, segmentation: Path, settings: PreprocessingSettings) -> None:
    volume = read_nifti(image)
    write_stored_study(folder, {"ct": volume}, read_mask_on_grid(segmentation, volume), settings)


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
    store, store_of_ct = plan.run / "store", plan.run / "store-ct"
    for folder in (store, store_of_ct):
        fresh_folder(folder, plan.digests["store"])
    manifest, settings = read_manifest(plan.manifest), plan.profile.preprocessing
    tasks = {store / patient_id: partial(store_patient, store / patient_id, manifest, patient_id, settings) for patient_id in manifest.patients["patient_id"]}
    tasks |= {store_of_ct / name: partial(store_ct, store_of_ct / name, image, labels, settings) for name, image, labels in ct_pairs(plan.ct)}
    missing = [task for folder, task in tasks.items() if not (folder / "geometry.json").exists()]
    problems: list[Problem] = []
    with ProcessPoolExecutor(plan.profile.workflow.threads, mp_context=get_context("forkserver")) as pool:
        for done, future in enumerate(as_completed(pool.submit(task) for task in missing), start=len(tasks) - len(missing) + 1):
            try:
                future.result()
            except InputError as error:
                problems.extend(error.problems)
            progress(done, len(tasks), f"study {done} of {len(tasks)}")
    raise_if_any(problems)


if __name__ == "__main__":
    run_stage("store", work)
