"""A cohort's masks on its images, both through the project's own readers: oblique patients, and slices that were interpolated."""
from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import ENHANCED_PHASES, Phase, Volume
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti
from lirads_keras.phantom.cohort import PatientPlan, build_cohort_table
from lirads_keras.phantom.patient import build_patient

ACQUIRED = CohortSettings(patients_positive=24, patients_negative=0, matrix_px=112, pixel_spacing_mm=3.4, slices=32, slice_spacing_mm=6.0, seed=11)
INTERPOLATED = ACQUIRED.model_copy(update={"slices_interpolated": 80})


def choose(oblique: bool) -> PatientPlan:
    """The patient whose only lesion is nearest to 50 mm."""
    fitting = [plan for plan in build_cohort_table(ACQUIRED) if plan.oblique == oblique and len(plan.lesions) == 1]
    return min(fitting, key=lambda plan: abs(plan.lesions[0].diameter_mm - 50))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[bool, bool], tuple[Path, dict, PatientPlan]]:
    """Folder, record and plan of a patient by (oblique, interpolated)."""
    found = {}
    for oblique, interpolated in ((False, False), (True, False), (True, True)):
        folder, plan = tmp_path_factory.mktemp("patient"), choose(oblique)
        found[oblique, interpolated] = folder, build_patient(plan, INTERPOLATED if interpolated else ACQUIRED, folder, folder / "record.json"), plan
    return found


def read(folder: Path, plan: PatientPlan) -> tuple[dict[Phase, Volume], np.ndarray]:
    study = read_study(folder / "dicom" / plan.patient_id)
    volumes = {phase: read_volume(series) for phase, series in study.phases().items()}
    return volumes, read_mask_on_grid(folder / "masks" / f"{plan.patient_id}.nii.gz", volumes[Phase.DELAYED])


def measure_ratio(volume: Volume, mask: np.ndarray) -> float:
    """Mean inside over the mean of a shell of 2 to 4 voxels around it, without what is darker than half of the liver."""
    inside = ndimage.binary_erosion(mask, iterations=2)
    shell = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=2)
    around = volume.array[shell]
    return float(volume.array[inside].mean() / np.median(around[around > 0.5 * np.median(around)]))


@pytest.mark.parametrize(("oblique", "interpolated"), [(False, False), (True, False), (True, True)])
def test_masks_overlay_the_lesions(built: dict, oblique: bool, interpolated: bool) -> None:
    folder, record, plan = built[oblique, interpolated]
    volumes, mask = read(folder, plan)
    assert set(volumes) == set(ENHANCED_PHASES)
    delayed = volumes[Phase.DELAYED]
    assert mask.shape == delayed.shape == ((80 if interpolated else 32), 112, 112)
    tilt = np.abs(delayed.affine[:3, 0] / delayed.spacing_mm[0]) @ (0, 0, 1)
    assert (tilt < 0.9999) == oblique
    truth = record["lesions"][0]
    phase = max(("portal_venous", "delayed"), key=lambda name: abs(1 - truth[f"ratio_{name}"]))
    assert abs(1 - truth[f"ratio_{phase}"]) > 0.06
    assert measure_ratio(volumes[Phase(phase)], mask > 0) == pytest.approx(truth[f"ratio_{phase}"], abs=0.05)
    # Half a lesion aside, the contrast is gone: the agreement is no accident of the tolerance.
    aside = np.roll(mask > 0, round(plan.lesions[0].diameter_mm / 2 / 3.4), axis=1)
    assert abs(1 - measure_ratio(volumes[Phase(phase)], aside)) < 0.75 * abs(1 - truth[f"ratio_{phase}"])


def test_interpolated_slices_are_those_acquired_at_other_places(built: dict) -> None:
    (plain_folder, plain_record, plan), (fine_folder, fine_record, _) = built[True, False], built[True, True]
    (plain, plain_mask), (fine, fine_mask) = read(plain_folder, plan), read(fine_folder, plan)
    for phase in ENHANCED_PHASES:
        before, after = plain[phase], fine[phase]
        assert after.spacing_mm == (pytest.approx(2.4), before.spacing_mm[1], before.spacing_mm[2])
        # A fine voxel's place in the patient, in acquired slices.
        places = np.linalg.solve(before.affine, after.affine @ np.array([[z, 0, 0, 1.0] for z in range(80)]).T)
        np.testing.assert_allclose(places[1:3], 0, atol=1e-3)
        np.testing.assert_allclose(places[0], (np.arange(80) + 0.5) * 32 / 80 - 0.5, atol=1e-3)
        below = np.clip(np.floor(places[0] + 1e-6).astype(int), 0, 30)
        share = np.clip(places[0] - below, 0, 1)[:, None, None]
        # Acquired voxels are rounded to whole numbers, interpolated ones after interpolation.
        assert np.abs(before.array[below] * (1 - share) + before.array[below + 1] * share - after.array).max() <= 1.01
    # The same lesion: volumes agree to what a coarse slice may leave out, truth does to the last digit.
    volumes_ml = [mask.astype(bool).sum() * np.prod(volume[Phase.DELAYED].spacing_mm) / 1000 for mask, volume in ((plain_mask, plain), (fine_mask, fine))]
    assert volumes_ml[0] == pytest.approx(volumes_ml[1], rel=0.05)
    assert plain_record["lesions"][0]["ratio_delayed"] == fine_record["lesions"][0]["ratio_delayed"]
    header = pydicom.dcmread(next((fine_folder / "dicom" / plan.patient_id / "delayed").iterdir()), stop_before_pixels=True)
    assert (float(header.SliceThickness), float(header.SpacingBetweenSlices)) == (6.0, pytest.approx(2.4))


def test_true_and_reference_masks_share_the_grid(built: dict) -> None:
    folder, _, plan = built[True, True]
    reference, true = (read_nifti(folder / name / f"{plan.patient_id}.nii.gz") for name in ("masks", "masks_true"))
    np.testing.assert_allclose(reference.affine, true.affine, atol=1e-9)
    both = (reference.array > 0) & (true.array > 0)
    assert 2 * both.sum() / ((reference.array > 0).sum() + (true.array > 0).sum()) > 0.85


def test_findings_lie_where_the_table_says(tiny_cohort: Path) -> None:
    """A cyst is dark in every phase of the image at its place in confounders.csv (delayed: nothing had moved)."""
    with open(tiny_cohort / "confounders.csv", encoding="utf-8", newline="") as file:
        cysts = [row for row in csv.DictReader(file) if row["kind"] == "cyst" and float(row["diameter_mm"]) > 15]
    assert cysts
    for row in cysts:
        study = read_study(tiny_cohort / "dicom" / row["patient_id"])
        volume = read_volume(study.phases()[Phase.DELAYED])
        z, y, x, _ = np.rint(np.linalg.solve(volume.affine, [float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"]), 1.0])).astype(int)
        surroundings = volume.array[z, y - 5:y + 6, x - 5:x + 6]
        assert volume.array[z, y, x] < 0.6 * np.percentile(surroundings, 75)
