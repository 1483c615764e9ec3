"""What every tissue of one patient shines like at given times: the link between kinetics and painting."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.kinetics import TISSUES, BolusInputs, Tissue, compute_concentration, compute_inputs
from lirads_keras.phantom.shift import UNSHIFTED, Shift
from lirads_keras.phantom.signal import SCANNERS, GradientEcho, compute_blood_signal, compute_tissue_signal

LESION_JITTER = {"flow": 0.20, "volume": 0.06, "t1": 0.04}
LIVER_JITTER = {"flow": 0.15, "volume": 0.05, "t1": 0.03}
MINIMUM_CONTRAST = 0.08
"""|1 − lesion/liver| that a target lesion reaches in some phase: else nobody could have annotated it."""

MOST_DRAWS = 200
PRECONTRAST_S = -1.0
SYSTEMIC_TRANSIT_S = 25.0
"""Mean transit from the aorta through kidneys and lower body to the vena cava (our choice)."""


@dataclass(frozen=True, eq=False)
class Palette:
    """Signal of each named tissue at T times: `signals[name]` has shape (T,). Lesions are `lesion:L1`, rims `capsule:L1`.

    `texture` scales the modulation inside liver and lesions at each time (0: flat).
    """

    signals: Mapping[str, np.ndarray]
    texture: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.signals[name]

    @property
    def times(self) -> int:
        return len(self.texture)

    def at(self, index: int, gain: float = 1.0) -> Palette:
        """One time alone, scaled."""
        return Palette({name: values[index:index + 1] * gain for name, values in self.signals.items()}, self.texture[index:index + 1])


@dataclass(frozen=True, eq=False)
class PatientKinetics:
    """A patient's own tissues and bolus."""

    inputs: BolusInputs
    liver: Tissue
    lesions: Mapping[str, Tissue]
    capsules: Mapping[str, Tissue]
    field_t: float
    agent: str
    sequence: GradientEcho

    def signal(self, tissue: Tissue, times_s: np.ndarray) -> np.ndarray:
        return compute_tissue_signal(tissue, self.inputs, times_s, self.field_t, self.agent, self.sequence)


def build_kinetics(plan: PatientPlan, rng: np.random.Generator, shift: Shift = UNSHIFTED) -> PatientKinetics:
    """Jitters liver and lesions, these after they were shifted; a lesion is drawn again until some phase, at its planned time, shows it."""
    scanner = SCANNERS[plan.scanner]
    base = PatientKinetics(
        compute_inputs(plan.arrival_s), TISSUES["cirrhotic_liver" if plan.cirrhotic else "normal_liver"].jittered(rng, **LIVER_JITTER),
        {}, {}, scanner.field_t, plan.agent, scanner.sequence)
    phases = acquisition_times(plan)[1:]
    liver = base.signal(base.liver, phases)
    lesions, capsules = {}, {}
    for lesion in plan.lesions:
        nominal = shift.of_lesion(TISSUES[lesion.tissue_class])
        best, best_contrast = nominal, -1.0
        for _ in range(MOST_DRAWS):
            tissue = nominal.jittered(rng, **LESION_JITTER)
            contrast = float(np.abs(1 - base.signal(tissue, phases) / liver).max())
            if contrast > best_contrast:
                best, best_contrast = tissue, contrast
            if contrast >= MINIMUM_CONTRAST:
                break
        lesions[lesion.lesion_id] = best
        capsules[lesion.lesion_id] = TISSUES["capsule"].jittered(rng, **LESION_JITTER)
    return replace(base, lesions=lesions, capsules=capsules)


def acquisition_times(plan: PatientPlan) -> np.ndarray:
    """Seconds after the start of injection: before contrast, arterial, portal venous, delayed."""
    return np.array([PRECONTRAST_S, plan.arterial_s, plan.portal_venous_s, plan.delayed_s])


def build_palette(kinetics: PatientKinetics, times_s: np.ndarray) -> Palette:
    """Signals for unit magnetisation at the given times."""
    inputs = kinetics.inputs
    signals = {name: kinetics.signal(tissue, times_s) for name, tissue in TISSUES.items()}
    signals["liver"] = kinetics.signal(kinetics.liver, times_s)
    signals |= {f"lesion:{name}": kinetics.signal(tissue, times_s) for name, tissue in kinetics.lesions.items()}
    signals |= {f"capsule:{name}": kinetics.signal(tissue, times_s) for name, tissue in kinetics.capsules.items()}
    bloods = {
        "arterial_blood": inputs.arterial,
        "portal_blood": inputs.portal,
        # The liver is one well-mixed compartment: what leaves it has the concentration of its distribution volume.
        "hepatic_blood": compute_concentration(kinetics.liver, inputs, inputs.seconds) / kinetics.liver.distribution_volume,
    }
    systemic = np.convolve(inputs.arterial, _transit(inputs.seconds))[:len(inputs.seconds)]
    bloods["caval_blood"] = (bloods["hepatic_blood"] + systemic) / 2
    signals |= {name: compute_blood_signal(plasma, inputs, times_s, kinetics.field_t, kinetics.agent, kinetics.sequence)
                for name, plasma in bloods.items()}
    signals["air"] = np.zeros(len(times_s))
    return Palette({name: values.astype(np.float32) for name, values in signals.items()}, np.ones(len(times_s), np.float32))


def with_parenchyma_marker(palette: Palette) -> Palette:
    """Adds a time at which liver parenchyma alone shines (1) and has no texture: painted, it shows where liver and nothing else is."""
    signals = {name: np.append(values, np.float32(name == "liver")) for name, values in palette.signals.items()}
    return Palette(signals, np.append(palette.texture, np.float32(0)))


def with_codes(palette: Palette) -> tuple[Palette, dict[str, int]]:
    """Adds two flat times at which each tissue shines with a whole number of its own, and with its square.

    Painted, a voxel holds the mean of the numbers in it and the mean of their squares: it is pure where the variance is 0, and its number
    names the tissue.

    Returns:
        The palette, and the number of each tissue.
    """
    codes = {name: number for number, name in enumerate(palette.signals, start=1)}
    signals = {name: np.append(values, np.array([codes[name], codes[name] ** 2], np.float32)) for name, values in palette.signals.items()}
    return Palette(signals, np.append(palette.texture, np.zeros(2, np.float32))), codes


def _transit(seconds: np.ndarray) -> np.ndarray:
    kernel = np.exp(-seconds / SYSTEMIC_TRANSIT_S)
    return kernel / kernel.sum()
