"""Pre-training of a trunk on formula-generated images: which of the random systems made this image? (`weights: formula`)"""
from __future__ import annotations

import keras
import numpy as np
from keras import layers

from lirads_keras.config.characterization import CharacterizationSettings, FormulaSettings
from lirads_keras.io.atomic import replacing
from lirads_keras.models.trunk import build_trunk
from lirads_keras.preprocessing.endless import ShuffledDataset
from lirads_keras.preprocessing.formula_images import build_formula_images
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.run import NetworkFolder
from lirads_keras.training.adam import FusedAdam
from lirads_keras.training.callbacks import Fit, ModelVariables
from lirads_keras.training.resumable import fit_resumable
from lirads_keras.variants import TrunkName

TRUNK_FILE = "trunk.weights.h5"


class FormulaDataset(ShuffledDataset):
    """Full batches of images (b, y, x, 3) with mean 0 and standard deviation 1, as crops have, and classes (b,), without end.

    Each epoch has every image once (but for what does not fill a batch), in an order that depends on (seed, epoch) alone.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, *, batch_size: int, seed: int) -> None:
        super().__init__(len(images), batch_size, (seed,), full_batches=True)
        self._images, self._labels = images, labels

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        _, chosen = self.draw(number)
        grey = self._images[chosen].astype(np.float32)
        grey = (grey - grey.mean(axis=(1, 2), keepdims=True)) / grey.std(axis=(1, 2), keepdims=True)
        return np.repeat(grey[..., None], 3, axis=-1), self._labels[chosen]


def pretrain_trunk(trunk: TrunkName, settings: CharacterizationSettings, images: np.ndarray, labels: np.ndarray, folder: NetworkFolder, identity: str,
                   progress: Progress = ignore_progress) -> None:
    """Trains a trunk of the profile's width to name the class of formula-generated images, and leaves its weights in `folder` / TRUNK_FILE.

    A training that was killed goes on from its last epoch. One set of weights serves every fold and every seed, as ImageNet's do.

    Args:
        trunk: VGG16 or ResNet-50.
        settings: width, and the training's settings under `formula`.
        images: uint8 (n, y, x), of `build_training_images`.
        labels: (n,).
        folder: gets the weights and the training's history.
        identity: what the result depends on; a folder of another identity is trained anew.
        progress: told after each epoch.
    """
    formula = settings.formula
    keras.utils.set_random_seed(formula.seed)
    features = build_trunk(trunk, crop_px=settings.crop_px, width_factor=settings.width_factor, weights="random")
    model = keras.Model(features.input, _add_classes(features, formula), name=f"formula_{trunk}")
    model.compile(FusedAdam(keras.optimizers.schedules.CosineDecay(formula.learning_rate, formula.epochs * steps_per_epoch(formula))),
                  loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    training = FormulaDataset(images, labels, batch_size=formula.batch_size, seed=formula.seed)
    fit_resumable(ModelVariables(model, {}), folder, identity, Fit(training, formula.epochs, shown=("accuracy", "accuracy")), progress)
    with replacing(folder.path / TRUNK_FILE) as beside:
        features.save_weights(beside)


def build_training_images(settings: CharacterizationSettings) -> tuple[np.ndarray, np.ndarray]:
    """The profile's formula-generated images uint8 (n, y, x) and their classes (n,)."""
    formula = settings.formula
    return build_formula_images(classes=formula.classes, images_per_class=formula.images_per_class, image_px=settings.crop_px, seed=formula.seed)


def steps_per_epoch(formula: FormulaSettings) -> int:
    """Full batches of an epoch."""
    return formula.classes * formula.images_per_class // formula.batch_size


def _add_classes(features: keras.Model, formula: FormulaSettings) -> keras.KerasTensor:
    pooled = layers.GlobalAveragePooling2D(name="pool")(features.output)
    return layers.Dense(formula.classes, activation="softmax", dtype="float32", name="classes")(pooled)
