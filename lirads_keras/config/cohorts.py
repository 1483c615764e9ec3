"""Settings of the virtual patients: the cohort, the CT set of pre-training, and the further draws."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lirads_keras.config.base import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Settings, each_once

CohortShift = Literal["none", "shifted"]
"""What a virtual cohort differs by from the one that networks are trained on (`phantom/shift.py`)."""

ArterialShift = Annotated[float, Field(ge=-15, le=10)]
"""Seconds; arterial phases are planned 20 to 45 s after the start of the injection, portal venous ones from 50 s on."""


class CohortSettings(Settings):
    """The virtual cohort of MR studies (used when no manifest is given).

    `shift` and `arterial_moved_s` are no part of the settings' digest and of what is written of them where they change nothing.
    """

    patients_positive: PositiveInt = Field(111, description="HCC patients; §2.3")
    patients_negative: NonNegativeInt = Field(92, description="non-HCC patients; §2.3")
    matrix_px: PositiveInt = Field(description="rows = columns; §2.4 prints 512")
    pixel_spacing_mm: PositiveFloat = Field(description="not reported: our choice")
    slices: PositiveInt = Field(description="slices of a phase; §2.4 prints 300, see the table of deviations")
    slice_spacing_mm: PositiveFloat = Field(description="Table 1: ≤ 4.4 for LAVA/THRIVE")
    slices_interpolated: PositiveInt | None = Field(None, description="slices that the acquired ones are interpolated to (300: §2.4); none: as acquired")
    seed: NonNegativeInt = Field(description="seed of the cohort")
    shift: CohortShift = Field("none", exclude_if=lambda value: value == "none", description="shifted: scanner, kinetics, timing, noise and confounders of "
                               "`phantom/shift.py`")
    arterial_moved_s: ArterialShift = Field(
        0.0, exclude_if=lambda value: value == 0, description="the same patients with the arterial phase so much later than planned; negative: earlier")

    @model_validator(mode="after")
    def _check(self) -> CohortSettings:
        if self.slices_interpolated is not None and self.slices_interpolated < self.slices:
            raise ValueError(f"slices_interpolated must be at least slices ({self.slices}), not {self.slices_interpolated}")
        return self

    @property
    def slices_written(self) -> int:
        """Slices of a phase in the files."""
        return self.slices_interpolated or self.slices


class CtSettings(Settings):
    """The CT set of pre-training, in LiTS layout: LiTS itself or a virtual abdominal set of the size given here."""

    source: Literal["virtual", "lits"] = Field(description="lits: data/lits where it holds volumes, else the virtual set; §2.5.1 names LiTS")
    patients: PositiveInt = Field(description="volumes; LiTS has 131")
    matrix_px: PositiveInt = Field(description="rows = columns")
    pixel_spacing_mm: PositiveFloat
    slices: PositiveInt
    slice_spacing_mm: PositiveFloat
    seed: NonNegativeInt


class DrawSettings(Settings):
    """Further virtual cohorts, on which the network of all patients is scored; none of it is in the paper: our choice.

    The *fresh draw* has the cohort's settings and another seed, the *shifted draw* differs by `phantom/shift.py`. Some patients of the fresh draw are scored
    with a phase moved, missing or acquired at another time, by networks of several phases.
    """

    fresh_seed: NonNegativeInt = Field(description="of the fresh draw; not the cohort's")
    shifted_seed: NonNegativeInt = Field(description="of the shifted draw; not the cohort's, nor the fresh draw's")
    patients_positive: PositiveInt | None = Field(None, description="of each draw; none: as many as the cohort")
    patients_negative: NonNegativeInt | None = Field(None, description="of each draw; none: as many as the cohort")
    curve_patients: PositiveInt = Field(description="of the fresh draw, both groups mixed")
    moved_mm: Annotated[tuple[NonNegativeFloat, ...], AfterValidator(lambda values: each_once("moved_mm", values))] = Field(
        (0.0, 3.0, 6.0, 10.0, 15.0), description="distances by which the arterial, then the portal venous phase lies off the delayed one")
    arterial_later_s: Annotated[tuple[ArterialShift, ...], AfterValidator(lambda values: each_once("arterial_later_s", values))] = Field(
        (-10.0, -5.0, 5.0, 10.0), description="times by which the arterial phase is later than planned; negative: earlier")

    def patients(self, cohort: CohortSettings) -> tuple[int, int]:
        """Positive and negative patients of each draw."""
        return (cohort.patients_positive if self.patients_positive is None else self.patients_positive,
                cohort.patients_negative if self.patients_negative is None else self.patients_negative)
