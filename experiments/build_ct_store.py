"""Stage ct_store: the CT volumes become memory-mapped arrays, as the patients do. Pre-training waits for these alone."""
from __future__ import annotations

from functools import partial
from pathlib import Path

from stage import Progress, run_stage
from stages import Plan, compute_code_digest
from store_studies import SOURCE_FILE, identify, store_studies, write_study

from lirads_keras.config import PreprocessingSettings
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.io.records import is_finished
from lirads_keras.provenance import compute_sha256


def store_ct(folder: Path, image: Path, segmentation: Path, settings: PreprocessingSettings, code: str = "") -> None:
    identity = identify([compute_sha256(image), compute_sha256(segmentation), settings.digest(), code])
    if is_finished(folder / SOURCE_FILE, identity):
        return
    volume = read_nifti(image)
    write_study(folder, identity, {"ct": volume}, read_mask_on_grid(segmentation, volume), settings)


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
    settings, code, store = plan.profile.preprocessing, compute_code_digest("ct_store"), plan.run / "store-ct"
    store_studies(plan, store, {name: partial(store_ct, store / name, image, labels, settings, code) for name, image, labels in ct_pairs(plan.ct)}, progress)


if __name__ == "__main__":
    run_stage("ct_store", work)
