"""Do the networks read the capsule at the lesion's rim? Crops of a finished run, with the rim covered.

    .venv/bin/python experiments/benchmarks/occlusion.py --run runs/cpu [--variant vgg16-adaptive]

Every lesion is read by the network of its own fold, which was not trained on it, from its reference region. The rim (a band about the outline, a tenth
of the crop wide) is covered by the mean of the lesion's core inside the outline and of the surroundings outside: the lesion and its edge stay, what
lies between them goes. As a control the core is covered by its own mean. Prints a Markdown table (virtual cohort) with the change of the
capsule's probability, and the share of the capsule's class-activation map that lies in the rim beside the share of the crop that the rim is.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from lirads_keras.entities import HEAD_FEATURES, Feature
from lirads_keras.inference.engine import read_run_models
from lirads_keras.inference.run_files import find_run_files
from lirads_keras.lesions import measure_lesions
from lirads_keras.preprocessing.crops import crop_mask
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.run import RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

BAND_FRACTION = 0.1
CAPSULE = HEAD_FEATURES.index(Feature.CAPSULE)
GROUPS = (("with a capsule", 1), ("without", 0))


def split_crop(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rim and core, bool (y, x); the core may be empty."""
    depth = ndimage.distance_transform_edt(outline) - ndimage.distance_transform_edt(~outline)
    half_px = BAND_FRACTION * len(outline) / 2
    return np.abs(depth) <= half_px, depth > half_px


def cover(images: np.ndarray, outline: np.ndarray, rim: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crops (phase, y, x, 3) with the rim covered, and with the core."""
    without_rim, without_core = images.copy(), images.copy()
    for phase, image in enumerate(images):
        inner, outer = image[core].mean(axis=0), image[~outline & ~rim].mean(axis=0)
        without_rim[phase][rim & outline], without_rim[phase][rim & ~outline] = inner, outer
        without_core[phase][core] = inner
    return without_rim, without_core


def measure_fold(run: Path, variant: str, fold: int, index: pd.DataFrame, images: np.ndarray, present: np.ndarray) -> Iterator[dict[str, Any]]:
    files = find_run_files(run, variant=variant, networks=f"fold-{fold}")
    models, settings = read_run_models(files), files.profile.characterization
    for patient_id, rows in index[(index["fold"] == fold) & (index["roi"] == "reference_roi")].groupby("patient_id"):
        study = read_stored_study(files.run.store(str(patient_id)))
        # The rows of a patient's reference regions stand in the order of the labels.
        for row, lesion in zip(rows.index, measure_lesions(np.asarray(study.mask()), study.grid()), strict=True):
            outline = crop_mask(lesion, study.spacing_mm, crop_px=settings.crop_px, margin_fraction=settings.margin_fraction)
            rim, core = split_crop(outline)
            if not core.any():
                continue
            crops = np.stack([images[row], *cover(np.asarray(images[row]), outline, rim, core)])
            shown = np.repeat(present[row][None], 3, axis=0)
            before, without_rim, without_core = (probabilities.capsule for probabilities in models.predict_features(crops, shown))
            activation = np.nanmean(models.explain_features(crops[:1], shown[:1])[0, :, CAPSULE], axis=0)
            yield {"capsule": index.loc[row, "capsule"], "before": before, "without_rim": without_rim, "without_core": without_core,
                   "map_in_rim": activation[rim].sum() / activation.sum() if activation.any() else np.nan, "rim": rim.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--variant", default=next(iter(CHARACTERIZATION_VARIANTS)))
    parsed = parser.parse_args()
    crops = RunFolder(parsed.run).crops
    index = pd.read_csv(crops.index, dtype={"patient_id": str, "lesion_id": str})
    images, present = np.load(crops.images, mmap_mode="r"), np.load(crops.present)
    found = pd.DataFrame([row for fold in sorted(index["fold"].unique())
                          for row in measure_fold(parsed.run, parsed.variant, int(fold), index, images, present)])
    print(f"Virtual cohort, {parsed.variant}, lesions with a core of their own: {len(found)} of {(index['roi'] == 'reference_roi').sum()}\n")
    print("| lesions | n | capsule's probability, mean | change with the rim covered, mean (share of lesions with a fall) "
          "| change with the core covered | share of the map in the rim (share of the crop) |\n|---|---|---|---|---|---|")
    for name, value in GROUPS:
        group = found[found["capsule"] == value]
        rim, core = group["without_rim"] - group["before"], group["without_core"] - group["before"]
        print(f"| {name} | {len(group)} | {group['before'].mean():.3f} | {rim.mean():+.3f} ({(rim < 0).mean():.0%}) "
              f"| {core.mean():+.3f} ({(core < 0).mean():.0%}) | {group['map_in_rim'].mean():.2f} ({group['rim'].mean():.2f}) |")


if __name__ == "__main__":
    main()
