"""The trained networks of a run, ready to read studies that the run has not seen."""
from __future__ import annotations

import statistics
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lirads_keras.entities import FeatureProbabilities, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.inference.features import predict_features
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.inference.segmentation import predict_probability
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.provenance import compute_sha256, package_versions
from lirads_keras.training.characterization import build_characterization_network, split_variant
from lirads_keras.training.segmentation import MR_CLASSES, build_segmentation_network


@dataclass(frozen=True, eq=False)
class RunModels:
    """The networks of the chosen folds; a new study's probabilities are the mean over the folds.

    `versions` is what the report says of its making: packages, profile, variant, folds, rules, threshold and checksums of the weights.
    """

    files: RunFiles
    segmentation: keras.Model
    characterization: keras.Model
    versions: dict[str, str]

    @property
    def threshold(self) -> float:
        """Lesion probability from which a voxel belongs to a lesion."""
        return self.files.threshold

    def predict_probability(self, image: Volume, scale: IntensityScale, *, batch_size: int) -> Volume:
        """Mean lesion probability over the folds, float32 (z, y, x) on the segmentation grid.

        Raises:
            InputError: a weight file is damaged or of another network.
        """
        total = np.zeros(image.shape, np.float32)
        for weights in self.files.segmentation:
            _load(self.segmentation, weights)
            total += predict_probability(self.segmentation, image, scale, batch_size=batch_size).array
        return image.with_array(total / len(self.files.segmentation))

    def predict_features(self, images: np.ndarray, present: np.ndarray) -> list[FeatureProbabilities]:
        """Mean feature probabilities over the folds, one entry a lesion; images (n, phase, y, x, 3).

        Raises:
            InputError: a weight file is damaged or of another network.
        """
        if not len(images):
            return []
        _, mode = split_variant(self.files.variant)
        by_fold = []
        for weights in self.files.characterization:
            _load(self.characterization, weights)
            by_fold.append(predict_features(self.characterization, images, present, mode))
        return [_mean(of_lesion) for of_lesion in zip(*by_fold, strict=True)]


def read_run_models(files: RunFiles) -> RunModels:
    """The networks of a finished run; weights are loaded when a study is read."""
    profile = files.profile
    trunk, _ = split_variant(files.variant)
    versions = package_versions() | {
        "profile": profile.name, "variant": files.variant, "folds": " ".join(map(str, files.folds)), "rules": profile.characterization.rules,
        "segmentation threshold": f"{files.threshold:g}"}
    versions |= {f"weights sha256 {path.relative_to(files.run)}": compute_sha256(path) for path in (*files.segmentation, *files.characterization)}
    return RunModels(
        files=files,
        segmentation=build_segmentation_network(profile.segmentation, MR_CLASSES, "random"),
        characterization=build_characterization_network(profile.characterization.model_copy(update={"weights": "random"}), trunk),
        versions=versions,
    )


def _load(model: keras.Model, weights: Path) -> None:
    try:
        model.load_weights(weights)
    # Keras passes on what zipfile and h5py raise, and tells other shapes by ValueError.
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(Problem(str(weights), "the weights of this run's network", found)) from error


def _mean(by_fold: tuple[FeatureProbabilities, ...]) -> FeatureProbabilities:
    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    return FeatureProbabilities(mean([p.aphe for p in by_fold]), mean([p.washout for p in by_fold]), mean([p.capsule for p in by_fold]))
