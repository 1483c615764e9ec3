"""§2.5.1: pre-training on CT (liver and lesion), then fine-tuning on the phases of a variant (lesion), fold by fold."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras

from lirads_keras.config.segmentation import SegmentationSettings, TrainingSettings
from lirads_keras.errors import InputError, Problem
from lirads_keras.losses.segmentation import HybridSegmentationLoss
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus, expose_branches, transfer_weights
from lirads_keras.preprocessing.slices import CT_CLASSES, FixedSlices, SliceDataset, SliceDraw
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.callbacks import Fit, ModelVariables
from lirads_keras.training.metrics import PooledDice
from lirads_keras.training.resumable import fit_resumable
from lirads_keras.training.runtime import build_optimizer, build_strategy
from lirads_keras.variants import STACKED_SLICES

PRETRAIN_STREAM = 1_000
"""Random stream of pre-training; fold k has stream k."""


class SegmentationTrainer:
    """A compiled UNet++ of some phases that trains one data set after another from the same start; its graph is traced once.

    Several GPUs share out each batch; how many there are changes no result but its rounding. `model` is the network on one device, ready to predict.

    Args:
        settings: network, loss, sampling and augmentation.
        stage: epochs, samples, learning rate: `settings.pretrain` or `settings.finetune`.
        phases: that it reads, in the order of its channels: those of a variant, or CT's one.
        classes: CT_CLASSES or MR_CLASSES.
        seed: of the initial weights, the order of the samples and their augmentation.
        pretrained: `model.keras` of the pre-training, whose weights (but the heads') are the start; None: the start is `settings.encoder_weights`.
        tensorboard: event files beside each history, too.

    Raises:
        InputError: the batch can't be shared out evenly, or as `build_resnet`.
    """

    def __init__(self, settings: SegmentationSettings, stage: TrainingSettings, *, phases: tuple[str, ...], classes: int, seed: int, pretrained: Path | None,
                 tensorboard: bool = False) -> None:
        self._settings, self._stage, self._phases, self._classes, self._seed, self._tensorboard = settings, stage, phases, classes, seed, tensorboard
        channels = STACKED_SLICES * len(phases)
        self._strategy = build_strategy()
        replicas = self._strategy.num_replicas_in_sync
        if stage.batch_size % replicas:
            raise InputError(Problem("batch_size", f"a multiple of the {replicas} devices", f"{stage.batch_size}"))
        with self._strategy.scope():
            keras.utils.set_random_seed(seed)
            network = build_segmentation_network(settings, classes, settings.encoder_weights if pretrained is None else "random", channels)
            if pretrained is not None:
                source = build_segmentation_network(settings, CT_CLASSES, "random")
                source.load_weights(pretrained)
                transfer_weights(source, network)
            self._loss = HybridSegmentationLoss.from_settings(settings.loss)
            schedule = keras.optimizers.schedules.CosineDecay(stage.learning_rate, stage.epochs * _steps(stage))
            trained = expose_branches(network)
            trained.compile(optimizer=build_optimizer(schedule, clip_norm=settings.gradient_clip_norm), loss=self._loss, metrics=[PooledDice(classes)])
            self._variables = ModelVariables(trained, {"lovasz_switch": self._loss.lovasz_switch}, network=network)
        # Under a strategy `predict_on_batch` gives every device the whole batch and strings their results together.
        self.model = network if replicas == 1 else build_segmentation_network(settings, classes, "random", channels)

    def begin_from(self, weights: Path) -> None:
        """From here on each training starts from the weights of a saved network of the same kind."""
        with self._strategy.scope():
            self._variables.begin_from(weights)

    def train(self, training: Sequence[StoredStudy], validation: Sequence[StoredStudy], folder: NetworkFolder, identity: str, *, stream: int,
              epochs: int | None = None, progress: Progress = ignore_progress) -> None:
        """Trains on `training`, stops early by the Dice on `validation`, and leaves the best weights in `self.model` and in `folder`.

        The test patients are not among the arguments: nothing here can look at them. Without validation patients the last weights are kept, those after
        `epochs` of the stage's, whose schedule stays as it is.
        """
        stage = self._stage
        drawn = SliceDataset(training, SliceDraw.of_stage(self._settings, stage, phases=self._phases, classes=self._classes, seed=self._seed, stream=stream))
        fixed = FixedSlices(validation, phases=self._phases, classes=self._classes, crop_px=self._settings.training_crop_px, batch_size=stage.batch_size,
                            samples=stage.validation_samples) if validation else None

        def patients_of(epoch: int, batch: int) -> list[str]:
            return sorted({sample.study.patient_id for sample in drawn.samples(epoch * drawn.batches_per_epoch + batch)})

        with self._strategy.scope():
            fit_resumable(self._variables, folder, identity, Fit(
                drawn, epochs or stage.epochs, fixed, monitor="val_dice" if fixed else None,
                patience_epochs=stage.patience_epochs if fixed else None, shown=("val_dice" if fixed else "dice", "Dice"),
                on_epoch=self._switch_lovasz, patients_of=patients_of, tensorboard=self._tensorboard), progress)
        if self.model is not self._variables.network:
            self.model.set_weights(self._variables.network.get_weights())

    def _switch_lovasz(self, logs: dict[str, float]) -> None:
        """Adds Eq. 3 for the epochs that follow, once the training loss is under the threshold; the log says in which epochs it was on."""
        logs["lovasz"] = float(keras.ops.convert_to_numpy(self._loss.lovasz_switch))
        if logs["loss"] < self._settings.loss.lovasz_below_loss:
            self._loss.lovasz_switch.assign(1.0)


def build_segmentation_network(settings: SegmentationSettings, classes: int, encoder_weights: Literal["imagenet", "random"],
                               channels: int = STACKED_SLICES) -> keras.Model:
    """The UNet++ of a profile; `channels` are those of one phase, if not told otherwise."""
    return build_unet_plus_plus(settings.encoder, classes=classes, width_factor=settings.width_factor, decoder_filters=settings.decoder_filters,
                                channels=channels, stem=settings.stem, deep_supervision=settings.deep_supervision, encoder_weights=encoder_weights)


def _steps(stage: TrainingSettings) -> int:
    return stage.samples_per_epoch // stage.batch_size
