"""Which slice is trained on when: a pure function of seed, stream and position, so that a resumed run goes on with the same samples."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from lirads_keras.errors import InputError, Problem
from lirads_keras.preprocessing.store import StoredStudy

Sampling = Literal["uniform", "lesion_oversampled", "patient_balanced"]

WINDOW_DRAW, SLICE_DRAW, LESION_DRAW, PATIENT_DRAW, PHASE_DRAW = 1, 2, 3, 4, 5
"""Last element of the key of each kind of random draw; none is 0, which NumPy's SeedSequence does not tell from a shorter key."""


@dataclass(frozen=True, eq=False)
class SliceSample:
    """A 2.5D sample: the slices z − 1, z and z + 1 of a study, labelled by z (§2.4: 1 ≤ z ≤ S − 2).

    `position` counts the samples of the stream from 0 on. `must_show_lesion`: it was drawn for its lesion.
    """

    study: StoredStudy
    z: int
    position: int
    must_show_lesion: bool


class SliceOrder:
    """The endless sequence of training batches of one stream (a fold, or pre-training).

    Under `uniform`, the sample at position p is perm(seed, stream, p // n)[p % n] over all n = Σ (S − 2) samples: the permutation goes on
    across epochs, so that after k · n positions every sample was seen k times. Under `lesion_oversampled`, the first
    round(lesion_fraction · batch_size) entries of each batch run through a permutation of the lesion slices in the same way, and the
    others through that of all slices. A lesion of 16 cm fills twenty times the slices of one of 8 mm, so small lesions are seldom among
    them: under `patient_balanced` these entries run through a permutation of the patients with a lesion instead, and each patient's
    visits through a permutation of his lesion slices.

    Args:
        studies: in any order; they are sorted by patient.

    Raises:
        InputError: there is no sample, or no lesion slice to oversample.
    """

    def __init__(
        self, studies: Sequence[StoredStudy], *, batch_size: int, seed: int, stream: int, sampling: Sampling, lesion_fraction: float,
    ) -> None:
        self._studies = sorted(studies, key=lambda study: study.patient_id)
        self._batch_size = batch_size
        self._seed = seed
        self._stream = stream
        self._all = list_centre_slices(self._studies)
        self._lesions = list_lesion_slices(self._studies)
        self._lesions_of = [self._lesions[self._lesions[:, 0] == index] for index in np.unique(self._lesions[:, 0])] if sampling == "patient_balanced" else []
        self._lesions_per_batch = 0 if sampling == "uniform" else round(lesion_fraction * batch_size)
        if not len(self._all):
            raise InputError(Problem("training studies", "a study of at least 3 slices", f"{len(studies)} studies without one"))
        if self._lesions_per_batch and not len(self._lesions):
            raise InputError(Problem("training studies", f"a slice with a lesion, as sampling is {sampling}", f"none in {len(studies)} studies"))

    @property
    def samples(self) -> int:
        """Number n of different samples, Σ (S − 2)."""
        return len(self._all)

    def batch(self, number: int) -> list[SliceSample]:
        """The samples of batch `number` (from 0, across epochs)."""
        first, others = self._lesions_per_batch, self._batch_size - self._lesions_per_batch
        samples = []
        for entry in range(self._batch_size):
            lesion = entry < first
            if lesion:
                study, z = self._draw_lesion(number * first + entry)
            else:
                study, z = self._draw(self._all, SLICE_DRAW, number * others + entry - first)
            samples.append(SliceSample(self._studies[study], int(z), number * self._batch_size + entry, lesion))
        return samples

    def _draw_lesion(self, position: int) -> np.ndarray:
        if not self._lesions_of:
            return self._draw(self._lesions, LESION_DRAW, position)
        visit, index = divmod(position, len(self._lesions_of))
        own = self._lesions_of[_permute(self._seed, self._stream, visit, PATIENT_DRAW, len(self._lesions_of))[index]]
        return self._draw(own, LESION_DRAW, visit)

    def _draw(self, slices: np.ndarray, draw: int, position: int) -> np.ndarray:
        cycle, index = divmod(position, len(slices))
        return slices[_permute(self._seed, self._stream, cycle, draw, len(slices))[index]]


def list_centre_slices(studies: Sequence[StoredStudy]) -> np.ndarray:
    """(study index, z) of every slice with two neighbours: int64 (n, 2)."""
    pairs = [(index, z) for index, study in enumerate(studies) for z in range(1, study.shape[0] - 1)]
    return np.array(pairs, np.int64).reshape(-1, 2)


def list_lesion_slices(studies: Sequence[StoredStudy]) -> np.ndarray:
    """(study index, z) of every slice with a lesion and two neighbours: int64 (n, 2)."""
    pairs = [(index, z) for index, study in enumerate(studies) for z in study.lesion_slices if 1 <= z <= study.shape[0] - 2]
    return np.array(pairs, np.int64).reshape(-1, 2)


@lru_cache(maxsize=32)
def _permute(seed: int, stream: int, cycle: int, draw: int, size: int) -> np.ndarray:
    return np.random.default_rng((seed, stream, cycle, draw)).permutation(size)
