"""What a finished run left for reading new studies; checked here without Keras, so that a wrong path is told before TensorFlow is imported."""
from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from lirads_keras.config import Profile
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS, CharacterizationVariant, SegmentationVariant

Value = TypeVar("Value")


@dataclass(frozen=True)
class RunFiles:
    """The chosen folds of a run.

    `segmentation_weights` and `characterization_weights` are one file a fold. `threshold` and `minimum_volume_mm3` are the medians of
    those that the folds chose; of an even number of folds the lower of the middle two, so that each is one that was chosen from.
    """

    run: RunFolder
    profile: Profile
    segmentation: SegmentationVariant
    characterization: CharacterizationVariant
    folds: tuple[int, ...]
    segmentation_weights: tuple[Path, ...]
    characterization_weights: tuple[Path, ...]
    threshold: float
    minimum_volume_mm3: float


def find_run_files(run: Path, *, variant: str | None = None, fold: int | Literal["all", "best"] | None = None) -> RunFiles:
    """The profile, weights and threshold of a finished run.

    Args:
        run: run folder.
        variant: characterisation variant; the profile's first (the paper's own) by default.
        fold: its number, "all", or "best" (the highest Dice on its own early-stopping patients; of equals the first); the profile's by default.

    Raises:
        InputError: no run folder, an unknown variant or fold, or weights or thresholds that are missing (each is named).
    """
    folder = RunFolder(run)
    profile = folder.read_profile()
    segmentation, characterization = SEGMENTATION_VARIANTS[profile.segmentation.variants[0]], _choose_variant(profile, variant)
    folds = range(profile.segmentation.folds)
    wanted = profile.inference.folds if fold is None else fold
    problems = [] if isinstance(characterization, CharacterizationVariant) else [characterization]
    if isinstance(wanted, int) and wanted not in folds:
        problems.append(Problem("--fold", f"all, best or 0 … {folds[-1]}", str(fold)))
    raise_if_any(problems)
    assert isinstance(characterization, CharacterizationVariant)
    if wanted == "best":
        chosen: tuple[int, ...] = _find_best_fold([folder.fold(segmentation.name, k) for k in folds])
    else:
        chosen = tuple(folds) if wanted == "all" else (wanted,)
    networks = [folder.fold(segmentation.name, k) for k in chosen]
    weights = tuple(network.weights for network in networks)
    of_features = tuple(folder.fold(characterization.name, k).weights for k in chosen)
    problems = [Problem(str(path), "weights of a finished run", "no such file") for path in (*weights, *of_features) if not path.is_file()]
    thresholds = _read_of_folds(networks, lambda network: network.threshold, problems)
    volumes = _read_of_folds(networks, lambda network: network.minimum_volume_mm3, [] if problems else problems)
    raise_if_any(problems)
    return RunFiles(folder, profile, segmentation, characterization, chosen, weights, of_features, statistics.median_low(thresholds),
                    statistics.median_low(volumes))


def _choose_variant(profile: Profile, asked: str | None) -> CharacterizationVariant | Problem:
    """The variant that is asked for, or the profile's first; a direct network has no features to report."""
    known = [name for name in profile.characterization.variants if CHARACTERIZATION_VARIANTS[name].reads_features]
    name = asked or next(iter(known), "a run of direct networks only")
    if name in known:
        return CHARACTERIZATION_VARIANTS[name]
    possible = known or [variant.name for variant in CHARACTERIZATION_VARIANTS.values() if variant.reads_features]
    return Problem("--variant", f"one of {', '.join(possible)}", name)


def _find_best_fold(networks: Sequence[NetworkFolder]) -> tuple[int]:
    problems: list[Problem] = []
    dice = _read_of_folds(networks, lambda network: network.validation_dice, problems)
    problems += [Problem(str(network.tested.path), "the fold's validation Dice", "none: no early-stopping patient has a lesion")
                 for network, value in zip(networks, dice) if value is None]
    raise_if_any(problems)
    return (max(range(len(networks)), key=lambda fold: dice[fold] or 0.0),)


def _read_of_folds(networks: Sequence[NetworkFolder], read: Callable[[NetworkFolder], Value], problems: list[Problem]) -> list[Value]:
    """A number of each fold's record; what cannot be read is appended to the problems."""
    values = []
    for network in networks:
        try:
            values.append(read(network))
        except InputError as error:
            problems += error.problems
    return values
