"""From concentration to scanner units: spoiled gradient echo, scanners, coil sensitivity, noise."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.kinetics import BLOOD_T1_MS, BLOOD_T2_STAR_MS, HAEMATOCRIT, BolusInputs, Tissue, compute_concentration


@dataclass(frozen=True)
class GradientEcho:
    """Timing of a spoiled gradient echo."""

    repetition_time_ms: float
    echo_time_ms: float
    flip_angle_deg: float


LAVA_THRIVE = GradientEcho(4.0, 1.9, 12.0)
"""Table 1 prints "the shortest" TR and TE, the angle is not reported: our choice."""

VIBE = GradientEcho(3.5, 1.3, 10.0)
"""The same kind of sequence of another manufacturer: our choice, within what such sequences have."""

R2_STAR_PER_MM_S = 5.0
RELAXIVITY_PER_MM_S = {"Gd-DTPA": (4.1, 3.7), "Gd-DTPA-BMA": (4.3, 4.0)}
"""r1 in plasma at 1.5 and 3 T (Rohrer et al., Invest Radiol 2005;40:715-724)."""


@dataclass(frozen=True)
class Scanner:
    """One of the paper's scanners (§2.3), or the one that only the shifted draw has.

    `liver_snr` is the mean delayed-phase liver signal over the standard deviation of the complex noise. At 3 T post-contrast volumetric
    gradient echo has a significantly higher liver SNR than at 1.5 T (Tsurusaki et al., Eur J Radiol 2009;72:314-320); the sizes are our
    choice. `noise_sd` in scanner units sets the intensity scale: air stays below 80 and liver above (§2.4).
    """

    name: str
    manufacturer: str
    model: str
    software: str
    field_t: float
    liver_snr: float
    noise_sd: float
    cohort_share: float
    sequence: GradientEcho = LAVA_THRIVE


LEFT_OUT_SCANNER = "MAGNETOM Skyra 3.0T"
"""Not among the paper's. With the shifted draw's noise its liver has a mean of 200 units in the delayed phase, where theirs have 255 to 312: our choice."""

SCANNERS = {scanner.name: scanner for scanner in (
    Scanner("SIGNA EXCITE 3.0T HD", "GE MEDICAL SYSTEMS", "SIGNA EXCITE", "14\\LX\\MR Software release:14.0_M5", 3.0, 21.0, 14.0, 0.35),
    Scanner("Discovery MR 750 3.0T", "GE MEDICAL SYSTEMS", "DISCOVERY MR750", "22\\LX\\MR Software release:DV22.0_V02", 3.0, 26.0, 12.0, 0.30),
    Scanner("Achieva 3.0T", "Philips Medical Systems", "Achieva", "3.2.3\\3.2.3.2", 3.0, 24.0, 12.5, 0.20),
    Scanner("SIGNA EXCITE 1.5T HD", "GE MEDICAL SYSTEMS", "SIGNA EXCITE", "12\\LX\\MR Software release:12.0_M5B", 1.5, 17.0, 15.0, 0.15),
    Scanner(LEFT_OUT_SCANNER, "SIEMENS", "Skyra", "syngo MR E11", 3.0, 22.0, 13.0, 0.0, VIBE),
)}
"""Shares of patients a scanner are not reported: our choice."""


def compute_spgr_signal(
        concentration_mm: np.ndarray, t1_ms: float, t2_star_ms: float, r1_per_mm_s: float, proton_density: float = 1.0,
        sequence: GradientEcho = LAVA_THRIVE) -> np.ndarray:
    """Spoiled-gradient-echo signal for unit magnetisation: sin α (1 − E1)/(1 − cos α E1) · exp(−TE R2*).

    Relaxation rates rise linearly with the concentration (mM): R1 = 1/T1 + r1·C, R2* = 1/T2* + r2*·C.
    """
    r1 = 1000 / t1_ms + r1_per_mm_s * np.asarray(concentration_mm, np.float64)
    r2_star = 1000 / t2_star_ms + R2_STAR_PER_MM_S * np.asarray(concentration_mm, np.float64)
    e1 = np.exp(-sequence.repetition_time_ms / 1000 * r1)
    angle = np.deg2rad(sequence.flip_angle_deg)
    return proton_density * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1) * np.exp(-sequence.echo_time_ms / 1000 * r2_star)


def compute_tissue_signal(
        tissue: Tissue, inputs: BolusInputs, times_s: np.ndarray, field_t: float, agent: str, sequence: GradientEcho = LAVA_THRIVE) -> np.ndarray:
    """Signal of a tissue at the given times; a time before the bolus gives the pre-contrast signal."""
    field = _field_index(field_t)
    concentration = compute_concentration(tissue, inputs, times_s)
    return compute_spgr_signal(
        concentration, tissue.t1_ms[field], tissue.t2_star_ms[field], RELAXIVITY_PER_MM_S[agent][field], tissue.proton_density, sequence)


def compute_blood_signal(
        plasma_mm: np.ndarray, inputs: BolusInputs, times_s: np.ndarray, field_t: float, agent: str, sequence: GradientEcho = LAVA_THRIVE) -> np.ndarray:
    """Signal of a vessel whose plasma concentration is given on the time axis of `inputs`."""
    field = _field_index(field_t)
    concentration = np.interp(times_s, inputs.seconds, plasma_mm) * (1 - HAEMATOCRIT)
    return compute_spgr_signal(concentration, BLOOD_T1_MS[field], BLOOD_T2_STAR_MS[field], RELAXIVITY_PER_MM_S[agent][field], sequence=sequence)


def build_coil_bias(coordinates: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Smooth coil sensitivity left after correction: exp of a random quadratic in patient coordinates, mean 1 near the centre (float32).

    Within 150 mm of the centre it mostly stays within ±25 % (our choice); anterior and posterior elements make the rim brighter.
    """
    x, y, z = (axis / np.float32(150) for axis in coordinates)
    linear = rng.normal(0, 0.08, 3).astype(np.float32)
    square = np.abs(rng.normal(0, 0.06, 3)).astype(np.float32)
    cross = np.float32(rng.normal(0, 0.05))
    return np.exp(x * (linear[0] + square[0] * x + cross * y) + y * (linear[1] + square[1] * y) + z * (linear[2] - square[2] * z))


def add_rician_noise(signal: np.ndarray, noise_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the complex signal with white noise of `noise_sd` in each channel (Gudbjartsson & Patz 1995), float32."""
    real = rng.standard_normal(signal.shape, np.float32)
    real *= np.float32(noise_sd)
    real += signal
    imaginary = rng.standard_normal(signal.shape, np.float32)
    imaginary *= np.float32(noise_sd)
    real *= real
    imaginary *= imaginary
    real += imaginary
    return np.sqrt(real, out=real)


def _field_index(field_t: float) -> int:
    return 0 if field_t < 2 else 1
