"""Training batches without end, of which every epoch takes its share."""
from __future__ import annotations

from typing import Any

import keras


class EndlessDataset(keras.utils.PyDataset):
    """`dataset[n]` is batch n from the start of the training on, a pure function of n: a training that is resumed at epoch e goes on with batch
    e · batches_per_epoch. `training.feed` is the way to feed it; handed to `fit` as it is, it needs `steps_per_epoch=batches_per_epoch`, and `shuffle=False`.
    """

    def __init__(self) -> None:
        super().__init__(workers=1, use_multiprocessing=False)

    @property
    def num_batches(self) -> None:
        """None: what Keras asks of a dataset that has no end."""

    @property
    def batches_per_epoch(self) -> int:
        raise NotImplementedError

    def __getitem__(self, number: int) -> Any:
        """Batch `number`, from 0 across epochs."""
        raise NotImplementedError
