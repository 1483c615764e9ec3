"""Masks beside DICOM: each row says first whether the file is joined, told or refused; nobody is negative because a file was not looked at."""
from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import SegmentationStorage

from lirads_keras.cli import main
from lirads_keras.io.nifti import read_nifti

WriteSeries = Callable[..., list[Path]]
LABELS = np.zeros((4, 3, 5), np.uint8)
LABELS[1:3, 1, 1:3], LABELS[0, 0, 4] = 1, 2


def as_image(array: np.ndarray = LABELS) -> sitk.Image:
    """On the grid of the series that the tests write."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 2, 4))
    image.SetOrigin((-10, -20, 30))
    return image


def write(path: Path, array: np.ndarray = LABELS) -> Path:
    """A label map in the format of its suffix, in whatever case that is."""
    suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(as_image(array), str(path.with_name(f"plain{suffix}")))
    return path.with_name(f"plain{suffix}").rename(path)


def write_segments(path: Path, *, overlap: bool = False) -> None:
    image = sitk.Compose(as_image(), as_image()) if overlap else as_image()
    for number in range(2):
        image.SetMetaData(f"Segment{number}_Name", ("HCC", "Cyst")[number])
        image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
        image.SetMetaData(f"Segment{number}_Layer", str(number if overlap else 0))
    sitk.WriteImage(image, str(path))


@pytest.fixture()
def heap(tmp_path: Path, write_series: WriteSeries) -> Path:
    """ID-1 and ID-2, with an arterial and a delayed phase each."""
    for patient in (1, 2):
        for number, name in enumerate(("LAVA ARTERIAL 35s", "LAVA DELAYED 180s"), start=1):
            write_series(tmp_path / "in" / f"{patient}-{number}", description=name, series=10 * patient + number, first_value=100 * patient + 10 * number,
                         PatientID=f"ID-{patient}", StudyInstanceUID=f"1.2.{patient}")
    (tmp_path / "masks").mkdir()
    return tmp_path


class Indexed:
    """What `lirads data index` made of the heap, and what it said."""

    def __init__(self, heap: Path, capfd: pytest.CaptureFixture[str], *options: str, keep_ids: bool = True, masks: str = "masks") -> None:
        arguments = ["data", "index", str(heap / "in"), "--out", str(heap / "out"), "--masks", str(heap / masks), *options]
        self.code = main([*arguments, "--keep-ids"] if keep_ids else arguments)
        self.out, self.err = capfd.readouterr()
        self.folder = heap / "out"
        patients = self.rows("patients")
        self.groups = [row["group"] for row in patients]
        self.paths = [row["mask_path"] for row in patients]
        assert "0x" not in self.out + self.err and "ITK" not in self.out + self.err and "Traceback" not in self.out + self.err

    def rows(self, name: str) -> list[dict[str, str]]:
        path = self.folder / f"{name}.csv"
        if not path.exists():
            return []
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    @property
    def labels(self) -> list[str]:
        return [row["mask_label"] for row in self.rows("lesions")]


@pytest.mark.parametrize("name", [
    "ID-1.nii", "ID-1.nii.gz", "ID-1.NII.GZ", "ID-1.nrrd", "ID-1.seg.nrrd", "ID-1.mha", "ID-1.MHA", "ID-1.mhd", "id-1.nii.gz", "ID_1.nrrd", "ID-1_seg.nii.gz",
    "ID-1-label.nrrd", "seg_ID-1.nii.gz", "ID-1_delayed_mask.mha", "1.2.1.nii.gz", "ID-1/seg.nii.gz", "ID-1/Segmentation.seg.nrrd", "a/b/ID-1.nrrd"])
def test_a_mask_whose_owner_is_clear_is_joined(heap: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    write(heap / "masks" / name)
    for junk in ("._ID-2.nii.gz", ".DS_Store", "Thumbs.db", "labels.txt", "__MACOSX/ID-2.nii.gz"):
        (heap / "masks" / junk).parent.mkdir(exist_ok=True)
        (heap / "masks" / junk).write_bytes(b"\0\5\x16\7")
    indexed = Indexed(heap, capfd, "--masks-complete")
    assert (indexed.code, indexed.groups, indexed.labels) == (0, ["positive", "negative"], ["1", "2"]), indexed.err
    assert "masks: 1 of 1 joined" in indexed.out and "not joined" not in indexed.err
    np.testing.assert_array_equal(read_nifti(indexed.folder / indexed.paths[0]).array, LABELS)


UNCLEAR = {
    "ID-1_liver.nii.gz": "its name holds more than that of ID-1", "ID-1_arterial.nrrd": "more than that of ID-1", "ID-1 (2).nii.gz": "more than that of ID-1",
    "ID-3.nii.gz": "no patient, study or series", "seg.nii.gz": "no patient", "ID-2/ID-1.nii.gz": "its name is that of ID-1, its folder's that of ID-2"}


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_mask_whose_owner_is_not_clear_is_told_and_nobody_is_negative_by_it(heap: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    write(heap / "masks" / name)
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups, indexed.paths) == (0, ["", ""], ["", ""]) and "masks: 0 of 1 joined" in indexed.out
    assert f"{heap / 'masks' / name}: mask not joined: " in indexed.err and UNCLEAR[name] in indexed.err
    assert [UNCLEAR[name] in row["reason"] for row in indexed.rows("set_aside")] == [True]
    complete = Indexed(heap, capfd, "--masks-complete")
    assert complete.code == 2 and name in complete.err and UNCLEAR[name] in complete.err and complete.groups == ["", ""]


def write_dicom_segmentation(path: Path) -> None:
    import pydicom
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = SegmentationStorage, "1.2.3.4", "ID-1"
    dataset.save_as(path, enforce_file_format=True)


UNREAD: dict[str, Callable[[Path], object]] = {
    "ID-1.mgz": lambda path: path.write_bytes(gzip.compress(b"mgh")), "ID-1.img": lambda path: path.write_bytes(b"voxels"),
    "ID-1.npy": lambda path: np.save(path, LABELS), "masks.zip": lambda path: path.write_bytes(b"PK\x03\x04"), "ID-1": lambda path: path.write_bytes(b"?"),
    "seg.dcm": write_dicom_segmentation, "ID-1.nii.gz": lambda path: path.symlink_to("/nowhere/ID-1.nii.gz")}


@pytest.mark.parametrize("name", UNREAD)
def test_a_file_of_a_kind_that_is_not_read_is_told(heap: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    UNREAD[name](heap / "masks" / name)
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups) == (0, ["", ""]) and f"{name}: mask not joined: " in indexed.err and "no label map" in indexed.err
    complete = Indexed(heap, capfd, "--masks-complete")
    assert complete.code == 2 and name in complete.err and complete.groups == ["", ""]


def test_an_empty_folder_is_said_and_is_no_proof(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (heap / "masks" / "readme.txt").write_text("to be drawn")
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups) == (0, ["", ""]) and "no label map" in indexed.err and "masks: 0 of 0 joined" in indexed.out
    complete = Indexed(heap, capfd, "--masks-complete")
    assert complete.code == 2 and "--masks-complete says that nobody has a lesion" in complete.err


def test_all_zero_is_asked_about_unless_the_masks_are_complete(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(heap / "masks" / "ID-1.nii.gz", LABELS * 0)
    write(heap / "masks" / "ID-2.nii.gz")
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups, indexed.paths[0]) == (0, ["", "positive"], "") and "masks: 1 of 2 joined" in indexed.out
    assert "ID-1.nii.gz: mask not joined: all zero, nothing was drawn: if ID-1 has no lesion, say negative in patients.csv" in indexed.err
    complete = Indexed(heap, capfd, "--masks-complete")
    assert (complete.code, complete.groups) == (0, ["negative", "positive"]) and complete.paths[0]
    assert "ID-1.nii.gz: all zero, nothing was drawn: ID-1 is negative, as --masks-complete says" in complete.err


def hide_behind_link(masks: Path) -> None:
    write(masks.parent / "elsewhere" / "ID-1.nii.gz")
    (masks / "site").symlink_to(masks.parent / "elsewhere", target_is_directory=True)


def test_a_mask_behind_a_link_is_joined_and_a_circle_is_walked_once(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hide_behind_link(heap / "masks")
    (heap / "elsewhere" / "again").symlink_to(heap / "elsewhere", target_is_directory=True)
    (heap / "masks" / "self").symlink_to(heap / "masks", target_is_directory=True)
    indexed = Indexed(heap, capfd, "--masks-complete")
    assert (indexed.code, indexed.groups) == (0, ["positive", "negative"]) and "masks: 1 of 1 joined" in indexed.out


def leave_raw_alone(masks: Path) -> None:
    write(masks / "plain.mhd")
    (masks / "plain.raw").rename(masks / "ID-1.raw")
    (masks / "plain.mhd").unlink()


HIDDEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "voxels without header": (leave_raw_alone, "ID-1.raw", "no label map that is read"),
    "a hidden file": (lambda masks: write(masks / ".ID-1.nii.gz"), ".ID-1.nii.gz", "hidden by the dot"),
    "a hidden folder": (lambda masks: write(masks / ".export" / "ID-1.nrrd"), ".export/ID-1.nrrd", "hidden by the dot"),
    "an empty folder": (lambda masks: (masks / "ID-1").mkdir(), "masks/ID-1", "no label map of ID-1 is there, though there is a folder for it"),
    "a folder named as a file": (lambda masks: (masks / "ID-1.nii.gz").mkdir(), "ID-1.nii.gz", "though there is a folder for it"),
    "outlines in a document": (lambda masks: (masks / "ID-1.json").write_text("{}"), "ID-1.json", "and this file may hold or name one"),
    "named after the arterial series": (
        lambda masks: write(masks / "1.2.826.0.1.3680043.8.498.1.11.nii.gz"), "498.1.11.nii.gz", "another series of ID-1 than that of the delayed phase"),
    "a link to a folder above": (lambda masks: (masks / "up").symlink_to(masks.parent, target_is_directory=True), "masks/up", "a link to a folder above")}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_hides_a_mask_is_told_though_another_mask_is_there(heap: Path, capfd: pytest.CaptureFixture[str], kind: str) -> None:
    hide, name, reason = HIDDEN[kind]
    # The detached voxels of another's mask excuse nobody else's.
    write(heap / "masks" / "plain.mhd")
    (heap / "masks" / "plain.mhd").rename(heap / "masks" / "ID-2.mhd")
    assert Indexed(heap, capfd, "--masks-complete").groups == ["negative", "positive"]
    for path in (heap / "out").iterdir():
        path.unlink() if path.is_file() else None
    (heap / "masks" / "ID-2.mhd").rename(heap / "ID-2.mhd")
    (heap / "masks" / "plain.raw").rename(heap / "plain.raw")
    hide(heap / "masks")
    (heap / "ID-2.mhd").rename(heap / "masks" / "ID-2.mhd")
    (heap / "plain.raw").rename(heap / "masks" / "plain.raw")
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups) == (0, ["", "positive"]) and f"{name}: mask not joined: " in indexed.err and reason in indexed.err
    complete = Indexed(heap, capfd, "--masks-complete")
    assert complete.code == 2 and name in complete.err and reason in complete.err and complete.groups == ["", "positive"]


def test_a_folder_that_cannot_be_read_may_hold_masks(heap: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(heap / "masks" / "ID-1.nii.gz")
    (heap / "masks" / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    assert Indexed(heap, capfd, "--masks-complete").code == 0
    monkeypatch.setattr(os, "scandir", refuse)
    complete = Indexed(heap, capfd, "--masks-complete")
    assert complete.code == 2 and "masks/closed" in complete.err and "a folder that cannot be read" in complete.err


def test_a_patients_folder_among_the_images_is_no_promise_of_a_mask(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (heap / "in" / "1-1").rename(heap / "in" / "ID-1")
    write(heap / "in" / "ID-2_seg.nii.gz")
    assert Indexed(heap, capfd, "--masks-complete", masks="in").groups == ["negative", "positive"]


def test_a_name_that_is_no_utf8_is_no_defect(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(heap / "masks" / "a.nii.gz")
    os.rename(heap / "masks" / "a.nii.gz", os.fsencode(heap / "masks") + b"/L\xe4sion.nii.gz")
    os.rename(heap / "in" / "1-2", os.fsencode(heap / "in") + b"/Sp\xe4tphase")
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups) == (0, ["", ""]) and "mask not joined: its name is that of no patient" in indexed.err


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another grid": (lambda folder: write(folder / "ID-1.nii.gz", np.pad(LABELS, 1)), "ID-1.nii.gz, the grid: expected 4 × 3 × 5"),
    "fractions": (lambda folder: write(folder / "ID-1.nrrd", LABELS * 0.9999), "ID-1.nrrd: expected whole-numbered labels, found fractions"),
    "a background of 1": (lambda folder: write(folder / "ID-1.nii.gz", LABELS + 1), "labels on a background of 0, found label 1 in 55 of 60 voxels"),
    "lost voxels": (
        lambda folder: (write(folder / "ID-1.mhd"), (folder / "plain.raw").unlink()), "ID-1.mhd: expected its voxels in plain.raw beside it, found no such"),
    "NaN": (lambda folder: write(folder / "ID-1.nii", np.where(LABELS, LABELS, np.nan)), "ID-1.nii, its voxels: expected whole-numbered labels"),
    "layers": (lambda folder: write_segments(folder / "ID-1.seg.nrrd", overlap=True), "found 2 values a voxel: HCC (label 1, layer 0)"),
    "two files": (lambda folder: (write(folder / "ID-1.nii.gz"), write(folder / "ID-1_seg.mha")), "one mask a patient, found a second one beside"),
    "not an image": (lambda folder: (folder / "ID-1.nii.gz").write_bytes(b""), "ID-1.nii.gz: expected a whole NIfTI file, found 0 bytes")}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("options", [(), ("--masks-complete",)])
def test_what_is_wrong_is_refused_and_nothing_recorded(heap: Path, capfd: pytest.CaptureFixture[str], kind: str, options: tuple[str, ...]) -> None:
    break_it, message = REFUSED[kind]
    break_it(heap / "masks")
    write(heap / "masks" / "ID-2.nii.gz")
    indexed = Indexed(heap, capfd, *options)
    assert indexed.code == 2 and message in indexed.err and indexed.groups == []


def test_an_image_is_no_label_map(heap: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The images of these tests are too small for as many values as real ones have.
    monkeypatch.setattr("lirads_keras.io.index_masks.MOST_LABELS", 20)
    write(heap / "masks" / "ID-1_delayed.nii.gz", np.arange(60, dtype=np.int16).reshape(4, 3, 5))
    indexed = Indexed(heap, capfd)
    assert indexed.code == 2 and "a label map of lesions, with at most 20 values, found 60 values, as an image has them" in indexed.err
    write(heap / "masks" / "ID-1_delayed.nii.gz")
    assert Indexed(heap, capfd).code == 0


def test_names_of_segments_are_told(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_segments(heap / "masks" / "ID-1.seg.nrrd")
    indexed = Indexed(heap, capfd)
    assert (indexed.code, indexed.groups, indexed.labels) == (0, ["positive", ""], ["1", "2"])
    assert "each label is taken for a lesion: 1 (HCC), 2 (Cyst)" in indexed.err


def test_a_mask_waits_for_the_answer_which_phase_is_the_delayed(tmp_path: Path, write_series: WriteSeries, capfd: pytest.CaptureFixture[str]) -> None:
    for patient in (1, 2):
        for time in (1, 2):
            name = "LAVA DELAYED 180s" if patient == 2 and time == 2 else "LAVA"
            write_series(tmp_path / "in" / f"{patient}{time}", description=name, series=10 * patient + time,
                         PatientID=f"ID-{patient}", StudyInstanceUID=f"1.2.{patient}")
    write(tmp_path / "masks" / "ID-1.nii.gz")
    first = Indexed(tmp_path, capfd, "--masks-complete")
    assert (first.code, first.groups) == (0, ["", "negative"])
    assert "ID-1.nii.gz: mask not joined: no delayed phase is known of ID-1, say in phase_overrides.csv which it is" in first.err
    questions = first.rows("phase_overrides")
    with open(tmp_path / "out" / "phase_overrides.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, questions[0])
        writer.writeheader()
        writer.writerows(row | {"phase": "delayed" if row["series_uid"].endswith(".12") else "arterial" if row["series_uid"].endswith(".11") else ""}
                         for row in questions)
    second = Indexed(tmp_path, capfd, "--masks-complete")
    assert (second.code, second.groups, second.labels) == (0, ["positive", "negative"], ["1", "2"]), second.err


def test_a_mask_that_can_never_be_joined_is_no_complete_set(tmp_path: Path, write_series: WriteSeries, capfd: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", description="LAVA ARTERIAL 35s", PatientID="ID-1")
    write(tmp_path / "masks" / "ID-1.nii.gz")
    indexed = Indexed(tmp_path, capfd)
    assert (indexed.code, indexed.groups) == (0, [""]) and "no delayed phase is known of ID-1" in indexed.err
    assert Indexed(tmp_path, capfd, "--masks-complete").code == 2


def test_a_mask_of_another_study_is_not_laid_on_the_delayed_phase(heap: Path, write_series: WriteSeries, capfd: pytest.CaptureFixture[str]) -> None:
    write_series(heap / "in" / "old", description="ADC", series=50, PatientID="ID-1", StudyInstanceUID="1.2.99")
    write(heap / "masks" / "1.2.99.nii.gz")
    indexed = Indexed(heap, capfd)
    assert indexed.groups == ["", ""] and "another study of ID-1" in indexed.err


def test_masks_among_the_images_are_found_and_the_images_not_told_as_masks(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(heap / "in" / "1-2" / "ID-1_seg.nrrd")
    indexed = Indexed(heap, capfd, "--masks-complete", keep_ids=False, masks="in")
    assert indexed.code == 0 and sorted(indexed.groups) == ["negative", "positive"] and "masks: 1 of 1 joined" in indexed.out
    assert sorted(indexed.paths)[1].startswith("masks/P-") and "ID-1" not in "".join(path.read_text() for path in indexed.folder.glob("patients.csv"))


def test_a_group_that_was_recorded_before_the_mask_was_seen_is_told(heap: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(heap / "masks" / "ID-2.nii.gz")
    assert Indexed(heap, capfd, "--masks-complete").groups == ["negative", "positive"]
    write(heap / "masks" / "ID-1.nrrd")
    again = Indexed(heap, capfd, "--masks-complete")
    assert again.code == 0 and "patients.csv: ID-1 stays negative, as it stands there, though the mask says positive" in again.err
