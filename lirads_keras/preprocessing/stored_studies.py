"""The studies of a store, each read when it is first asked for."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from lirads_keras.preprocessing.store import StoredStudy, read_stored_study
from lirads_keras.run import RunFolder


class StoredStudies(Mapping[str, StoredStudy]):
    """Patient id -> stored study; no file of a patient is opened before that patient is asked for.

    Raises:
        InputError: on asking, as `read_stored_study`.
    """

    def __init__(self, run: RunFolder, patient_ids: Sequence[str]) -> None:
        self._ids = tuple(patient_ids)
        self._read = lru_cache(maxsize=None)(lambda patient_id: read_stored_study(run.store(patient_id)))

    def __getitem__(self, patient_id: str) -> StoredStudy:
        if patient_id not in self._ids:
            raise KeyError(patient_id)
        return self._read(patient_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
