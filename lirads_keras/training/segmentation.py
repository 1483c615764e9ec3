"""§2.5.1: pre-training on CT (liver and lesion), then fine-tuning on the delayed phase (lesion), fold by fold."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras

from lirads_keras.config import SegmentationSettings, TrainingSettings
from lirads_keras.losses.segmentation import HybridSegmentationLoss
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus, transfer_weights
from lirads_keras.preprocessing.slices import FixedSlices, SliceDataset
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.training.callbacks import ModelVariables
from lirads_keras.training.metrics import PooledDice
from lirads_keras.training.resumable import EpochProgress, fit_resumable

CT_CLASSES = 3
"""Background, liver, lesion: LiTS' labels 0, 1, 2."""
MR_CLASSES = 2
"""Background, lesion: "C is 2" (Eq. 2)."""
PRETRAIN_STREAM = 1_000
"""Random stream of pre-training; fold k has stream k."""


class SegmentationTrainer:
    """A compiled UNet++ that trains one data set after another from the same start; its graph is traced once.

    Args:
        settings: network, loss, sampling and augmentation.
        stage: epochs, samples, learning rate: `settings.pretrain` or `settings.finetune`.
        classes: CT_CLASSES or MR_CLASSES.
        seed: of the initial weights, the order of the samples and their augmentation.
        pretrained: `model.keras` of the pre-training, whose weights (but the head's) are the start; None: the start is `settings.encoder_weights`.
    """

    def __init__(self, settings: SegmentationSettings, stage: TrainingSettings, *, classes: int, seed: int, pretrained: Path | None) -> None:
        self._settings, self._stage, self._classes, self._seed = settings, stage, classes, seed
        keras.utils.set_random_seed(seed)
        self.model = build_segmentation_network(settings, classes, settings.encoder_weights if pretrained is None else "random")
        if pretrained is not None:
            source = build_segmentation_network(settings, CT_CLASSES, "random")
            source.load_weights(pretrained)
            transfer_weights(source, self.model)
        self._loss = HybridSegmentationLoss.from_settings(settings.loss)
        schedule = keras.optimizers.schedules.CosineDecay(stage.learning_rate, stage.epochs * _steps(stage))
        self.model.compile(optimizer=keras.optimizers.Adam(schedule, clipnorm=settings.gradient_clip_norm), loss=self._loss, metrics=[PooledDice(classes)])
        self._variables = ModelVariables(self.model, {"lovasz_switch": self._loss.lovasz_switch})

    def train(self, training: Sequence[StoredStudy], validation: Sequence[StoredStudy], folder: Path, identity: str, *, stream: int,
              progress: EpochProgress | None = None) -> None:
        """Trains on `training`, stops early by the Dice on `validation`, and leaves the best weights in `self.model` and in `folder`.

        The test patients are not among the arguments: nothing here can look at them.
        """
        settings, stage = self._settings, self._stage

        def slices_from(epoch: int) -> SliceDataset:
            return SliceDataset(training, classes=self._classes, crop_px=settings.training_crop_px, batch_size=stage.batch_size,
                                samples_per_epoch=stage.samples_per_epoch, seed=self._seed, stream=stream, sampling=settings.sampling,
                                lesion_fraction=settings.lesion_fraction, augmentation=settings.augmentation, first_epoch=epoch)

        fixed = FixedSlices(validation, classes=self._classes, crop_px=settings.training_crop_px, batch_size=stage.batch_size,
                            samples=stage.validation_samples)
        fit_resumable(self._variables, folder, identity, training=slices_from, validation=fixed, epochs=stage.epochs,
                      patience_epochs=stage.patience_epochs, monitor="val_dice", on_epoch=self._switch_lovasz, progress=progress)

    def _switch_lovasz(self, logs: dict[str, float]) -> None:
        """Adds Eq. 3 for the epochs that follow, once the training loss is under the threshold; the log says in which epochs it was on."""
        logs["lovasz"] = float(keras.ops.convert_to_numpy(self._loss.lovasz_switch))
        if logs["loss"] < self._settings.loss.lovasz_below_loss:
            self._loss.lovasz_switch.assign(1.0)


def build_segmentation_network(settings: SegmentationSettings, classes: int, encoder_weights: Literal["imagenet", "random"]) -> keras.Model:
    """The UNet++ of a profile."""
    return build_unet_plus_plus(settings.encoder, classes=classes, width_factor=settings.width_factor, decoder_filters=settings.decoder_filters,
                                encoder_weights=encoder_weights)


def _steps(stage: TrainingSettings) -> int:
    return stage.samples_per_epoch // stage.batch_size
