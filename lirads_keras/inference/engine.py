"""The trained networks of a run, ready to read studies that the run has not seen."""
from __future__ import annotations

import statistics
from collections.abc import Collection
from dataclasses import dataclass

import keras
import numpy as np

from lirads_keras.entities import HEAD_FEATURES, VIRTUAL_COHORT, FeatureProbabilities, Phase, Study, Volume
from lirads_keras.inference.explanation import compute_activation_maps
from lirads_keras.inference.features import predict_features
from lirads_keras.inference.notices import list_notices
from lirads_keras.inference.predictors import Predictor, build_predictor
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.inference.segmentation import predict_slices
from lirads_keras.inference.weights import load_weights
from lirads_keras.preprocessing.segmentation_input import SegmentationInput
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.provenance import compute_sha256, package_versions
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import Mode


@dataclass(frozen=True, eq=False)
class RunModels:
    """The chosen networks; a new study's probabilities are the mean over them.

    `predictor` is the segmentation network on the profile's engine. `versions` is what the report says of its making: a virtual cohort where it was trained on
    one, packages, profile, variants, networks, rules, threshold, minimum volume, how the segmentation was computed, and checksums of the weights.
    """

    files: RunFiles
    segmentation: keras.Model
    predictor: Predictor
    characterization: keras.Model
    versions: dict[str, str]

    @property
    def threshold(self) -> float:
        """Lesion probability from which a voxel belongs to a lesion."""
        return self.files.threshold

    @property
    def minimum_volume_mm3(self) -> float:
        """Smaller components of a prediction are no lesions."""
        return self.files.minimum_volume_mm3

    @property
    def segmented_phases(self) -> tuple[Phase, ...]:
        """The phases that the segmentation network reads, in its order."""
        return self.files.segmentation.phases

    def describe_result(self, study: Study, phases: Collection[Phase]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Versions and notices of the report on a study, of which these phases were read."""
        variant, trained_on = self.files.segmentation, self.files.was_trained_on(study.study_uid)
        told = {"trained on this study": "yes"} if trained_on else {}
        notices = (*study.notices, *list_notices(variant, phases, trained_on=trained_on))
        return told | {"segmented phases": " ".join(variant.select_phases(phases))} | self.versions, notices

    def predict_probability(self, given: SegmentationInput, *, batch_size: int) -> Volume:
        """Mean lesion probability over the networks, float32 (z, y, x) on the segmentation grid.

        Raises:
            InputError: a weight file is damaged or of another network.
        """
        total = np.zeros(given.grid.shape, np.float32)
        for weights in self.files.segmentation_weights:
            load_weights(self.segmentation, weights)
            self.predictor.take_weights()
            for first, probability in predict_slices(self.predictor, given, self.files.profile.inference, batch_size=batch_size):
                total[first:first + len(probability)] += probability
        total /= np.float32(len(self.files.segmentation_weights))
        return given.grid.with_array(total)

    def predict_features(self, images: np.ndarray, present: np.ndarray) -> list[FeatureProbabilities]:
        """Mean feature probabilities over the networks, one entry a lesion; images (n, phase, y, x, 3).

        Raises:
            InputError: a weight file is damaged or of another network.
        """
        if not len(images):
            return []
        by_network = []
        for weights in self.files.characterization_weights:
            load_weights(self.characterization, weights)
            by_network.append(predict_features(self.characterization, images, present, self._mode))
        return [_mean(of_lesion) for of_lesion in zip(*by_network, strict=True)]

    def explain_features(self, images: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Mean class-activation maps over the networks (n, phase, feature, y, x), as of `compute_activation_maps`.

        Raises:
            InputError: a weight file is damaged or of another network.
        """
        total = np.zeros((*images.shape[:2], len(HEAD_FEATURES), *images.shape[2:4]), np.float32)
        for weights in self.files.characterization_weights if len(images) else ():
            load_weights(self.characterization, weights)
            total += compute_activation_maps(self.characterization, images, present, self._mode)
        return total / np.float32(len(self.files.characterization_weights))

    @property
    def _mode(self) -> Mode:
        mode = self.files.characterization.mode
        assert mode is not None, "find_run_files takes networks of features only"
        return mode


def read_run_models(files: RunFiles) -> RunModels:
    """The networks of a finished run; weights are loaded when a study is read.

    Raises:
        InputError: the profile's engine is not installed.
    """
    profile = files.profile
    inference = profile.inference
    versions = ({"trained on": VIRTUAL_COHORT} if files.run.is_virtual else {}) | {
        "profile": profile.name, "networks": files.networks, "segmentation variant": files.segmentation.name,
        "characterisation variant": files.characterization.name, "rules": profile.characterization.rules,
        "segmentation threshold": f"{files.threshold:g}", "minimum volume mm3": f"{files.minimum_volume_mm3:g}",
        "background_cutoff": str(profile.preprocessing.background_cutoff), "segmentation engine": inference.engine,
        "body box": _yes_or_no(inference.body_box), "flip augmentation": _yes_or_no(inference.flip_augmentation)} | package_versions()
    weights = (*files.segmentation_weights, *files.characterization_weights)
    versions |= {f"weights sha256 {path.relative_to(files.run.path)}": compute_sha256(path) for path in weights}
    segmentation = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", files.segmentation.channels)
    return RunModels(
        files=files,
        segmentation=segmentation,
        predictor=build_predictor(segmentation, inference.engine),
        characterization=build_characterization_network(profile.characterization.model_copy(update={"weights": "random"}), files.characterization.trunk),
        versions=versions,
    )


def _yes_or_no(flag: bool) -> str:
    return "yes" if flag else "no"


def _mean(by_network: tuple[FeatureProbabilities, ...]) -> FeatureProbabilities:
    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    return FeatureProbabilities(mean([p.aphe for p in by_network]), mean([p.washout for p in by_network]), mean([p.capsule for p in by_network]))
