"""Dice of the pre-trained network on the CT volumes that it was not trained on; the abstract says that the liver was evaluated and gives no number."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lirads_keras.evaluation.overlap import compute_dice
from lirads_keras.preprocessing.resample import from_segmentation_grid
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.slices import stack_slices
from lirads_keras.preprocessing.store import CT, CT_LABELS, StoredStudy

PROBABILITY = 0.5
"""From which a voxel belongs to a label; pre-training has no threshold that was chosen."""


def build_label_predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Stacks float32 (n, y, x, 3) to class probabilities float32 (n, y, x, 3), traced once for all batch sizes."""
    predict = tf.function(lambda stacks: model(stacks, training=False), input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    return lambda stacks: np.asarray(predict(tf.convert_to_tensor(stacks)), np.float32)


def score_ct(predict: Callable[[np.ndarray], np.ndarray], study: StoredStudy, batch_size: int) -> list[dict[str, Any]]:
    """Rows of pretrain_dice.csv of a CT volume, on its own grid, to which the labels are carried (nearest voxel).

    The liver is the whole organ, its tumours included, in the reference and in the prediction (LiTS: labels 1 and 2). Dice is NaN where a label
    is neither in the reference nor in the prediction.

    Args:
        predict: as of `build_label_predictor`.
        study: a CT in the store.
        batch_size: slices predicted at a time.
    """
    labels = np.zeros(study.segmentation.shape, np.uint8)
    for first, stacks in stack_slices(read_segmentation_input(study, (CT,)), batch_size):
        probabilities = predict(stacks)
        for value in CT_LABELS.values():
            labels[first:first + len(stacks)] += probabilities[..., value:].sum(axis=-1) >= PROBABILITY
    predicted, reference = from_segmentation_grid(study.segmentation.volume(labels), study.grid()), study.mask()
    rows = []
    for label, value in CT_LABELS.items():
        tp = int(np.count_nonzero((predicted >= value) & (reference >= value)))
        fp, fn = (int(np.count_nonzero(array >= value)) - tp for array in (predicted, reference))
        rows.append({"ct_id": study.patient_id, "label": label, "dice": float(compute_dice(tp, fp, fn))})
    return rows
