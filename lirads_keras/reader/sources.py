"""Where the studies of the reading application come from: a folder, or a PACS over DICOMweb."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lirads_keras.commands.studies import list_studies
from lirads_keras.entities import Study
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom import read_study
from lirads_keras.progress import Progress, ignore_progress, part_of

FETCH_FRACTION = 0.9
"""Share of reading a study of a PACS that is done when its files are there, roughly."""


@dataclass(frozen=True)
class StudyEntry:
    """A study of a list. `study_id` is 16 hex digits that say nothing of the patient; `label` is what the reader is shown, free of identifying tags
    (a folder's own name may be one: it is the user's)."""

    study_id: str
    label: str


class StudySource(Protocol):
    """Studies that can be listed, read, and given results. All methods raise InputError, and may be called from several threads."""

    def list_studies(self) -> list[StudyEntry]:
        """The studies that are there now."""

    def read(self, study_id: str, progress: Progress) -> Study:
        """The headers of a study whose files are on this machine; its `patient_id` is the label. `progress` may end it by raising."""

    def find_study(self, series_uid: str) -> str | None:
        """The `study_id` of the study that holds a series, None where none does."""

    def store(self, study_id: str, files: Sequence[Path]) -> str | None:
        """Gives DICOM results to where the study came from, and says where that is; None where they just stay in the folder of results."""


class FolderSource:
    """The subfolders of a folder, each a study; as `lirads predict --studies` lists them.

    Raises:
        InputError: no such folder, or none in it.
    """

    def __init__(self, folder: Path, phase_map: Path | None = None) -> None:
        self._folder = folder
        self._phase_map = phase_map
        self._series: dict[str, frozenset[str]] = {}
        self._list()

    def list_studies(self) -> list[StudyEntry]:
        return [StudyEntry(study_id, path.name) for study_id, path in self._list().items()]

    def read(self, study_id: str, progress: Progress) -> Study:
        path = self._list().get(study_id)
        if path is None:
            raise _unknown(str(self._folder))
        progress(0, "reading the headers")
        study = replace(read_study(path, self._phase_map, axial_mr_only=True), patient_id=path.name)
        self._series[study_id] = frozenset(series.series_uid for series in study.series)
        return study

    def find_study(self, series_uid: str) -> str | None:
        """Reads the headers of studies that were not read yet, until one holds the series; those that cannot be read are passed over."""
        for study_id in self._list():
            if study_id not in self._series:
                try:
                    self.read(study_id, ignore_progress)
                except InputError:
                    self._series[study_id] = frozenset()
            if series_uid in self._series[study_id]:
                return study_id
        return None

    def store(self, study_id: str, files: Sequence[Path]) -> None:
        return None

    def _list(self) -> dict[str, Path]:
        # The place, not the name alone: two cohorts that share a journal may both have a P001.
        return {_hash(str(path.resolve())): path for path in list_studies([], self._folder)}


class DicomWebSource:
    """The MR and CT studies of a DICOMweb server, fetched into a cache folder when they are read.

    Args:
        url: of the server's DICOMweb services.
        cache: folder for the studies' files; they hold the patients' identifiers, and stay there.

    Raises:
        InputError: no address of a server.
    """

    def __init__(self, url: str, cache: Path, phase_map: Path | None = None, *, timeout_s: tuple[float, float] | None = None,
                 bytes_max: int | None = None) -> None:
        from lirads_keras.io.dicomweb import TIMEOUT_S, DicomWebServer
        from lirads_keras.io.dicomweb_fetch import STUDY_BYTES_MAX

        self._server = DicomWebServer(url, timeout_s=timeout_s or TIMEOUT_S)
        self._cache = cache
        self._phase_map = phase_map
        self._bytes_max = bytes_max or STUDY_BYTES_MAX
        self._uids: dict[str, str] = {}

    def list_studies(self) -> list[StudyEntry]:
        self._uids = {_hash(uid): uid for uid in self._server.find_studies()}
        return [StudyEntry(study_id, _label(study_id)) for study_id in self._uids]

    def read(self, study_id: str, progress: Progress) -> Study:
        from lirads_keras.io.dicomweb_fetch import fetch_study

        uid = self._find_uid(study_id)
        folder = self._cache / study_id
        fetch_study(self._server, uid, folder, part_of(progress, 0, FETCH_FRACTION), bytes_max=self._bytes_max)
        progress(FETCH_FRACTION, "reading the headers")
        return replace(read_study(folder, self._phase_map, axial_mr_only=True), patient_id=_label(study_id))

    def find_study(self, series_uid: str) -> str | None:
        uid = self._server.find_study_of(series_uid)
        return None if uid is None else _hash(uid)

    def store(self, study_id: str, files: Sequence[Path]) -> str:
        self._server.store(self._find_uid(study_id), files)
        return self._server.url

    def _find_uid(self, study_id: str) -> str:
        if study_id not in self._uids:
            self.list_studies()
        if study_id not in self._uids:
            raise _unknown(self._server.url)
        return self._uids[study_id]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _label(study_id: str) -> str:
    """Stays the same when other studies come and go: results are saved under it."""
    return f"study {study_id[:8]}"


def _unknown(where: str) -> InputError:
    return InputError(Problem(where, "one of the studies that are listed", "no such study"))
