from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.datasets.nnunet import read_nnunet
from lirads_keras.progress import ignore_progress

DESCRIPTION = {"channel_names": {"0": "T1 arterial phase", "1": "delayed"}, "labels": {"background": 0, "liver": [1, 2], "tumour": 2},
               "numTraining": 2, "file_ending": ".nii.gz"}


def write_set(folder: Path, nifti: Callable[..., Path], channels: int = 2, **changes: Any) -> Path:
    root = folder / "Dataset042_Liver"
    for case in ("case_2", "case_10"):
        for channel in range(channels):
            nifti(root / "imagesTr" / f"{case}_{channel:04d}.nii.gz")
        nifti(root / "labelsTr" / f"{case}.nii.gz", 1)
    nifti(root / "imagesTs" / "case_9_0000.nii.gz")
    (root / "dataset.json").write_text(json.dumps(DESCRIPTION | changes))
    return root


def test_channels_are_phases_and_regions_are_several_labels(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    root = write_set(tmp_path, nifti)
    imported = read_nnunet(tmp_path, tmp_path / "out", ignore_progress)
    assert imported.cohort == "Dataset042_Liver" and imported.modality == "MR" and imported.labels == {"liver": (1, 2), "tumour": (2,)}
    assert [case.patient_id for case in imported.cases] == ["case_2", "case_10"]
    assert imported.cases[0].images == {"arterial": root / "imagesTr" / "case_2_0000.nii.gz", "delayed": root / "imagesTr" / "case_2_0001.nii.gz"}


@pytest.mark.parametrize("name, modality", [("CT", "CT"), ("ct", "CT"), ("T1", "MR")])
def test_one_channel_needs_no_phase(tmp_path: Path, nifti: Callable[..., Path], name: str, modality: str) -> None:
    root = write_set(tmp_path, nifti, channels=1, channel_names={"0": name})
    imported = read_nnunet(root, tmp_path / "out", ignore_progress)
    assert imported.modality == modality and imported.cases[0].images == {"": root / "imagesTr" / "case_2_0000.nii.gz"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_a_macs_files_change_nothing(tmp_path: Path, nifti: Callable[..., Path], encoding: str) -> None:
    root = write_set(tmp_path, nifti)
    (root / "dataset.json").write_text(json.dumps(DESCRIPTION), encoding=encoding)
    for name in (".DS_Store", "imagesTr/.DS_Store", "imagesTr/._case_2_0000.nii.gz", "labelsTr/._case_2.nii.gz"):
        (root / name).write_bytes(b"\0\5\x16\7")
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / "__MACOSX" / root.name / name).mkdir(parents=True)
    (tmp_path / "__MACOSX" / root.name / "dataset.json").write_bytes(b"\0\5\x16\7")
    assert [case.patient_id for case in read_nnunet(tmp_path, tmp_path / "out", ignore_progress).cases] == ["case_2", "case_10"]


@pytest.mark.parametrize("names", [{"0": "contrast", "1": "delayed"}, {"0": "arterial", "1": "portal_venous"}, {"0": "delayed", "1": "late phase 180s"}])
def test_channels_that_name_no_phases(tmp_path: Path, nifti: Callable[..., Path], names: dict[str, str]) -> None:
    write_set(tmp_path, nifti, channel_names=names)
    with pytest.raises(InputError, match="one channel, or several that each name a phase, one of them delayed"):
        read_nnunet(tmp_path, tmp_path / "out", ignore_progress)


def test_every_file_that_is_missing_or_left_over_is_told(tmp_path: Path, nifti: Callable[..., Path]) -> None:
    root = write_set(tmp_path, nifti)
    (root / "imagesTr" / "case_2_0001.nii.gz").unlink()
    (root / "labelsTr" / "case_10.nii.gz").unlink()
    nifti(root / "labelsTr" / "case_3.nii.gz")
    nifti(root / "imagesTr" / "case_2_0007.nii.gz")
    with pytest.raises(InputError) as caught:
        read_nnunet(tmp_path, tmp_path / "out", ignore_progress)
    assert [(Path(problem.where).name, problem.expected) for problem in caught.value.problems] == [
        ("case_2_0007.nii.gz", "a name that ends in a channel of dataset.json, such as _0000"), ("case_2_0001.nii.gz", "every channel of a case"),
        ("case_10.nii.gz", "the label map of case_10"), ("case_3.nii.gz", "the image that it labels")]


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"channel_names": {"a": "T1"}, "labels": {}}', '{"channel_names": {"0": "T1"}, "labels": {"0": "background"}}'])
def test_another_description(tmp_path: Path, nifti: Callable[..., Path], text: str) -> None:
    (write_set(tmp_path, nifti) / "dataset.json").write_text(text)
    with pytest.raises(InputError, match="a dataset.json of nnU-Net v2"):
        read_nnunet(tmp_path, tmp_path / "out", ignore_progress)


def test_no_images(tmp_path: Path) -> None:
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / name).mkdir()
    (tmp_path / "dataset.json").write_text(json.dumps(DESCRIPTION))
    with pytest.raises(InputError, match="imagesTr: expected NIfTI images named <case>_0000.nii.gz, found none"):
        read_nnunet(tmp_path, tmp_path / "out", ignore_progress)
