"""`lirads cohort build` as a user types it, in this process."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lirads_keras.cli import main
from lirads_keras.config.profile import read_profile

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The smoke profile with three patients on the coarsest grid that holds a patient."""
    content = yaml.safe_load(SMOKE.read_text())
    content["cohort"] |= {"patients_positive": 2, "patients_negative": 1, "matrix_px": 48, "pixel_spacing_mm": 7.0, "slices": 10, "slice_spacing_mm": 14.0}
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_some_patients_with_another_seed(profile: Path, tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    assert main(["cohort", "build", "--profile", str(profile), "--out", str(out), "--patients", "1", "--seed", "5", "--jobs", "1"]) == 0
    stamp = json.loads((out / "phantom.json").read_text())
    settings = read_profile(profile).cohort
    assert stamp["settings"] == settings.model_copy(update={"seed": 5}).model_dump(mode="json") and stamp["patients"] == 1
    assert len((out / "patients.csv").read_text().splitlines()) == 2 and len(list((out / "dicom").iterdir())) == 1
    assert (out / "cohort_summary.csv").exists() and (out / "cohort_realism.csv").exists()


@pytest.mark.parametrize("arguments", [["--patients", "0"], ["--patients", "x"], ["--seed", "-1"], ["--seed", "1.5"], ["--jobs", "0"], ["--jobs", "-2"]])
def test_values_that_are_no_numbers_of_their_kind(profile: Path, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cohort", "build", "--profile", str(profile), "--out", str(tmp_path / "cohort"), *arguments])
    assert stopped.value.code == 2 and f"argument {arguments[0]}: expected a whole number from" in capsys.readouterr().err
    assert not (tmp_path / "cohort").exists()


def test_more_patients_than_there_are(profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cohort", "build", "--profile", str(profile), "--out", str(tmp_path / "cohort"), "--patients", "4"]) == 2
    error = capsys.readouterr().err
    assert error.strip() == "error: number of patients: expected 1 to 3, the whole cohort, found 4" and not (tmp_path / "cohort").exists()


def test_a_place_that_is_a_file_and_a_profile_that_is_not_there(profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("")
    assert main(["cohort", "build", "--profile", str(profile), "--out", str(tmp_path / "taken")]) == 2
    assert main(["cohort", "build", "--profile", str(tmp_path / "absent.yaml"), "--out", str(tmp_path / "cohort")]) == 2
    error = capsys.readouterr().err
    assert "taken" in error and "absent.yaml" in error and (tmp_path / "taken").read_text() == ""


def test_a_shifted_cohort_is_told_to_be_one(profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cohort"
    assert main(["cohort", "build", "--profile", str(profile), "--out", str(out), "--patients", "1", "--shifted", "--jobs", "1"]) == 0
    assert "shifted: Shift(scanner='MAGNETOM Skyra 3.0T'" in capsys.readouterr().out
    assert json.loads((out / "phantom.json").read_text())["settings"]["shift"] == "shifted"
