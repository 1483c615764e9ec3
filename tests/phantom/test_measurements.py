from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.confounders import FAT_FRACTION
from lirads_keras.phantom.measurements import _find_pure, measure_snr, measure_tissues
from lirads_keras.phantom.palette import Palette, acquisition_times, build_kinetics, build_palette, with_codes
from lirads_keras.phantom.scan import Scan, build_scan
from lirads_keras.phantom.signal import add_rician_noise

SETTINGS = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=96, pixel_spacing_mm=4.0, slices=40, slice_spacing_mm=5.0, seed=2023)


def make(index: int) -> tuple[Anatomy, Palette, Scan]:
    """A patient without texture and scars in the liver, so that every tissue is even."""
    plan = build_cohort_table(SETTINGS)[index]
    scan = build_scan(plan, SETTINGS, np.random.default_rng(4))
    anatomy = replace(build_anatomy(plan, scan.grid, np.random.default_rng(plan.index)), fibrosis=0.0)
    palette = build_palette(build_kinetics(plan, np.random.default_rng(1)), acquisition_times(plan))
    return anatomy, Palette(palette.signals, np.zeros(4, np.float32)), scan


@pytest.mark.parametrize("index", [0, 2, 4])
def test_even_tissues_measure_as_their_signals(index: int) -> None:
    anatomy, palette, _ = make(index)
    enhancement, tissues, _ = measure_tissues(anatomy, palette)
    np.testing.assert_allclose(enhancement, palette["liver"][1:] / palette["liver"][0], atol=2e-3)
    assert {"spleen", "renal_cortex", "muscle", "arterial_blood", "portal_blood"} <= set(tissues)
    for name, ratios in tissues.items():
        expected = (palette["suppressed_fat" if name == "focal_fat" else name] / palette["liver"])[1:]
        if name in ("focal_fat", "transient_difference"):
            opacity = FAT_FRACTION if name == "focal_fat" else 0.85
            expected = 1 - opacity * (1 - expected)
        for ratio, value in zip(ratios, expected, strict=True):
            # Pure to 2 %, and the brightest tissue is four times as bright as the liver.
            assert ratio is None or ratio == pytest.approx(value, abs=0.03 * max(abs(float(value) - 1), 0.2))


def test_only_what_a_patient_has_is_measured() -> None:
    for index in (0, 2, 4):
        anatomy, palette, _ = make(index)
        kinds = {found.kind.name for found in anatomy.confounders}
        _, tissues, _ = measure_tissues(anatomy, palette)
        assert {"cyst", "transient_difference", "siderotic_nodule", "focal_fat"} & set(tissues) <= kinds
        _, bare, _ = measure_tissues(replace(anatomy, confounders=()), palette)
        assert set(bare) == {"spleen", "renal_cortex", "muscle", "arterial_blood", "portal_blood"}


def test_liver_points_lie_in_the_liver_and_in_nothing_else() -> None:
    anatomy, palette, _ = make(0)
    assert anatomy.lesions
    _, _, points = measure_tissues(anatomy, palette)
    x, y, z = points.T.astype(np.float32)
    assert len(points) > 3000 and anatomy.liver.distance((x, y, z)).max() < 0
    assert min(lesion.shape.distance((x, y, z)).min() for lesion in anatomy.lesions) > 0
    assert min(vein.tube.distance((x, y, z)).min() for vein in anatomy.veins) > 0


def test_codes_tell_pure_voxels_from_any_mixture() -> None:
    _, codes = with_codes(make(0)[1])
    assert len(set(codes.values())) == len(codes)
    rng = np.random.default_rng(0)
    numbers, shares = rng.choice(list(codes.values()), (5000, 3)), rng.dirichlet((0.5, 0.5, 0.5), 5000)
    image = np.stack([*np.zeros((4, 5000)), (shares * numbers).sum(axis=1), (shares * numbers ** 2).sum(axis=1)])
    for code in list(codes.values())[:6]:
        share = np.where(numbers == code, shares, 0).sum(axis=1)
        pure = _find_pure(image, code, codes["liver"], 1.0)
        assert (share[pure] > 0.97).all() and pure[share > 1 - 1e-9].all()


def test_snr_of_a_known_image() -> None:
    anatomy, palette, scan = make(2)
    _, _, points = measure_tissues(anatomy, palette)
    body = (anatomy.skin.distance(scan.grid.coordinates()) <= 0).astype(np.float32)
    noisy = add_rician_noise(body * np.float32(20 * 13), 13.0, np.random.default_rng(0))
    assert measure_snr(noisy, scan, anatomy, points) == pytest.approx(20, rel=0.03)
    assert measure_snr(noisy, scan, anatomy, np.zeros((0, 3))) is None
    # A scan that lies elsewhere shows no liver.
    assert measure_snr(noisy, scan, anatomy, points + np.array([0.0, 0.0, 5000.0])) is None
