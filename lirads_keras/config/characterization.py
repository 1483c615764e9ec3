"""Settings of the characterisation networks and of the trunks that they begin from."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lirads_keras.config.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Seeds, Settings, known_once
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.variants import CHARACTERIZATION_VARIANTS

CharacterizationNames = Annotated[tuple[str, ...], AfterValidator(lambda names: known_once(names, CHARACTERIZATION_VARIANTS))]


class FormulaSettings(Settings):
    """Pre-training of the trunks on formula-generated images (Kataoka 2020), for `weights: formula`; our choice, for minutes on a CPU."""

    classes: Annotated[int, Field(ge=2)] = Field(description="random function systems")
    images_per_class: PositiveInt
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat = Field(description="at the start; falls to 0 along a cosine")
    seed: NonNegativeInt

    @model_validator(mode="after")
    def _check(self) -> FormulaSettings:
        if self.classes * self.images_per_class < self.batch_size:
            raise ValueError(f"classes × images_per_class must hold a full batch of {self.batch_size}, not {self.classes * self.images_per_class}")
        return self


class CharacterizationSettings(Settings):
    """§2.5.2 and Table 5: three heads on one trunk, trained with Eq. 4 ("adaptive") or without the phase switch ("plain"), and Fig. 15's direct networks."""

    variants: CharacterizationNames = tuple(CHARACTERIZATION_VARIANTS)
    crop_px: Annotated[int, Field(ge=32)] = Field(224, description="§2.4; the trunks halve it five times")
    margin_fraction: Annotated[float, Field(ge=0)] = Field(0.25, description="added around the bounding box; not reported: our choice")
    channels: Literal["repeat", "neighbours"] = Field("repeat", description="ledger item 12")
    width_factor: PositiveFloat = Field(1.0, description="multiplies the trunk's channels; 1 is the paper's network")
    weights: Literal["imagenet", "formula", "random"] = Field("imagenet", description="§2.5.2: pre-trained on ImageNet")
    formula: FormulaSettings
    seeds: Seeds = Field(description="of initial weights, order and augmentation; the first is the main analysis, all give the spread")
    half_split: bool = Field(description="train once more on half of the patients and test on the half with about 88 of 174 lesions: ledger item 2")
    head_units: PositiveInt = Field(description="units of the fully connected layer under the heads; not reported")
    epochs: PositiveInt = Field(description="not reported: our choice; the same for every variant")
    batch_size: PositiveInt = Field(description="not reported: our choice")
    learning_rate: PositiveFloat = Field(description="not reported: our choice")
    decision_threshold: Fraction = Field(0.5, description="probability from which a feature is present: ledger item 13")
    rules: Literal["paper", "v2018"] = Field("paper", description="Table 3 or the complete v2018 table: ledger item 15")
    augmentation: AugmentationSettings

    @model_validator(mode="after")
    def _check(self) -> CharacterizationSettings:
        if self.weights == "imagenet" and self.width_factor != 1:
            raise ValueError(f"weights: imagenet needs width_factor 1, not {self.width_factor:g}: there are no other weights")
        return self
