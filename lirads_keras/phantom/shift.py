"""How the shifted draw differs from the cohort that networks are trained on: by stated factors, fixed before any result and never tuned on one.

A network that holds up on the shifted draw does not lean on one scanner, one bolus timing or one noise level. It stays a virtual cohort: nothing here
stands for patients of another hospital.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from lirads_keras.config.cohorts import CohortShift
from lirads_keras.phantom.kinetics import Tissue
from lirads_keras.phantom.signal import LEFT_OUT_SCANNER, SCANNERS


@dataclass(frozen=True)
class Shift:
    """Factors and differences; as they stand here by default, nothing is shifted.

    `scanner`: that of all patients; None: the shares of `SCANNERS`. `arterial_flow`, `portal_flow` and `distribution_volume` multiply those of the target
    lesions' tissue (not of rims, liver or organs). `arterial_later_s`, `portal_venous_later_s` and `delayed_later_s` are added to the times of the phases.
    `snr` multiplies the scanner's signal-to-noise ratio, `confounders` the mean numbers of benign findings.
    """

    scanner: str | None = None
    arterial_flow: float = 1.0
    portal_flow: float = 1.0
    distribution_volume: float = 1.0
    arterial_later_s: float = 0.0
    portal_venous_later_s: float = 0.0
    delayed_later_s: float = 0.0
    snr: float = 1.0
    confounders: float = 1.0

    def scanner_shares(self) -> dict[str, float]:
        """Share of the patients of each scanner, in the order of `SCANNERS`."""
        if self.scanner is None:
            return {scanner.name: scanner.cohort_share for scanner in SCANNERS.values()}
        return {name: float(name == self.scanner) for name in SCANNERS}

    def used_scanners(self) -> tuple[str, ...]:
        """The scanners that patients are planned on."""
        return tuple(name for name, share in self.scanner_shares().items() if share > 0)

    def of_lesion(self, tissue: Tissue) -> Tissue:
        """The tissue of a target lesion, shifted."""
        return replace(
            tissue, arterial_flow=tissue.arterial_flow * self.arterial_flow, portal_flow=tissue.portal_flow * self.portal_flow,
            distribution_volume=tissue.distribution_volume * self.distribution_volume)


UNSHIFTED = Shift()

SHIFTED = Shift(
    # Another manufacturer, echo time and intensity scale than any that the unshifted cohort has (signal.py).
    scanner=LEFT_OUT_SCANNER,
    # Less arterial and more portal blood, and more room for the agent: lesions that hyperenhance and wash out less, nearer to the liver around them. As
    # hepatocarcinogenesis goes the other way, these are earlier lesions; the sizes are our choice.
    arterial_flow=0.8, portal_flow=1.25, distribution_volume=1.1,
    # Arterial 25 to 45 s: our choice. Portal venous 65 to 75 s and delayed 225 s lie within LI-RADS' 60 to 80 s and 2 to 5 min.
    arterial_later_s=5.0, portal_venous_later_s=15.0, delayed_later_s=45.0,
    # That of half the acquisition time, as the signal-to-noise ratio goes with its square root.
    snr=0.7,
    # Our choice.
    confounders=2.0)

SHIFTS: dict[CohortShift, Shift] = {"none": UNSHIFTED, "shifted": SHIFTED}
"""By the name that a cohort's settings have."""
