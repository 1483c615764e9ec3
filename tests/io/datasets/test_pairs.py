"""LiTS, the Decathlon's liver task and ATLAS: images and label maps are one file each."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.datasets.atlas import read_atlas
from lirads_keras.io.datasets.common import ImportedSet, natural_order
from lirads_keras.io.datasets.lits import read_lits
from lirads_keras.progress import Progress, ignore_progress

Adapter = Callable[[Path, Path, Progress], ImportedSet]


def test_lits_in_folders_of_batches(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    for number, batch in ((2, "Training Batch 1"), (10, "Training Batch 2")):
        nifti(tmp_path / batch / f"volume-{number}.nii")
        nifti(tmp_path / batch / f"segmentation-{number}.nii", 1)
    nifti(tmp_path / "test-volume-0.nii")
    imported = read_lits(tmp_path, tmp_path / "out", ignore_progress)
    assert imported.modality == "CT" and imported.labels == {"liver": (1, 2), "tumour": (2,)}
    assert [(case.patient_id, case.images, case.mask) for case in imported.cases] == [
        (f"LiTS-{number}", {"": tmp_path / batch / f"volume-{number}.nii"}, tmp_path / batch / f"segmentation-{number}.nii")
        for number, batch in ((2, "Training Batch 1"), (10, "Training Batch 2"))]


def test_the_decathlons_liver_task(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    task = tmp_path / "Task03_Liver"
    for number in (0, 1):
        nifti(task / "imagesTr" / f"liver_{number}.nii.gz")
        nifti(task / "labelsTr" / f"liver_{number}.nii.gz", 1)
    nifti(task / "imagesTs" / "liver_7.nii.gz")
    (task / "imagesTr" / "._liver_0.nii.gz").write_bytes(b"written by a Mac")
    (task / "dataset.json").write_text("{}")
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / "__MACOSX" / "Task03_Liver" / name).mkdir(parents=True)
    imported = read_lits(tmp_path, tmp_path / "out", ignore_progress)
    assert imported.cohort == "MSD Task03" and [case.patient_id for case in imported.cases] == ["MSD-liver_0", "MSD-liver_1"]
    assert imported.cases[1].mask == task / "labelsTr" / "liver_1.nii.gz"


def test_atlas(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    train = tmp_path / "atlas-train-dataset-1.0.1" / "train"
    for number in (3, 20):
        nifti(train / "imagesTr" / f"im{number}.nii.gz")
        nifti(train / "labelsTr" / f"lb{number}.nii.gz", 2)
    imported = read_atlas(tmp_path, tmp_path / "out", ignore_progress)
    assert imported.modality == "MR" and [(case.patient_id, case.images, case.mask) for case in imported.cases] == [
        (f"ATLAS-{number}", {"": train / "imagesTr" / f"im{number}.nii.gz"}, train / "labelsTr" / f"lb{number}.nii.gz") for number in (3, 20)]


@pytest.mark.parametrize("read, files, messages", [
    (read_lits, ["volume-0.nii", "volume-1.nii", "segmentation-1.nii", "segmentation-2.nii"],
     ["its label map segmentation-0.nii.gz", "the image that it labels"]),
    (read_lits, ["imagesTr/liver_0.nii.gz", "labelsTr/liver_1.nii.gz"], ["its label map liver_0.nii.gz", "the image that it labels"]),
    (read_lits, ["a/volume-0.nii", "b/volume-0.nii", "a/segmentation-0.nii"], ["one file of a name"]),
    (read_lits, ["a.nii", "b.nii"], ["one folder with imagesTr and labelsTr in it"]),
    (read_lits, ["imagesTr/notes.txt", "labelsTr/notes.txt"], ["NIfTI images in the layout of the set"]),
    (read_atlas, ["train/imagesTr/im0.nii.gz", "train/labelsTr/lb1.nii.gz"], ["its label map lb0.nii.gz", "the image that it labels"]),
    (read_atlas, ["a/imagesTr/x", "a/labelsTr/x", "b/imagesTr/x", "b/labelsTr/x"], ["one folder with imagesTr and labelsTr in it"])])
def test_all_that_does_not_fit_is_told(tmp_path: Path, read: Adapter, files: list[str], messages: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        read(tmp_path, tmp_path / "out", ignore_progress)
    assert [problem.expected for problem in caught.value.problems] == messages
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("read", [read_lits, read_atlas])
def test_no_folder(tmp_path: Path, read: Adapter) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "absent", tmp_path, ignore_progress)


def test_numbers_in_names_count() -> None:
    assert sorted(["volume-10", "volume-2", "volume-1"], key=natural_order) == ["volume-1", "volume-2", "volume-10"]
