"""Stage ct_store: the CT volumes become memory-mapped arrays, as the patients do. Pre-training waits for these alone."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from stage import run_stage
from stages import Plan, compute_code_digest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.grids import turn_upright
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.preprocessing.store import CT
from lirads_keras.preprocessing.study_store import identify, store_studies, store_study
from lirads_keras.progress import Progress
from lirads_keras.provenance import compute_sha256


def store_ct(folder: Path, image: Path, segmentation: Path, settings: PreprocessingSettings, code: str = "") -> None:
    identity = identify([compute_sha256(image), compute_sha256(segmentation), settings.digest(), code])

    def read() -> tuple[dict[str, Volume], np.ndarray]:
        volume = turn_upright(read_nifti(image))
        return {CT: volume}, read_mask_on_grid(segmentation, volume)

    store_study(folder, identity, read, settings)


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
    settings, code, store = plan.profile.preprocessing, compute_code_digest("ct_store"), plan.run.ct_stores
    tasks = {name: partial(store_ct, store / name, image, labels, settings, code) for name, image, labels in ct_pairs(plan.ct)}
    store_studies(store, tasks, jobs=plan.profile.workflow.threads, progress=progress)


if __name__ == "__main__":
    run_stage("ct_store", work)
