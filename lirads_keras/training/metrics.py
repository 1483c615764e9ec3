"""The Dice by which epochs are compared; it does not change when Eq. 3 joins the loss, as the loss itself does."""
from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="lirads_keras")
class PooledDice(keras.metrics.Metric):
    """Global Dice (§3) of the foreground at probability 0.5, over all pixels since the last reset.

    Channel 0 is background. With more than two channels the mean over the foreground channels is given. A class absent from both
    reference and prediction counts 0, so that an epoch is never better for predicting nothing.
    """

    def __init__(self, classes: int, name: str = "dice", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.overlap = self.add_weight(shape=(classes - 1,), initializer="zeros", name="overlap")
        self.total = self.add_weight(shape=(classes - 1,), initializer="zeros", name="total")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch: one-hot reference and probabilities, both (n, y, x, classes); of branches (n, y, x, classes, b) their mean probability counts."""
        if sample_weight is not None:
            raise ValueError("PooledDice counts pixels and takes no sample weights")
        if len(y_pred.shape) == 5:
            y_pred = ops.mean(y_pred, axis=-1)
        reference = ops.cast(y_true[..., 1:], "float32")
        predicted = ops.cast(y_pred[..., 1:] >= 0.5, "float32")
        self.overlap.assign_add(ops.sum(reference * predicted, axis=(0, 1, 2)))
        self.total.assign_add(ops.sum(reference + predicted, axis=(0, 1, 2)))

    def result(self) -> Any:
        return ops.mean(2.0 * self.overlap / ops.maximum(self.total, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}
