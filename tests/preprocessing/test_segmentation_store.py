from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Phase, Series, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.manifests import read_manifest
from lirads_keras.io.nifti import write_nifti
from lirads_keras.preprocessing import segmented_image
from lirads_keras.preprocessing.segmentation_store import store_labelled_image, store_segmentation_set
from lirads_keras.preprocessing.segmented_image import read_segmented_image
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import ignore_progress

SETTINGS = PreprocessingSettings(matrix_px=32, background_cutoff=80)


def write_volume(path: Path, array: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([5.0, 2.0, 2.0])[::-1]
    write_nifti(path, Volume(array, (5.0, 2.0, 2.0), affine))


def make_mask(*labels: int) -> np.ndarray:
    mask = np.zeros((4, 32, 32), np.uint8)
    for label in labels:
        mask[label % 4, 4 * label:4 * label + 3, 4:9] = label
    return mask


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """A with labels 1, 2 and 5, B with 5 alone, C without mask."""
    folder = tmp_path / "m"
    for number, name in enumerate("ABC"):
        write_volume(folder / f"{name}.nii.gz", np.random.default_rng(number).integers(-200, 900, (4, 32, 32)).astype(np.int16))
    write_volume(folder / "a-mask.nii.gz", make_mask(1, 2, 5))
    write_volume(folder / "b-mask.nii.gz", make_mask(5))
    (folder / "patients.csv").write_text("patient_id,mask_path\nA,a-mask.nii.gz\nB,b-mask.nii.gz\nC,\n")
    (folder / "series.csv").write_text("patient_id,path\nA,A.nii.gz\nB,B.nii.gz\nC,C.nii.gz\n")
    return folder


def store(folder: Path, labels: tuple[int, ...], told: list[tuple[float | None, str]] | None = None, jobs: int = 1) -> dict:
    return store_segmentation_set(read_manifest(folder, segmentation_only=True), labels, folder.parent / "store", SETTINGS, jobs=jobs,
                                  progress=ignore_progress if told is None else lambda *progress: told.append(progress))


def test_the_union_of_labels_is_what_is_to_be_found(folder: Path) -> None:
    told: list[tuple[float | None, str]] = []
    studies = store(folder, (1, 2), told)
    assert list(studies) == ["A", "B", "C"] and told == [(1 / 3, "study 1 of 3"), (2 / 3, "study 2 of 3"), (1, "study 3 of 3")]
    np.testing.assert_array_equal(studies["A"].mask(), make_mask(1) + make_mask(2) > 0)
    assert not studies["B"].mask().any() and not studies["C"].mask().any()
    assert [study.lesion_slices for study in studies.values()] == [(1, 2), (), ()] and studies["A"].phases == ("delayed",)


def test_a_ct_is_stored_with_its_window_and_its_label_is_found(folder: Path) -> None:
    (folder / "series.csv").write_text("patient_id,path,modality\nA,A.nii.gz,CT\nB,B.nii.gz,CT\nC,C.nii.gz,CT\n")
    studies = store(folder, (5,))
    assert studies["A"].phases == ("ct",) and studies["A"].scales["ct"].cutoff == -100 and studies["A"].lesion_slices == (1,)
    np.testing.assert_array_equal(studies["B"].segmentation_mask() > 0, make_mask(5) > 0)


def test_what_is_stored_stays(folder: Path) -> None:
    store(folder, (5,))
    made = (folder.parent / "store" / "A" / "geometry.json").stat().st_mtime_ns
    again = (folder.parent / "store" / "B" / "geometry.json").stat().st_mtime_ns
    (folder.parent / "store" / "B" / "source.json").unlink()
    store(folder, (5,))
    assert (folder.parent / "store" / "A" / "geometry.json").stat().st_mtime_ns == made
    assert (folder.parent / "store" / "B" / "geometry.json").stat().st_mtime_ns > again, "killed before its record"
    studies = store(folder, (1,))
    assert (folder.parent / "store" / "A" / "geometry.json").stat().st_mtime_ns > made and not studies["B"].mask().any(), "another label"


def test_a_label_that_nobody_drew_and_boxes_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="a label that occurs in the masks, found 9, which is in none of 2"):
        store(folder, (9,))
    (folder / "patients.csv").write_text("patient_id,mask_path,mask_kind\nA,a-mask.nii.gz,box\nB,b-mask.nii.gz,\nC,,\n")
    with pytest.raises(InputError, match=r"masks that outline, to train on, found boxes \(mask_kind\) of 1 patients"):
        store(folder, (5,))


def test_all_images_that_cannot_be_read_are_told(folder: Path) -> None:
    for name in "AC":
        (folder / f"{name}.nii.gz").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        store(folder, (5,), jobs=2)
    assert {Path(problem.where).name for problem in caught.value.problems} == {"A.nii.gz", "C.nii.gz"}


def test_one_patient_has_the_digest_of_its_settings(folder: Path, tmp_path: Path) -> None:
    store_labelled_image(tmp_path / "one" / "B", read_manifest(folder, segmentation_only=True), "B", (5,), SETTINGS)
    assert read_stored_study(tmp_path / "one" / "B").preprocessing_digest == SETTINGS.digest()


def test_the_delayed_phase_comes_before_the_only_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def series(name: str) -> Series:
        return Series(name, (), None, "")

    monkeypatch.setattr(segmented_image, "read_volume", lambda series: series.series_uid)
    assert read_segmented_image({Phase.ARTERIAL: series("a"), Phase.DELAYED: series("d")}) == "d"
    assert read_segmented_image({Phase.ARTERIAL: series("a")}) == "a"
    for several in ({}, {Phase.ARTERIAL: series("a"), Phase.PORTAL_VENOUS: series("p")}):
        with pytest.raises(InputError, match="one image, or one of the phase delayed"):
            read_segmented_image(several)
