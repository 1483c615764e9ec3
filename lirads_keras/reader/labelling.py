"""The reading application as MONAI Label's clients see it: one mask a study, in the same journal as the page's."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import Phase, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import to_order_of
from lirads_keras.io.nifti import read_nifti
from lirads_keras.reader.jobs import Job, JobKind
from lirads_keras.reader.label_answers import Segmented
from lirads_keras.reader.monai_label import LabelledStudy
from lirads_keras.reader.service import ReaderService
from lirads_keras.reader.sources import StudySource
from lirads_keras.reader.studies import OpenStudy
from lirads_keras.variants import PAPER_SEGMENTATION, SegmentationVariant
from lirads_keras.words import name_phases

WAIT_S = 3600.0
"""Longest wait for a segmentation; the plug-ins wait as long as they are let."""


class ServiceLabelling:
    """A `Labelling` over the service of the page; beside InputError its methods may raise what the service's do. `segmentation` is what reads studies."""

    def __init__(self, service: ReaderService, source: StudySource, segmentation: SegmentationVariant) -> None:
        self._service, self._source, self._segmentation = service, source, segmentation

    def list_studies(self) -> list[LabelledStudy]:
        return [LabelledStudy(row["study_id"], row["label"], row["stage"] != "new") for row in self._service.list_studies()]

    def find_study(self, series_uid: str) -> str | None:
        study_id = self._source.find_study(series_uid)
        if study_id is None:
            return None
        series = self._service.studies.open(study_id).study.phases()
        grid_phase = find_grid_phase(series)
        # OHIF lays the voxels of the answer over the series it shows, whatever grid they are on.
        if series[grid_phase].series_uid != series_uid:
            shown = next((f"its {phase} phase" for phase, of_phase in series.items() if of_phase.series_uid == series_uid), "another series of the study")
            raise InputError(Problem("the image", f"the series of the study's {name_phases([grid_phase])}, on whose grid lesions are segmented", shown))
        return study_id

    def read_image(self, study_id: str) -> Volume:
        opened = self._service.studies.open(study_id)
        return _as_stored(read_nifti(opened.images[find_grid_phase(opened.images)]).array, opened)

    def find_mask(self, study_id: str) -> np.ndarray | None:
        mask = self._find_mask(study_id)
        return None if mask is None else _as_stored(mask, self._service.studies.open(study_id)).array

    def _find_mask(self, study_id: str) -> np.ndarray | None:
        mask = self._service.read_state(study_id, None)["mask"]
        return None if mask is None else self._service.read_mask(study_id, mask["mask_id"])[1]

    def segment_study(self, study_id: str, who: str) -> Segmented:
        opened, state = self._service.studies.open(study_id), self._service.read_state(study_id, None)
        # What readers made of the run stays as it is.
        mask = self._run(study_id, who, state) if state["stage"] == "new" else self._wait_for("segment_study", {"study": opened.study, "grid": opened.grid})
        return Segmented(_as_stored(mask.astype(np.uint8), opened), self._segmentation.name, self._segmentation.select_phases(opened.images))

    def segment_image(self, path: Path) -> Segmented:
        return Segmented(self._wait_for("segment_image", {"path": path}), PAPER_SEGMENTATION, (Phase.DELAYED,))

    def _run(self, study_id: str, who: str, state: Mapping[str, Any]) -> np.ndarray:
        """The mask of the study's run, which is started unless it goes on."""
        if state["job"] is None or state["job"]["state"] == "failed":
            state = self._service.start_run(study_id, who, state["revision"])
        if state["job"] is not None:
            _follow(self._service.jobs.find(state["job"]["job_id"]))
        mask = self._find_mask(study_id)
        if mask is None:
            raise InputError(Problem("the study's run", "a mask", "none (it was cancelled)"))
        return mask

    def _wait_for(self, kind: JobKind, payload: Mapping[str, Any]) -> Any:
        """The result of a job that is nobody's but this request's."""
        jobs = self._service.jobs
        job_id = jobs.submit(kind, None, payload)
        try:
            return jobs.wait(job_id, WAIT_S)
        except TimeoutError:
            jobs.cancel(job_id)
            raise _too_late() from None

    def save_mask(self, study_id: str, mask: np.ndarray, who: str) -> None:
        opened = self._service.studies.open(study_id)
        self._service.take_mask(study_id, who, self._service.read_state(study_id, who)["revision"], to_order_of(mask, opened.stored, opened.grid))


def _as_stored(array: np.ndarray, opened: OpenStudy) -> Volume:
    """Voxels on the study's grid in the order of its series' own rows and columns, over which OHIF lays them as they are."""
    return opened.stored.with_array(to_order_of(array, opened.grid, opened.stored))


def _follow(job: Job | None) -> None:
    """Waits for the end of a study's job, which the page follows, too; one that was forgotten has ended."""
    if job is None:
        return
    if not job.ended.wait(WAIT_S):
        raise _too_late()
    if job.error is not None:
        raise job.error


def _too_late() -> InputError:
    return InputError(Problem("the segmentation", f"an end within {WAIT_S:g} s", "it goes on"))
