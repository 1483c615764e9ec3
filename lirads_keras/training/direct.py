"""The direct networks of §3 (Fig. 15): LI-RADS category from the three phases, on the lesions, folds and budget of the feature networks."""
from __future__ import annotations

import keras
import numpy as np

from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.models.direct import build_direct, compute_log_diameter, stack_phases
from lirads_keras.models.trunk import TrunkWeights
from lirads_keras.preprocessing.augmentation import Augmenter
from lirads_keras.preprocessing.endless import ShuffledDataset
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.adam import FusedAdam
from lirads_keras.training.callbacks import Fit, ModelVariables
from lirads_keras.training.characterization import LesionCrops, refuse_no_crops
from lirads_keras.training.resumable import fit_resumable
from lirads_keras.variants import CharacterizationVariant


class DirectDataset(ShuffledDataset):
    """Batches of {"image": (b, y, x, phase)}, also "log_diameter" (b, 1) `with_size`, and categories (b,), as positions in SCORED_CATEGORIES,
    without end.

    An epoch has every lesion as often as it has phases, each time with an augmentation of its own: as many samples and steps as a feature network, which sees
    each phase once. Order and augmentation depend on (seed, stream, epoch, sample) alone.
    """

    def __init__(self, crops: LesionCrops, *, with_size: bool, batch_size: int, augmentation: AugmentationSettings, seed: int, stream: int) -> None:
        self._lesions = np.argwhere(crops.present)[:, 0]
        super().__init__(len(self._lesions), batch_size, (seed, stream))
        self._images, self._categories = stack_phases(crops.images, crops.present), crops.categories
        self._log_diameters = compute_log_diameter(crops.diameters_mm) if with_size else None
        self._augmenter = Augmenter(augmentation)

    def __getitem__(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        epoch, chosen = self.draw(number)
        lesions = self._lesions[chosen]
        inputs = {"image": np.stack([self._augmented(epoch, int(sample)) for sample in chosen])}
        if self._log_diameters is not None:
            inputs["log_diameter"] = self._log_diameters[lesions, None]
        return inputs, self._categories[lesions]

    def _augmented(self, epoch: int, sample: int) -> np.ndarray:
        image, _ = self._augmenter(self._images[self._lesions[sample]], None, (*self._key, epoch, sample))
        return image


class DirectTrainer:
    """A compiled direct network that trains one set of crops after another from the same start; its graph is traced once.

    Args:
        settings: trunk width, crops, epochs; the same as for the feature networks.
        variant: a direct one. Frozen: the trunk stays at `weights` and the head is trained, else all is; with size as an input the logarithm of the diameter
            is appended before the head.
        seed: of the initial weights, the order of the lesions and their augmentation.
        weights: of the trunk.
    """

    def __init__(self, settings: CharacterizationSettings, variant: CharacterizationVariant, *, seed: int, weights: TrunkWeights) -> None:
        self._settings, self._seed, self._with_size = settings, seed, variant.size_input
        keras.utils.set_random_seed(seed)
        self.model = build_direct(variant.trunk, crop_px=settings.crop_px, width_factor=settings.width_factor, head_units=settings.head_units,
                                  weights=weights, frozen=variant.frozen, with_size=variant.size_input)
        self.model.compile(optimizer=FusedAdam(settings.learning_rate), loss="sparse_categorical_crossentropy")
        self._variables = ModelVariables(self.model, {})

    def train(self, crops: LesionCrops, folder: NetworkFolder, identity: str, *, stream: int, progress: Progress = ignore_progress) -> None:
        """Trains on `crops` (of the training patients' reference masks) for all epochs and leaves the weights in `self.model` and `folder`.

        Raises:
            InputError: there is no crop.
        """
        settings = self._settings
        refuse_no_crops(crops, folder)
        training = DirectDataset(crops, with_size=self._with_size, batch_size=settings.batch_size, augmentation=settings.augmentation, seed=self._seed,
                                 stream=stream)
        fit_resumable(self._variables, folder, identity, Fit(training, settings.epochs), progress)
