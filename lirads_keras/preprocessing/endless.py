"""Training batches without end, of which every epoch takes its share."""
from __future__ import annotations

from typing import Any

import keras
import numpy as np


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


class ShuffledDataset(EndlessDataset):
    """Batches of n samples: each epoch has every sample once, in an order that depends on `key` and the epoch alone.

    Args:
        samples: n.
        batch_size: samples at a time.
        key: names the random sequence.
        full_batches: an epoch leaves out what does not fill a batch; else its last batch may be smaller.
    """

    def __init__(self, samples: int, batch_size: int, key: tuple[int, ...], *, full_batches: bool = False) -> None:
        super().__init__()
        self._samples, self._batch_size, self._key, self._full_batches = samples, batch_size, key, full_batches

    @property
    def batches_per_epoch(self) -> int:
        return self._samples // self._batch_size if self._full_batches else -(-self._samples // self._batch_size)

    def draw(self, number: int) -> tuple[int, np.ndarray]:
        """The epoch of batch `number`, and its samples' positions."""
        epoch, index = divmod(number, self.batches_per_epoch)
        order = np.random.default_rng([*self._key, epoch]).permutation(self._samples)
        return epoch, order[index * self._batch_size:(index + 1) * self._batch_size]
