"""Eqs. 2 and 3: Dice and focal loss, joined later by Lovász-Softmax (§2.5.1, ledger items 6 and 7).

All of it is computed in float32 whatever the compute policy is: sums over 512 × 512 pixels overflow in half precision.
Shapes: y one-hot (n, h, w, c), p softmax (n, h, w, c); class 0 is the background.
"""
from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf
from keras import ops

from lirads_keras.config.segmentation import SegmentationLossSettings

DICE_SMOOTHING_PX = 1.0
"""Added to both halves of the pooled ratio: a class that is neither present nor predicted scores 1, and the gradient there stays bounded (0 / 0 else)."""

MINIMUM_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 under the logarithm (Keras' epsilon)."""


def compute_dice(y: Any, p: Any, mode: Literal["pooled", "per_pixel"]) -> Any:
    """Dice term of Eq. 2 for each sample (n,), to be maximised; its mean over the samples is the term of the batch.

    pooled: for each class one ratio of sums over all pixels of the batch, 2 Σ y p / (Σ y² + Σ p²); summed over the classes, so C at best. Every sample
    carries the same value.
    per_pixel, as printed: the mean over pixels of Σ_c 2 y p / (y² + p²). Absent classes of a pixel contribute 0, so it is 1 at best.
    """
    if mode == "per_pixel":
        ratio = 2 * y * p / ops.maximum(y * y + p * p, MINIMUM_PROBABILITY)
        return ops.mean(ops.sum(ratio, axis=-1), axis=(1, 2))
    if mode != "pooled":
        raise ValueError(f"dice must be pooled or per_pixel, not {mode!r}")
    overlap, squares = _sum_pixels(y * p), _sum_pixels(y * y) + _sum_pixels(p * p)
    dice = ops.sum((2 * overlap + DICE_SMOOTHING_PX) / (squares + DICE_SMOOTHING_PX))
    return _for_each_sample(dice, y)


def compute_focal(y: Any, p: Any, *, alpha_lesion: float, gamma: float) -> Any:
    """Focal term of Eq. 2 for each sample (n,), ≥ 0: the mean over pixels of −Σ_c α_c (1 − p)^γ y log p.

    α_c is `alpha_lesion` for every class but the background, which has 1 − `alpha_lesion`.
    """
    classes = y.shape[-1]
    alpha = ops.convert_to_tensor([1 - alpha_lesion] + [alpha_lesion] * (classes - 1), dtype="float32")
    p = ops.clip(p, MINIMUM_PROBABILITY, 1 - MINIMUM_PROBABILITY)
    return -ops.mean(ops.sum(alpha * ops.power(1 - p, gamma) * y * ops.log(p), axis=-1), axis=(1, 2))


def compute_lovasz_softmax(y: Any, p: Any, *, classes: Literal["all", "present"]) -> Any:
    """Eq. 3 for each sample (n,): the Lovász extension of the Jaccard loss of the batch's pixels, averaged over the classes. ≥ 0; all samples carry one value.

    y and p of a pixel must sum to 1 over the classes, as one-hot labels and a softmax do.

    Berman M, Triki AR, Blaschko MB. The Lovász-Softmax loss. CVPR 2018, Eqs. 8, 9 and 12 and Algorithm 1 (reference 11 of the paper).
    Errors m = |y − p| are sorted so that they fall; the extension is Σ m_(k) (J_k − J_(k−1)), where J_k = 1 − I_k / U_k is the Jaccard loss with the k largest
    errors wrong. The differences are taken in closed form, 1 / U_k at a pixel of the class and I_k / (U_k U_(k−1)) at another, because the difference of
    two float32 values of J keeps no digits over a million pixels. Counts are exact up to 2^24 pixels.
    """
    channels = y.shape[-1]
    positive = ops.reshape(ops.transpose(y, (3, 0, 1, 2)), (channels, -1))
    error = ops.abs(positive - ops.reshape(ops.transpose(p, (3, 0, 1, 2)), (channels, -1)))
    # The probabilities of two classes have one sum: where one is wrong the other is as wrong, and one order serves both.
    ranked = error[1:] if channels == 2 else error
    order = ops.broadcast_to(ops.argsort(-ops.stop_gradient(ranked), axis=-1), ops.shape(error))
    error, positive = ops.take_along_axis(error, order, axis=-1), ops.take_along_axis(positive, order, axis=-1)
    positives = ops.sum(positive, axis=-1, keepdims=True)
    intersection, union = positives - ops.cumsum(positive, axis=-1), positives + ops.cumsum(1 - positive, axis=-1)
    growth = ops.where(positive > 0.5, 1 / union, intersection / (union * ops.maximum(union - 1, 1)))
    # Without a pixel of the class, U_0 is 0 and J leaps from 0 to 1 at the largest error.
    extension = ops.where(positives[:, 0] > 0, ops.sum(error * growth, axis=-1), error[:, 0])
    if classes == "present":
        present = ops.cast(positives[:, 0] > 0, "float32")
        loss = ops.sum(present * extension) / ops.maximum(ops.sum(present), 1.0)
    elif classes == "all":
        loss = ops.mean(extension)
    else:
        raise ValueError(f"classes must be all or present, not {classes!r}")
    return _for_each_sample(loss, y)


@keras.saving.register_keras_serializable(package="lirads_keras")
class HybridSegmentationLoss(keras.losses.Loss):
    """Eq. 2, −Dice + focal, plus `lovasz_weight` × Eq. 3 once `lovasz_switch` is 1.

    `call` gives a value for each sample, whose mean is the loss of the batch. Under a strategy with several replicas the batch is that of all of them: every
    replica gathers it and has the loss of all samples as value of each of its own, and Keras' division by the number of replicas makes value and gradient
    those of one device. The minimum is −C (dice "pooled") or −1 ("per_pixel").

    `lovasz_switch` is a float32 variable, 0 at first, that the compiled graph reads at every step: `loss.lovasz_switch.assign(1.0)` adds Eq. 3 without
    tracing anew. While it is 0 nothing of Eq. 3 is executed. It is no weight of the model: whoever resumes a training has to restore it.

    Args: as in `SegmentationLossSettings`.
    """

    def __init__(self, *, dice: Literal["pooled", "per_pixel"] = "pooled", focal_alpha_lesion: float = 0.25, focal_gamma: float = 2.0,
                 lovasz_classes: Literal["all", "present"] = "all", lovasz_weight: float = 1.0, reduction: str = "sum_over_batch_size",
                 name: str = "hybrid_segmentation_loss") -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.dice = dice
        self.focal_alpha_lesion = focal_alpha_lesion
        self.focal_gamma = focal_gamma
        self.lovasz_classes = lovasz_classes
        self.lovasz_weight = lovasz_weight
        self.lovasz_switch = keras.Variable(0.0, dtype="float32", trainable=False, name="lovasz_switch")

    @classmethod
    def from_settings(cls, settings: SegmentationLossSettings) -> HybridSegmentationLoss:
        return cls(dice=settings.dice, focal_alpha_lesion=settings.focal_alpha_lesion, focal_gamma=settings.focal_gamma,
                   lovasz_classes=settings.lovasz_classes, lovasz_weight=settings.lovasz_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """`y_true` one-hot (n, h, w, c), `y_pred` softmax (n, h, w, c) -> loss (n,); of branches (n, h, w, c, b) under deep supervision their mean loss."""
        if len(y_true.shape) != 4 or y_true.shape[-1] != y_pred.shape[3]:
            raise ValueError(f"labels must be one-hot (n, h, w, {y_pred.shape[3]}), not {y_true.shape}")
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            # What is gathered has lost its static shape, the number of classes among it.
            gathered = [tf.ensure_shape(of_all, [None, *own.shape[1:]])
                        for own, of_all in zip((y_true, y_pred), replica.all_gather([y_true, y_pred], axis=0), strict=True)]
            return _for_each_sample(ops.mean(self._compute(*gathered)), y_true)
        return self._compute(y_true, y_pred)

    def _compute(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_pred.shape) == 5:
            return ops.mean(ops.stack([self._compute(y_true, y_pred[..., branch]) for branch in range(y_pred.shape[-1])]), axis=0)
        eq2 = compute_focal(y_true, y_pred, alpha_lesion=self.focal_alpha_lesion, gamma=self.focal_gamma) - compute_dice(y_true, y_pred, self.dice)
        eq3 = ops.cond(
            self.lovasz_switch > 0.5,
            lambda: self.lovasz_weight * compute_lovasz_softmax(y_true, y_pred, classes=self.lovasz_classes),
            lambda: ops.zeros_like(eq2))
        return eq2 + eq3

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dice": self.dice, "focal_alpha_lesion": self.focal_alpha_lesion, "focal_gamma": self.focal_gamma,
                "lovasz_classes": self.lovasz_classes, "lovasz_weight": self.lovasz_weight}


def _sum_pixels(values: Any) -> Any:
    """(n, h, w, c) -> (c,), axis by axis from w.

    In one reduction over all three axes TensorFlow on CPUs adds pixel after pixel to one float32 for each channel, and loses what is small beside the sum: at
    6 × 512² the pooled Dice is 2e-3 off. Means over the last axes, sums along pixels and counts keep their digits as they are.
    """
    for axis in (2, 1, 0):
        values = ops.sum(values, axis=axis)
    return values


def _for_each_sample(value: Any, y: Any) -> Any:
    return value * ops.ones_like(y[:, 0, 0, 0])
