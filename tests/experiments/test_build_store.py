from __future__ import annotations

from pathlib import Path

import build_store
import numpy as np
import pandas as pd
import pytest
from build_ct_store import ct_pairs, store_ct
from build_store import store_patient

from lirads_keras.entities import Phase, Series, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.manifests import Manifest
from lirads_keras.io.nifti import write_nifti
from lirads_keras.preprocessing import patient_store
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import ignore_progress

SPACING_MM = (4.0, 2.0, 2.0)


def make_volume(array) -> Volume:
    return Volume(array, SPACING_MM, np.diag([*SPACING_MM, 1.0]))


def make_noise(seed: int = 0, low: float = 100, high: float = 900) -> Volume:
    return make_volume(np.random.default_rng(seed).uniform(low, high, (4, 32, 32)).astype(np.float32))


def make_mask(*labels: int) -> np.ndarray:
    mask = np.zeros((4, 32, 32), np.uint8)
    for label in labels:
        mask[1:3, 5 * label:5 * label + 3, 4:9] = label
    return mask


def make_manifest(folder: Path, labels, mask_path: str = "P1.nii.gz") -> Manifest:
    """P1 with lesions of these labels; P2 is another patient, whose lesions are nobody else's business."""
    lesions = pd.DataFrame({"patient_id": ["P1"] * len(labels) + ["P2"], "mask_label": [*labels, 7]})
    return Manifest(folder, pd.DataFrame({"patient_id": ["P1"], "mask_path": [mask_path]}), pd.DataFrame(), lesions)


def test_a_patient_is_stored_with_phases_and_mask(profile, tmp_path, monkeypatch):
    volumes = {Phase.PORTAL_VENOUS: make_noise(1), Phase.DELAYED: make_noise(2)}
    monkeypatch.setattr(patient_store, "series_of", lambda manifest, patient_id: {})
    monkeypatch.setattr(patient_store, "read_aligned_phases", lambda series, registration: volumes)
    write_nifti(tmp_path / "P1.nii.gz", make_volume(make_mask(1, 2)))
    store_patient(tmp_path / "store" / "P1", make_manifest(tmp_path, (1, 2)), "P1", profile.preprocessing)
    study = read_stored_study(tmp_path / "store" / "P1")
    assert set(study.phases) == {"portal_venous", "delayed"}
    np.testing.assert_array_equal(study.mask(), make_mask(1, 2))
    np.testing.assert_array_equal(study.image("portal_venous"), np.rint(volumes[Phase.PORTAL_VENOUS].array))
    with pytest.raises(InputError, match="label 2"):
        store_patient(tmp_path / "store" / "other", make_manifest(tmp_path, (1,)), "P1", profile.preprocessing)
    assert not (tmp_path / "store" / "other").exists()
    store_patient(tmp_path / "store" / "negative", make_manifest(tmp_path, (), ""), "P1", profile.preprocessing)
    assert not read_stored_study(tmp_path / "store" / "negative").has_mask


def test_ct_volumes_come_with_their_segmentations(tmp_path):
    for name in ("volume-10.nii.gz", "volume-2.nii", "segmentation-10.nii.gz", "segmentation-2.nii", "segmentation-3.nii", "phantom.json", "notes.txt"):
        (tmp_path / name).touch()
    assert ct_pairs(tmp_path) == [(name, tmp_path / f"{name}{suffix}", tmp_path / f"{name.replace('volume', 'segmentation')}{suffix}")
                                  for name, suffix in (("volume-10", ".nii.gz"), ("volume-2", ".nii"))]


def test_every_missing_segmentation_is_told(tmp_path):
    for name in ("volume-0.nii", "volume-1.nii", "segmentation-1.nii", "volume-2.nii.gz", "segmentation-2.nii"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        ct_pairs(tmp_path)
    assert [(problem.where, problem.expected) for problem in caught.value.problems] == [
        (str(tmp_path / "segmentation-0.nii"), "the labels of volume-0.nii"), (str(tmp_path / "segmentation-2.nii.gz"), "the labels of volume-2.nii.gz")]


def test_a_ct_is_stored_with_its_labels(profile, tmp_path):
    write_nifti(tmp_path / "volume-0.nii.gz", make_noise(3, -200, 400))
    write_nifti(tmp_path / "segmentation-0.nii.gz", make_volume(make_mask(1, 2)))
    store_ct(tmp_path / "store-ct" / "volume-0", tmp_path / "volume-0.nii.gz", tmp_path / "segmentation-0.nii.gz", profile.preprocessing)
    study = read_stored_study(tmp_path / "store-ct" / "volume-0")
    assert study.phases == ("ct",) and study.image("ct").dtype == np.int16 and study.lesion_slices == (1, 2)


def test_a_study_is_stored_again_only_when_what_went_in_has_changed(profile, tmp_path, monkeypatch):
    image, other = tmp_path / "image.dcm", tmp_path / "other.dcm"
    image.write_bytes(b"1")
    other.write_bytes(b"1")
    read: list[int] = []

    def read_phases(series, registration):
        read.append(1)
        return {Phase.DELAYED: make_noise(2)}

    files = [image]
    monkeypatch.setattr(patient_store, "series_of", lambda manifest, patient_id: {Phase.DELAYED: Series("1", tuple(files), Phase.DELAYED, "manifest")})
    monkeypatch.setattr(patient_store, "read_aligned_phases", read_phases)
    write_nifti(tmp_path / "P1.nii.gz", make_volume(make_mask(1)))
    folder = tmp_path / "store" / "P1"

    def stores(settings=profile.preprocessing, code="c", labels=(1,)) -> int:
        read.clear()
        store_patient(folder, make_manifest(tmp_path, labels), "P1", settings, code)
        return len(read)

    assert stores() == 1 and stores() == 0
    files[:] = [other]
    assert stores() == 0, "the same content under another name"
    other.write_bytes(b"2")
    assert stores() == 1 and stores() == 0
    write_nifti(tmp_path / "P1.nii.gz", make_volume(make_mask(1, 2)))
    assert stores(labels=(1, 2)) == 1
    with pytest.raises(InputError, match="label 2"):
        stores()
    assert stores(labels=(1, 2)) == 0, "what was stored before the bad table still stands"
    assert stores(code="d", labels=(1, 2)) == 1
    assert stores(profile.preprocessing.model_copy(update={"upper_percentile": 98.0}), "d", (1, 2)) == 1
    assert stores(code="d", labels=(1, 2)) == 1
    (folder / "source.json").unlink()
    assert stores(code="d", labels=(1, 2)) == 1, "a study that was killed between its arrays and its record"


def test_studies_that_are_no_longer_listed_leave_the_store(plan, monkeypatch):
    (plan.run.path / "store" / "P9").mkdir(parents=True)
    (plan.run.path / "store" / "notes.txt").touch()
    monkeypatch.setattr(build_store, "read_manifest",
                        lambda folder: Manifest(folder, pd.DataFrame({"patient_id": ["P0"]}), pd.DataFrame(), pd.DataFrame()))
    monkeypatch.setattr(build_store, "store_patient", lambda folder, *arguments: folder.mkdir())
    build_store.work(plan, ignore_progress, "")
    assert [path.name for path in (plan.run.path / "store").iterdir()] == ["P0"]


def test_all_patients_are_read_before_their_problems_are_told(plan, monkeypatch):
    manifest = Manifest(plan.manifest, pd.DataFrame({"patient_id": ["P0", "P1", "P2", "P3"]}), pd.DataFrame(), pd.DataFrame())
    read: list[str] = []
    bad = {"P1", "P3"}

    def store(folder, manifest, patient_id, settings, code):
        read.append(patient_id)
        if patient_id in bad:
            raise InputError(Problem(patient_id, "slices", "a gap"))

    monkeypatch.setattr(build_store, "read_manifest", lambda folder: manifest)
    monkeypatch.setattr(build_store, "store_patient", store)
    told: list[float | None] = []
    with pytest.raises(InputError) as caught:
        build_store.work(plan, lambda fraction, message: told.append(fraction), "")
    assert {problem.where for problem in caught.value.problems} == bad and sorted(read) == ["P0", "P1", "P2", "P3"]
    assert told == [0.25, 0.5, 0.75, 1]
