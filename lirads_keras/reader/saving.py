"""What a reader takes away: DICOM SEG and SR, report.json and a one-page report, in a new folder each time."""
from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from lirads_keras.entities import Phase, Report, ScoredLesion, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.atomic import write_json
from lirads_keras.io.nifti import read_nifti
from lirads_keras.lesions import measure_lesions
from lirads_keras.reader.case import Reading
from lirads_keras.reader.errors import NotFound
from lirads_keras.reader.masks import select_components
from lirads_keras.reader.scoring import list_decided
from lirads_keras.reader.sources import StudySource
from lirads_keras.reader.studies import OpenStudy

LABEL_CHARACTERS_MAX = 80
_UNSAFE = re.compile(r"[^\w .+-]|^[. ]+")


class Saves:
    """The folder of results: OUT/<label>-<start of the study's id>/<number>/; a number that is there is never written again.

    Args:
        out: OUT.
        source: of the studies; a PACS takes the DICOM objects back.
    """

    def __init__(self, out: Path, source: StudySource) -> None:
        self._out, self._source = out, source
        self._lock = threading.Lock()

    def write(self, study_id: str, opened: OpenStudy, reading: Reading, mask: np.ndarray, observer: str) -> dict[str, Any]:
        """Writes a save whole or not at all, then stores its DICOM objects.

        Args:
            study_id: of the study.
            opened: gives the images and their grid.
            reading: of the stage "characterised".
            mask: its mask, bool (z, y, x).
            observer: the reader's name.

        Returns:
            `save_id`, `where` (below OUT), `files`; `stored`, where the PACS keeps the objects, and `store_error`, why it does not, each or None.

        Raises:
            InputError: the DICOM objects cannot be made, or nothing can be written.
        """
        reading = reading.of_study(opened.study)
        parent = self._out / f"{_UNSAFE.sub('_', opened.label)[:LABEL_CHARACTERS_MAX]}-{study_id[:8]}"
        parent.mkdir(parents=True, exist_ok=True)
        beside = parent / f".{uuid4().hex[:8]}"
        try:
            objects = _write_files(beside, opened, reading, mask, observer)
            files = sorted(path.name for path in beside.iterdir())
            folder = self._claim(beside)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        stored, store_error = None, None
        try:
            stored = self._source.store(study_id, [folder / name for name in objects])
        except InputError as error:
            store_error = str(error)
        return {"save_id": folder.name, "where": folder.relative_to(self._out).as_posix(), "files": files, "stored": stored, "store_error": store_error}

    def read(self, where: str, name: str) -> bytes:
        """A file of a save; both names are the journal's own.

        Raises:
            NotFound: it was taken away since.
        """
        try:
            return (self._out / where / name).read_bytes()
        except OSError:
            raise NotFound("a saved file that is still there") from None

    def _claim(self, written: Path) -> Path:
        """Gives a finished folder the next free number."""
        with self._lock:
            numbers = [int(path.name) for path in written.parent.iterdir() if path.name.isdecimal()]
            folder = written.parent / str(max(numbers, default=0) + 1)
            os.rename(written, folder)
            descriptor = os.open(written.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return folder


def score_lesions(reading: Reading, labels: np.ndarray, grid: Volume) -> tuple[ScoredLesion, ...]:
    """The lesions with their voxels, as the reader scored them; in `labels` (z, y, x), on `grid`, the k-th lesion of the reading has label k."""
    scored = []
    for lesion, measured in zip(reading.lesions, measure_lesions(labels, grid), strict=True):
        score = reading.score(lesion)
        scored.append(ScoredLesion(
            replace(measured, lesion_id=lesion.measured.lesion_id, mean_probability=lesion.measured.mean_probability),
            lesion.measured.probabilities, score.observation, score.category, score.reasons))
    return tuple(scored)


def _write_files(folder: Path, opened: OpenStudy, reading: Reading, mask: np.ndarray, observer: str) -> list[str]:
    """Writes everything into a new folder, and returns the names of the DICOM objects."""
    from lirads_keras.inference.report import describe_population
    from lirads_keras.inference.report_page import write_report_page
    from lirads_keras.io.dicom_results import write_dicom_results

    grid = opened.grid
    labels = select_components(mask, [lesion.measured.first_voxel for lesion in reading.lesions])
    scored = score_lesions(reading, labels, grid)
    versions = reading.versions | {"rules": reading.rules}
    study = opened.study
    report = Report(opened.label, study.study_uid, scored, versions, reading.notices, study.list_read(), study.left_out, reading.applicability,
                    reading.has_tumor_in_vein, study.contrast_agent)
    changed = [lesion.measured.lesion_id for lesion in reading.lesions if reading.is_changed(lesion)]
    folder.mkdir()
    objects = write_dicom_results(folder, study, grid, report, observer, statements=describe_population(report),
                                  by_reader={lesion.measured.lesion_id: list_decided(lesion.values) for lesion in reading.lesions})
    # What the files hold is what was aligned when the study was opened; the grid's numbers there have fewer digits.
    volumes: dict[Phase, Volume] = {phase: grid.with_array(read_nifti(path).array) for phase, path in opened.images.items()}
    write_report_page(folder / "report.html", report, volumes, grid.with_array(labels > 0), observer=observer, changed=changed)
    write_json(folder / "report.json", _report_to_json(report, reading, observer, changed))
    return [path.name for path in (objects.segmentation, objects.report) if path is not None]


def _report_to_json(report: Report, reading: Reading, observer: str, changed: list[str]) -> dict[str, Any]:
    """As `lirads predict` writes it, without pictures, and with what the reader said."""
    from lirads_keras.inference.report import report_to_json

    content = report_to_json(report)
    for row, lesion in zip(content["lesions"], reading.lesions, strict=True):
        del row["overlay"]
        values, score = lesion.values, reading.score(lesion)
        row |= {
            "machine_category": str(score.machine_category), "rim_aphe": values.rim_aphe,
            "prior": None if values.prior is None else asdict(values.prior), "growth": None if score.growth is None else str(score.growth),
            "changed_by_reader": row["lesion_id"] in changed,
            "threshold_growth": values.threshold_growth, "ancillary_malignant": values.ancillary_malignant, "ancillary_benign": values.ancillary_benign,
            "overrides": [str(category) for category in values.overrides], "tie": None if values.tie is None else [str(category) for category in values.tie]}
        for name, feature in row["features"].items():
            feature["by"] = "reader" if name in list_decided(values) else "network"
    return content | {"observer": observer, "rules": reading.rules, "components_ignored": reading.components_ignored}
