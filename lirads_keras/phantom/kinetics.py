"""Contrast agent over time in every tissue: arterial and portal input, dual-input one-compartment model.

Arterial input: Parker et al., Magn Reson Med 2006;56:993-1000, Table 1 (population average of whole blood), shifted by the
arrival of the bolus. Times are seconds after the start of the injection.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

HAEMATOCRIT = 0.42
"""Parker 2006; tissue exchanges with plasma, vessels show whole blood."""

PORTAL_DELAY_S = 8.0
PORTAL_TRANSIT_S = 8.0
"""Each of the two compartments of the gut between aorta and portal vein; the portal input then peaks near 44 s for an arrival at 15 s (our choice)."""

TIME_STEP_S = 0.05
LAST_TIME_S = 240.0


@dataclass(frozen=True)
class Tissue:
    """Perfusion and relaxation of a tissue before contrast.

    Flows in mL/min/mL of tissue, distribution volume as a fraction; `t1_ms` and `t2_star_ms` at 1.5 T and 3 T. `proton_density` scales
    the signal (1 for soft tissue; less where fat is suppressed, or in lung).
    """

    arterial_flow: float
    portal_flow: float
    distribution_volume: float
    t1_ms: tuple[float, float]
    t2_star_ms: tuple[float, float]
    proton_density: float = 1.0

    def jittered(self, rng: np.random.Generator, *, flow: float, volume: float, t1: float) -> Tissue:
        """The tissue of another individual: each parameter times exp(N(0, s)); T1 moves alike at both fields."""
        arterial, portal, distribution, relaxation = np.exp(rng.standard_normal(4) * (flow, flow, volume, t1))
        return replace(
            self, arterial_flow=self.arterial_flow * arterial, portal_flow=self.portal_flow * portal,
            distribution_volume=min(self.distribution_volume * distribution, 1.0),
            t1_ms=(self.t1_ms[0] * relaxation, self.t1_ms[1] * relaxation))


_LIVER_T2S, _LESION_T2S, _FLUID_T2S = (28.0, 22.0), (30.0, 25.0), (60.0, 50.0)

TISSUES: dict[str, Tissue] = {
    "cirrhotic_liver": Tissue(0.35, 0.95, 0.36, (650, 860), _LIVER_T2S),
    "normal_liver": Tissue(0.20, 1.02, 0.28, (590, 810), _LIVER_T2S),
    "class_a": Tissue(0.90, 0.10, 0.27, (770, 1010), _LESION_T2S),
    "class_b": Tissue(0.90, 0.25, 0.38, (690, 910), _LESION_T2S),
    "class_c": Tissue(0.35, 0.46, 0.25, (690, 910), _LESION_T2S),
    "class_d": Tissue(0.18, 0.45, 0.34, (720, 950), _LESION_T2S),
    "capsule": Tissue(0.25, 0.25, 0.70, (780, 1000), _LESION_T2S),
    "necrosis": Tissue(0.02, 0.0, 0.10, (1200, 1500), _LESION_T2S),
    "haemangioma_nodules": Tissue(1.2, 0.0, 0.75, (1800, 2500), _FLUID_T2S),
    "haemangioma_core": Tissue(0.15, 0.0, 0.75, (1800, 2500), _FLUID_T2S),
    "cyst": Tissue(0.0, 0.0, 1.0, (3300, 3800), _FLUID_T2S),
    "transient_difference": Tissue(0.75, 0.65, 0.36, (650, 860), _LIVER_T2S),
    "siderotic_nodule": Tissue(0.30, 0.95, 0.34, (620, 800), (11.0, 6.0)),
    "spleen": Tissue(1.5, 0.0, 0.42, (1060, 1330), (47.0, 40.0)),
    "renal_cortex": Tissue(2.3, 0.0, 0.45, (966, 1142), _FLUID_T2S),
    "renal_medulla": Tissue(0.7, 0.0, 0.45, (1410, 1540), _FLUID_T2S),
    "muscle": Tissue(0.06, 0.0, 0.12, (860, 1100), _LESION_T2S),
    "pancreas": Tissue(1.2, 0.0, 0.36, (584, 725), _LESION_T2S),
    "myocardium": Tissue(0.9, 0.0, 0.35, (1030, 1470), (35.0, 28.0)),
    "gut_wall": Tissue(0.5, 0.0, 0.35, (850, 1100), _LESION_T2S),
    "gut_content": Tissue(0.0, 0.0, 1.0, (1800, 2200), _FLUID_T2S, 0.8),
    "bile": Tissue(0.0, 0.0, 1.0, (2200, 2600), _FLUID_T2S),
    "cerebrospinal_fluid": Tissue(0.0, 0.0, 1.0, (4000, 4200), _FLUID_T2S),
    "marrow": Tissue(0.15, 0.0, 0.15, (550, 590), (20.0, 15.0), 0.5),
    "suppressed_fat": Tissue(0.0, 0.0, 1.0, (290, 370), _FLUID_T2S, 0.11),
    "lung": Tissue(0.0, 0.0, 1.0, (1200, 1300), (3.0, 2.0), 0.25),
}
"""T1 of organs: de Bazelaire et al., Radiology 2004;230:652-659 (spleen, kidney, pancreas, muscle, marrow); the rest is our choice."""

BLOOD_T1_MS = (1440.0, 1650.0)
BLOOD_T2_STAR_MS = (150.0, 100.0)


@dataclass(frozen=True, eq=False)
class BolusInputs:
    """Plasma concentration (mM) in artery and portal vein on a regular time axis."""

    seconds: np.ndarray
    arterial: np.ndarray
    portal: np.ndarray


def compute_parker_concentration(seconds_after_arrival: np.ndarray) -> np.ndarray:
    """Whole-blood concentration (mM) of the population-average arterial input; 0 before arrival (Parker 2006, Eq. 1)."""
    minutes = np.asarray(seconds_after_arrival, np.float64) / 60
    peaks = sum(
        area / (width * np.sqrt(2 * np.pi)) * np.exp(-(minutes - centre) ** 2 / (2 * width ** 2))
        for area, centre, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132)))
    washout = 1.050 * np.exp(-0.1685 * minutes) / (1 + np.exp(-38.078 * (minutes - 0.483)))
    return np.where(minutes >= 0, peaks + washout, 0.0)


def compute_inputs(arrival_s: float, last_time_s: float = LAST_TIME_S) -> BolusInputs:
    """Arterial and portal plasma concentration for a bolus that reaches the aorta `arrival_s` after the start of injection."""
    seconds = np.arange(0.0, last_time_s, TIME_STEP_S)
    plasma = 1 / (1 - HAEMATOCRIT)
    portal = compute_parker_concentration(seconds - arrival_s - PORTAL_DELAY_S) * plasma
    for _ in range(2):
        portal = _convolve_exponential(portal, PORTAL_TRANSIT_S) / PORTAL_TRANSIT_S
    return BolusInputs(seconds, compute_parker_concentration(seconds - arrival_s) * plasma, portal)


def compute_concentration(tissue: Tissue, inputs: BolusInputs, times_s: np.ndarray) -> np.ndarray:
    """Concentration (mM) in a tissue: [Fa·Ca + Fp·Cp] ⊗ exp(−(Fa + Fp) t / DV) (dual-input one-compartment model, Materne 2002)."""
    flow = (tissue.arterial_flow + tissue.portal_flow) / 60
    if flow == 0:
        return np.zeros(len(np.atleast_1d(times_s)))
    inflow = (tissue.arterial_flow * inputs.arterial + tissue.portal_flow * inputs.portal) / 60
    return np.interp(times_s, inputs.seconds, _convolve_exponential(inflow, tissue.distribution_volume / flow))


def _convolve_exponential(curve: np.ndarray, time_constant_s: float) -> np.ndarray:
    """∫ curve(u) exp(−(t − u)/τ) du on the regular time axis, by the trapezoidal rule in its recursive form."""
    decay = np.exp(-TIME_STEP_S / time_constant_s)
    return lfilter([TIME_STEP_S / 2, TIME_STEP_S / 2 * decay], [1.0, -decay], curve)
