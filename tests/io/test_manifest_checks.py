from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lirads_keras.errors import InputError
from lirads_keras.io.manifest_checks import find_label_problems
from lirads_keras.io.manifests import check_manifest, describe_files, read_manifest, series_of

PATIENTS = "patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path"
SERIES = "patient_id,phase,path,series_uid,time_point"
LESIONS = "patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category"


def write(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
    return folder


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """Two positive patients, one image each: A's a folder, B's a NIfTI file."""
    for name in ("a", "masks"):
        (tmp_path / name).mkdir()
    for name in ("b.nii.gz", "c.nii", "masks/A.nii", "masks/B.nii"):
        (tmp_path / name).write_bytes(b"")
    return write(tmp_path, patients=f"{PATIENTS}\nA,positive,ours,,,,,masks/A.nii\nB,positive,ours,,,,,masks/B.nii",
                 series=f"{SERIES}\nA,delayed,a,,\nB,delayed,b.nii.gz,,",
                 lesions=f"{LESIONS}\nA,L1,1,,,,,LR-3\nB,L1,1,,,,,LR-3")


def found(folder: Path, **options: bool) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in check_manifest(folder, **options)[1]]


def rewrite(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_nifti_file_is_a_series(folder: Path) -> None:
    manifest = read_manifest(folder)
    (phase, series), = series_of(manifest, "B").items()
    assert phase == "delayed" and series.files == (folder / "b.nii.gz",) and series.phase_evidence == "manifest"


@pytest.mark.parametrize("name, old, new, message", [
    ("series", "b.nii.gz,,", "b.nii.gz,1.2,", "series.csv, line 3, series_uid: expected an empty cell, as the path is a NIfTI file of one volume, found '1.2'"),
    ("series", "b.nii.gz,,", "b.nii.gz,,1", "series.csv, line 3, time_point: expected an empty cell, as the path is a NIfTI file of one volume, found '1'"),
    ("series", "b.nii.gz", "masks/A.txt", "series.csv, line 3, path: expected a folder of DICOM files or a NIfTI file that exists, found 'masks/A.txt'"),
    ("series", "b.nii.gz", "./a", "series.csv, line 3, path: expected an image of one patient and phase only, found the one of A in line 2"),
    ("series", "a,,", "b.nii.gz,,0", "series.csv, line 3, path: expected an image of one patient and phase only, found the one of A in line 2"),
    ("patients", "masks/B.nii", "masks/A.nii", "patients.csv, line 3, mask_path: expected a mask of one patient only, found the one of A in line 2"),
    ("patients", "sex,scanner", "sex,scaner", "patients.csv, line 1: expected a column scanner, found patient_id, group, cohort, age_years, sex, scaner, "
     "diagnosis_method, mask_path (did you mean scanner by scaner?)")])
def test_each_fault_is_one_clear_line(folder: Path, name: str, old: str, new: str, message: str) -> None:
    rewrite(folder, name, old, new)
    assert message in found(folder)


@pytest.mark.parametrize("name, column, message", [
    ("patients", "folds", "patients.csv, line 1, folds: expected the column fold, or a name less like it, found folds (did you mean fold?)"),
    ("patients", "exclusion_reasons", "patients.csv, line 1, exclusion_reasons: expected the column exclusion_reason, or a name less like it, "
     "found exclusion_reasons (did you mean exclusion_reason?)"),
    ("series", "Modality", "series.csv, line 1, Modality: expected the column modality, or a name less like it, found Modality (did you mean modality?)")])
def test_a_mistyped_optional_column_is_told(folder: Path, name: str, column: str, message: str) -> None:
    lines = (folder / f"{name}.csv").read_text().splitlines()
    write(folder, **{name: "\n".join([f"{lines[0]},{column}", *(f"{line}," for line in lines[1:])])})
    assert found(folder) == [message]


@pytest.mark.parametrize("column", ["comment", "stage", "weight_kg", "group_of_readers"])
def test_other_columns_are_kept_in_silence(folder: Path, column: str) -> None:
    lines = (folder / "patients.csv").read_text().splitlines()
    write(folder, patients="\n".join([f"{lines[0]},{column}", f"{lines[1]},x", f"{lines[2]},007"]))
    assert found(folder) == [] and read_manifest(folder).patients[column].tolist() == ["x", "007"]


def with_columns(folder: Path, columns: str, *cells: str) -> None:
    lines = (folder / "patients.csv").read_text().splitlines()
    write(folder, patients="\n".join([f"{lines[0]},{columns}", *(f"{line},{cell}" for line, cell in zip(lines[1:], cells, strict=True))]))


def test_folds_are_given_for_all_or_for_none(folder: Path) -> None:
    with_columns(folder, "fold", "0", "1")
    assert read_manifest(folder).patients["fold"].tolist() == [0, 1]
    rewrite(folder, "patients", "A.nii,0", "A.nii,")
    assert found(folder) == ["patients.csv, line 2, fold: expected a fold, as other patients have one, found an empty cell"]


def test_a_patient_twice_is_told_whatever_the_fold(folder: Path) -> None:
    with_columns(folder, "fold", "0", "1")
    rewrite(folder, "patients", "B,positive,ours,,,,,masks/B.nii,1", "A,positive,ours,,,,,masks/B.nii,1")
    assert "patients.csv, line 3, patient_id: expected each once, found A again (first in line 2)" in found(folder)


def test_an_excluded_patient_needs_no_image_and_takes_no_part(folder: Path) -> None:
    with_columns(folder, "exclusion_step,exclusion_reason", ",", "2,no delayed phase")
    write(folder, series=f"{SERIES}\nA,delayed,a,,", lesions=f"{LESIONS}\nA,L1,1,,,,,LR-3\nB,L1,1,,,,,LR-3")
    rewrite(folder, "patients", "B,positive,ours,,,,,masks/B.nii", "B,,,,,,,")
    manifest = read_manifest(folder)
    assert manifest.patients["patient_id"].tolist() == ["A"] and manifest.lesions["patient_id"].tolist() == ["A"]


def test_a_step_without_reason_is_told(folder: Path) -> None:
    with_columns(folder, "exclusion_step,exclusion_reason", "3,", ",")
    assert found(folder) == ["patients.csv, line 2, exclusion_reason: expected the reason for the exclusion at this step, found an empty cell"]


def test_ct_is_not_for_the_lirads_workflow(folder: Path) -> None:
    write(folder, series=f"{SERIES},modality\nA,delayed,a,,,MR\nB,delayed,b.nii.gz,,,CT")
    assert found(folder) == [
        "series.csv, line 3, modality: expected MR, which the LI-RADS workflow reads (CT is for `lirads train segmentation`), found CT"]
    assert found(folder, segmentation_only=True) == []


def test_two_columns_a_table_suffice_for_a_segmentation(folder: Path) -> None:
    (folder / "lesions.csv").unlink()
    write(folder, patients="patient_id,mask_path\nA,masks/A.nii\nB,", series="patient_id,path\nA,a\nB,b.nii.gz")
    manifest = read_manifest(folder, segmentation_only=True)
    assert manifest.patients["group"].tolist() == ["positive", "negative"] and manifest.series["phase"].tolist() == ["delayed"] * 2
    assert manifest.lesions.empty and manifest.series["time_point"].tolist() == [0, 0]
    with pytest.raises(InputError, match="a column group"):
        read_manifest(folder)


def test_of_several_images_one_must_be_delayed(folder: Path) -> None:
    write(folder, series=f"{SERIES}\nA,arterial,a,,\nA,,c.nii,,\nB,arterial,b.nii.gz,,")
    assert found(folder, segmentation_only=True) == [
        "patients.csv, line 2, patient_id: expected one row of series.csv, or one with the phase delayed, found 2 for A"]


def test_the_patients_without_problem_are_still_given(folder: Path) -> None:
    rewrite(folder, "series", "b.nii.gz", "absent.nii")
    manifest, problems = check_manifest(folder)
    assert manifest is not None and len(problems) == 1
    assert [table["patient_id"].tolist() for table in (manifest.patients, manifest.series, manifest.lesions)] == [["A"]] * 3


def test_what_the_files_are_changes_with_tables_masks_and_image_sizes(folder: Path) -> None:
    (folder / "a" / "1.dcm").write_bytes(b"12")
    manifest = read_manifest(folder)
    before = describe_files(manifest)
    assert before == describe_files(read_manifest(folder))
    seen = [before]
    for path, content in (("b.nii.gz", b"1"), ("a/1.dcm", b"123"), ("masks/A.nii", b"1"), ("labels.csv", b"mask_label,name\n")):
        (folder / path).write_bytes(content)
        seen.append(describe_files(manifest))
    assert len({str(one) for one in seen}) == 5


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["patients", "series", "lesions", "labels"]), st.data())
def test_whatever_happens_to_a_table_is_told_and_never_raised(folder: Path, name: str, data: st.DataObject) -> None:
    """Bytes that are cut, doubled, replaced or put in: a manifest with problems or without, nothing else."""
    original = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    text = original.get(f"{name}.csv", b"mask_label,name\n1,liver\n")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    put = data.draw(st.one_of(st.binary(max_size=6), st.sampled_from([b",", b"\n", b'"', b"\x00", b"../", b"1e999", b"nan", b"-1", text[start:end] * 2])))
    (folder / f"{name}.csv").write_bytes(text[:start] + put + text[end:])
    for segmentation_only in (False, True):
        manifest, problems = check_manifest(folder, segmentation_only=segmentation_only)
        assert manifest is not None or problems
        if manifest is not None:
            assert set(manifest.series["patient_id"]) <= set(manifest.patients["patient_id"])
            try:
                describe_files(manifest)
            except OSError as error:
                raise AssertionError("a checked manifest names files that are not there") from error
    for path in folder.glob("*.csv"):
        path.unlink()
    for file, content in original.items():
        (folder / file).write_bytes(content)


def make_mask(*labels: int) -> np.ndarray:
    mask = np.zeros((4, 8, 8), np.uint8)
    for index, label in enumerate(labels):
        mask[1, index, index] = label
    return mask


@pytest.mark.parametrize("labels, rows", [((), ()), ((1,), (1,)), ((2, 5), (5, 2))])
def test_labels_and_rows_that_agree_are_taken(labels: tuple[int, ...], rows: tuple[int, ...]) -> None:
    lesions = pd.DataFrame({"patient_id": ["P1"] * len(rows) + ["P2"], "mask_label": [*rows, 7]})
    assert find_label_problems(Path("m"), lesions, "P1", make_mask(*labels), Path("P1.nii")) == []


def test_a_patient_without_mask_and_without_rows_is_taken() -> None:
    assert find_label_problems(Path("m"), pd.DataFrame({"patient_id": ["P2"], "mask_label": [1]}), "P1", None, None) == []


def test_every_label_without_row_and_every_row_without_label_is_told() -> None:
    lesions = pd.DataFrame({"patient_id": ["P1"] * 3, "mask_label": [1, 3, 4]})
    assert [str(problem) for problem in find_label_problems(Path("m"), lesions, "P1", make_mask(1, 2, 5), Path("P1.nii"))] == [
        *(f"P1.nii, label {label}: expected a row with this mask_label in lesions.csv, found rows for [1, 3, 4]" for label in (2, 5)),
        *(f"m/lesions.csv, patient P1, mask_label {label}: expected the label in P1.nii, found labels [1, 2, 5]" for label in (3, 4))]


def test_no_folder_gives_no_manifest(tmp_path: Path) -> None:
    manifest, problems = check_manifest(tmp_path / "absent")
    assert manifest is None and [problem.found for problem in problems] == ["no such folder"]
