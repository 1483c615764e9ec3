from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.io.manifests import Manifest, read_manifest
from lirads_keras.io.nifti import write_nifti
from lirads_keras.preprocessing.manifest_check import find_category_problems, find_pixel_problems

PATIENTS = "patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
LESIONS = "patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\n"
SHAPE, SPACING_MM = (4, 40, 40), (5.0, 1.0, 1.0)


def write_volume(path: Path, array: np.ndarray, *, start_mm: float = 0.0) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(SPACING_MM)[::-1]
    affine[0, 3] = start_mm
    write_nifti(path, Volume(array, SPACING_MM, affine))


def make_mask(label: int = 1, side_px: int = 20) -> np.ndarray:
    """A square of one label; its diameter is √2 · (side − 1) + 0.4 mm."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 5:5 + side_px, 5:5 + side_px] = label
    return mask


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """A with one lesion of 27.3 mm and two phases, B with one phase and none."""
    image = np.random.default_rng(0).integers(100, 500, SHAPE).astype(np.int16)
    for name in ("a-art", "a-del", "b-del"):
        write_volume(tmp_path / f"{name}.nii.gz", image)
    write_volume(tmp_path / "a.nii.gz", make_mask())
    (tmp_path / "patients.csv").write_text(PATIENTS + "A,positive,ours,,,,,a.nii.gz\nB,negative,ours,,,,,\n")
    (tmp_path / "series.csv").write_text("patient_id,phase,path,series_uid,time_point\nA,arterial,a-art.nii.gz,,\n"
                                         "A,delayed,a-del.nii.gz,,\nB,delayed,b-del.nii.gz,,\n")
    write_lesion(tmp_path)
    return tmp_path


def write_lesion(folder: Path, *, label: int = 1, diameter_mm: object = 27.3, aphe: object = 1, washout: object = 1, capsule: object = 0,
                 category: str = "LR-5") -> None:
    (folder / "lesions.csv").write_text(f"{LESIONS}A,L1,{label},{diameter_mm},{aphe},{washout},{capsule},{category}\n")


def pixel_problems(folder: Path, *, segmentation_only: bool = False) -> list[str]:
    told: list[tuple[float | None, str]] = []
    manifest = read_manifest(folder, segmentation_only=segmentation_only)
    problems = find_pixel_problems(manifest, lambda *progress: told.append(progress), segmentation_only=segmentation_only)
    assert told == [(0.5, "patient 1 of 2"), (1, "patient 2 of 2")]
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def category_problems(manifest: Manifest, rules: str = "paper") -> list[str]:
    return [str(problem).replace(f"{manifest.folder}/", "") for problem in find_category_problems(manifest, rules)]


def test_what_agrees_is_no_problem(folder: Path) -> None:
    assert pixel_problems(folder) == [] and category_problems(read_manifest(folder)) == []


@pytest.mark.parametrize("diameter_mm, problem", [
    (27.3, False), (18.0, False), (36.6, False), ("", False), (2.73, True), (42.5, True), (17.5, True)])
def test_a_diameter_may_differ_as_readers_do_and_no_more(folder: Path, diameter_mm: float | str, problem: bool) -> None:
    # 0.35 × the larger of both: 27.3 mm in the mask allows 17.7 … 42.0.
    write_lesion(folder, diameter_mm=diameter_mm)
    expected = f"lesions.csv, A, L1, diameter_mm: expected about 27.3 mm, as label 1 measures in a.nii.gz, found {diameter_mm}"
    assert pixel_problems(folder) == ([expected] if problem else [])


def test_labels_and_rows_go_together(folder: Path) -> None:
    write_lesion(folder, label=2)
    assert pixel_problems(folder) == ["a.nii.gz, label 1: expected a row with this mask_label in lesions.csv, found rows for [2]",
                                      "lesions.csv, patient A, mask_label 2: expected the label in a.nii.gz, found labels [1]"]


def test_labels_that_the_store_cannot_keep(folder: Path) -> None:
    write_lesion(folder, label=300)
    write_volume(folder / "a.nii.gz", make_mask().astype(np.uint16) * 300)
    assert pixel_problems(folder) == ["a.nii.gz: expected labels 0 … 255, found 300"]


def test_a_mask_on_another_grid_and_a_file_that_is_none_are_told_in_one_go(folder: Path) -> None:
    write_volume(folder / "a.nii.gz", make_mask(), start_mm=3.0)
    (folder / "b-del.nii.gz").write_bytes(b"")
    grid, broken = pixel_problems(folder)
    assert grid.startswith("a.nii.gz, the grid: expected 4 × 40 × 40 voxels (z, y, x)") and "first at (3.00, 0.00, 0.00)" in grid
    assert broken.startswith("b-del.nii.gz: expected a whole NIfTI file")


def test_a_phase_elsewhere_in_the_patient(folder: Path) -> None:
    write_volume(folder / "a-art.nii.gz", np.full(SHAPE, 100, np.int16), start_mm=500.0)
    problem, = pixel_problems(folder)
    assert problem.startswith("phase arterial: expected a place in the patient that the phase of the grid shows")


def test_a_segmentation_set_has_its_own_labels(folder: Path) -> None:
    (folder / "lesions.csv").unlink()
    assert pixel_problems(folder, segmentation_only=True) == []
    (folder / "labels.csv").write_text("mask_label,name\n2,liver\n")
    assert pixel_problems(folder, segmentation_only=True) == ["a.nii.gz: expected labels that labels.csv names, found 1"]


@pytest.mark.parametrize("row, expected", [
    # Table 3 by hand: APHE, 27.3 mm, one additional feature is LR-5; without APHE LR-4; none LR-4 with and LR-3 without APHE.
    ({"category": "LR-5"}, ""), ({"category": "LR-4"}, "LR-5"), ({"aphe": 0, "category": "LR-4"}, ""), ({"aphe": 0, "category": "LR-5"}, "LR-4"),
    ({"washout": 0, "category": "LR-4"}, ""), ({"aphe": 0, "washout": 0, "category": "LR-4"}, "LR-3"),
    ({"aphe": "", "category": "LR-3"}, ""), ({"diameter_mm": "", "category": "LR-3"}, "")])
def test_a_category_follows_from_the_row(folder: Path, row: dict[str, object], expected: str) -> None:
    write_lesion(folder, **row)  # type: ignore[arg-type]
    found = category_problems(read_manifest(folder))
    assert found == [] if not expected else found[0].startswith(f"lesions.csv, A, L1, category: expected {expected} (")


def test_what_growth_and_ancillary_features_lead_to_is_taken_under_v2018(folder: Path) -> None:
    # APHE, 12 mm, nothing else: LR-3; threshold growth makes it LR-5, an ancillary feature LR-4.
    for category in ("LR-3", "LR-4", "LR-5"):
        write_lesion(folder, diameter_mm=12, washout=0, category=category)
        manifest = read_manifest(folder)
        assert category_problems(manifest, "v2018") == [] and bool(category_problems(manifest, "paper")) == (category != "LR-3")
    # No APHE, 12 mm, nothing else can be LR-5.
    write_lesion(folder, diameter_mm=12, aphe=0, washout=0, category="LR-5")
    assert len(category_problems(read_manifest(folder), "v2018")) == 1
