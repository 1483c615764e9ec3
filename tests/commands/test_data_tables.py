"""`lirads data check`, `flow`, `import` and `export` as a user types them."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lirads_keras import cli
from lirads_keras.entities import Volume
from lirads_keras.io.nifti import write_nifti

PATIENTS = "patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
SERIES = "patient_id,phase,path,series_uid,time_point\n"
LESIONS = "patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\n"


def write_volume(path: Path, array: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([5.0, 1.0, 1.0])[::-1]
    write_nifti(path, Volume(array, (5.0, 1.0, 1.0), affine))


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """Three positive patients of one delayed phase, with a lesion of 13.1 mm each."""
    folder = tmp_path / "m"
    mask = np.zeros((3, 24, 24), np.uint8)
    mask[1, 4:14, 4:14] = 1
    for number in range(3):
        write_volume(folder / f"{number}.nii.gz", np.random.default_rng(number).integers(100, 500, (3, 24, 24)).astype(np.int16))
        write_volume(folder / f"{number}-mask.nii.gz", mask)
    (folder / "patients.csv").write_text(PATIENTS + "".join(f"P{number},positive,ours,,,,,{number}-mask.nii.gz\n" for number in range(3)))
    (folder / "series.csv").write_text(SERIES + "".join(f"P{number},delayed,{number}.nii.gz,,\n" for number in range(3)))
    (folder / "lesions.csv").write_text(LESIONS + "".join(f"P{number},L1,1,13,1,0,0,LR-3\n" for number in range(3)))
    return folder


def lirads(*arguments: object) -> int:
    """The exit code, as the shell would see it."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def test_a_manifest_without_problem(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert lirads("data", "check", folder) == 0
    captured = capsys.readouterr()
    assert captured.out == "no problem (3 patients; patients, series, lesions)\n" and "3/3" in captured.err
    assert lirads("data", "check", folder, "--tables-only") == 0
    assert capsys.readouterr().out == "no problem (3 patients; patients, series, lesions; pixels not read)\n"


def test_problems_of_tables_pixels_and_rules_come_in_one_table(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "patients.csv").write_text((folder / "patients.csv").read_text().replace("P0,positive", "P0,postive"))
    (folder / "lesions.csv").write_text((folder / "lesions.csv").read_text().replace("P1,L1,1,13,1,0,0,LR-3", "P1,L1,1,1.3,1,0,0,LR-4"))
    (folder / "2.nii.gz").write_bytes((folder / "2.nii.gz").read_bytes()[:-40])
    assert lirads("data", "check", folder) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "row", "column", "expected", "found"] and lines[-1] == "4 problems"
    assert lines[1].split()[:4] == ["patients.csv", "line", "2", "group"] and lines[1].endswith("'postive'")
    assert lines[2].split()[:5] == ["lesions.csv", "P1,", "L1", "category", "LR-3"] and lines[2].endswith("LR-4")
    assert lines[3].split()[:4] == ["lesions.csv", "P1,", "L1", "diameter_mm"] and lines[3].endswith("1.3")
    assert lines[4].split()[0] == "2.nii.gz" and "truncated" in lines[4] or "cannot be read" in lines[4]


def test_fifty_errors_in_ten_thousand_rows_are_told_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "patients.csv").write_text(PATIENTS + "".join(f"P{row},{'negativ' if row % 200 == 7 else 'negative'},ours,,,,,\n" for row in range(10_000)))
    (tmp_path / "series.csv").write_text(SERIES + "".join(f"P{row},delayed,dicom,1.2.{row},\n" for row in range(10_000)))
    (tmp_path / "lesions.csv").write_text(LESIONS)
    started = time.process_time()
    assert lirads("data", "check", tmp_path, "--tables-only") == 2
    assert time.process_time() - started < 10
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 52 and lines[-1] == "50 problems" and all("'negativ'" in line for line in lines[1:-1])


def test_an_absent_manifest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert lirads("data", "check", tmp_path / "absent") == 2
    assert "no such folder" in capsys.readouterr().out


def test_flow_is_printed_and_drawn(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lines = (folder / "patients.csv").read_text().splitlines()
    (folder / "patients.csv").write_text("\n".join([f"{lines[0]},exclusion_reason", *(f"{line}," for line in lines[1:]), "X,,,,,,,,no MRI"]) + "\n")
    assert lirads("data", "flow", folder, "--out", tmp_path / "flow") == 0
    out = capsys.readouterr().out
    assert "4 patients screened" in out and "1 no MRI   (3 left)" in out and "3 patients included" in out
    assert sorted(path.suffix for path in (tmp_path / "flow").iterdir()) == [".csv", ".png", ".svg"]
    assert lirads("data", "check", folder) == 0


def test_a_folder_of_pairs_is_imported_checked_and_exported(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("patients", "series", "lesions"):
        (folder / f"{name}.csv").unlink()
    assert lirads("data", "import", "itksnap", folder, "--out", tmp_path / "imported", "--modality", "CT") == 0
    assert "3 patients of m, labels: not named" in capsys.readouterr().out
    assert "CT" in (tmp_path / "imported" / "series.csv").read_text()
    assert lirads("data", "check", tmp_path / "imported") == 0
    assert capsys.readouterr().out == "no problem (3 patients; images and masks)\n"
    assert lirads("data", "export", "nnunet", tmp_path / "imported", "--out", tmp_path / "raw", "--folds", 3, "--name", "Dataset007_Mine") == 0
    assert len(json.loads((tmp_path / "raw" / "Dataset007_Mine" / "splits_final.json").read_text())) == 3


def test_the_folds_of_a_run_are_taken(folder: Path, tmp_path: Path) -> None:
    profile = Path(__file__).resolve().parents[2] / "experiments" / "profiles" / "smoke.yaml"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "profile.yaml").write_bytes(profile.read_bytes())
    assert lirads("data", "export", "nnunet", folder, "--out", tmp_path / "a", "--run", tmp_path / "run") == 0
    assert lirads("data", "export", "nnunet", folder, "--out", tmp_path / "b", "--folds", 3, "--seed", 2023) == 0
    splits = [(tmp_path / name / "Dataset501_Liver" / "splits_final.json").read_bytes() for name in "ab"]
    assert splits[0] == splits[1]


@pytest.mark.parametrize("arguments, words", [
    (["import", "lits", "absent", "--out", "out"], "no such folder"),
    (["import", "atlas", "m", "--out", "out"], "one folder with imagesTr and labelsTr in it"),
    (["import", "lits", "m", "--out", "out", "--modality", "MR"], "only with nnunet or itksnap"),
    (["import", "itksnap", "m", "--out", "m"], "a new or an empty folder"),
    (["flow", "absent", "--out", "out"], "a readable CSV file"),
    (["flow", "m", "--out", "m/patients.csv"], "a folder that can be written"),
    (["export", "nnunet", "m", "--out", "out"], "at least 9 with lesions, one a fold, found 3"),
    (["export", "nnunet", "m", "--out", "out", "--run", "m", "--folds", "3"], "either --run, or --folds and --seed"),
    (["export", "nnunet", "m", "--out", "out", "--run", "absent"], "a run folder with profile.yaml"),
    (["export", "nnunet", "m", "--out", "m/patients.csv"], "a folder that can be written")])
def test_what_does_not_fit_is_told(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert lirads("data", *arguments) == 2
    assert words in capsys.readouterr().err


def test_the_commands_are_offered_without_loading_what_they_need() -> None:
    script = ("import sys, lirads_keras.cli as cli\ntry: cli.main(['data', '--help'])\nexcept SystemExit: pass\n"
              "assert not {'numpy', 'pandas', 'keras', 'SimpleITK'} & set(sys.modules), 'slow'")
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ)
    assert finished.returncode == 0, finished.stderr
    assert all(name in finished.stdout for name in ("check", "flow", "import", "export"))
