"""Settings of the segmentation network: what it is, how it is trained and how it is applied."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lirads_keras.config.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Seeds, Settings, known_once
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.variants import PAPER_SEGMENTATION, SEGMENTATION_VARIANTS

SegmentationNames = Annotated[tuple[str, ...], AfterValidator(lambda names: known_once(names, SEGMENTATION_VARIANTS))]

Stem = Literal["paper", "full_resolution"]
"""The first layers of the segmentation network's encoder: those of a ResNet, or some that keep the image's resolution."""

DECODER_STRIDES: dict[Stem, tuple[int, ...]] = {"paper": (16, 8, 4, 2, 1), "full_resolution": (8, 4, 2, 1)}
"""Strides of the decoder's rows, each of which has its number of filters; with the paper's stem the last one is the node at full size."""


class SegmentationLossSettings(Settings):
    """Eqs. 2 and 3."""

    dice: Literal["pooled", "per_pixel"] = Field("pooled", description="Eq. 2 as a ratio of sums, or as printed: ledger item 6")
    focal_alpha_lesion: Fraction = Field(0.25, description="not reported: the focal-loss paper's value")
    focal_gamma: Annotated[float, Field(ge=0)] = Field(2.0, description="not reported: the focal-loss paper's value")
    lovasz_classes: Literal["all", "present"] = Field("all", description="Eq. 3 averages over all C classes")
    lovasz_weight: PositiveFloat = Field(1.0, description="not reported: our choice")
    lovasz_below_loss: float = Field(description="training loss under which Eq. 3 joins; not reported: our choice")

    @model_validator(mode="after")
    def _check(self) -> SegmentationLossSettings:
        # Eq. 2 falls to −C (C = 2) with the pooled Dice and to −1 with the one as printed: under that Eq. 3 could never join.
        lowest = -2 if self.dice == "pooled" else -1
        if self.lovasz_below_loss <= lowest:
            raise ValueError(f"lovasz_below_loss must be above {lowest}, the minimum of Eq. 2 with dice: {self.dice}")
        return self


class TrainingSettings(Settings):
    """One training stage; none of it is reported (ledger item 10): our choice."""

    epochs: PositiveInt
    samples_per_epoch: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    validation_samples: PositiveInt = Field(description="fixed samples of the early-stopping patients scored after each epoch")
    patience_epochs: PositiveInt = Field(description="epochs without a better validation Dice before stopping")

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        if self.samples_per_epoch < self.batch_size:
            raise ValueError(f"samples_per_epoch must hold a full batch of {self.batch_size}, not {self.samples_per_epoch}")
        return self


class SharedStartSettings(TrainingSettings):
    """A training that several folds begin from: on patients of the other folds, so that none of theirs is seen. The paper has none."""

    groups: Annotated[int, Field(ge=2)] = Field(description="of folds; each group shares one such training")


class SegmentationSettings(Settings):
    """§2.5.1: UNet++ with a ResNet + CBAM encoder, pre-trained on CT, fine-tuned on the phases of each variant."""

    variants: SegmentationNames = Field((PAPER_SEGMENTATION,), description="delayed, which stands beside the paper's numbers, and any others")
    seeds: Seeds = Field(description="of initial weights, order and augmentation, in pre-training too; not reported")
    encoder: Literal["resnet18", "resnet34", "resnet50"] = Field("resnet34", description="depth not reported: ledger item 8")
    encoder_weights: Literal["imagenet", "random"] = Field("random", description="not reported for the encoder: our choice")
    width_factor: PositiveFloat = Field(1.0, description="multiplies the encoder's channels; 1 is the paper's network")
    stem: Stem = Field("paper", description="full_resolution: skips at strides 1, 2, 4, 8, 16 instead of 2 to 32. The paper's strides are 1.5 to 24 mm at "
                       "512 × 512; with pixels of 2.4 mm they begin at 4.8 mm")
    decoder_filters: tuple[PositiveInt, ...] = Field(description="channels of the decoder nodes, from the largest stride to full size; not reported")
    deep_supervision: bool = Field(False, description="heads on the nodes x[0, j] too, as UNet++ has as an option; the paper doesn't mention it: ledger item 8")
    training_crop_px: PositiveInt = Field(description="side of the training window; the paper trains on whole slices (= matrix_px)")
    sampling: Literal["uniform", "lesion_oversampled", "patient_balanced"] = Field(
        "uniform", description="all S − 2 samples equally often, or a fraction from lesion slices (patient_balanced: each patient equally often)")
    lesion_fraction: Fraction = Field(0.5, description="share of lesion slices in a batch unless sampling is uniform")
    drop_phase: Fraction = Field(0.25, description="share of training samples that lose one of their phases, drawn at random, where a variant has several")
    folds: Annotated[int, Field(ge=2)] = Field(9, description="§2.4")
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="training patients held out; half stop the training, half choose threshold and minimum volume: ledger item 18")
    validation_negatives: NonNegativeInt = Field(20, description="patients without a lesion, of other folds, who join them, half and half; not reported")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    gradient_clip_norm: PositiveFloat = Field(1.0, description="not reported: our choice")
    prediction_batch_size: PositiveInt = Field(16, description="slices predicted at a time")
    loss: SegmentationLossSettings
    augmentation: AugmentationSettings
    pretrain: TrainingSettings
    shared_start: SharedStartSettings | None = Field(None, description="between the pre-training and the folds; none: the folds begin from the pre-training")
    finetune: TrainingSettings

    @property
    def start_groups(self) -> int:
        """Groups of folds that share a start; 0 where the folds begin from the pre-training."""
        return 0 if self.shared_start is None else min(self.shared_start.groups, self.folds)

    @model_validator(mode="after")
    def _check(self) -> SegmentationSettings:
        if PAPER_SEGMENTATION not in self.variants:
            raise ValueError(f"variants must include {PAPER_SEGMENTATION}, which stands beside the paper's numbers, not {', '.join(self.variants)} alone")
        if len(self.seeds) > 1:
            raise ValueError(f"seeds needs exactly one (runs with different seeds tell how far they move), not {', '.join(map(str, self.seeds))}")
        if self.shared_start and self.shared_start.groups > self.folds:
            raise ValueError(f"shared_start.groups needs a fold in each, so {self.folds} at most, not {self.shared_start.groups}")
        if self.training_crop_px % 32:
            raise ValueError(f"training_crop_px must be a multiple of 32, not {self.training_crop_px}")
        strides = DECODER_STRIDES[self.stem]
        if len(self.decoder_filters) != len(strides):
            raise ValueError(f"decoder_filters needs {len(strides)} numbers with stem: {self.stem} (strides {', '.join(map(str, strides))}), "
                             f"not {len(self.decoder_filters)}")
        if self.encoder_weights == "imagenet" and self.width_factor != 1:
            raise ValueError(f"encoder_weights: imagenet needs width_factor 1, not {self.width_factor:g}: there are no other weights")
        if self.encoder_weights == "imagenet" and self.stem != "paper":
            raise ValueError(f"encoder_weights: imagenet needs stem: paper, not {self.stem}: there are no other weights")
        return self


Engine = Literal["keras", "openvino-f32", "openvino-bf16"]


class InferenceSettings(Settings):
    """How the segmentation network is applied to whole studies; the paper reports none of it: our choice."""

    engine: Engine = Field(default="keras", description="keras computes in segmentation.precision; openvino-f32 and openvino-bf16 need the package openvino")
    body_box: bool = Field(default=True, description="the network's upper half only inside the box of what Eq. 1 leaves above 0; outside: probability 0")
    flip_augmentation: bool = Field(default=False, description="mean over the four flip states, at four times the time")
