from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_volume
from lirads_keras.io.manifests import read_manifest, series_of

WriteSeries = Callable[..., list[Path]]

PATIENTS = "patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
SERIES = "patient_id,phase,path,series_uid,time_point\n"
LESIONS = "patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\n"


@pytest.fixture()
def manifest_folder(tmp_path: Path) -> Path:
    for name in ("dicom/A/art", "dicom/A/del", "dicom/B", "masks"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "masks" / "A.nii.gz").write_bytes(b"")
    write(tmp_path, "patients", PATIENTS + "A,positive,ours,58.5,M,SIGNA,operation,masks/A.nii.gz\n007,negative,ours,,,,,\n")
    write(tmp_path, "series", SERIES + "A,arterial,dicom/A/art,,\nA,delayed,dicom/A/del,1.2.3,2\n007,delayed,dicom/B,,\n")
    write(tmp_path, "lesions", LESIONS + "A,L1,1,23.5,1,0,,LR-5\nA,L2,2,,,,,LR-3\n")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def replace_in(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_manifest(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_manifest_is_read_with_types(manifest_folder: Path) -> None:
    manifest = read_manifest(manifest_folder)
    assert manifest.patients["patient_id"].tolist() == ["A", "007"]
    assert manifest.patients["age_years"].dtype == "float64" and pd.isna(manifest.patients["age_years"][1])
    assert manifest.patients["sex"].tolist() == ["M", ""]
    assert manifest.series["time_point"].tolist() == [0, 2, 0] and manifest.series["time_point"].dtype == "int64"
    assert manifest.lesions["mask_label"].dtype == "int64" and manifest.lesions["diameter_mm"].dtype == "float64"
    assert manifest.lesions["aphe"].dtype == "Int64" and manifest.lesions["aphe"][0] == 1 and manifest.lesions["capsule"][0] is pd.NA
    assert manifest.mask_path("A") == manifest_folder / "masks" / "A.nii.gz" and manifest.mask_path("007") is None


def test_unknown_columns_are_kept_and_the_truth_of_a_virtual_cohort_is_typed(manifest_folder: Path) -> None:
    write(manifest_folder, "lesions", LESIONS.strip() + ",tissue_class,capsule_true,diameter_mm_true\nA,L1,1,23.5,1,0,,LR-5,0012,1,22.25\n")
    lesions = read_manifest(manifest_folder).lesions
    assert lesions["tissue_class"].tolist() == ["0012"] and lesions["capsule_true"].tolist() == [1] and lesions["diameter_mm_true"].tolist() == [22.25]


def test_windows_files_and_blank_lines_are_read(manifest_folder: Path) -> None:
    text = (manifest_folder / "lesions.csv").read_text().replace("\n", "\r\n").replace("L2", " L2 ") + "\r\n,,,,,,,\r\n"
    (manifest_folder / "lesions.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_manifest(manifest_folder).lesions["lesion_id"].tolist() == ["L1", "L2"]


def test_no_lesions_and_absolute_paths_are_allowed(manifest_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(manifest_folder, "lesions", LESIONS)
    replace_in(manifest_folder, "series", "dicom/B", str(elsewhere))
    manifest = read_manifest(manifest_folder)
    assert manifest.lesions.empty and manifest.lesions["diameter_mm"].dtype == "float64"
    assert manifest.resolve(manifest.series["path"][2]) == elsewhere


@pytest.mark.parametrize("name, old, new, message", [
    ("patients", "A,positive", "A,postive", "patients.csv, line 2, group: expected positive or negative, found 'postive'"),
    ("patients", "58.5", "585", "patients.csv, line 2, age_years: expected a number from 0 to 130, found '585'"),
    ("patients", "58.5", "5_8", "age_years: expected a number from 0 to 130, found '5_8'"),
    ("patients", "58.5", "nan", "age_years: expected a number from 0 to 130, found 'nan'"),
    ("patients", ",M,", ",m,", "patients.csv, line 2, sex: expected M or F, found 'm'"),
    ("patients", "masks/A.nii.gz", "masks/B.nii.gz", "patients.csv, line 2, mask_path: expected a file that exists, found 'masks/B.nii.gz'"),
    ("patients", "masks/A.nii.gz", "masks", "mask_path: expected a file that exists"),
    ("patients", "masks/A.nii.gz", "masks/../../A.nii.gz", "mask_path: expected an absolute path, or one inside of the manifest's folder"),
    ("patients", "007,", "A,", "patients.csv, line 3, patient_id: expected each once, found A again (first in line 2)"),
    ("patients", "007,", "../7,", "patient_id: expected a name without slashes"),
    ("patients", "007,", ",", "line 3, patient_id: expected a name without slashes, colons and tabs, of at most 100 characters, found an empty cell"),
    ("patients", "masks/A.nii.gz", "", "patients.csv, line 2, mask_path: expected the mask of a patient of the group positive, found an empty cell"),
    ("patients", "sex", "sexx", "patients.csv, line 1: expected a column sex, found patient_id, group, cohort, age_years, sexx, scanner"),
    ("patients", "sex,scanner", "sex,sex", "patients.csv, line 1: expected one column sex, found 2"),
    ("patients", "007,negative,ours,,,,,", "007,negative,ours,,,", "patients.csv, line 3: expected 8 cells, found 6"),
    ("series", "A,delayed", "A,portal_venous", "patients.csv, line 2, patient_id: expected a row of series.csv with the phase delayed"),
    ("series", "A,delayed", "A,late", "series.csv, line 3, phase: expected precontrast or arterial"),
    ("series", "A,delayed", "A,arterial", "series.csv, line 3, patient_id + phase: expected each once, found A + arterial again (first in line 2)"),
    ("series", "A,delayed", "C,delayed", "series.csv, line 3, patient_id: expected a patient of patients.csv, found 'C'"),
    ("series", "1.2.3,2", "1.2.3,-1", "series.csv, line 3, time_point: expected a whole number from 0 to 10000, found '-1'"),
    ("series", "1.2.3,2", "1.2.3,0.5", "time_point: expected a whole number"),
    ("series", "dicom/B", "dicom/C", "series.csv, line 4, path: expected a folder of DICOM files or a NIfTI file that exists, found 'dicom/C'"),
    ("series", "dicom/B", "../B", "series.csv, line 4, path: expected an absolute path, or one inside"),
    ("series", "dicom/B", "x" * 5000, "path: expected a folder of DICOM files or a NIfTI file that exists"),
    ("series", "dicom/B", "", "series.csv, line 4, path: expected text, found an empty cell"),
    ("series", "dicom/B", '"dicom/B', "a CSV file"),
    ("lesions", "A,L2,2", "A,L1,2", "lesions.csv, line 3, patient_id + lesion_id: expected each once, found A + L1 again"),
    ("lesions", "A,L2,2", "A,L2,1", "lesions.csv, line 3, patient_id + mask_label: expected each once"),
    ("lesions", "A,L2,2", "A,L2,0", "lesions.csv, line 3, mask_label: expected a whole number from 1 to 65535, found '0'"),
    ("lesions", "A,L2", "007,L2", "lesions.csv, line 3, patient_id: expected a patient of the group positive, found a lesion of 007, whose group is negative"),
    ("lesions", "23.5", "-23.5", "lesions.csv, line 2, diameter_mm: expected a number from 0.001 to 1000, found '-23.5'"),
    ("lesions", "23.5,1,", "23.5,yes,", "lesions.csv, line 2, aphe: expected a whole number from 0 to 1, found 'yes'"),
    ("lesions", "LR-5", "LR-2", "lesions.csv, line 2, category: expected LR-3 or LR-4 or LR-5, found 'LR-2'")])
def test_each_fault_is_one_clear_line(manifest_folder: Path, name: str, old: str, new: str, message: str) -> None:
    replace_in(manifest_folder, name, old, new)
    found = problems_of(manifest_folder)
    assert any(message in line for line in found), found


def test_who_tests_a_network_needs_no_delayed_phase_but_a_phase_with_a_grid(manifest_folder: Path) -> None:
    for name in ("portal_venous", "precontrast"):
        (manifest_folder / "dicom" / "A" / name).mkdir()
    rows = "A,arterial,dicom/A/art,,\nA,{},dicom/A/{},,\n007,,dicom/B,,\n"
    write(manifest_folder, "series", SERIES + rows.replace("{}", "portal_venous"))
    manifest = read_manifest(manifest_folder, segmentation_only=True, for_training=False)
    assert manifest.series["phase"].tolist() == ["arterial", "portal_venous", "delayed"]
    with pytest.raises(InputError, match="one row of series.csv, or one with the phase delayed, found 2 for A"):
        read_manifest(manifest_folder, segmentation_only=True)
    write(manifest_folder, "series", SERIES + rows.replace("{}", "precontrast"))
    with pytest.raises(InputError, match="the phase delayed or portal_venous, or one whose phase is empty, found arterial, precontrast for A"):
        read_manifest(manifest_folder, segmentation_only=True, for_training=False)


def test_files_that_are_no_tables(manifest_folder: Path) -> None:
    (manifest_folder / "patients.csv").write_bytes(PATIENTS.encode() + "Müller".encode("latin-1"))
    (manifest_folder / "series.csv").unlink()
    write(manifest_folder, "lesions", "")
    found = problems_of(manifest_folder)
    assert found[0] == "patients.csv: expected UTF-8 text, found the byte 0xfc at 74"
    assert found[1] == "series.csv: expected a readable CSV file, found No such file or directory"
    assert found[2] == "lesions.csv, line 1: expected a column patient_id, found nothing"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a manifest folder, found no such folder"):
        read_manifest(tmp_path / "absent")


def test_no_patients(manifest_folder: Path) -> None:
    for name, header in (("patients", PATIENTS), ("series", SERIES), ("lesions", LESIONS)):
        write(manifest_folder, name, header)
    assert problems_of(manifest_folder) == ["patients.csv: expected a row for each patient, found none"]


def test_ten_thousand_rows_with_fifty_errors(manifest_folder: Path) -> None:
    rows = [f"P{row},{'negativ' if row % 200 == 7 else 'negative'},ours,,,,," for row in range(10_000)]
    write(manifest_folder, "patients", PATIENTS + "\n".join(rows))
    write(manifest_folder, "series", SERIES + "\n".join(f"P{row},delayed,dicom/B,1.2.{row}," for row in range(10_000)))
    write(manifest_folder, "lesions", LESIONS)
    found = problems_of(manifest_folder)
    assert len(found) == 50 and found[0] == "patients.csv, line 9, group: expected positive or negative, found 'negativ'"


def test_series_of_a_patient(manifest_folder: Path, write_series: WriteSeries) -> None:
    write_series(manifest_folder / "dicom" / "A" / "art", description="anything", first_value=10)
    for time in range(3):
        write_series(manifest_folder / "dicom" / "A" / "del" / str(time), series=3, first_value=20 + 10 * time, AcquisitionTime=f"10000{time}")
    replace_in(manifest_folder, "series", "1.2.3,2", "1.2.826.0.1.3680043.8.498.1.3,2")
    found = series_of(read_manifest(manifest_folder), "A")
    assert {phase: read_volume(series).array[0, 0, 0] for phase, series in found.items()} == {Phase.ARTERIAL: 10, Phase.DELAYED: 40}
    assert {(phase, series.phase, series.phase_evidence) for phase, series in found.items()} == {(phase, phase, "manifest") for phase in found}


def test_series_that_are_not_there(manifest_folder: Path, write_series: WriteSeries) -> None:
    for series in (1, 2):
        write_series(manifest_folder / "dicom" / "A" / "art", series=series)
    with pytest.raises(InputError) as caught:
        series_of(read_manifest(manifest_folder), "A")
    ambiguous, absent = (str(problem) for problem in caught.value.problems)
    assert "A, arterial" in ambiguous and "expected one series only, or a series_uid, time point 0, found series 'LAVA DELAYED 180s'" in ambiguous
    assert "dicom/A/del: expected a series of MR or CT images, found an empty folder" in absent
    write_series(manifest_folder / "dicom" / "A" / "del", series=3)
    with pytest.raises(InputError, match="expected series 1.2.3, time point 2, found series 'LAVA DELAYED 180s'"):
        series_of(read_manifest(manifest_folder), "A")


def test_where_groups_are_said_a_patient_without_group_and_mask_is_asked_for(manifest_folder: Path) -> None:
    (manifest_folder / "patients.csv").write_text("patient_id,mask_path\nA,masks/A.nii.gz\n007,\n")
    assert read_manifest(manifest_folder, segmentation_only=True).patients["group"].tolist() == ["positive", "negative"]
    (manifest_folder / "patients.csv").write_text("patient_id,group,mask_path\nA,,masks/A.nii.gz\n007,negative,\n")
    assert read_manifest(manifest_folder, segmentation_only=True).patients["group"].tolist() == ["positive", "negative"]
    (manifest_folder / "patients.csv").write_text("patient_id,group,mask_path\nA,positive,masks/A.nii.gz\n007,,\n")
    with pytest.raises(InputError, match="line 3, group: expected negative, for a patient without a lesion, or a mask_path, found both empty"):
        read_manifest(manifest_folder, segmentation_only=True)
