"""Every setting of a run, with its unit and where it comes from; an unknown key is an error.

A profile is a YAML file (`experiments/profiles/`). "Methods §x" points into Wang et al. 2023; "not reported: our choice" marks what
the paper leaves open. Profiles differ in numbers only: there is one code path.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lirads_keras.errors import InputError, Problem
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, PAPER_SEGMENTATION, SEGMENTATION_VARIANTS

Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Iou = Annotated[float, Field(ge=0, lt=1)]
# The tables are written with six digits: thresholds that differ after them would be one row.
Thresholds = Annotated[tuple[Fraction, ...], AfterValidator(lambda values: tuple(float(text) for text in _each_once(
    "thresholds", tuple(f"{value:.6g}" for value in values))))]
TABLE_4_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
Seeds = Annotated[tuple[NonNegativeInt, ...], AfterValidator(lambda seeds: _each_once("seeds", seeds))]
SegmentationNames = Annotated[tuple[str, ...], AfterValidator(lambda names: _known_once(names, SEGMENTATION_VARIANTS))]
CharacterizationNames = Annotated[tuple[str, ...], AfterValidator(lambda names: _known_once(names, CHARACTERIZATION_VARIANTS))]


class Settings(BaseModel):
    """Base of all sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def digest(self) -> str:
        """12 hex digits that change when any setting of this section changes."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:12]


def _each_once(what: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{what} needs one or more, each once, not {', '.join(map(str, values)) or 'none'}")
    return values


def _known_once(names: tuple[str, ...], registry: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a registry of `variants.py`."""
    unknown = [name for name in _each_once("variants", names) if name not in registry]
    if unknown:
        raise ValueError(f"variants are of {', '.join(registry)}, not {', '.join(unknown)}")
    return names


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


class PreprocessingSettings(Settings):
    """Eq. 1, standardisation and the grid of the segmentation network."""

    background_cutoff: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(80.0, description="Eq. 1, scanner units; auto: Otsu on the log histogram")
    upper_percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.0, description="Eq. 1")
    scope: Literal["volume", "slice"] = Field("volume", description="'of the whole image' (§2.4): ledger item 5")
    ct_window_hu: tuple[float, float] = Field((-100.0, 400.0), description="replaces Eq. 1 for CT; not reported: our choice")
    matrix_px: PositiveInt = Field(description="in-plane matrix of the segmentation network, a multiple of 32; §2.4 prints 512")
    registration: Literal["none", "rigid", "bspline"] = Field("none", description="of the other phases to the delayed one; not reported: ledger item 11")

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


Stem = Literal["paper", "full_resolution"]
"""The first layers of the segmentation network's encoder: those of a ResNet, or some that keep the image's resolution."""

DECODER_STRIDES: dict[Stem, tuple[int, ...]] = {"paper": (16, 8, 4, 2, 1), "full_resolution": (8, 4, 2, 1)}
"""Strides of the decoder's rows, each of which has its number of filters; with the paper's stem the last one is the node at full size."""


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
    finetune: TrainingSettings

    @model_validator(mode="after")
    def _check(self) -> SegmentationSettings:
        if PAPER_SEGMENTATION not in self.variants:
            raise ValueError(f"variants must include {PAPER_SEGMENTATION}, which stands beside the paper's numbers, not {', '.join(self.variants)} alone")
        if len(self.seeds) > 1:
            raise ValueError(f"seeds needs exactly one (runs with different seeds tell how far they move), not {', '.join(map(str, self.seeds))}")
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


class LesionSettings(Settings):
    """From probabilities to lesions: what each fold chooses from, by lesion F1 on patients it neither tests nor trains on, and which region a lesion has."""

    thresholds: Thresholds = Field(TABLE_4_THRESHOLDS, description="each fold chooses one of them; Table 4 prints these")
    minimum_volumes_mm3: Annotated[tuple[NonNegativeFloat, ...], AfterValidator(lambda values: _each_once("minimum_volumes_mm3", values))] = Field(
        (0.0, 100.0, 250.0, 500.0), description="each fold chooses one of them; smaller predicted components are dropped; not reported: our choice")
    choice_iou: Iou = Field(0.1, description="intersection over union from which a lesion counts as found when a fold chooses; not reported: our choice")
    minimum_overlap_iou: Iou = Field(0.0, description="of a lesion's automatic region; 0: any shared voxel (ledger item 17)")


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


class EvaluationSettings(Settings):
    """Thresholds at which masks are scored; Table 4 prints 0.2 … 0.8."""

    thresholds: Thresholds = (0.1, *TABLE_4_THRESHOLDS, 0.9)
    pixel_thresholds: Annotated[int, Field(ge=2)] = Field(21, description="evenly spaced thresholds on [0, 1] of pixel_counts.csv")


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
    moved_mm: Annotated[tuple[NonNegativeFloat, ...], AfterValidator(lambda values: _each_once("moved_mm", values))] = Field(
        (0.0, 3.0, 6.0, 10.0, 15.0), description="distances by which the arterial, then the portal venous phase lies off the delayed one")
    arterial_later_s: Annotated[tuple[ArterialShift, ...], AfterValidator(lambda values: _each_once("arterial_later_s", values))] = Field(
        (-10.0, -5.0, 5.0, 10.0), description="times by which the arterial phase is later than planned; negative: earlier")

    def patients(self, cohort: CohortSettings) -> tuple[int, int]:
        """Positive and negative patients of each draw."""
        return (cohort.patients_positive if self.patients_positive is None else self.patients_positive,
                cohort.patients_negative if self.patients_negative is None else self.patients_negative)


class WorkflowSettings(Settings):
    """How the workflow spreads over the machine; changes no result."""

    jobs: PositiveInt = Field(1, description="workflow jobs at a time; so many processes share out the folds, and then the characterisation networks")
    threads: PositiveInt = Field(2, description="threads of a job: of TensorFlow, where they are part of what bit-identity depends on, or processes")
    tensorboard: bool = Field(False, description="TensorBoard's event files beside each history.csv; needs the package tensorboard")
    expected_seconds: dict[str, PositiveFloat] = Field(description="usual duration of each stage; of what runs side by side, its share of the time")

    @property
    def cores(self) -> int:
        """What all jobs together may use, and a stage that runs alone."""
        return self.jobs * self.threads


class Profile(Settings):
    """All settings of a run."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="also of the run's folder, unless RUN names another")
    seed: NonNegativeInt = Field(description="of the splits: folds, early-stopping patients, half split; what is trained has seeds of its own")
    cohort: CohortSettings
    ct: CtSettings
    preprocessing: PreprocessingSettings
    segmentation: SegmentationSettings
    inference: InferenceSettings
    lesions: LesionSettings
    characterization: CharacterizationSettings
    evaluation: EvaluationSettings
    draws: DrawSettings
    workflow: WorkflowSettings

    @model_validator(mode="after")
    def _check(self) -> Profile:
        if self.segmentation.training_crop_px > self.preprocessing.matrix_px:
            raise ValueError("segmentation.training_crop_px is larger than preprocessing.matrix_px")
        if not set(self.lesions.thresholds) <= set(self.evaluation.thresholds):
            raise ValueError(f"lesions.thresholds are among evaluation.thresholds, where masks are scored, not {', '.join(map(str, self.lesions.thresholds))}")
        seeds = (self.cohort.seed, self.draws.fresh_seed, self.draws.shifted_seed)
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"cohort.seed, draws.fresh_seed and draws.shifted_seed differ from each other, not {', '.join(map(str, seeds))}")
        if self.draws.curve_patients > (patients := sum(self.draws.patients(self.cohort))):
            raise ValueError(f"draws.curve_patients are some of the fresh draw's {patients} patients, not {self.draws.curve_patients}")
        return self


_INSTEAD = {("inference", "folds"): "`lirads predict` and `lirads read` take --networks full|ensemble|fold-K instead"}
"""Settings that there were, and what does their work."""


def read_profile(path: Path) -> Profile:
    """Reads and checks a profile.

    Raises:
        InputError: the file is absent or no YAML mapping, or settings are missing, unknown or out of range (all of them at once).
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Problem(str(path), "a readable profile", error.strerror or str(error))) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(Problem(str(path), "a YAML file", " ".join(str(error).split()))) from error
    if not isinstance(content, dict):
        raise InputError(Problem(str(path), "a mapping of settings", f"a {type(content).__name__}"))
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise InputError(*(
            Problem(f"{path}, {'.'.join(str(part) for part in item['loc']) or 'profile'}", _expected(item), repr(item["input"])[:80])
            for item in error.errors())) from error


def _expected(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return f"no such key ({_INSTEAD.get(item['loc'], 'unknown setting')})"
    return str(item["msg"])
