"""The kinetics table of the virtual cohort, from two independent implementations made beforehand, and an independent convolution here."""
from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.phantom.kinetics import TISSUES, Tissue, compute_concentration, compute_inputs, compute_parker_concentration
from lirads_keras.phantom.signal import compute_blood_signal, compute_spgr_signal, compute_tissue_signal

TIMES_S = np.array([25.0, 35.0, 55.0, 180.0])
ARRIVAL_S = 15.0
BEFORE_S = np.array([-1.0])

# Signal over cirrhotic-liver signal at 1.5 T / 3 T, 25, 35, 55 and 180 s after the start of injection.
RATIOS = {
    "normal_liver": ((0.93, 0.90, 0.96, 0.95), (0.89, 0.86, 0.94, 0.93)),
    "class_a": ((1.28, 1.27, 0.86, 0.85), (1.36, 1.33, 0.86, 0.85)),
    "class_b": ((1.33, 1.34, 0.99, 1.00), (1.41, 1.40, 1.00, 1.01)),
    "class_c": ((0.98, 0.97, 0.86, 0.87), (0.99, 0.98, 0.85, 0.86)),
    "class_d": ((0.83, 0.84, 0.86, 0.97), (0.81, 0.82, 0.84, 0.97)),
    "capsule": ((0.87, 0.93, 0.89, 1.25), (0.88, 0.95, 0.89, 1.31)),
    "haemangioma_nodules": ((1.38, 1.54, 1.16, 1.22), (1.50, 1.66, 1.20, 1.28)),
    "haemangioma_core": ((0.52, 0.61, 0.54, 0.92), (0.50, 0.60, 0.52, 0.94)),
    "cyst": ((0.18, 0.15, 0.11, 0.15), (0.19, 0.15, 0.11, 0.14)),
    "transient_difference": ((1.25, 1.23, 1.00, 0.99), (1.29, 1.26, 1.00, 0.99)),
    "siderotic_nodule": ((0.89, 0.88, 0.89, 0.90), (0.79, 0.77, 0.79, 0.79)),
    "spleen": ((1.54, 1.54, 1.01, 0.95), (1.69, 1.65, 1.03, 0.98)),
    "renal_cortex": ((1.82, 1.68, 1.04, 1.00), (2.03, 1.83, 1.07, 1.05)),
    "muscle": ((0.64, 0.60, 0.47, 0.64), (0.63, 0.57, 0.44, 0.62)),
}
LIVER_ENHANCEMENT = ((1.39, 1.68, 2.21, 1.74), (1.49, 1.87, 2.56, 1.94))
FIELDS_T = (1.5, 3.0)


def signal(name: str, times_s: np.ndarray, field_t: float) -> np.ndarray:
    return compute_tissue_signal(TISSUES[name], compute_inputs(ARRIVAL_S), times_s, field_t, "Gd-DTPA")


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("field", [0, 1])
def test_ratio_to_cirrhotic_liver(name: str, field: int) -> None:
    ratio = signal(name, TIMES_S, FIELDS_T[field]) / signal("cirrhotic_liver", TIMES_S, FIELDS_T[field])
    np.testing.assert_allclose(ratio, RATIOS[name][field], atol=0.02)


@pytest.mark.parametrize("field", [0, 1])
def test_liver_enhancement(field: int) -> None:
    enhancement = signal("cirrhotic_liver", TIMES_S, FIELDS_T[field]) / signal("cirrhotic_liver", BEFORE_S, FIELDS_T[field])
    np.testing.assert_allclose(enhancement, LIVER_ENHANCEMENT[field], atol=0.02)


def test_vessels_at_3_tesla() -> None:
    inputs = compute_inputs(ARRIVAL_S)
    liver = signal("cirrhotic_liver", TIMES_S, 3.0)
    aorta = compute_blood_signal(inputs.arterial, inputs, TIMES_S, 3.0, "Gd-DTPA") / liver
    portal = compute_blood_signal(inputs.portal, inputs, TIMES_S, 3.0, "Gd-DTPA") / liver
    np.testing.assert_allclose(aorta, (3.14, 1.47, 1.05, 1.12), atol=0.02)
    np.testing.assert_allclose(portal, (0.42, 1.48, 1.35, 1.16), atol=0.02)


def test_suppressed_fat_is_a_tenth_of_the_liver() -> None:
    for field_t in FIELDS_T:
        ratio = signal("suppressed_fat", TIMES_S, field_t) / signal("cirrhotic_liver", TIMES_S, field_t)
        assert 0.07 <= ratio.min() and ratio.max() <= 0.16


def test_portal_input_peaks_near_44_s() -> None:
    inputs = compute_inputs(ARRIVAL_S)
    assert inputs.seconds[inputs.portal.argmax()] == pytest.approx(44, abs=0.5)


def test_parker_by_hand() -> None:
    # At its first peak (0.17046 min) the first Gaussian is 0.809 / (0.0563 √(2π)) = 5.7326 mM; the second 0.330 / (0.132 √(2π))
    # exp(−(0.19454)² / (2 · 0.132²)) = 0.9974 · 0.33754 = 0.33665; the sigmoid 1.05 e^(−0.028723) / (1 + e^(11.901)) = 7e-6.
    value = compute_parker_concentration(np.array([0.17046 * 60]))[0]
    assert value == pytest.approx(5.7326 + 0.33665, abs=2e-4)
    assert compute_parker_concentration(np.array([-0.1]))[0] == 0


@pytest.mark.parametrize("tissue", [Tissue(0.9, 0.1, 0.27, (770, 1010), (30, 25)), Tissue(0.06, 0.0, 0.12, (860, 1100), (30, 25))])
def test_concentration_against_direct_integration(tissue: Tissue) -> None:
    """A slow float64 reference: both convolutions as plain sums over a finer time axis."""
    step = 0.02
    seconds = np.arange(0, 120, step)
    middle = seconds + step / 2
    arterial = compute_parker_concentration(middle - ARRIVAL_S) / 0.58
    delayed = compute_parker_concentration(middle - ARRIVAL_S - 8.0) / 0.58
    gamma = middle / 64 * np.exp(-middle / 8)
    flow = (tissue.arterial_flow + tissue.portal_flow) / 60
    for time_s in (22.0, 41.0, 100.0):
        count = int(round(time_s / step))
        # Portal input at every midpoint up to the time, then the tissue's own residue.
        portal = np.array([np.dot(delayed[:index], gamma[:index][::-1]) * step for index in range(1, count + 1)])
        inflow = (tissue.arterial_flow * arterial[:count] + tissue.portal_flow * portal) / 60
        expected = np.sum(inflow * np.exp(-flow / tissue.distribution_volume * (time_s - middle[:count]))) * step
        found = compute_concentration(tissue, compute_inputs(ARRIVAL_S), np.array([time_s]))[0]
        assert found == pytest.approx(expected, rel=2e-3)


def test_tissue_without_flow_takes_nothing_up() -> None:
    assert compute_concentration(TISSUES["cyst"], compute_inputs(10.0), TIMES_S).tolist() == [0, 0, 0, 0]


def test_late_equilibrium_by_hand() -> None:
    """Late, the input falls as exp(−β t), β = 0.1685/60 /s, and tissue follows in proportion.

    With τ = 60 · 0.36 / 1.3 = 16.615 s: DV/(1 − βτ) · [0.35 + 0.95 e^(8β)/(1 − 8β)²]/1.3 = 0.36/0.95334 · (0.35 + 0.95 · 1.07027)/1.3 = 0.39702.
    """
    inputs = compute_inputs(ARRIVAL_S)
    late = compute_concentration(TISSUES["cirrhotic_liver"], inputs, np.array([230.0]))[0]
    assert late / np.interp(230.0, inputs.seconds, inputs.arterial) == pytest.approx(0.39702, rel=1e-3)


def test_spgr_by_hand() -> None:
    # T1 400 ms, T2* 20 ms, no contrast: E1 = e^(−0.01) = 0.990050; sin 12° = 0.207912; cos 12° = 0.978148.
    # 0.207912 · 0.009950 / (1 − 0.968416) = 0.065502; · e^(−1.9/20) = 0.909373.
    assert compute_spgr_signal(np.array([0.0]), 400, 20, 4.1)[0] == pytest.approx(0.065502 * 0.909373, rel=2e-4)
    # 1 mM at r1 4.1 and r2* 5: R1 = 2.5 + 4.1 = 6.6 /s, R2* = 50 + 5 = 55 /s.
    e1 = np.exp(-0.0264)
    expected = 0.207912 * (1 - e1) / (1 - 0.978148 * e1) * np.exp(-0.1045)
    assert compute_spgr_signal(np.array([1.0]), 400, 20, 4.1)[0] == pytest.approx(expected, rel=1e-5)


def test_jitter_spreads_as_stated() -> None:
    rng = np.random.default_rng(1)
    draws = [TISSUES["class_a"].jittered(rng, flow=0.2, volume=0.06, t1=0.04) for _ in range(4000)]
    for values, spread, base in (
            ([draw.arterial_flow for draw in draws], 0.2, 0.9), ([draw.distribution_volume for draw in draws], 0.06, 0.27),
            ([draw.t1_ms[1] for draw in draws], 0.04, 1010)):
        logarithms = np.log(np.array(values) / base)
        assert logarithms.std() == pytest.approx(spread, rel=0.06)
        assert abs(logarithms.mean()) < 3.5 * spread / np.sqrt(4000)
    assert draws[0].t1_ms[0] / draws[0].t1_ms[1] == pytest.approx(770 / 1010)
