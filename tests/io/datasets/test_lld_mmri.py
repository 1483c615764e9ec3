from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.datasets.lld_mmri import read_lld_mmri
from lirads_keras.io.grids import same_grid
from lirads_keras.io.nifti import read_nifti
from lirads_keras.progress import ignore_progress

NAMES = ("C-pre", "C+A", "C+V", "C+Delay", "T2WI", "DWI", "In Phase", "Out Phase")


def describe(name: str, **changes: Any) -> dict[str, Any]:
    box = {"x_min": 1, "x_max": 3, "y_min": 0, "y_max": 1, "z_min": 1, "z_max": 1} | changes.pop("box", {})
    return {"studyUID": "1.2", "seriesUID": f"1.2.{NAMES.index(name)}", "phase": name, "pixel_spacing": [0.8, 0.8], "slice_thickness": 5.0,
            "slice_spacing": 2.5, "origin": [-150.0, -120.5, 33.0],
            "annotation": {"num_targets": 1, "lesion": {"0": {"category": 6, "bbox": {"3D_box": box, "2D_box": []}}}}} | changes


def write_set(folder: Path, nifti: Callable[..., Path], annotation: dict[str, Any]) -> Path:
    for patient_id, items in annotation.items():
        for item in items:
            # As in the set: 1 mm in every direction.
            nifti(folder / "images" / patient_id / item["studyUID"] / f"{item['seriesUID']}.nii.gz", 100 + NAMES.index(item["phase"]),
                  spacing_mm=(1.0, 1.0, 1.0))
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / "Annotation.json").write_text(json.dumps({"Annotation_info": annotation, "Category_info": {"Malignant": [1, 3, 6]}}))
    return folder


def test_geometry_comes_from_the_annotation_and_boxes_become_masks(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    write_set(tmp_path / "data", nifti, {"MR-400851": [describe(name) for name in NAMES]})
    imported = read_lld_mmri(tmp_path, tmp_path / "out", ignore_progress)
    case, = imported.cases
    assert list(case.images) == ["precontrast", "arterial", "portal_venous", "delayed"] and case.further == {"mask_kind": "box"}
    assert [read_nifti(path).array[0, 0, 0] for path in case.images.values()] == [100, 101, 102, 103]
    delayed = read_nifti(case.images["delayed"])
    assert delayed.spacing_mm == pytest.approx((2.5, 0.8, 0.8), abs=1e-6)
    np.testing.assert_allclose(delayed.affine, [[0, 0, 0.8, -150], [0, 0.8, 0, -120.5], [2.5, 0, 0, 33], [0, 0, 0, 1]], atol=1e-5)
    assert case.mask is not None
    mask = read_nifti(case.mask)
    expected = np.zeros((3, 4, 5), np.uint8)
    expected[1, 0:2, 1:4] = 1
    np.testing.assert_array_equal(mask.array, expected)
    assert same_grid(mask, delayed)
    row, = imported.tables["boxes"]
    assert row == {"patient_id": "MR-400851", "lesion_id": "L1", "mask_label": 1, "diagnosis": "hepatocellular carcinoma", "z_min": 1, "z_max": 1,
                   "y_min": 0, "y_max": 1, "x_min": 1, "x_max": 3, "longer_side_mm": "2.4"}


@pytest.mark.parametrize("items, words", [
    ([{key: value for key, value in describe("C+Delay").items() if key != "slice_spacing"}], ["slice_spacing (annotations from June 2023", "C+Delay"]),
    ([describe("C+A")], ["a series of the phase C+Delay, found arterial"]),
    ([describe("C+Delay"), describe("C+Delay")], ["each phase once, found it again"]),
    ([describe("C+Delay", pixel_spacing=[0.8])], ["found IndexError"]),
    ([describe("C+Delay", pixel_spacing=[0, 0.8])], ["positive spacings in mm, found (0.0, 0.8, 2.5)"]),
    ([describe("C+Delay", origin=None)], ["found TypeError"]),
    ([describe("C+Delay", box={"x_max": 5})], ["box 1: expected voxels inside of 3 × 4 × 5 (z, y, x)"]),
    ([describe("C+Delay", box={"z_min": 2})], ["box 1: expected voxels inside of 3 × 4 × 5 (z, y, x)"])])
def test_annotations_that_do_not_fit(tmp_path: Path, nifti: Callable[..., Path], items: list[dict[str, Any]], words: list[str]) -> None:
    write_set(tmp_path, nifti, {"MR1": items})
    with pytest.raises(InputError) as caught:
        read_lld_mmri(tmp_path, tmp_path / "out", ignore_progress)
    assert all(any(word in str(problem) for problem in caught.value.problems) for word in words), caught.value


def test_missing_images_are_told_all_at_once(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    write_set(tmp_path, nifti, {name: [describe("C+Delay")] for name in ("MR1", "MR2", "MR3")})
    for name in ("MR1", "MR3"):
        (tmp_path / "images" / name / "1.2" / "1.2.3.nii.gz").unlink()
    with pytest.raises(InputError) as caught:
        read_lld_mmri(tmp_path, tmp_path / "out", ignore_progress)
    assert [problem.expected for problem in caught.value.problems] == ["the image of MR1, C+Delay", "the image of MR3, C+Delay"]


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"Annotation_info"'])
def test_no_annotation(tmp_path: Path, text: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "Annotation.json").write_text(text)
    with pytest.raises(InputError, match="a JSON file with Annotation_info"):
        read_lld_mmri(tmp_path, tmp_path / "out", ignore_progress)
