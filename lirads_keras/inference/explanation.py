"""Where a feature is read: class-activation maps on a lesion's crops.

Grad-CAM, Eqs. 1 and 2 of Selvaraju RR et al. Grad-CAM: visual explanations from deep networks via gradient-based localization. ICCV 2017.
The scores are the heads' values before the sigmoid, whose slope would fade where a head is sure.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from lirads_keras.entities import HEAD_FEATURES, READ_PHASES, ScoredLesion
from lirads_keras.inference.report import RESEARCH_USE
from lirads_keras.lirads.categorize import FEATURE_WORDS
from lirads_keras.losses.adaptive import build_reading_table
from lirads_keras.variants import Mode

_POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
OUTLINE_COLOUR = "#56B4E9"
COLOUR_BAR = "colour bar"


@dataclass(frozen=True, eq=False)
class LesionExplanation:
    """One lesion's crops and maps.

    `crops` (phase, y, x, 3) and `present` (phase,) as of `crop_lesions`; `maps` (phase, feature, y, x) as of `compute_activation_maps`;
    `outline` (y, x) bool: the lesion's mask in the crop.
    """

    crops: np.ndarray
    present: np.ndarray
    maps: np.ndarray
    outline: np.ndarray


def compute_activation_maps(model: keras.Model, images: np.ndarray, present: np.ndarray, mode: Mode, *,
                            batch_size: int = 32) -> np.ndarray:
    """The share of each place of the crops in each feature's score, where it is positive.

    Args:
        model: the multi-task network.
        images: (n, phase, y, x, 3) float32, phases in the order of READ_PHASES, of which the last may be wanting.
        present: (n, phase), which phases the study had.
        mode: as it was trained: "plain" reads every feature from every phase.

    Returns:
        (n, phase, feature, y, x) float32 ≥ 0, features in the order of HEAD_FEATURES, brought from the last convolution's resolution to the
        crop's linearly. NaN where a feature is not read from a phase, or the study lacks it.
    """
    read = build_reading_table(mode, READ_PHASES[:images.shape[1]])
    maps = np.full((*images.shape[:2], len(HEAD_FEATURES), *images.shape[2:4]), np.nan, np.float32)
    if not np.any(present):
        return maps
    heads = [model.get_layer(str(feature)) for feature in HEAD_FEATURES]
    to_heads = keras.Model(model.inputs, [find_last_features(model).output, *(head.input for head in heads)])
    lesions, phases = np.nonzero(present)
    for first in range(0, len(lesions), batch_size):
        batch = slice(first, first + batch_size)
        with tf.GradientTape(persistent=True) as tape:
            images_of_batch = tf.convert_to_tensor(images[lesions[batch], phases[batch]])
            tape.watch(images_of_batch)
            features, *inputs = to_heads(images_of_batch, training=False)
            scores = [tf.cast(tf.matmul(tf.cast(given, tf.float32), head.kernel) + head.bias, tf.float32) for given, head in zip(inputs, heads, strict=True)]
        for number, score in enumerate(scores):
            # Images do not see each other: the gradient of the batch's sum is that of each image's own score.
            weights = tf.reduce_mean(tf.cast(tape.gradient(score, features), tf.float32), axis=(1, 2), keepdims=True)
            found = tf.nn.relu(tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1)).numpy()
            for lesion, phase, small in zip(lesions[batch], phases[batch], found, strict=True):
                if read[phase, number]:
                    maps[lesion, phase, number] = cv2.resize(small, images.shape[3:1:-1], interpolation=cv2.INTER_LINEAR)
    return maps


def find_last_features(model: keras.Model) -> keras.Layer:
    """The deepest layer that still has places: the last convolution of VGG16, of ResNet-50 the activation that closes its last block.

    Raises:
        ValueError: the network has none.
    """
    for layer in reversed(model.layers):
        if not isinstance(layer, _POOLING) and not isinstance(layer, keras.layers.InputLayer) and len(layer.output.shape) == 4:
            return layer
    raise ValueError(f"{model.name} has no layer of images")


def plot_explanation(explanation: LesionExplanation, scored: ScoredLesion) -> Figure:
    """The crops of the phases, and under them for each feature its map on the crops that it is read from.

    A feature's maps share one scale, from 0 to their largest value; a map may be 0 everywhere. The line is the segmentation's outline.
    """
    phases = READ_PHASES[:len(explanation.present)]
    figure = Figure(figsize=(2.3 * len(phases) + 1.6, 2.3 * (1 + len(HEAD_FEATURES)) + 0.6), layout="constrained")
    axes = figure.subplots(1 + len(HEAD_FEATURES), len(phases) + 1, width_ratios=[*[1] * len(phases), 0.06])
    axes, bars = axes[:, :-1], axes[:, -1]
    probabilities = scored.probabilities
    for column, phase in enumerate(phases):
        axes[0, column].set_title(str(phase).replace("_", " "), fontsize=10)
        for row in range(1 + len(HEAD_FEATURES)):
            cell = axes[row, column]
            cell.set_xticks([])
            cell.set_yticks([])
            if not explanation.present[column]:
                cell.text(0.5, 0.5, "no image", transform=cell.transAxes, ha="center", va="center", fontsize=8)
                continue
            cell.imshow(explanation.crops[column, :, :, 1], cmap="gray", vmin=-2, vmax=3, interpolation="nearest")
            if explanation.outline.any() and not explanation.outline.all():
                cell.contour(explanation.outline, levels=[0.5], colors=OUTLINE_COLOUR, linewidths=0.8)
    axes[0, 0].set_ylabel("crop", fontsize=9)
    for number, feature in enumerate(HEAD_FEATURES):
        maps = explanation.maps[:, number]
        largest = float(np.nanmax(maps, initial=0.0))
        value = getattr(probabilities, feature)
        axes[1 + number, 0].set_ylabel(f"{FEATURE_WORDS[feature]}\n{'not assessed' if value is None else format(value, '.2f')}", fontsize=9)
        for column, cell in enumerate(axes[1 + number]):
            if not np.isnan(maps[column]).any() and largest > 0:
                shown = cell.imshow(maps[column], cmap="inferno", alpha=0.5, vmin=0, vmax=largest, interpolation="bilinear")
                figure.colorbar(shown, cax=bars[1 + number], ticks=[0, largest], format="%.2g")
            elif not np.isnan(maps[column]).any():
                cell.set_xlabel("no place speaks for it", fontsize=8)
    for bar in bars:
        bar.set_label(COLOUR_BAR)
        bar.set_axis_on() if bar.has_data() else bar.set_axis_off()
    title = f"{scored.lesion.lesion_id}: {scored.category}. Places that speak for each feature (Grad-CAM),\nand its probability. {RESEARCH_USE}"
    figure.suptitle(title, fontsize=9)
    return figure
