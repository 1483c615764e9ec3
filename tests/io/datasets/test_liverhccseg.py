from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.datasets.liverhccseg import read_liverhccseg
from lirads_keras.io.nifti import read_nifti
from lirads_keras.progress import ignore_progress


def write_exam(nifti: Callable[..., Path], exam: Path, tumours: int, **shapes: tuple[int, int, int]) -> None:
    """The liver is the first half of the rows, tumour k column k of the first row; rater 2 says otherwise."""
    for name in ("pre", "art", "pv", "del", "art_pre", "art_pv", "art_del"):
        nifti(exam / f"{name}.nii.gz", 100)
    liver = np.zeros((3, 4, 5), np.int16)
    liver[:, :2] = 1
    nifti(exam / "rater1_liver.nii.gz", liver, **({"shape": shapes["liver"]} if "liver" in shapes else {}))
    nifti(exam / "rater2_liver.nii.gz", 1)
    for number in range(1, tumours + 1):
        tumour = np.zeros((3, 4, 5), np.int16)
        tumour[1, 0, number] = 1
        nifti(exam / f"rater1_tumor{number}.nii.gz", tumour)
        nifti(exam / f"rater2_tumor{number}.nii.gz", 1)


def test_phases_on_the_arterial_grid_and_the_first_raters_masks(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    root = tmp_path / "download" / "nifti_and_segms"
    write_exam(nifti, root / "TCGA-BC-4073" / "02-21-2000", 0)
    write_exam(nifti, root / "TCGA-BC-A10Y" / "08-01-2001", 2)
    told: list[tuple[float | None, str]] = []
    imported = read_liverhccseg(tmp_path / "download", tmp_path / "out", lambda *progress: told.append(progress))
    exam = root / "TCGA-BC-A10Y" / "08-01-2001"
    assert [case.patient_id for case in imported.cases] == ["TCGA-BC-4073", "TCGA-BC-A10Y"] and told == [(0.5, "case 1 of 2"), (1, "case 2 of 2")]
    assert imported.cases[1].images == {phase: exam / f"{name}.nii.gz" for phase, name in (
        ("precontrast", "art_pre"), ("arterial", "art"), ("portal_venous", "art_pv"), ("delayed", "art_del"))}
    assert imported.cases[1].further == {"exam_date": "08-01-2001"}
    masks = [read_nifti(case.mask).array for case in imported.cases if case.mask]
    expected = np.zeros((3, 4, 5), np.uint8)
    expected[:, :2] = 1
    np.testing.assert_array_equal(masks[0], expected)
    expected[1, 0, 1:3] = 2
    np.testing.assert_array_equal(masks[1], expected)
    assert read_liverhccseg(root, tmp_path / "again", ignore_progress).labels == {"liver": (1, 2), "tumour": (2,)}


def test_an_exam_whose_mask_lies_elsewhere_is_left_out_with_the_reason(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    write_exam(nifti, tmp_path / "TCGA-1" / "01-01-2000", 0)
    nifti(tmp_path / "TCGA-1" / "01-01-2000" / "rater1_liver.nii.gz", 1, shape=(2, 4, 5))
    case, = read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress).cases
    assert case.mask is None and not case.images and "rater1_liver.nii.gz, the grid: expected 3 × 4 × 5 voxels" in case.exclusion_reason


def test_an_exam_without_delayed_phase_is_listed_with_those_that_it_has(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    exam = tmp_path / "TCGA-1" / "01-01-2000"
    write_exam(nifti, exam, 1)
    (exam / "art_del.nii.gz").unlink()
    case, = read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress).cases
    assert list(case.images) == ["precontrast", "arterial", "portal_venous"] and case.mask and read_nifti(case.mask).array[1, 0, 1] == 2


def test_images_that_cannot_be_read_are_told_of_all_exams(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    for patient in ("TCGA-1", "TCGA-2"):
        write_exam(nifti, tmp_path / patient / "01-01-2000", 0)
        (tmp_path / patient / "01-01-2000" / "art_del.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress)
    assert [Path(problem.where).parts[-3] for problem in caught.value.problems] == ["TCGA-1", "TCGA-2"]


def test_all_that_is_missing_is_told(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    nifti(tmp_path / "TCGA-1" / "01-01-2000" / "art_del.nii.gz")
    nifti(tmp_path / "TCGA-2" / "01-01-2000" / "rater1_liver.nii.gz")
    with pytest.raises(InputError) as caught:
        read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress)
    assert [problem.expected for problem in caught.value.problems] == ["rater1_liver.nii.gz", "art_del.nii.gz or art_pv.nii.gz"]
    (tmp_path / "TCGA-1" / "02-01-2000").mkdir()
    with pytest.raises(InputError, match="TCGA-1: expected one exam, found 2"):
        read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress)


def test_other_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder with nifti_and_segms in it, found none"):
        read_liverhccseg(tmp_path, tmp_path / "out", ignore_progress)
    with pytest.raises(InputError, match="no such folder"):
        read_liverhccseg(tmp_path / "absent", tmp_path / "out", ignore_progress)
