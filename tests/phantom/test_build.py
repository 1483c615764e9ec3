from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lirads_keras.config.cohorts import CohortSettings, CtSettings
from lirads_keras.entities import Observation
from lirads_keras.errors import InputError
from lirads_keras.lirads.categorize import categorize
from lirads_keras.phantom.build import DESCRIPTION_COLUMNS, build_cohort
from lirads_keras.phantom.cohort import build_cohort_table, choose_patients
from lirads_keras.phantom.ct_set import build_ct
from lirads_keras.phantom.parts import VERSION
from lirads_keras.phantom.patient import build_patient
from lirads_keras.progress import ignore_progress


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_manifests(tiny_cohort: Path, tiny_settings: CohortSettings) -> None:
    patients, series, lesions = (rows_of(tiny_cohort / f"{name}.csv") for name in ("patients", "series", "lesions"))
    table = build_cohort_table(tiny_settings)
    assert [row["patient_id"] for row in patients] == [plan.patient_id for plan in table]
    assert {row["cohort"] for row in patients} == {"virtual cohort"}
    assert len(series) == 15 and {row["phase"] for row in series} == {"arterial", "portal_venous", "delayed"}
    assert all(len(list((tiny_cohort / row["path"]).glob("*.dcm"))) == 16 for row in series)
    assert len(lesions) == sum(len(plan.lesions) for plan in table)
    for row in lesions:
        observation = Observation(float(row["diameter_mm"]), row["aphe"] == "1", row["washout"] == "1", row["capsule"] == "1")
        assert row["category"] == categorize(observation, "v2018")[0]
        truth = Observation(float(row["diameter_mm_true"]), row["aphe_true"] == "1", row["washout_true"] == "1", row["capsule_true"] == "1")
        assert row["category_true"] == categorize(truth, "v2018")[0]
        assert (row["aphe_true"] == "1") == (float(row["aphe_margin"]) >= 0)
    for row in patients:
        if row["group"] == "negative":
            assert row["mask_path"] == "" and not (tiny_cohort / "masks" / f"{row['patient_id']}.nii.gz").exists()
            continue
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tiny_cohort / row["mask_path"])))
        assert set(np.unique(labels)) - {0} == {int(lesion["mask_label"]) for lesion in lesions if lesion["patient_id"] == row["patient_id"]}


def test_same_bytes_with_two_processes(tiny_cohort: Path, tiny_settings: CohortSettings, tmp_path: Path) -> None:
    seen: list[tuple[float | None, str]] = []
    build_cohort(tiny_settings, tmp_path, jobs=2, progress=lambda *progress: seen.append(progress))
    assert digests(tmp_path) == digests(tiny_cohort)
    assert seen == [(done / 5, f"patient {done} of 5") for done in range(6)]


def test_one_patient_alone_has_the_same_bytes(tiny_cohort: Path, tiny_settings: CohortSettings, tmp_path: Path) -> None:
    plan = build_cohort_table(tiny_settings)[2]
    build_patient(plan, tiny_settings, tmp_path, tmp_path / "records" / f"{plan.patient_id}.json")
    alone, whole = digests(tmp_path), digests(tiny_cohort)
    assert len(alone) >= 49
    assert all(whole[path] == digest for path, digest in alone.items())


def test_stopped_anywhere_it_goes_on(tiny_cohort: Path, tiny_settings: CohortSettings, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill_after_three(fraction: float | None, message: str) -> None:
        if message == "patient 3 of 5":
            raise Killed

    with pytest.raises(Killed):
        build_cohort(tiny_settings, tmp_path, jobs=1, progress=kill_after_three)
    assert not (tmp_path / "patients.csv").exists()
    # As if killed in the middle of the third patient: no record, a half-written slice and a stray one.
    third = build_cohort_table(tiny_settings)[2].patient_id
    (tmp_path / "records" / f"{third}.json").unlink()
    (tmp_path / "dicom" / third / "arterial" / "0003.dcm").write_bytes(b"half")
    (tmp_path / "dicom" / third / "arterial" / "0099.dcm").write_bytes(b"stray")
    seen: list[float | None] = []
    build_cohort(tiny_settings, tmp_path, jobs=1, progress=lambda fraction, message: seen.append(fraction))
    assert seen == [0.4, 0.6, 0.8, 1]
    assert digests(tmp_path) == digests(tiny_cohort)


def test_complete_cohort_is_not_built_again(tiny_settings: CohortSettings, tmp_path: Path) -> None:
    small = tiny_settings.model_copy(update={"patients_positive": 1, "patients_negative": 0})
    build_cohort(small, tmp_path, jobs=1, progress=ignore_progress)
    file = next((tmp_path / "dicom").rglob("*.dcm"))
    before = file.stat().st_mtime_ns
    build_cohort(small, tmp_path, jobs=1, progress=ignore_progress)
    assert file.stat().st_mtime_ns == before


def test_folder_of_another_cohort_is_refused(tiny_settings: CohortSettings, tmp_path: Path) -> None:
    small = tiny_settings.model_copy(update={"patients_positive": 1, "patients_negative": 0})
    build_cohort(small, tmp_path, jobs=1, progress=ignore_progress)
    with pytest.raises(InputError, match=str(tmp_path)):
        build_cohort(small.model_copy(update={"seed": 8}), tmp_path, jobs=1, progress=ignore_progress)


def test_older_version_is_built_again(tiny_settings: CohortSettings, tmp_path: Path) -> None:
    small = tiny_settings.model_copy(update={"patients_positive": 1, "patients_negative": 0})
    build_cohort(small, tmp_path, jobs=1, progress=ignore_progress)
    before = digests(tmp_path)
    stamp = tmp_path / "phantom.json"
    stamp.write_text(stamp.read_text(encoding="utf-8").replace(f'"version": {VERSION}', '"version": 0'), encoding="utf-8")
    (tmp_path / "dicom" / "VC-0001" / "arterial" / "0001.dcm").write_bytes(b"old")
    build_cohort(small, tmp_path, jobs=1, progress=ignore_progress)
    assert digests(tmp_path) == before


def test_some_patients_have_the_bytes_of_the_whole_cohort_and_more_can_follow(tiny_cohort: Path, tiny_settings: CohortSettings, tmp_path: Path) -> None:
    build_cohort(tiny_settings, tmp_path, jobs=1, progress=ignore_progress, patients=3)
    whole, some = digests(tiny_cohort), digests(tmp_path)
    chosen = [plan.patient_id for plan in choose_patients(build_cohort_table(tiny_settings), 3)]
    assert [row["patient_id"] for row in rows_of(tmp_path / "patients.csv")] == chosen
    assert {row["group"] for row in rows_of(tmp_path / "patients.csv")} == {"positive", "negative"}
    own = {path: digest for path, digest in some.items() if path.startswith(("dicom/", "masks", "records/")) and not path.endswith("labels.txt")}
    assert len(own) > 144 and all(whole[path] == digest for path, digest in own.items())
    with pytest.raises(InputError, match="3 patients, as there are"):
        build_cohort(tiny_settings, tmp_path, jobs=1, progress=ignore_progress, patients=2)
    assert digests(tmp_path) == some
    seen: list[float | None] = []
    build_cohort(tiny_settings, tmp_path, jobs=1, progress=lambda fraction, message: seen.append(fraction))
    assert seen[0] == 0.6 and digests(tmp_path) == whole


@pytest.mark.parametrize("patients", [0, 6, -1])
def test_a_number_of_patients_that_there_is_not(tiny_settings: CohortSettings, tmp_path: Path, patients: int) -> None:
    with pytest.raises(InputError) as raised:
        build_cohort(tiny_settings.model_copy(update={"slices": 8}), tmp_path / "new", jobs=1, progress=ignore_progress, patients=patients)
    assert [problem.found for problem in raised.value.problems] == ["80 mm", str(patients)] and not (tmp_path / "new").exists()


def test_the_tables_that_describe_the_cohort(tiny_cohort: Path) -> None:
    for name, columns in DESCRIPTION_COLUMNS.items():
        rows = rows_of(tiny_cohort / f"{name}.csv")
        assert rows and tuple(rows[0]) == columns
    lesions = rows_of(tiny_cohort / "lesions.csv")
    ceiling = {row["patient_id"]: float(row["dice_readers"]) for row in rows_of(tiny_cohort / "reader_ceiling.csv")}
    assert set(ceiling) == {row["patient_id"] for row in lesions}
    for patient_id, dice in ceiling.items():
        own = [float(row["dice_readers"]) for row in lesions if row["patient_id"] == patient_id]
        assert min(own) - 1e-4 <= dice <= max(own) + 1e-4
    counted = Counter((row["patient_id"], row["kind"]) for row in rows_of(tiny_cohort / "confounders.csv"))
    for row in rows_of(tiny_cohort / "patients.csv"):
        for kind in ("cyst", "haemangioma", "transient_difference", "siderotic_nodule", "focal_fat"):
            assert counted[row["patient_id"], kind] == int(row[f"n_{kind}"])


def test_field_of_view_too_small(tiny_settings: CohortSettings, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        build_cohort(tiny_settings.model_copy(update={"matrix_px": 40, "slices": 8}), tmp_path / "new", jobs=1, progress=ignore_progress)
    assert len(raised.value.problems) == 2
    assert not (tmp_path / "new").exists()


def test_ct_in_the_layout_of_lits(tmp_path: Path) -> None:
    settings = CtSettings(source="virtual", patients=3, matrix_px=64, pixel_spacing_mm=6.0, slices=16, slice_spacing_mm=10.0, seed=4)
    seen: list[tuple[float | None, str]] = []
    build_ct(settings, tmp_path / "a", jobs=1, progress=lambda *progress: seen.append(progress))
    assert seen == [(0, "CT 0 of 3"), (1 / 3, "CT 1 of 3"), (2 / 3, "CT 2 of 3"), (1, "CT 3 of 3")]
    build_ct(settings, tmp_path / "b", jobs=1, progress=ignore_progress)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    tumours = 0
    for number in range(3):
        volume = sitk.ReadImage(str(tmp_path / "a" / f"volume-{number}.nii.gz"))
        segmentation = sitk.ReadImage(str(tmp_path / "a" / f"segmentation-{number}.nii.gz"))
        assert volume.GetSize() == segmentation.GetSize() == (64, 64, 16)
        assert volume.GetSpacing() == segmentation.GetSpacing() and volume.GetOrigin() == segmentation.GetOrigin()
        hounsfield, labels = sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(segmentation)
        assert set(np.unique(labels)) <= {0, 1, 2} and hounsfield.dtype == np.int16
        assert 70 < hounsfield[labels == 1].mean() < 150
        assert hounsfield[:, :2].mean() == pytest.approx(-1000, abs=15)
        tumours += int((labels == 2).any())
        # 0.8–2.6 litres of liver.
        assert 0.8e6 < (labels > 0).sum() * 360 < 2.6e6
    assert tumours >= 1
