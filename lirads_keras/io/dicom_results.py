"""The results for one study as DICOM objects: a segmentation and the report that refers to it."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lirads_keras.entities import Feature, Report, Study, Volume, find_grid_phase
from lirads_keras.io.agent_effects import tell_agent
from lirads_keras.io.dicom_objects import clean_person_name, write_object
from lirads_keras.io.dicom_seg import build_segmentation
from lirads_keras.io.dicom_sources import list_read_phases, read_source
from lirads_keras.io.dicom_sr_writer import build_structured_report

SEGMENTATION_FILE = "seg.dcm"
REPORT_FILE = "sr.dcm"


@dataclass(frozen=True)
class DicomResults:
    """The files of a result; a study without lesions has no segmentation."""

    segmentation: Path | None
    report: Path


def write_dicom_results(folder: Path, study: Study, grid: Volume, report: Report, observer: str | None = None, *,
                        by_reader: Mapping[str, Collection[Feature]] = MappingProxyType({}), statements: Sequence[str] = ()) -> DicomResults:
    """Writes `seg.dcm` and `sr.dcm`, which belong to the study of the images and carry its patient's identity.

    Args:
        folder: the result's own.
        study: the objects refer to the images of all phases that were read, above all to those on whose grid it was (`find_grid_phase`).
        grid: of that phase; its voxels are not read.
        report: the lesions, on the grid, and what made it.
        observer: the reader's name; None where the algorithm alone made the result.
        by_reader: the features of each lesion, by its id, that the reader decided on.
        statements: further sentences on the report as a whole, such as whom LI-RADS is for.

    Raises:
        InputError: images that cannot be read any more or lack the UIDs by which a result names them, or an observer without a name.
        ValueError: lesions that overlap.
    """
    name = None if observer is None else clean_person_name(observer)
    series = study.phases()
    source = read_source(series[find_grid_phase(series)], grid)
    read, told = list_read_phases(study), f"Read with {tell_agent(report.contrast_agent)}."
    remarks = (*statements, *report.notices, told, *(f"Not read: {line}" for line in report.left_out))
    segmentation = build_segmentation(source, grid, report.lesions, report.versions, name, read) if report.lesions else None
    structured = build_structured_report(source, report.lesions, segmentation, report.versions, name, by_reader, read, remarks,
                                         tumor_in_vein=report.tumor_in_vein)
    if segmentation is None:
        (folder / SEGMENTATION_FILE).unlink(missing_ok=True)
    else:
        write_object(folder / SEGMENTATION_FILE, segmentation)
    # The report comes last: what it refers to is there.
    write_object(folder / REPORT_FILE, structured)
    return DicomResults(None if segmentation is None else folder / SEGMENTATION_FILE, folder / REPORT_FILE)
