"""The shifted draw differs by what it says, and an unshifted cohort is the bytes that it was before there was one."""
from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pydicom
import pytest

from lirads_keras.config.cohorts import CohortSettings, CohortShift
from lirads_keras.phantom.anatomy import build_anatomy
from lirads_keras.phantom.build import build_cohort
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.confounders import KINDS
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.kinetics import LAST_TIME_S, TISSUES
from lirads_keras.phantom.palette import MINIMUM_CONTRAST, acquisition_times, build_kinetics
from lirads_keras.phantom.patient import build_patient
from lirads_keras.phantom.shift import SHIFTED, SHIFTS, UNSHIFTED
from lirads_keras.phantom.signal import LEFT_OUT_SCANNER, SCANNERS
from lirads_keras.progress import ignore_progress

CPU = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=2023)

# Taken from the code before it knew of shifts.
TABLE_BEFORE = "a69b21de4125aae1381e1c17239616746defb825f84a90cea94bbc2444173879"
SETTINGS_BEFORE = "7f356a8ce6e2"
VOXELS_BEFORE = "9acd11c85d206c3d7232603dcca511acd2fd61f7853e3312c0ec7d74125964c2"


def shifted(settings: CohortSettings, **others) -> CohortSettings:
    return settings.model_copy(update={"shift": "shifted", **others})


def test_a_cohort_that_is_not_shifted_is_as_before(tiny_cohort: Path) -> None:
    table = json.dumps([asdict(plan) for plan in build_cohort_table(CPU)]).encode()
    assert hashlib.sha256(table).hexdigest() == TABLE_BEFORE
    # UIDs are made of it.
    assert CPU.digest() == SETTINGS_BEFORE and shifted(CPU).digest() != SETTINGS_BEFORE != CPU.model_copy(update={"arterial_moved_s": 5.0}).digest()
    voxels = hashlib.sha256()
    for path in sorted((tiny_cohort / "dicom" / "VC-0001").rglob("*.dcm")):
        voxels.update(pydicom.dcmread(path).PixelData)
    assert voxels.hexdigest() == VOXELS_BEFORE
    assert "shift" not in (tiny_cohort / "phantom.json").read_text() + (tiny_cohort / "cohort_table.json").read_text()


def test_every_name_of_the_settings_is_a_shift() -> None:
    assert tuple(SHIFTS) == get_args(CohortShift)
    assert SHIFTS["none"] is UNSHIFTED and all(TISSUES[name] == UNSHIFTED.of_lesion(TISSUES[name]) for name in TISSUES)


def test_the_shifted_table_moves_scanner_and_times_alone() -> None:
    for plain, other in zip(build_cohort_table(CPU), build_cohort_table(shifted(CPU)), strict=True):
        assert plain.scanner != LEFT_OUT_SCANNER == other.scanner
        assert other.arterial_s == pytest.approx(plain.arterial_s + 5) and other.portal_venous_s == pytest.approx(plain.portal_venous_s + 15)
        assert other.delayed_s == 225 < LAST_TIME_S
        same = {"scanner": "", "arterial_s": 0.0, "portal_venous_s": 0.0, "delayed_s": 0.0}
        assert replace(plain, **same) == replace(other, **same)
        assert 25 <= other.arterial_s <= 45 and 65 <= other.portal_venous_s <= 75


def test_lesions_are_nearer_to_the_liver_and_still_visible() -> None:
    contrasts: dict[str, list[float]] = {"none": [], "shifted": []}
    for name, values in contrasts.items():
        for plan in build_cohort_table(CPU.model_copy(update={"shift": name})):
            kinetics = build_kinetics(plan, np.random.default_rng(plan.index), SHIFTS[name])  # type: ignore[index]
            times = acquisition_times(plan)[1:]
            liver = kinetics.signal(kinetics.liver, times)
            values += [float(np.abs(1 - kinetics.signal(tissue, times) / liver).max()) for tissue in kinetics.lesions.values()]
    assert len(contrasts["shifted"]) == 174 and min(contrasts["shifted"]) >= MINIMUM_CONTRAST
    assert np.median(contrasts["shifted"]) < np.median(contrasts["none"])


def test_of_a_lesion_tissue_the_stated_factors() -> None:
    # Class A: 0.90, 0.10 mL/min/mL and 0.27.
    tissue = SHIFTED.of_lesion(TISSUES["class_a"])
    assert (tissue.arterial_flow, tissue.portal_flow, tissue.distribution_volume) == pytest.approx((0.72, 0.125, 0.297))
    assert tissue.t1_ms == TISSUES["class_a"].t1_ms


@pytest.fixture(scope="module")
def shifted_cohort(tiny_settings: CohortSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shifted")
    build_cohort(shifted(tiny_settings), folder, jobs=1, progress=ignore_progress)
    return folder


def test_a_shifted_cohort_says_so(shifted_cohort: Path) -> None:
    assert json.loads((shifted_cohort / "phantom.json").read_text())["settings"]["shift"] == "shifted"
    assert json.loads((shifted_cohort / "cohort_table.json").read_text())["shift"] == asdict(SHIFTED)
    summary = (shifted_cohort / "cohort_summary.csv").read_text()
    assert f"{LEFT_OUT_SCANNER}: 5 of 5 patients" in summary and "TE, T1" in summary and ",1.3\n" in summary
    assert LEFT_OUT_SCANNER in (shifted_cohort / "cohort_realism.csv").read_text() and "Achieva" not in (shifted_cohort / "cohort_realism.csv").read_text()


def test_the_left_out_scanner_has_a_sequence_a_scale_and_noise_of_its_own(shifted_cohort: Path, tiny_cohort: Path) -> None:
    for record in sorted((shifted_cohort / "records").iterdir()):
        measured = json.loads(record.read_text())["measurements"]
        found = measured["liver_snr"]
        # Noise of 13 units; the liver's mean in each phase, over its own before contrast, is known.
        assert all(found * 13 * ratio / measured["liver_enhancement"][2] > 100 for ratio in measured["liver_enhancement"])
        plain = json.loads((tiny_cohort / "records" / record.name).read_text())
        # The same patient has the same deviation from its scanner's mean: 22 × 0.7 instead of the scanner's.
        before = SCANNERS[plain["patient"]["scanner"]].liver_snr
        assert found / plain["measurements"]["liver_snr"] == pytest.approx(22 * 0.7 / before, rel=0.06)
        for phase in ("arterial", "portal_venous", "delayed"):
            images = [pydicom.dcmread(path) for path in sorted((shifted_cohort / "dicom" / record.stem / phase).iterdir())]
            assert {(float(image.RepetitionTime), float(image.EchoTime), float(image.FlipAngle)) for image in images} == {(3.5, 1.3, 10.0)}
            assert {image.Manufacturer for image in images} == {"SIEMENS"}
            corners = np.concatenate([image.pixel_array[:3, :3].ravel() for image in images])
            assert np.quantile(corners, 0.99) < 80
    # The liver's mean in the delayed phase.
    scanner = SCANNERS[LEFT_OUT_SCANNER]
    assert scanner.liver_snr * SHIFTED.snr * scanner.noise_sd == pytest.approx(200.2)
    assert all(scanner.liver_snr * scanner.noise_sd >= 255 for scanner in SCANNERS.values())


def test_there_are_about_twice_as_many_confounders() -> None:
    plans = [plan for plan in build_cohort_table(CPU) if not plan.lesions][:60]
    grid = Grid.centred((22, 80, 80), (8.8, 4.8, 4.8))
    counts = [sum(len(build_anatomy(plan, grid, np.random.default_rng(plan.index), shift).confounders) for plan in plans) for shift in (UNSHIFTED, SHIFTED)]
    expected = sum(sum(kind.mean_negative for kind in KINDS if plan.cirrhotic or not kind.cirrhotic_only) for plan in plans)
    # Some find no place.
    assert 0.8 * expected < counts[0] < 1.15 * expected and 1.6 * expected < counts[1] < 2.15 * expected


def test_an_arterial_phase_at_another_time_changes_that_phase_alone(tiny_settings: CohortSettings, tiny_cohort: Path, tmp_path: Path) -> None:
    moved = tiny_settings.model_copy(update={"arterial_moved_s": -10.0})
    assert build_cohort_table(moved) == build_cohort_table(tiny_settings)
    plan = build_cohort_table(tiny_settings)[0]
    record = build_patient(plan, moved, tmp_path, tmp_path / "record.json")
    assert record["patient"]["arterial_s"] == pytest.approx(plan.arterial_s - 10)
    changed = {phase: any(
        pydicom.dcmread(path).PixelData != pydicom.dcmread(tiny_cohort / path.relative_to(tmp_path)).PixelData
        for path in sorted((tmp_path / "dicom" / plan.patient_id / phase).iterdir())) for phase in ("arterial", "portal_venous", "delayed")}
    assert changed == {"arterial": True, "portal_venous": False, "delayed": False}
    assert (tmp_path / "masks" / f"{plan.patient_id}.nii.gz").read_bytes() == (tiny_cohort / "masks" / f"{plan.patient_id}.nii.gz").read_bytes()


@pytest.mark.parametrize("moved_s", [-15.5, 10.5])
def test_an_arterial_phase_stays_between_injection_and_portal_venous_phase(moved_s: float) -> None:
    with pytest.raises(ValueError, match="arterial_moved_s"):
        CohortSettings(**CPU.model_dump() | {"arterial_moved_s": moved_s})
