"""§2.5.2: one trunk and three heads on the crops of all phases, trained with Eq. 4 ("adaptive") or without the phase switch ("plain")."""
from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES
from lirads_keras.errors import InputError, Problem
from lirads_keras.losses.adaptive import phase_masks
from lirads_keras.models.multitask import MultitaskModel, build_multitask
from lirads_keras.models.trunk import TrunkWeights
from lirads_keras.preprocessing.augmentation import Augmenter
from lirads_keras.preprocessing.endless import ShuffledDataset
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.adam import FusedAdam
from lirads_keras.training.callbacks import Fit, ModelVariables
from lirads_keras.training.resumable import fit_resumable
from lirads_keras.variants import Mode, TrunkName


@dataclass(frozen=True, eq=False)
class LesionCrops:
    """The crops of n lesions.

    `images` (n, phase, y, x, 3) float32 standardised, phases in the order of ENHANCED_PHASES, zeros where the study lacks the phase; `present` (n, phase)
    says which phases it had; `features` (n, feature) float32 in the order of HEAD_FEATURES, 0 or 1, NaN where the reference is unknown; `categories` (n,) is
    the reference's position in SCORED_CATEGORIES; `diameters_mm` (n,), NaN where there is no region.
    """

    images: np.ndarray
    present: np.ndarray
    features: np.ndarray
    categories: np.ndarray
    diameters_mm: np.ndarray

    def __post_init__(self) -> None:
        n, shape = len(self.images), self.images.shape
        if (shape[1] != len(ENHANCED_PHASES) or self.present.shape != shape[:2] or self.features.shape != (n, len(HEAD_FEATURES))
                or self.categories.shape != (n,) or self.diameters_mm.shape != (n,)):
            raise ValueError(f"crops {shape}, present {self.present.shape}, features {self.features.shape}, categories {self.categories.shape} and diameters "
                             f"{self.diameters_mm.shape} do not belong together")

    def subset(self, chosen: np.ndarray) -> LesionCrops:
        """The lesions at `chosen` (indices or flags)."""
        return LesionCrops(self.images[chosen], self.present[chosen], self.features[chosen], self.categories[chosen], self.diameters_mm[chosen])


class CropDataset(ShuffledDataset):
    """Batches that mix phases: images (b, y, x, 3), labels {feature: (b, 1)} and weights {feature: (b,)} of Eq. 4, without end.

    Each epoch has every crop once, in an order that, like the augmentation, depends on (seed, stream, epoch, crop) alone.
    A feature whose reference is unknown has weight 0.
    """

    def __init__(self, crops: LesionCrops, *, mode: Mode, batch_size: int, augmentation: AugmentationSettings, seed: int, stream: int) -> None:
        self._pairs = np.argwhere(crops.present)
        super().__init__(len(self._pairs), batch_size, (seed, stream))
        self._crops, self._mode, self._augmenter = crops, mode, Augmenter(augmentation)

    def __getitem__(self, number: int) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        epoch, chosen = self.draw(number)
        lesions, phases = self._pairs[chosen].T
        images = np.stack([self._augmented(epoch, int(pair)) for pair in chosen])
        weights = phase_masks(phases, self._mode)
        labels = {}
        for column, feature in enumerate(HEAD_FEATURES):
            reference = self._crops.features[lesions, column]
            known = np.isfinite(reference)
            labels[str(feature)] = np.where(known, reference, 0).astype(np.float32)[:, None]
            weights[str(feature)] = weights[str(feature)] * known
        return images, labels, weights

    def _augmented(self, epoch: int, pair: int) -> np.ndarray:
        lesion, phase = self._pairs[pair]
        image, _ = self._augmenter(self._crops.images[lesion, phase], None, (*self._key, epoch, pair))
        return image


class CharacterizationTrainer:
    """A compiled multi-task network that trains one set of crops after another from the same start; its graph is traced once for both modes.

    Args:
        settings: trunk width, crops, epochs; the same for every variant.
        trunk: VGG16 or ResNet-50.
        seed: of the initial weights, the order of the crops and their augmentation.
        weights: of the trunk.
    """

    def __init__(self, settings: CharacterizationSettings, trunk: TrunkName, *, seed: int, weights: TrunkWeights) -> None:
        self._settings, self._seed = settings, seed
        keras.utils.set_random_seed(seed)
        self.model = build_characterization_network(settings, trunk, weights)
        self.model.compile(optimizer=FusedAdam(settings.learning_rate),
                           loss={str(feature): keras.losses.BinaryCrossentropy() for feature in HEAD_FEATURES})
        self._variables = ModelVariables(self.model, {})

    def train(self, crops: LesionCrops, folder: NetworkFolder, identity: str, *, mode: Mode, stream: int, progress: Progress = ignore_progress) -> None:
        """Trains on `crops` (of the training patients' reference masks) for all epochs and leaves the weights in `self.model` and `folder`.

        Raises:
            InputError: there is no crop.
        """
        settings = self._settings
        refuse_no_crops(crops, folder)
        training = CropDataset(crops, mode=mode, batch_size=settings.batch_size, augmentation=settings.augmentation, seed=self._seed, stream=stream)
        fit_resumable(self._variables, folder, identity, Fit(training, settings.epochs), progress)


def refuse_no_crops(crops: LesionCrops, folder: NetworkFolder) -> None:
    """Raises InputError where no lesion is left to train on."""
    if not crops.present.any():
        raise InputError(Problem(str(folder.path), "a lesion of another patient to train on", "none"))


def build_characterization_network(settings: CharacterizationSettings, trunk: TrunkName, weights: TrunkWeights = "random") -> MultitaskModel:
    """The multi-task network of a profile, its trunk with the given first weights."""
    return build_multitask(trunk, crop_px=settings.crop_px, width_factor=settings.width_factor, head_units=settings.head_units, weights=weights)
