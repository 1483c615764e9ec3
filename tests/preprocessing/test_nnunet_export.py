from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.io.datasets.nnunet import read_nnunet
from lirads_keras.io.manifests import read_manifest
from lirads_keras.io.nifti import read_nifti, write_nifti
from lirads_keras.preprocessing.nnunet_export import export_nnunet
from lirads_keras.preprocessing.splits import split_folds
from lirads_keras.progress import ignore_progress

PATIENTS = "patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
LESIONS = "patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\n"


def write_volume(path: Path, array: np.ndarray, start_mm: float = 0.0) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([5.0, 2.0, 2.0])[::-1]
    affine[0, 3] = start_mm
    write_nifti(path, Volume(array, (5.0, 2.0, 2.0), affine))


def make_mask(*labels: int) -> np.ndarray:
    mask = np.zeros((3, 8, 8), np.uint8)
    for label in labels:
        mask[1, label, label] = label
    return mask


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """P0 … P3 with lesions 1 and 2, N without; P3 has no arterial phase; the arterial phase begins one column later."""
    folder = tmp_path / "m"
    series = []
    for index, name in enumerate(("P0", "P1", "P2", "P3", "N")):
        for phase in ("arterial", "portal_venous", "delayed"):
            if (name, phase) != ("P3", "arterial"):
                write_volume(folder / f"{name}-{phase}.nii.gz", np.arange(192).reshape(3, 8, 8).astype(np.int16) + index, 2.0 if phase == "arterial" else 0.0)
                series.append(f"{name},{phase},{name}-{phase}.nii.gz,,")
        if name != "N":
            write_volume(folder / f"{name}.nii.gz", make_mask(1, 2))
    (folder / "series.csv").write_text("patient_id,phase,path,series_uid,time_point\n" + "\n".join(series) + "\n")
    (folder / "patients.csv").write_text(PATIENTS + "".join(f"P{number},positive,ours,,,,,P{number}.nii.gz\n" for number in range(4))
                                         + "N,negative,ours,,,,,\n")
    (folder / "lesions.csv").write_text(LESIONS + "".join(f"P{number},L{label},{label},,,,,LR-3\n" for number in range(4) for label in (1, 2)))
    return folder


def export(folder: Path, out: Path, *, folds: int = 2, seed: int = 5, segmentation_only: bool = False) -> Path:
    return export_nnunet(read_manifest(folder, segmentation_only=segmentation_only), out, name="Dataset501_Liver", folds=folds, seed=seed,
                         segmentation_only=segmentation_only, progress=ignore_progress)


def test_images_labels_and_our_folds_are_written(folder: Path, tmp_path: Path) -> None:
    root = export(folder, tmp_path / "raw")
    assert root == tmp_path / "raw" / "Dataset501_Liver"
    # Not every patient has an arterial phase.
    assert json.loads((root / "dataset.json").read_text()) == {
        "channel_names": {"0": "portal_venous", "1": "delayed"}, "labels": {"background": 0, "lesion": 1}, "numTraining": 5, "file_ending": ".nii.gz"}
    names = ["N", "P0", "P1", "P2", "P3"]
    assert sorted(path.name for path in (root / "imagesTr").iterdir()) == [f"{name}_{channel:04d}.nii.gz" for name in names for channel in (0, 1)]
    assert sorted(path.name for path in (root / "labelsTr").iterdir()) == [f"{name}.nii.gz" for name in names]
    np.testing.assert_array_equal(read_nifti(root / "imagesTr" / "P2_0001.nii.gz").array, np.arange(192).reshape(3, 8, 8) + 2)
    np.testing.assert_array_equal(read_nifti(root / "labelsTr" / "P2.nii.gz").array, make_mask(1, 2) > 0)
    assert not read_nifti(root / "labelsTr" / "N.nii.gz").array.any()
    fold_of = split_folds(["P0", "P1", "P2", "P3"], ["N"], 2, 5)
    splits = json.loads((root / "splits_final.json").read_text())
    assert [set(split["val"]) for split in splits] == [{name for name, of in fold_of.items() if of == fold} for fold in (0, 1)]
    assert [set(split["train"]) for split in splits] == [{name for name, of in fold_of.items() if of != fold} - {"N"} for fold in (0, 1)]


def test_all_phases_lie_on_the_delayed_grid(folder: Path, tmp_path: Path) -> None:
    text = (folder / "patients.csv").read_text().replace("P3,positive,ours,,,,,P3.nii.gz\n", "")
    (folder / "patients.csv").write_text(text)
    for name in ("series", "lesions"):
        lines = (folder / f"{name}.csv").read_text().splitlines(keepends=True)
        (folder / f"{name}.csv").write_text("".join(line for line in lines if not line.startswith("P3,")))
    root = export(folder, tmp_path / "raw")
    arterial, delayed = read_nifti(root / "imagesTr" / "P0_0000.nii.gz"), read_nifti(root / "imagesTr" / "P0_0002.nii.gz")
    np.testing.assert_allclose(arterial.affine, delayed.affine)
    np.testing.assert_array_equal(arterial.array[:, :, 1:], np.arange(192).reshape(3, 8, 8)[:, :, :-1])


def test_what_is_exported_can_be_imported(folder: Path, tmp_path: Path) -> None:
    imported = read_nnunet(export(folder, tmp_path / "raw"), tmp_path / "again", ignore_progress)
    assert imported.labels == {"lesion": (1,)} and [list(case.images) for case in imported.cases] == [["portal_venous", "delayed"]] * 5


def test_labels_of_a_segmentation_set_keep_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    for number in range(3):
        write_volume(folder / f"{number}.nii.gz", np.arange(192).reshape(3, 8, 8).astype(np.int16))
        write_volume(folder / f"{number}_seg.nii.gz", make_mask(2, 5, 7))
    (folder / "patients.csv").write_text("patient_id,mask_path\n" + "".join(f"P{number},{number}_seg.nii.gz\n" for number in range(3)))
    (folder / "series.csv").write_text("patient_id,path,modality\n" + "".join(f"P{number},{number}.nii.gz,CT\n" for number in range(3)))
    root = export(folder, tmp_path / "one", segmentation_only=True)
    assert json.loads((root / "dataset.json").read_text())["labels"] == {"background": 0, "foreground": 1}
    (folder / "labels.csv").write_text("mask_label,name\n2,liver\n5,liver\n5,tumour\n7,vein\n")
    root = export(folder, tmp_path / "two", segmentation_only=True)
    description = json.loads((root / "dataset.json").read_text())
    # nnU-Net's labels are consecutive and apart: liver is what the tumours leave of it.
    assert description["labels"] == {"background": 0, "liver": 1, "tumour": 2, "vein": 3} and description["channel_names"] == {"0": "CT"}
    labels = read_nifti(root / "labelsTr" / "P1.nii.gz").array
    assert (labels[1, 2, 2], labels[1, 5, 5], labels[1, 7, 7]) == (1, 2, 3) and np.count_nonzero(labels) == 3


def test_an_export_that_was_stopped_goes_on(folder: Path, tmp_path: Path) -> None:
    root = export(folder, tmp_path / "raw")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.nii.gz")}
    lost = root / "labelsTr" / "P1.nii.gz"
    lost.unlink()
    export(folder, tmp_path / "raw")
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert lost.exists() and changed == {"P1.nii.gz", "P1_0000.nii.gz", "P1_0001.nii.gz"}
    with pytest.raises(InputError, match="a new folder, or an export of the same manifest and folds"):
        export(folder, tmp_path / "raw", seed=6)


def test_all_patients_that_cannot_be_exported_are_told(folder: Path, tmp_path: Path) -> None:
    for name in ("P0", "P2"):
        (folder / f"{name}-delayed.nii.gz").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        export(folder, tmp_path / "raw")
    assert [Path(problem.where).name for problem in caught.value.problems] == ["P0-delayed.nii.gz", "P2-delayed.nii.gz"]
    assert not (tmp_path / "raw" / "Dataset501_Liver" / "dataset.json").exists()


def test_two_modalities_are_no_set(folder: Path, tmp_path: Path) -> None:
    (folder / "lesions.csv").unlink()
    lines = (folder / "series.csv").read_text().splitlines()
    (folder / "series.csv").write_text("\n".join([f"{lines[0]},modality", *(f"{line},{'CT' if line.startswith('N') else 'MR'}" for line in lines[1:])]) + "\n")
    with pytest.raises(InputError, match="one modality, found CT, MR"):
        export(folder, tmp_path / "raw", segmentation_only=True)
