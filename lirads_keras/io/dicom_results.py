"""The results for one study as DICOM objects: a segmentation and the report that refers to it."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lirads_keras.entities import Feature, ScoredLesion, Study, Volume, find_grid_phase
from lirads_keras.io.dicom_objects import clean_person_name, write_object
from lirads_keras.io.dicom_seg import build_segmentation
from lirads_keras.io.dicom_sources import read_source
from lirads_keras.io.dicom_sr_writer import build_structured_report

SEGMENTATION_FILE = "seg.dcm"
REPORT_FILE = "sr.dcm"


@dataclass(frozen=True)
class DicomResults:
    """The files of a result; a study without lesions has no segmentation."""

    segmentation: Path | None
    report: Path


def write_dicom_results(folder: Path, study: Study, grid: Volume, scored: Sequence[ScoredLesion], versions: Mapping[str, str],
                        observer: str | None = None, *, by_reader: Mapping[str, Collection[Feature]] = MappingProxyType({}),
                        statements: Sequence[str] = (), tumor_in_vein: bool = False) -> DicomResults:
    """Writes `seg.dcm` and `sr.dcm`, which belong to the study of the images and carry its patient's identity.

    Args:
        folder: the result's own.
        study: the objects refer to the images of the phase on whose grid it was read (`find_grid_phase`).
        grid: of that phase; its voxels are not read.
        scored: the lesions, on the grid.
        versions: what made the result, as in the report.
        observer: the reader's name; None where the algorithm alone made the result.
        by_reader: the features of each lesion, by its id, that the reader decided on.
        statements, tumor_in_vein: as `build_structured_report`.

    Raises:
        InputError: images that cannot be read any more or lack the UIDs by which a result names them, or an observer without a name.
        ValueError: lesions that overlap.
    """
    name = None if observer is None else clean_person_name(observer)
    series = study.phases()
    source = read_source(series[find_grid_phase(series)], grid)
    segmentation = build_segmentation(source, grid, scored, versions, name) if scored else None
    report = build_structured_report(source, scored, segmentation, versions, name, by_reader, statements, tumor_in_vein=tumor_in_vein)
    if segmentation is None:
        (folder / SEGMENTATION_FILE).unlink(missing_ok=True)
    else:
        write_object(folder / SEGMENTATION_FILE, segmentation)
    # The report comes last: what it refers to is there.
    write_object(folder / REPORT_FILE, report)
    return DicomResults(None if segmentation is None else folder / SEGMENTATION_FILE, folder / REPORT_FILE)
