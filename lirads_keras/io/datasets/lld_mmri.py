"""LLD-MMRI: 498 patients with one kind of focal liver lesion each, eight MR series, and a box about each lesion (Lou et al., SDR-Former, Neural
Networks 2025;185:107228).

To be had on request at https://github.com/LMMMEng/LLD-MMRI-Dataset; for research, not for commercial use. Layout: `images/<patient>/<studyUID>/
<seriesUID>.nii.gz` and `labels/Annotation.json`. The headers of the images say 1 mm in every direction and an origin of 0: spacing and origin are
those of the JSON (`pixel_spacing`, `slice_spacing`, `origin`). Annotations from before June 2023 have `slice_thickness` alone, which is another
number in the contrast-enhanced phases (issue 6 of LMMMEng/LLD-MMRI2023), and are refused.

Boxes are no outlines: the label map holds filled boxes on the delayed phase, `mask_kind` is box, and no segmentation is trained on it. They serve
to cut lesions out. Only the four T1-weighted phases are taken. LI-RADS is not part of the set; whoever has read it writes lesions.csv by the
`lesion_id` of boxes.csv, whose columns are the diagnosis, `x_min` … `z_max` (voxels of the delayed phase, both ends inside) and the longer side
of the box in an axial slice in mm.
"""
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, find_folder
from lirads_keras.io.nifti import read_nifti, write_nifti
from lirads_keras.progress import Progress, tell_count

PHASES = {"C-pre": Phase.PRECONTRAST, "C+A": Phase.ARTERIAL, "C+V": Phase.PORTAL_VENOUS, "C+Delay": Phase.DELAYED}

DIAGNOSES = {-1: "not given", 0: "hepatic haemangioma", 1: "intrahepatic cholangiocarcinoma", 2: "hepatic abscess", 3: "hepatic metastasis",
             4: "hepatic cyst", 5: "focal nodular hyperplasia", 6: "hepatocellular carcinoma"}

_AXES = ("z", "y", "x")


@dataclass(frozen=True)
class _Series:
    """One phase of a patient, as the annotation has it; spacing and origin in mm, (x, y, z). Boxes: first and last voxel of each axis, (z, y, x)."""

    path: Path
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    boxes: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]


def read_lld_mmri(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """LLD-MMRI with its true geometry; writes images to `out/images` and boxes to `out/masks`.

    Raises:
        InputError: another layout, an annotation of another form or without slice spacing, images that are missing, or boxes outside of them.
    """
    root = find_folder(folder, "images", "labels/Annotation.json")
    path = root / "labels" / "Annotation.json"
    try:
        patients = json.loads(path.read_bytes())["Annotation_info"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(Problem(str(path), "a JSON file with Annotation_info", f"{type(error).__name__}: {error}")) from error
    problems: list[Problem] = []
    found = {patient_id: _parse_patient(patient_id, items, root, path, problems) for patient_id, items in sorted(patients.items())}
    raise_if_any(problems)
    cases, boxes = [], []
    for done, (patient_id, series) in enumerate(found.items(), start=1):
        try:
            case, rows = _write_case(patient_id, series, out)
            cases.append(case)
            boxes += rows
        except InputError as error:
            problems += error.problems
        tell_count(progress, "case", done, len(found))
    raise_if_any(problems)
    return ImportedSet("LLD-MMRI", "MR", tuple(cases), {}, {"boxes": boxes})


def _parse_patient(patient_id: str, items: Any, root: Path, path: Path, problems: list[Problem]) -> dict[Phase, _Series]:
    series: dict[Phase, _Series] = {}
    for item in items if isinstance(items, list) else [items]:
        try:
            name = str(item["phase"])
            if name not in PHASES:
                continue
            where = f"{path}, {patient_id}, {name}"
            image = root / "images" / patient_id / str(item["studyUID"]) / f"{item['seriesUID']}.nii.gz"
            if "slice_spacing" not in item:
                problems.append(Problem(where, "slice_spacing (annotations from June 2023 on; slice_thickness is another number)", ", ".join(item)))
                continue
            pixel = item["pixel_spacing"]
            spacing = (float(pixel[0]), float(pixel[1]), float(item["slice_spacing"]))
            x_mm, y_mm, z_mm = (float(value) for value in item["origin"])
            boxes = tuple((int(lesion["category"]), _parse_box(lesion["bbox"]["3D_box"])) for _, lesion in sorted(item["annotation"]["lesion"].items()))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            problems.append(Problem(f"{path}, {patient_id}", "phase, UIDs, pixel_spacing, slice_spacing, origin and boxes of a series",
                                    f"{type(error).__name__}: {error}"))
            continue
        if not all(0 < value < math.inf for value in spacing):
            problems.append(Problem(where, "positive spacings in mm", f"{spacing}"))
        if PHASES[name] in series:
            problems.append(Problem(where, "each phase once", "it again"))
        if not image.is_file():
            problems.append(Problem(str(image), f"the image of {patient_id}, {name}", "no such file"))
        series[PHASES[name]] = _Series(image, spacing, (x_mm, y_mm, z_mm), boxes)
    if Phase.DELAYED not in series:
        problems.append(Problem(f"{path}, {patient_id}", "a series of the phase C+Delay", ", ".join(series) or "none"))
    return series


def _parse_box(box: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    return tuple((int(box[f"{axis}_min"]), int(box[f"{axis}_max"])) for axis in _AXES)


def _write_case(patient_id: str, series: Mapping[Phase, _Series], out: Path) -> tuple[ImportedCase, list[dict[str, object]]]:
    images = {}
    for phase, one in series.items():
        volume = _place(read_nifti(one.path), one)
        images[str(phase)] = out / "images" / patient_id / f"{phase}.nii.gz"
        write_nifti(images[str(phase)], volume)
        if phase == Phase.DELAYED:
            grid = volume
    delayed = series[Phase.DELAYED]
    labels = np.zeros(grid.shape, np.uint8)
    rows: list[dict[str, object]] = []
    for label, (diagnosis, box) in enumerate(delayed.boxes, start=1):
        if not all(0 <= first <= last < size for (first, last), size in zip(box, grid.shape, strict=True)):
            raise InputError(Problem(f"{delayed.path}, box {label}", f"voxels inside of {' × '.join(map(str, grid.shape))} (z, y, x)", f"{box}"))
        labels[tuple(slice(first, last + 1) for first, last in box)] = label
        sides_mm = [(last - first + 1) * step for (first, last), step in zip(box[1:], grid.spacing_mm[1:], strict=True)]
        rows.append({"patient_id": patient_id, "lesion_id": f"L{label}", "mask_label": label, "diagnosis": DIAGNOSES.get(diagnosis, str(diagnosis)),
                     **{f"{axis}_{end}": value for axis, ends in zip(_AXES, box, strict=True) for end, value in zip(("min", "max"), ends, strict=True)},
                     "longer_side_mm": f"{max(sides_mm):.1f}"})
    mask = out / "masks" / f"{patient_id}.nii.gz"
    write_nifti(mask, grid.with_array(labels))
    return ImportedCase(patient_id, images, mask, {"mask_kind": "box"}), rows


def _place(volume: Volume, series: _Series) -> Volume:
    """The same voxels with the annotation's spacing and origin, axes as in the file's header."""
    spacing_mm = series.spacing_mm[::-1]
    affine = volume.affine.copy()
    affine[:3, :3] *= np.array(spacing_mm) / volume.spacing_mm
    affine[:3, 3] = series.origin_mm
    return Volume(volume.array, spacing_mm, affine)
