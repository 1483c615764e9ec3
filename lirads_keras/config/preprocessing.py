"""Settings of what is done to images before a network sees them."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lirads_keras.config.base import Fraction, PositiveInt, Settings

Registration = Literal["none", "assumed", "rigid", "bspline"]
"""How phases come together: by their coordinates alone, which have a common meaning within one frame of reference, or are assumed to have it; or registered."""


class PreprocessingSettings(Settings):
    """Eq. 1, standardisation and the grid of the segmentation network."""

    background_cutoff: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(80.0, description="Eq. 1, scanner units; auto: Otsu on the log histogram")
    upper_percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.0, description="Eq. 1")
    scope: Literal["volume", "slice"] = Field("volume", description="'of the whole image' (§2.4): ledger item 5")
    ct_window_hu: tuple[float, float] = Field((-100.0, 400.0), description="replaces Eq. 1 for CT; not reported: our choice")
    matrix_px: PositiveInt = Field(description="in-plane matrix of the segmentation network, a multiple of 32; §2.4 prints 512")
    registration: Registration = Field("none", description="of the other phases to the delayed one; assumed: none, also between frames of reference; "
                                                           "not reported: ledger item 11")

    @model_validator(mode="after")
    def _check(self) -> PreprocessingSettings:
        if self.matrix_px % 32:
            raise ValueError(f"matrix_px must be a multiple of 32, not {self.matrix_px}")
        if not self.ct_window_hu[0] < self.ct_window_hu[1]:
            raise ValueError("ct_window_hu must rise")
        return self


class AugmentationSettings(Settings):
    """Random rotation, shift and both flips with zero padding (§2.4); ranges not reported: our choice."""

    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    shift_fraction: Fraction = 0.1
    flip_horizontal: Fraction = Field(0.5, description="probability")
    flip_vertical: Fraction = Field(0.5, description="probability")
