from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from lirads_keras.errors import InputError
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, write_manifest
from lirads_keras.io.datasets.itksnap import read_itksnap
from lirads_keras.io.datasets.registry import ADAPTERS
from lirads_keras.io.label_names import read_label_names
from lirads_keras.io.manifests import read_manifest
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.progress import ignore_progress


@pytest.mark.parametrize("files", [
    ["P2.nii.gz", "P2_seg.nii.gz", "P10.nii", "P10-label.nii.gz"], ["a/P2.nii", "a/P2_Segmentation.nii", "b/c/P10.nii", "b/c/P10_mask.nii"],
    ["P2/image.nii.gz", "P2/seg.nii.gz", "P10/t1.nii", "P10/Labels.nii.gz"], ["P2.nii.gz", "P2 labels.nii.gz", "P10/x.nii", "P10/segmentation.nii"],
    ["P2.NII.GZ", "p2_SEG.nii", "P10.nii", "label_P10.nii"], ["P2.nii", "P2-segmentation-label.nii", "P10/x.nii", "P10/Segmentation-label.nii"]])
def test_pairs_are_found_side_by_side(tmp_path: Path, nifti: Callable[..., Path], files: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        nifti(tmp_path / "any.nii").rename(tmp_path / name)
    imported = read_itksnap(tmp_path, tmp_path / "out", ignore_progress)
    assert [case.patient_id for case in imported.cases] == ["P2", "P10"] and imported.labels == {}
    assert [(case.images[""], case.mask) for case in imported.cases] == [(tmp_path / files[0], tmp_path / files[1]), (tmp_path / files[2], tmp_path / files[3])]


def test_label_names_come_from_the_description(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    nifti(tmp_path / "P.nii")
    nifti(tmp_path / "P_seg.nii", 1)
    (tmp_path / "notes.txt").write_text("drawn in March")
    (tmp_path / "labels.txt").write_text('0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "Leber"\n2 0 0 0 1 1 1 "Leber"\n')
    assert read_itksnap(tmp_path, tmp_path / "out", ignore_progress).labels == {"Leber": (1, 2)}
    (tmp_path / "other.label").write_text('1 255 0 0 1 1 1 "liver"\n')
    with pytest.raises(InputError, match="one label description file, found labels.txt, other.label"):
        read_itksnap(tmp_path, tmp_path / "out", ignore_progress)


@pytest.mark.parametrize("files, message", [
    (["P.nii", "Q.nii", "Q_seg.nii"], "P.nii: expected one label map, such as P_seg.nii.gz, found none"),
    (["P_seg.nii", "Q.nii", "Q_seg.nii"], "P_seg.nii: expected the image that it labels, beside it, found none"),
    (["P.nii", "P_seg.nii", "P_mask.nii"], "P.nii: expected one label map, found P_mask, P_seg"),
    (["a/P.nii", "a/P_seg.nii", "b/P.nii", "b/P_seg.nii"], "P again (first"),
    (["p/a.nii", "p/b.nii", "p/seg.nii"], "seg.nii: expected the image that it labels, beside it, found 2 images in the folder"),
    (["P.nii", "P.nii.gz", "P_seg.nii"], "P.nii.gz: expected one file of a name, found another beside it"),
    (["P.nii", "P_seg.nii", "Q.mgz", "Q_seg.mgz"], "Q_seg.mgz: expected a NIfTI, NRRD or MetaImage file, found .mgz, which is not read"),
    (["P.nii", "p.nii.gz", "P_seg.nii", "p_SEG.nii", "P_mask.nii"], "P.nii: expected one label map, found"),
    (["P.txt"], "expected images (NIfTI, NRRD, MetaImage) with label maps such as X.nii.gz and X_seg.nii.gz, found none")])
def test_what_is_no_pair_is_told(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        read_itksnap(tmp_path, tmp_path / "out", ignore_progress)
    assert any(message in str(problem) for problem in caught.value.problems), caught.value


def test_what_a_mac_puts_beside_is_passed_over(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    for name in ("P.nii", "P_seg.nii"):
        nifti(tmp_path / name)
    for name in ("._P.nii", "._P_seg.nii", ".DS_Store", "__MACOSX/._P.nii", "__MACOSX/Q.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert [case.patient_id for case in read_itksnap(tmp_path, tmp_path / "out", ignore_progress).cases] == ["P"]


def as_itk(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path), imageIO="NiftiImageIO")


def test_nrrd_and_metaimage_become_nifti_with_the_names_of_segments(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3] = 2
    image, mask = as_itk(nifti(tmp_path / "image.nii")), as_itk(nifti(tmp_path / "mask.nii", labels))
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image, str(tmp_path / "in" / "P.nrrd"))
    sitk.WriteImage(image, str(tmp_path / "in" / "Q.mha"))
    sitk.WriteImage(mask, str(tmp_path / "in" / "Q-label.nrrd"))
    part = mask[2:, 1:, 1:]
    part.SetMetaData("Segment0_Name", "tumour")
    part.SetMetaData("Segment0_LabelValue", "2")
    sitk.WriteImage(part, str(tmp_path / "in" / "P.seg.nrrd"))
    imported = write_manifest(read_itksnap(tmp_path / "in", tmp_path / "out", ignore_progress), tmp_path / "out")
    assert imported.labels == read_label_names(tmp_path / "out") == {"tumour": (2,)}
    manifest = read_manifest(tmp_path / "out", segmentation_only=True)
    assert manifest.patients["mask_path"].tolist() == ["masks/P.nii.gz", "masks/Q.nii.gz"]
    assert manifest.series["path"].tolist() == ["images/P/image.nii.gz", "images/Q/image.nii.gz"]
    for name in "PQ":
        grid = read_nifti(tmp_path / "out" / "images" / name / "image.nii.gz")
        np.testing.assert_array_equal(read_mask_on_grid(tmp_path / "out" / "masks" / f"{name}.nii.gz", grid), labels)


def test_segments_that_two_files_call_differently_and_files_that_are_broken_are_told(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    mask = as_itk(nifti(tmp_path / "mask.nii", 1))
    (tmp_path / "in").mkdir()
    for patient, name in (("P", "liver"), ("Q", "tumour")):
        sitk.WriteImage(mask, str(tmp_path / "in" / f"{patient}.nrrd"))
        mask.SetMetaData("Segment0_Name", name)
        mask.SetMetaData("Segment0_LabelValue", "1")
        sitk.WriteImage(mask, str(tmp_path / "in" / f"{patient}.seg.nrrd"))
    for name in ("R.nrrd", "R_seg.nrrd"):
        (tmp_path / "in" / name).write_bytes(b"hello")
    with pytest.raises(InputError) as caught:
        write_manifest(read_itksnap(tmp_path / "in", tmp_path / "out", ignore_progress), tmp_path / "out")
    assert "Q.seg.nrrd, label 1: expected 'liver', as in" in str(caught.value) and "R.nrrd: expected a whole NRRD file" in str(caught.value)
    assert not (tmp_path / "out" / "patients.csv").exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_itksnap(tmp_path / "absent", tmp_path, ignore_progress)


def test_what_is_written_is_a_manifest(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    image, mask = nifti(tmp_path / "data" / "P.nii"), nifti(tmp_path / "out" / "masks" / "P.nii.gz", 2)
    cases = (ImportedCase("P", {"arterial": image, "delayed": nifti(tmp_path / "data" / "D.nii")}, mask, {"site": "A"}),
             ImportedCase("Q", {}, None, {"site": "B"}, "no liver mask, alas"))
    write_manifest(ImportedSet("mine", "CT", cases, {"liver": (1, 2)}, {"boxes": [{"patient_id": "P", "x": 1}]}), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out", segmentation_only=True)
    assert manifest.patients.to_dict("records")[0] | {"age_years": None, "fold": None, "exclusion_step": None} == {
        "patient_id": "P", "group": "positive", "cohort": "mine", "age_years": None, "sex": "", "scanner": "", "diagnosis_method": "",
        "mask_path": "masks/P.nii.gz", "site": "A", "exclusion_reason": "", "fold": None, "mask_kind": "", "exclusion_step": None}
    # Q was left out, not found to be without a lesion.
    assert pd.read_csv(tmp_path / "out" / "patients.csv")["group"].isna().tolist() == [False, True]
    assert len(manifest.patients) == 1 and manifest.series["path"].tolist() == [str(image), str(tmp_path / "data" / "D.nii")]
    assert manifest.series["modality"].tolist() == ["CT", "CT"] and read_label_names(tmp_path / "out") == {"liver": (1, 2)}
    assert pd.read_csv(tmp_path / "out" / "boxes.csv").to_dict("records") == [{"patient_id": "P", "x": 1}]


def test_every_adapter_tells_licence_and_source() -> None:
    for adapter in ADAPTERS.values():
        text = __import__(adapter.__module__, fromlist=["x"]).__doc__
        assert "http" in text and "CC BY" in text or "icence" in text or "commercial use" in text, adapter


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "nrrd", "mha"])
def test_a_label_map_that_is_all_zero_is_no_positive_patient(tmp_path: Path, nifti: Callable[..., Path], suffix: str) -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3] = 1
    (tmp_path / "in").mkdir()
    for patient, mask in (("P", labels), ("Q", labels * 0)):
        for name, array in ((patient, labels), (f"{patient}_seg", mask)):
            sitk.WriteImage(as_itk(nifti(tmp_path / "any.nii", array)), str(tmp_path / "in" / f"{name}.{suffix}"))
    imported = read_itksnap(tmp_path / "in", tmp_path / "out", ignore_progress)
    with pytest.raises(InputError, match="Q_seg.*: expected something outlined in it; --masks-complete says .* found all zero") as caught:
        write_manifest(imported, tmp_path / "out")
    assert len(caught.value.problems) == 1 and not (tmp_path / "out").exists()
    write_manifest(imported, tmp_path / "out", masks_complete=True)
    groups = pd.read_csv(tmp_path / "out" / "patients.csv").set_index("patient_id")["group"]
    assert groups.to_dict() == {"P": "positive", "Q": "negative"}


def test_pairs_behind_links_are_found_once(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    for name in ("in/P.nii", "in/P_seg.nii", "site/b/Q.nii", "site/b/Q_seg.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        nifti(tmp_path / name)
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "site").symlink_to(tmp_path / "site", target_is_directory=True)
    assert [case.patient_id for case in read_itksnap(tmp_path / "in", tmp_path / "out", ignore_progress).cases] == ["P", "Q"]
