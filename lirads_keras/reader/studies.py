"""The studies of a source, opened: where their images are for the page, and by what they are known again."""
from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lirads_keras.config.preprocessing import Registration
from lirads_keras.entities import Phase, Series, Study, Volume, find_grid_phase
from lirads_keras.io.nifti import write_nifti
from lirads_keras.io.volumes import read_stored_grid
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import Progress, part_of
from lirads_keras.reader.errors import Busy, NotFound
from lirads_keras.reader.sources import StudyEntry, StudySource

STUDY_ID = re.compile(r"[0-9a-f]{16}")
KEPT_OPEN = 8
"""So many studies have their images in the cache; opened again, the others are read again."""

WAIT_S = 30.0
OPEN_TRIALS = 3

SOURCE_FRACTION = 0.5
"""Share of opening a study that is done when its source has read it, roughly."""


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """A study whose images were read.

    `study.patient_id` is the study's label, so that no message names the patient. `grid` is that of `find_grid_phase`; its voxels take no memory; `stored` is
    the same grid in the order of the series' own rows and columns. `images` are NIfTI files of the phases on the grid, raw. `identity` is what the journal
    keeps, as JSON values, to tell whether the images are still the same: the grid, and a digest of each phase's series.
    """

    label: str
    study: Study
    grid: Volume
    stored: Volume
    images: dict[Phase, Path]
    identity: dict[str, Any]


class OpenStudies:
    """Opens studies on demand and keeps the last ones.

    Args:
        source: of the studies.
        cache: folder for their images; emptied at the start and at the end.
        registration: of the phases, as the run's profile has it.
    """

    def __init__(self, source: StudySource, cache: Path, registration: Registration) -> None:
        self._source, self._cache, self._registration = source, cache, registration
        self._entries: dict[str, StudyEntry] = {}
        self._open: OrderedDict[str, OpenStudy] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._messages: dict[str, str] = {}
        shutil.rmtree(cache, ignore_errors=True)
        # The images of patients are nobody else's to read.
        cache.mkdir(parents=True, mode=0o700)

    def list_entries(self) -> list[StudyEntry]:
        """The source's studies.

        Raises:
            InputError: the source cannot be read.
        """
        entries = self._source.list_studies()
        with self._lock:
            self._entries = {entry.study_id: entry for entry in entries}
        return entries

    def find_entry(self, study_id: str) -> StudyEntry:
        """The entry of an id; a new study of the source is found, too.

        Raises:
            NotFound: no such id.
            InputError: the source cannot be read.
        """
        if not STUDY_ID.fullmatch(study_id):
            raise NotFound("a study")
        if study_id not in self._entries:
            self.list_entries()
        try:
            return self._entries[study_id]
        except KeyError:
            raise NotFound("a study") from None

    def describe_opening(self, study_id: str) -> str | None:
        """What is being done where a study is being opened."""
        return self._messages.get(study_id)

    def open(self, study_id: str) -> OpenStudy:
        """The study with its images; several calls for one study read it once.

        Raises:
            NotFound: no such id.
            InputError: images that cannot be read.
            Busy: another call has been reading it for long; a PACS may take minutes, and each call that waits holds a thread of the server.
        """
        entry = self.find_entry(study_id)
        with self._lock:
            lock = self._locks.setdefault(study_id, threading.Lock())
        if not lock.acquire(timeout=WAIT_S):
            raise Busy(self._messages.get(study_id, "opening the study"))
        try:
            with self._lock:
                if study_id in self._open:
                    self._open.move_to_end(study_id)
                    return self._open[study_id]
            try:
                opened = self._read(entry, lambda fraction, message: self._messages.__setitem__(study_id, message))
            finally:
                self._messages.pop(study_id, None)
            with self._lock:
                self._open[study_id] = opened
                while len(self._open) > KEPT_OPEN:
                    dropped, _ = self._open.popitem(last=False)
                    shutil.rmtree(self._cache / dropped, ignore_errors=True)
            return opened
        finally:
            lock.release()

    def open_image(self, study_id: str, phase: str) -> BinaryIO:
        """The NIfTI file of a phase; once open, it is read to its end even if the study leaves the cache.

        Raises:
            NotFound: no such study, or it lacks the phase.
            InputError, Busy: as `open`.
        """
        for _ in range(OPEN_TRIALS):
            path = {str(name): path for name, path in self.open(study_id).images.items()}.get(phase)
            if path is None:
                raise NotFound("a phase of this study")
            try:
                return open(path, "rb")
            except FileNotFoundError:
                # It left the cache between these lines.
                continue
        raise NotFound("a study that stays open: too many are being opened")

    def close(self) -> None:
        shutil.rmtree(self._cache, ignore_errors=True)

    def _read(self, entry: StudyEntry, progress: Progress) -> OpenStudy:
        study = replace(self._source.read(entry.study_id, part_of(progress, 0, SOURCE_FRACTION)), patient_id=entry.label)
        progress(SOURCE_FRACTION, "reading the series")
        volumes = read_aligned_phases(study.phases(), self._registration)
        grid = volumes[find_grid_phase(volumes)]
        images, series = {}, study.phases()
        for phase, volume in volumes.items():
            images[phase] = self._cache / entry.study_id / f"{phase}.nii"
            write_nifti(images[phase], volume.with_array(_to_exact_int16(volume.array)))
        identity = {"shape": list(grid.shape), "affine": np.round(grid.affine, 6).tolist(),
                    "series": {str(phase): _digest(series[phase]) for phase in sorted(images)}}
        stored = read_stored_grid(series[find_grid_phase(volumes)])
        return OpenStudy(entry.label, study, grid.with_array(np.broadcast_to(np.uint8(0), grid.shape)), stored, images, identity)


def _digest(series: Series) -> str:
    return hashlib.sha256(f"{series.series_uid}\n{series.temporal_index}".encode()).hexdigest()[:16]


def _to_exact_int16(array: np.ndarray) -> np.ndarray:
    """As int16 where every voxel is one, else unchanged."""
    if array.min() < np.iinfo(np.int16).min or array.max() > np.iinfo(np.int16).max:
        return array
    integers = array.astype(np.int16)
    return integers if np.array_equal(integers, array) else array
