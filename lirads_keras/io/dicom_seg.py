"""Lesions as a DICOM segmentation (PS3.3, A.51): one binary segment a lesion, on the grid of the images."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, SegmentationStorage

from lirads_keras.entities import Lesion, ScoredLesion, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_codes import ALGORITHM_FAMILY, LESION, LIVER, MORPHOLOGICALLY_ABNORMAL, SEGMENTATION, SOURCE_IMAGE
from lirads_keras.io.dicom_elements import quiet_pydicom, words
from lirads_keras.io.dicom_objects import (
    ALGORITHM_SOURCE,
    CHARACTER_SET,
    MAKER,
    RESEARCH_USE,
    UNREADABLE,
    build_named_uid,
    describe_versions,
    get_software_version,
    read_object,
)
from lirads_keras.io.dicom_sources import ReadPhase, Source, SourceImage
from lirads_keras.io.grids import reorient_to_grid

SERIES_NUMBER = 9001
"""Far above those of scanners."""

LONGEST_PARAMETERS = 10240
"""Characters of AlgorithmParameters (LT; PS3.5, 6.2)."""


def build_segmentation(source: Source, grid: Volume, scored: Sequence[ScoredLesion], versions: Mapping[str, str], observer: str | None,
                       read: Sequence[ReadPhase] = ()) -> Segmentation:
    """A BINARY segmentation whose segment k is the k-th lesion; empty frames are left out.

    highdicom would pair slices and images by their positions, and so take those of all time points of a dynamic series. Here each frame names
    the one image that it was segmented on, or none where the grid's slices are no images; the object as a whole names all of them.

    Frames have the rows and columns of the images, where the grid is theirs but for the order of its axes.

    Args:
        source: of `read_source` for the same grid.
        grid: of the lesions; its voxels are not read.
        scored: at least one.
        versions: what made the segmentation.
        observer: who may have edited it, as a DICOM person name; None where the algorithm alone made it.
        read: the phases that the lesions were found and read in; the object refers to the images of all of them.

    Raises:
        ValueError: no lesion, or lesions that overlap.
    """
    upright, labels = grid, _paint(grid, [item.lesion for item in scored])
    if (as_stored := reorient_to_grid(grid.with_array(labels), source.stored)) is not None:
        labels, grid = as_stored, source.stored
    with quiet_pydicom():
        segmentation = Segmentation(
            source_images=[_build_template(source, grid)],
            pixel_array=labels,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=_describe_segments(scored, versions, observer),
            plane_positions=[hd.PlanePositionSequence("PATIENT", grid.affine[:3, 0] * z + grid.affine[:3, 3]) for z in range(grid.shape[0])],
            plane_orientation=hd.PlaneOrientationSequence("PATIENT", _cosines(grid)),
            pixel_measures=hd.PixelMeasuresSequence(grid.spacing_mm[1:], slice_thickness=grid.spacing_mm[0], spacing_between_slices=grid.spacing_mm[0]),
            series_instance_uid=hd.UID(),
            series_number=SERIES_NUMBER,
            series_description="Liver lesions, research use only",
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=get_software_version(versions),
            device_serial_number=build_named_uid(describe_versions(versions)),
            content_label="LIVER_LESIONS",
            content_description=RESEARCH_USE,
            content_creator_name=observer or f"{MAKER}^",
            specific_character_set=CHARACTER_SET)
    _name_images(segmentation, source, upright)
    segmentation.ReferencedSeriesSequence = _refer_to_series(source, read)
    return segmentation


def read_segmentation(path: Path, grid: Volume, frame_of_reference_uid: str | None = None) -> np.ndarray:
    """Reads a binary segmentation that lies on `grid`.

    Args:
        frame_of_reference_uid: that of the images; None is not asked for.

    Returns:
        Labels (z, y, x), uint16: segment k has the label k.

    Raises:
        InputError: no DICOM file, another object than a segmentation, a truncated one, another frame of reference, another grid, or segments
            that overlap.
    """
    dataset = read_object(path, SegmentationStorage)
    try:
        kind, frame_of_reference = str(dataset.get("SegmentationType")), str(dataset.get("FrameOfReferenceUID"))
        problems = [] if kind == "BINARY" else [Problem(f"{path}, SegmentationType", "BINARY", kind)]
        if frame_of_reference_uid not in (None, frame_of_reference):
            problems.append(Problem(f"{path}, FrameOfReferenceUID", str(frame_of_reference_uid), frame_of_reference))
        raise_if_any(problems)
        frames = dataset.pixel_array.reshape(-1, int(dataset.Rows), int(dataset.Columns))
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        if len(groups) != len(frames):
            raise InputError(Problem(str(path), f"functional groups for {len(frames)} frames", f"{len(groups)}"))
        shared = dataset.SharedFunctionalGroupsSequence[0]
        segments = [int(_group("SegmentIdentificationSequence", group, shared).ReferencedSegmentNumber) for group in groups]
        placed = [_place(frame, group, shared, grid) for frame, group in zip(frames, groups, strict=True)]
    except UNREADABLE as error:
        raise InputError(Problem(str(path), "a whole segmentation", words(error))) from error
    off = [number for number, found in enumerate(placed, start=1) if found is None]
    if off:
        raise InputError(Problem(f"{path}, the grid", f"frames on the slices of the images ({' × '.join(map(str, grid.shape))} voxels)",
                                 f"{len(off)} of {len(frames)} elsewhere, frame {off[0]} first"))
    labels = np.zeros(grid.shape, np.uint16)
    for found, segment in zip(placed, segments, strict=True):
        assert found is not None
        z, inside = found
        other = labels[z][inside]
        if np.any(other):
            raise InputError(Problem(str(path), "segments that do not overlap", f"segments {int(other.max())} and {segment} in slice {z}"))
        labels[z][inside] = segment
    return labels


def _paint(grid: Volume, lesions: Sequence[Lesion]) -> np.ndarray:
    """Labels (z, y, x): the k-th lesion has the label k."""
    if not lesions:
        raise ValueError("a segmentation needs at least one lesion")
    labels = np.zeros(grid.shape, np.uint8 if len(lesions) <= np.iinfo(np.uint8).max else np.uint16)
    for number, lesion in enumerate(lesions, start=1):
        part = labels[lesion.bounding_box]
        if np.any(part[lesion.mask]):
            raise ValueError(f"lesion {lesion.lesion_id} overlaps another")
        part[lesion.mask] = number
    return labels


def _describe_segments(scored: Sequence[ScoredLesion], versions: Mapping[str, str], observer: str | None) -> list[SegmentDescription]:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=MAKER, family=ALGORITHM_FAMILY, version=get_software_version(versions), source=ALGORITHM_SOURCE)
    algorithm[0].AlgorithmParameters = describe_versions(versions)[:LONGEST_PARAMETERS]
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=item.lesion.lesion_id,
            segmented_property_category=MORPHOLOGICALLY_ABNORMAL,
            segmented_property_type=LESION,
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC if observer is None else SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=item.lesion.lesion_id,
            anatomic_regions=[LIVER])
        for number, item in enumerate(scored, start=1)]


def _build_template(source: Source, grid: Volume) -> Dataset:
    """The source as one image of the first slice: what highdicom copies patient, study and frame of reference from."""
    template = Dataset()
    template.update(source.attributes)
    template.SOPClassUID = MRImageStorage
    template.SOPInstanceUID = source.files[0].sop_instance_uid
    template.SeriesInstanceUID = source.series_uid
    template.Rows, template.Columns = grid.shape[1:]
    template.ImagePositionPatient = grid.affine[:3, 3].tolist()
    template.ImageOrientationPatient = list(_cosines(grid))
    template.PixelSpacing = list(grid.spacing_mm[1:])
    template.SliceThickness = template.SpacingBetweenSlices = grid.spacing_mm[0]
    return template


def _cosines(grid: Volume) -> tuple[float, ...]:
    """ImageOrientationPatient: the direction along a row, then down a column."""
    return tuple((grid.affine[:3, 2] / grid.spacing_mm[2]).tolist() + (grid.affine[:3, 1] / grid.spacing_mm[1]).tolist())


def _name_images(segmentation: Segmentation, source: Source, grid: Volume) -> None:
    """References to the images on whose grid it lies: of the whole object and, where slices are images, of each frame (PS3.3, C.7.6.16.2.6)."""
    segmentation.SourceImageSequence = [_refer(image) for image in source.files]
    to_index = np.linalg.inv(grid.affine)
    for group in segmentation.PerFrameFunctionalGroupsSequence if source.of_slice else ():
        position = np.array([*map(float, group.PlanePositionSequence[0].ImagePositionPatient), 1.0])
        image = _refer(source.of_slice[round(float((to_index @ position)[0]))])
        image.PurposeOfReferenceCodeSequence = [hd.sr.CodedConcept.from_code(SOURCE_IMAGE)]
        image.SpatialLocationsPreserved = "YES"
        derivation = Dataset()
        derivation.DerivationCodeSequence = [hd.sr.CodedConcept.from_code(SEGMENTATION)]
        derivation.SourceImageSequence = [image]
        group.DerivationImageSequence = [derivation]


def _refer_to_series(source: Source, read: Sequence[ReadPhase]) -> list[Dataset]:
    """All images that the object comes from, series by series (PS3.3, C.12.2); several phases may be time points of one series, or of one file."""
    images: dict[str, dict[SourceImage, None]] = {source.series_uid: dict.fromkeys(source.files)}
    for phase in read:
        images.setdefault(phase.series.series_uid, {}).update(dict.fromkeys(phase.files))
    references = []
    for series_uid, files in images.items():
        series = Dataset()
        series.SeriesInstanceUID = series_uid
        series.ReferencedInstanceSequence = [_refer(image) for image in files]
        references.append(series)
    return references


def _refer(image: SourceImage) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.sop_class_uid
    reference.ReferencedSOPInstanceUID = image.sop_instance_uid
    if image.frame is not None:
        reference.ReferencedFrameNumber = image.frame
    return reference


def _group(sequence: str, frame: Dataset, shared: Dataset) -> Dataset:
    """A functional group: the frame's own, else the shared one (PS3.3, C.7.6.16)."""
    return (frame if sequence in frame else shared)[sequence].value[0]


def _place(frame: np.ndarray, group: Dataset, shared: Dataset, grid: Volume) -> tuple[int, np.ndarray] | None:
    """The slice of the grid on which a frame lies pixel for pixel, in whatever order of rows and columns, and its pixels there; None if there is none."""
    along, down = np.array(_group("PlaneOrientationSequence", group, shared).ImageOrientationPatient, float).reshape(2, 3)
    row_mm, column_mm = map(float, _group("PixelMeasuresSequence", group, shared).PixelSpacing)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([grid.affine[:3, 0], down * row_mm, along * column_mm], axis=1)
    affine[:3, 3] = np.array(_group("PlanePositionSequence", group, shared).ImagePositionPatient, float)
    z = round(float((np.linalg.inv(grid.affine) @ affine[:, 3])[0]))
    if not 0 <= z < grid.shape[0] or not np.isfinite(affine).all() or min(row_mm, column_mm) <= 0:
        return None
    slice_affine = grid.affine.copy()
    slice_affine[:3, 3] += grid.affine[:3, 0] * z
    of_slice = Volume(np.broadcast_to(np.uint8(0), (1, *grid.shape[1:])), grid.spacing_mm, slice_affine)
    found = reorient_to_grid(Volume(frame[np.newaxis].astype(bool), (grid.spacing_mm[0], row_mm, column_mm), affine), of_slice)
    return None if found is None else (z, found[0])
