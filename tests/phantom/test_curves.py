from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from lirads_keras.phantom.curves import LABELS, build_contrast_curves, compute_nominal_signal
from lirads_keras.phantom.kinetics import HAEMATOCRIT, TISSUES, compute_parker_concentration
from lirads_keras.phantom.signal import compute_spgr_signal

Curves = dict[tuple[str, float], dict[float, tuple[float, float]]]


@pytest.fixture(scope="module")
def curves() -> Curves:
    found: Curves = defaultdict(dict)
    for row in build_contrast_curves():
        assert row["time_s"] not in found[row["tissue"], row["field_strength_t"]]
        found[row["tissue"], row["field_strength_t"]][row["time_s"]] = row["signal_over_precontrast"], row["signal_over_liver"]
    return found


def test_every_tissue_from_the_injection_to_300_s(curves: Curves) -> None:
    names = {label for name, label in LABELS.items() if name != "focal_fat"}
    assert set(curves) == {(name, field) for name in names for field in (1.5, 3.0)}
    for curve in curves.values():
        times = sorted(curve)
        assert times[0] == 0 and times[-1] == 300 and max(np.diff(times)) <= 5
        # Nothing has arrived before 15 s.
        assert all(curve[time][0] == pytest.approx(1) for time in times if time < 15)
        assert np.isfinite(list(curve.values())).all() and np.min(list(curve.values())) > 0


@pytest.mark.parametrize(("tissue", "field", "ratios"), [
    ("class A: HCC, APHE and washout", 3.0, {25: 1.36, 35: 1.33, 55: 0.86, 180: 0.85}),
    ("class D: hypovascular", 1.5, {25: 0.83, 35: 0.84, 55: 0.86, 180: 0.97}),
    ("capsule (rim)", 3.0, {25: 0.88, 55: 0.89, 180: 1.31}), ("aorta", 3.0, {25: 3.14, 35: 1.47, 55: 1.05, 180: 1.12}),
    ("portal vein", 3.0, {25: 0.42, 35: 1.48, 55: 1.35, 180: 1.16}), ("siderotic nodule", 1.5, {25: 0.89, 180: 0.90})])
def test_the_kinetics_table(curves: Curves, tissue: str, field: float, ratios: dict[int, float]) -> None:
    for time, expected in ratios.items():
        assert curves[tissue, field][time][1] == pytest.approx(expected, abs=0.02)


def test_liver_is_its_own_reference_and_cysts_never_enhance(curves: Curves) -> None:
    assert all(relative == pytest.approx(1) for _, relative in curves["cirrhotic liver", 3.0].values())
    assert all(own == pytest.approx(1) for own, _ in curves["cyst", 1.5].values())


def test_the_late_curve_against_a_plain_sum() -> None:
    """Spleen (arterial input alone) at 300 s: a slow convolution, beyond the time axis that patients need."""
    tissue = TISSUES["spleen"]
    step = 0.01
    since = np.arange(0, 300 - 15 + step, step)
    plasma = compute_parker_concentration(since) / (1 - HAEMATOCRIT)
    flow = tissue.arterial_flow / 60
    concentration = step * flow * float(np.sum(plasma * np.exp(-(since[-1] - since) * flow / tissue.distribution_volume)))
    expected = compute_spgr_signal(np.array([concentration]), tissue.t1_ms[1], tissue.t2_star_ms[1], 3.7)
    np.testing.assert_allclose(compute_nominal_signal("spleen", np.array([300.0]), 3.0), expected, rtol=2e-3)
