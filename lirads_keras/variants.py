"""The one registry of variants: which networks there are, what tells them apart, and which table or figure of the paper each stands for.

A variant is added here and nowhere else: the profile's check, training, scoring, the command line and the exported `variants.csv`, by which R goes, read this.
"""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from lirads_keras.entities import ENHANCED_PHASES, Phase

TrunkName = Literal["vgg16", "resnet50"]
TRUNKS: tuple[TrunkName, ...] = get_args(TrunkName)
TRUNK_WORDS: dict[TrunkName, str] = {"vgg16": "VGG16", "resnet50": "ResNet-50"}
TRUNK_FORWARD_TFLOP_224: dict[TrunkName, float] = {"vgg16": 0.031, "resnet50": 0.008}
"""Of one 224 × 224 image through the trunk at full width."""
Mode = Literal["adaptive", "plain"]
"""Training with the phase switch of Eq. 4 ("adaptive"), or every feature from every phase ("plain")."""

STACKED_SLICES = 3
"""Slices of a phase that are channels of a 2.5D sample: z − 1, z and z + 1 (§2.4)."""


@dataclass(frozen=True)
class SegmentationVariant:
    """A segmentation network. `phases` are its input, in the order of its channels, which is that of time; `words` say to people what it is."""

    name: str
    phases: tuple[Phase, ...]
    paper_item: str
    words: str
    kind: Literal["segmentation"] = "segmentation"

    @property
    def channels(self) -> int:
        """Of the network's input: the slices of the first phase, then those of the next."""
        return STACKED_SLICES * len(self.phases)

    def select_phases(self, phases: Collection[Phase]) -> tuple[Phase, ...]:
        """Those of a study's phases that the network reads, in its order."""
        return tuple(phase for phase in self.phases if phase in phases)


@dataclass(frozen=True)
class CharacterizationVariant:
    """A characterisation network; all of them read ENHANCED_PHASES.

    `kind`: a head a feature, or directly the category. `mode` is that of a network of features, None of a direct one. `frozen`: the trunk stays at its first
    weights. `size_input`: the network is told the diameter.
    """

    name: str
    kind: Literal["features", "direct"]
    trunk: TrunkName
    mode: Mode | None
    frozen: bool
    size_input: bool
    paper_item: str
    words: str

    @property
    def phases(self) -> tuple[Phase, ...]:
        return ENHANCED_PHASES

    @property
    def reads_features(self) -> bool:
        return self.kind == "features"


def _features(name: str, trunk: TrunkName, mode: Mode, paper_item: str) -> CharacterizationVariant:
    words = {"adaptive": "three heads, trained with the paper's Eq. 4", "plain": "the same heads, trained without the phase switch"}[mode]
    return CharacterizationVariant(name, "features", trunk, mode, False, False, paper_item, words)


def _direct(name: str, words: str, *, frozen: bool = False, size_input: bool = False, paper_item: str = "Fig. 15") -> CharacterizationVariant:
    return CharacterizationVariant(name, "direct", "vgg16", None, frozen, size_input, paper_item, f"direct to the category, {words}")


SEGMENTATION_VARIANTS = {variant.name: variant for variant in (
    SegmentationVariant("delayed", (Phase.DELAYED,), "Table 4", "the delayed phase alone (§2.5)"),
    SegmentationVariant("three-phase", ENHANCED_PHASES, "", "all three phases; an extension, not the paper's"))}

PAPER_SEGMENTATION = "delayed"
"""The segmentation variant that the paper describes; it reads the one image of a study that has no phases, too."""

CHARACTERIZATION_VARIANTS = {variant.name: variant for variant in (
    _features("vgg16-adaptive", "vgg16", "adaptive", "Table 5"),
    _features("vgg16-plain", "vgg16", "plain", "Table 5"),
    _features("resnet50-adaptive", "resnet50", "adaptive", "Table 5"),
    _features("resnet50-plain", "resnet50", "plain", "Table 5"),
    _direct("direct-frozen", "trunk frozen", frozen=True),
    _direct("direct-finetuned", "trunk fine-tuned"),
    _direct("direct-finetuned-size", "trunk fine-tuned, with the diameter", size_input=True, paper_item=""))}
"""In the order in which tables and figures show them; the first is the paper's own. An empty `paper_item`: the paper does not have it."""


PAPER_CHARACTERIZATION = next(iter(CHARACTERIZATION_VARIANTS))
"""The characterisation variant that the paper describes; it has a network on all patients, too."""


def list_variants() -> list[dict[str, str | int]]:
    """Rows of variants.csv; what does not apply to a variant is empty."""
    rows: list[dict[str, str | int]] = []
    variants: tuple[SegmentationVariant | CharacterizationVariant, ...] = (*SEGMENTATION_VARIANTS.values(), *CHARACTERIZATION_VARIANTS.values())
    for variant in variants:
        row: dict[str, str | int] = {"variant": variant.name, "kind": variant.kind, "trunk": "", "mode": "", "frozen": "", "size_input": ""}
        if isinstance(variant, CharacterizationVariant):
            row |= {"trunk": variant.trunk, "mode": variant.mode or "", "frozen": int(variant.frozen), "size_input": int(variant.size_input)}
        rows.append(row | {"phases": " ".join(variant.phases), "paper_item": variant.paper_item, "words": variant.words})
    return rows
