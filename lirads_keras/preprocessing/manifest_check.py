"""What a manifest says against what its images and LI-RADS' rules say; finds everything, raises nothing."""
from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from lirads_keras.entities import Observation, Phase, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.label_names import read_label_names
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import Manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.lesions import measure_lesions
from lirads_keras.lirads.categorize import categorize
from lirads_keras.preprocessing.segmented_image import read_segmented_image
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import Progress, tell_count

DIAMETER_TOLERANCE_MM = 5.0
DIAMETER_TOLERANCE_FRACTION = 0.35
DIAMETER_TOLERANCE_PIXELS = 2.0
"""A diameter in lesions.csv may differ from that of the mask by the largest of these: readers differ by millimetres, masks end on pixels, and a
lesion may be longest in a plane that is not axial. What differs by more is another lesion's diameter, or one in cm."""

STORED_LABELS = 255
"""Labels of a LI-RADS manifest's masks are kept in eight bits."""


def find_category_problems(manifest: Manifest, rules: str) -> list[Problem]:
    """Categories that do not follow from the row's diameter and features; rows where one of these is missing are not judged.

    Under `v2018` also the categories that threshold growth and ancillary features, which have no column, can lead to are taken.
    """
    problems = []
    for row in manifest.lesions.to_dict("records"):
        known = [row["diameter_mm"], row["aphe"], row["washout"], row["capsule"]]
        if any(pd.isna(value) for value in known):
            continue
        diameter_mm, aphe, washout, capsule = (float(known[0]), *(bool(value) for value in known[1:]))
        found = (
            categorize(Observation(diameter_mm, aphe, washout, capsule, growth, malignant, benign), rules)
            for growth, malignant, benign in (product((False, True), repeat=3) if rules == "v2018" else [(False, False, False)]))
        possible = {str(category): reasons for category, reasons in found}
        if row["category"] not in possible:
            problems.append(Problem(f"{manifest.folder / 'lesions.csv'}, {row['patient_id']}, {row['lesion_id']}, category",
                                    f"{' or '.join(sorted(possible))} ({next(iter(possible.values()))})", str(row["category"])))
    return problems


def find_pixel_problems(manifest: Manifest, progress: Progress, *, segmentation_only: bool = False) -> list[Problem]:
    """Reads every image and mask once: can they be read, do phases and mask lie together, do labels and diameters go with lesions.csv?

    Args:
        manifest: checked already.
        progress: told each patient that is done.
        segmentation_only: as `read_manifest`; the labels are checked against labels.csv, if there is one.
    """
    problems: list[Problem] = []
    names = read_label_names(manifest.folder) if segmentation_only else {}
    named = {label for labels in names.values() for label in labels}
    patient_ids = [str(name) for name in manifest.patients["patient_id"]]
    for done, patient_id in enumerate(patient_ids, start=1):
        try:
            series = series_of(manifest, patient_id)
            if segmentation_only:
                grid = read_segmented_image(series)
                mask = _read_mask(manifest, patient_id, grid)
                if mask is not None and named and (unnamed := sorted(set(np.unique(mask).tolist()) - {0} - named)):
                    problems.append(Problem(str(manifest.mask_path(patient_id)), "labels that labels.csv names", ", ".join(map(str, unnamed))))
            else:
                grid = read_aligned_phases(series)[Phase.DELAYED]
                problems += _find_lesion_problems(manifest, patient_id, grid, _read_mask(manifest, patient_id, grid))
        except InputError as error:
            problems += error.problems
        tell_count(progress, "patient", done, len(patient_ids))
    return problems


def _read_mask(manifest: Manifest, patient_id: str, grid: Volume) -> np.ndarray | None:
    path = manifest.mask_path(patient_id)
    return None if path is None else read_mask_on_grid(path, grid)


def _find_lesion_problems(manifest: Manifest, patient_id: str, grid: Volume, mask: np.ndarray | None) -> list[Problem]:
    path = manifest.mask_path(patient_id)
    problems = find_label_problems(manifest.folder, manifest.lesions, patient_id, mask, path)
    if mask is None:
        return problems
    if mask.max() > STORED_LABELS:
        problems.append(Problem(str(path), f"labels 0 … {STORED_LABELS}", str(mask.max())))
    measured_mm = {int(lesion.lesion_id): lesion.diameter_mm for lesion in measure_lesions(mask, grid)}
    for row in manifest.lesions[manifest.lesions["patient_id"] == patient_id].to_dict("records"):
        said_mm, mask_mm = row["diameter_mm"], measured_mm.get(row["mask_label"])
        if mask_mm is not None and not pd.isna(said_mm) and abs(said_mm - mask_mm) > _tolerance_mm(max(said_mm, mask_mm), grid):
            problems.append(Problem(f"{manifest.folder / 'lesions.csv'}, {patient_id}, {row['lesion_id']}, diameter_mm",
                                    f"about {mask_mm:.1f} mm, as label {row['mask_label']} measures in {Path(str(path)).name}", f"{said_mm:g}"))
    return problems


def _tolerance_mm(larger_mm: float, grid: Volume) -> float:
    return max(DIAMETER_TOLERANCE_MM, DIAMETER_TOLERANCE_FRACTION * larger_mm, DIAMETER_TOLERANCE_PIXELS * max(grid.spacing_mm[1:]))
