"""The trained networks of a run, ready to read studies that the run has not seen."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lirads_keras.config import Profile, read_profile
from lirads_keras.entities import FeatureProbabilities, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.inference.features import predict_features
from lirads_keras.inference.segmentation import predict_probability
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.provenance import compute_sha256, package_versions
from lirads_keras.training.characterization import build_characterization_network, split_variant
from lirads_keras.training.segmentation import MR_CLASSES, build_segmentation_network


@dataclass(frozen=True, eq=False)
class RunModels:
    """The networks of the chosen folds; a new study's probabilities are the mean over the folds.

    `threshold` is the median of those that the folds chose on their early-stopping patients.
    """

    segmentation: keras.Model
    segmentation_weights: tuple[Path, ...]
    characterization: keras.Model
    characterization_weights: tuple[Path, ...]
    variant: str
    threshold: float
    versions: dict[str, str]

    def predict_probability(self, image: Volume, scale: IntensityScale, *, batch_size: int) -> Volume:
        """Mean lesion probability over the folds, float32 (z, y, x) on the segmentation grid."""
        total = np.zeros(image.shape, np.float32)
        for weights in self.segmentation_weights:
            self.segmentation.load_weights(weights)
            total += predict_probability(self.segmentation, image, scale, batch_size=batch_size).array
        return image.with_array(total / len(self.segmentation_weights))

    def predict_features(self, images: np.ndarray, present: np.ndarray) -> list[FeatureProbabilities]:
        """Mean feature probabilities over the folds, one entry a lesion; images (n, phase, y, x, 3)."""
        if not len(images):
            return []
        _, mode = split_variant(self.variant)
        by_fold = []
        for weights in self.characterization_weights:
            self.characterization.load_weights(weights)
            by_fold.append(predict_features(self.characterization, images, present, mode))
        return [_mean(of_lesion) for of_lesion in zip(*by_fold, strict=True)]


def read_run_models(run: Path, *, variant: str | None = None, fold: int | None = None) -> tuple[Profile, RunModels]:
    """The profile and networks of a finished run.

    Args:
        run: run folder.
        variant: characterisation variant; the profile's first (the paper's own) by default.
        fold: one fold only; all folds by default.

    Raises:
        InputError: no run folder, an unknown variant or fold, or weights or thresholds that are missing (each is named).
    """
    if not (run / "profile.yaml").is_file():
        raise InputError(Problem(str(run), "a run folder with profile.yaml (made by `make reproduce`)", "no such file" if run.is_dir() else "no such folder"))
    profile = read_profile(run / "profile.yaml")
    variants, folds = profile.characterization.variants, range(profile.segmentation.folds)
    variant = variant or variants[0]
    problems = []
    if variant not in variants:
        problems.append(Problem("--variant", f"one of {', '.join(variants)}", variant))
    if fold is not None and fold not in folds:
        problems.append(Problem("--fold", f"0 … {folds[-1]}", str(fold)))
    raise_if_any(problems)
    chosen = list(folds) if fold is None else [fold]
    segmentation = tuple(run / "segmentation" / f"fold-{k}" / "model.keras" for k in chosen)
    characterization = tuple(run / "characterization" / variant / f"fold-{k}" / "model.keras" for k in chosen)
    records = tuple(path.parent / "fold.json" for path in segmentation)
    raise_if_any([Problem(str(path), "weights of a finished run", "no such file") for path in (*segmentation, *characterization, *records)
                  if not path.is_file()])
    trunk, _ = split_variant(variant)
    versions = package_versions() | {"profile": profile.name, "variant": variant, "folds": " ".join(map(str, chosen)), "rules": profile.characterization.rules}
    versions |= {f"weights sha256 {path.relative_to(run)}": compute_sha256(path) for path in (*segmentation, *characterization)}
    return profile, RunModels(
        segmentation=build_segmentation_network(profile.segmentation, MR_CLASSES, "random"),
        segmentation_weights=segmentation,
        characterization=build_characterization_network(profile.characterization.model_copy(update={"weights": "random"}), trunk),
        characterization_weights=characterization,
        variant=variant,
        threshold=statistics.median_low([json.loads(path.read_text())["threshold_chosen"] for path in records]),
        versions=versions,
    )


def _mean(by_fold: tuple[FeatureProbabilities, ...]) -> FeatureProbabilities:
    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    return FeatureProbabilities(mean([p.aphe for p in by_fold]), mean([p.washout for p in by_fold]), mean([p.capsule for p in by_fold]))
