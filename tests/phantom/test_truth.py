"""Features measured on noiseless images of lesions whose kinetics are known exactly."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import LesionPlan, PatientPlan, build_cohort_table
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.kinetics import TISSUES, compute_inputs
from lirads_keras.phantom.palette import Palette, PatientKinetics, acquisition_times, build_kinetics, build_palette, with_parenchyma_marker
from lirads_keras.phantom.render import compute_coverage, render
from lirads_keras.phantom.signal import LAVA_THRIVE
from lirads_keras.phantom.truth import CAPSULE_ABSENT_MARGIN, measure_margins

GRID = Grid.centred((44, 160, 160), (4.4, 2.4, 2.4))
SETTINGS = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=2023)


def make_patient(tissue_class: str, diameter_mm: float, capsule_mm: float = 0.0) -> tuple[Anatomy, Palette]:
    """One lesion in a liver at 3 T; times are those of the kinetics table, no jitter, no texture, no necrosis."""
    plan: PatientPlan = replace(
        build_cohort_table(SETTINGS)[0], cirrhotic=False, arrival_s=15.0, arterial_s=25.0, portal_venous_s=55.0,
        lesions=(LesionPlan("L1", 1, diameter_mm, tissue_class, capsule_mm, False),))
    anatomy = build_anatomy(plan, GRID, np.random.default_rng(11))
    anatomy = replace(anatomy, confounders=(), veins=(), fibrosis=0.0, lesions=tuple(replace(lesion, necrosis=0.0) for lesion in anatomy.lesions))
    kinetics = PatientKinetics(
        compute_inputs(15.0), TISSUES["cirrhotic_liver"], {"L1": TISSUES[tissue_class]}, {"L1": TISSUES["capsule"]}, 3.0, "Gd-DTPA", LAVA_THRIVE)
    palette = build_palette(kinetics, acquisition_times(plan))
    return anatomy, Palette(palette.signals, np.zeros(4, np.float32))


@pytest.mark.parametrize(("tissue_class", "ratios", "aphe", "washout"), [
    ("class_a", (1.36, 0.86, 0.85), True, True), ("class_b", (1.41, 1.00, 1.01), True, False),
    ("class_c", (0.99, 0.85, 0.86), False, True), ("class_d", (0.81, 0.84, 0.97), False, False)])
@pytest.mark.parametrize("diameter_mm", [8.0, 30.0])
def test_classes(tissue_class: str, ratios: tuple[float, ...], aphe: bool, washout: bool, diameter_mm: float) -> None:
    anatomy, palette = make_patient(tissue_class, diameter_mm)
    margins = measure_margins(anatomy, anatomy.lesions[0], palette)
    np.testing.assert_allclose(margins.ratios[1:], ratios, atol=0.02)
    assert (margins.aphe >= 0, margins.washout >= 0, margins.capsule >= 0) == (aphe, washout, False)


def test_margins_by_hand() -> None:
    anatomy, palette = make_patient("class_a", 30.0)
    margins = measure_margins(anatomy, anatomy.lesions[0], palette)
    # Even tissue: the whole section has the arterial ratio 1.36, so the area condition's slack is 0.26; inner half 0.31; enhancement more.
    assert margins.aphe == pytest.approx(1.36 - 1.10, abs=0.02)
    # 0.95 − 0.85 in the delayed phase is less than the fall 1.36 − 0.85 − 0.05.
    assert margins.washout == pytest.approx(0.95 - 0.85, abs=0.02)


def test_capsule_of_2_mm_is_seen_in_the_delayed_phase() -> None:
    anatomy, palette = make_patient("class_a", 30.0, capsule_mm=2.0)
    # Rim 1.31 × liver; over the lesion inside (0.85) it is more: the liver decides.
    assert measure_margins(anatomy, anatomy.lesions[0], palette).capsule == pytest.approx(1.31 - 1.10, abs=0.03)


def test_capsule_needs_10_mm() -> None:
    anatomy, palette = make_patient("class_a", 9.0, capsule_mm=0.9)
    assert measure_margins(anatomy, anatomy.lesions[0], palette).capsule == CAPSULE_ABSENT_MARGIN


def test_rim_enhancement_is_not_aphe() -> None:
    """A dead core leaves the inner half dark: the arterial rim alone does not count."""
    anatomy, palette = make_patient("class_b", 40.0)
    hollow = replace(anatomy.lesions[0], necrosis=0.55)
    margins = measure_margins(replace(anatomy, lesions=(hollow,)), hollow, palette)
    assert margins.aphe < 0


def test_truth_agrees_with_the_noiseless_volume() -> None:
    """Contrast measured on the scan's own grid, with jitter, texture and veins: within partial volume of the truth."""
    plans = [plan for plan in build_cohort_table(SETTINGS) if plan.lesions and max(lesion.diameter_mm for lesion in plan.lesions) > 28][:4]
    for plan in plans:
        anatomy = build_anatomy(plan, GRID, np.random.default_rng(plan.index))
        palette = build_palette(build_kinetics(plan, np.random.default_rng(1)), acquisition_times(plan))
        lesion = max(anatomy.lesions, key=lambda each: each.plan.diameter_mm)
        margins = measure_margins(anatomy, lesion, palette)
        image = render(anatomy, GRID, with_parenchyma_marker(palette))
        box, (share,) = compute_coverage(lesion.shape, GRID)
        whole = np.zeros(GRID.shape, bool)
        whole[box] = share > 0
        near = ndimage.binary_dilation(whole, iterations=4) & ~ndimage.binary_dilation(whole, iterations=1) & (image[4] > 0.98)
        inside = np.zeros(GRID.shape, bool)
        inside[box] = lesion.shape.relative_radius(GRID.coordinates(box)) < 0.75
        for phase in range(4):
            assert image[phase][inside].mean() / image[phase][near].mean() == pytest.approx(margins.ratios[phase], abs=0.08)
