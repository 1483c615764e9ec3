"""The report on lesions as a DICOM structured report: TID 1500 with a volumetric region of interest a lesion (TID 1411; PS3.16)."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import ComprehensiveSR, ContainerContentItem, ContentSequence
from pydicom.dataset import Dataset

from lirads_keras.entities import HEAD_FEATURES, Feature, FeatureProbabilities, NotGiven, ScoredLesion, Verdict
from lirads_keras.io.dicom_codes import (
    ABSENT,
    ALGORITHM_FAMILY,
    ANCILLARY_BENIGN,
    ANCILLARY_MALIGNANT,
    ASSESSMENT_CATEGORY,
    CATEGORIES,
    COMMENT,
    DEVICE,
    FEATURES,
    IMAGE_LIBRARY,
    IMAGE_LIBRARY_GROUP,
    IMAGING_PROCEDURE,
    LESION,
    LIVER,
    LONG_AXIS,
    MILLILITRE,
    MILLIMETRE,
    MORPHOLOGICALLY_ABNORMAL,
    NO_UNITS,
    NOT_ASSESSED,
    NOT_GIVEN,
    OBSERVER_TYPE,
    PERSON,
    POSSIBLE_CATEGORY,
    PRESENT,
    PROBABILITIES,
    QUALITATIVE_EVALUATIONS,
    RIM_APHE,
    SOURCE,
    TUMOR_IN_VEIN,
    VOLUME,
    WITHHELD,
    build_scheme_identification,
)
from lirads_keras.io.dicom_elements import quiet_pydicom
from lirads_keras.io.dicom_objects import CHARACTER_SET, MAKER, RESEARCH_USE, build_named_uid, describe_versions, get_software_version
from lirads_keras.io.dicom_sources import ReadPhase, Source, SourceImage
from lirads_keras.io.read_series import describe_read

SERIES_NUMBER = 9002
DIGITS = 6
"""Behind the point, as in report.json."""


def build_structured_report(source: Source, scored: Sequence[ScoredLesion], segmentation: Segmentation | None, versions: Mapping[str, str],
                            observer: str | None, by_reader: Mapping[str, Collection[Feature]], read: Sequence[ReadPhase] = (),
                            remarks: Sequence[str] = (), *, tumor_in_vein: bool = False) -> ComprehensiveSR:
    """A measurement report: for each lesion size, features, category and reasons, and the segment that they were measured on; the series of each phase stand in
    its image library (TID 1600).

    Without lesions one group says that there are none. The report is complete, not verified.

    Args:
        segmentation: of `build_segmentation` for the same lesions; None where there are none.
        versions: what made the report.
        observer: the reader, as a DICOM person name; None where the algorithm alone made it.
        by_reader: the features of each lesion, by its id, that the reader decided on; a value without a probability is the reader's anyway.
        read: the phases that the lesions were found and read in.
        remarks: sentences on the report as a whole: whom LI-RADS is for, its notices, and what was left out.
        tumor_in_vein: the reader found it in the study.
    """
    with quiet_pydicom():
        if segmentation is None:
            groups: list[Any] = [_build_empty_group(versions)]
        else:
            groups = [
                _build_group(item, segment, segmentation, source, versions, by_reader.get(item.lesion.lesion_id, ()), named=observer is not None)
                for item, segment in zip(scored, segmentation.SegmentSequence, strict=True)]
        content = hd.sr.MeasurementReport(
            observation_context=_build_context(versions, observer), procedure_reported=IMAGING_PROCEDURE, imaging_measurements=groups)
        content[0].ContentSequence.append(_build_notice(scored, remarks, tumor_in_vein))
        if read:
            # Before the measurements, as TID 1500 has it.
            content[0].ContentSequence.insert(len(content[0].ContentSequence) - 2, _build_library(read))
        report = ComprehensiveSR(
            evidence=_list_evidence(source, segmentation, read),
            content=content[0],
            series_instance_uid=hd.UID(),
            series_number=SERIES_NUMBER,
            series_description="LI-RADS report, research use only",
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=get_software_version(versions),
            device_serial_number=build_named_uid(describe_versions(versions)),
            is_complete=True,
            coding_schemes=[build_scheme_identification()],
            specific_character_set=CHARACTER_SET)
    return report


def _build_context(versions: Mapping[str, str], observer: str | None) -> hd.sr.ObservationContext:
    device = hd.sr.ObserverContext(hd.sr.CodedConcept.from_code(DEVICE), hd.sr.DeviceObserverIdentifyingAttributes(
        uid=build_named_uid(describe_versions(versions)), name=MAKER, manufacturer_name=MAKER, model_name=f"{MAKER} {get_software_version(versions)}"))
    person = None if observer is None else hd.sr.ObserverContext(
        hd.sr.CodedConcept.from_code(PERSON), hd.sr.PersonObserverIdentifyingAttributes(name=observer))
    return hd.sr.ObservationContext(observer_person_context=person, observer_device_context=device)


def _build_library(read: Sequence[ReadPhase]) -> ContainerContentItem:
    """A group of images a phase, and in words which series it is (TID 1600)."""
    library = ContainerContentItem(name=IMAGE_LIBRARY, relationship_type="CONTAINS")
    library.ContentSequence = ContentSequence()
    for phase in read:
        group = ContainerContentItem(name=IMAGE_LIBRARY_GROUP, relationship_type="CONTAINS")
        group.ContentSequence = ContentSequence([
            hd.sr.TextContentItem(name=COMMENT, value=describe_read(phase.series), relationship_type="HAS ACQ CONTEXT"),
            *(hd.sr.ImageContentItem(name=SOURCE, referenced_sop_class_uid=image.sop_class_uid, referenced_sop_instance_uid=image.sop_instance_uid,
                                     relationship_type="CONTAINS") for image in phase.files)])
        library.ContentSequence.append(group)
    return library


def _build_notice(scored: Sequence[ScoredLesion], remarks: Sequence[str], tumor_in_vein: bool) -> ContainerContentItem:
    """Rows 12 to 14 of TID 1500: what holds for the report as a whole."""
    container = ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type="CONTAINS")
    found = PRESENT if scored else ABSENT
    container.ContentSequence = ContentSequence([
        hd.sr.CodeContentItem(name=LESION, value=found, relationship_type="CONTAINS"),
        *([hd.sr.CodeContentItem(name=TUMOR_IN_VEIN, value=PRESENT, relationship_type="CONTAINS")] if tumor_in_vein else []),
        *(hd.sr.TextContentItem(name=COMMENT, value=remark, relationship_type="CONTAINS") for remark in (RESEARCH_USE, *remarks))])
    return container


def _build_empty_group(versions: Mapping[str, str]) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="liver"),
        finding_sites=[hd.sr.FindingSite(LIVER)],
        algorithm_id=_build_algorithm(versions),
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(LESION, ABSENT)])


def _build_group(item: ScoredLesion, segment: Dataset, segmentation: Segmentation, source: Source, versions: Mapping[str, str],
                 by_reader: Collection[Feature], *, named: bool) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    lesion, observation = item.lesion, item.observation
    measurements = [
        hd.sr.Measurement(LONG_AXIS, round(float(lesion.diameter_mm), DIGITS), MILLIMETRE),
        hd.sr.Measurement(VOLUME, round(float(lesion.volume_ml), DIGITS), MILLILITRE)]
    measurements += [
        hd.sr.Measurement(PROBABILITIES[feature], round(float(probability), DIGITS), NO_UNITS)
        for feature in HEAD_FEATURES if (probability := getattr(item.probabilities, feature)) is not None]
    evaluations = [_evaluate_feature(feature, getattr(observation, feature), item.probabilities, by_reader, named) for feature in HEAD_FEATURES]
    evaluations += [
        _evaluate(code, PRESENT, PERSON if named else None) for code, is_true in (
            (FEATURES[Feature.THRESHOLD_GROWTH], observation.threshold_growth), (ANCILLARY_MALIGNANT, observation.ancillary_malignant),
            (ANCILLARY_BENIGN, observation.ancillary_benign), (RIM_APHE, observation.rim_aphe)) if is_true]
    evaluations += _evaluate_category(item.category)
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=_refer_to_segment(item, int(segment.SegmentNumber), segmentation, source),
        finding_category=MORPHOLOGICALLY_ABNORMAL,
        finding_type=LESION,
        finding_sites=[hd.sr.FindingSite(LIVER)],
        algorithm_id=_build_algorithm(versions),
        measurements=measurements,
        qualitative_evaluations=evaluations)
    group[0].ContentSequence.append(hd.sr.TextContentItem(name=COMMENT, value=item.reasons, relationship_type="CONTAINS"))
    return group


def _evaluate_feature(feature: Feature, present: bool | None, probabilities: FeatureProbabilities, by_reader: Collection[Feature],
                      named: bool) -> hd.sr.QualitativeEvaluation:
    value = NOT_ASSESSED if present is None else PRESENT if present else ABSENT
    is_readers = feature in by_reader or (present is not None and getattr(probabilities, feature) is None)
    return _evaluate(FEATURES[feature], value, None if not named else PERSON if is_readers else DEVICE)


def _evaluate_category(category: Verdict) -> list[hd.sr.QualitativeEvaluation]:
    """The category; where none is given, that, and those that remain possible."""
    if not isinstance(category, NotGiven):
        return [hd.sr.QualitativeEvaluation(ASSESSMENT_CATEGORY, CATEGORIES[category])]
    return [hd.sr.QualitativeEvaluation(ASSESSMENT_CATEGORY, NOT_GIVEN if category.possible else WITHHELD),
            *(hd.sr.QualitativeEvaluation(POSSIBLE_CATEGORY, CATEGORIES[possible]) for possible in category.possible)]


def _evaluate(name: hd.sr.coding.Code, value: hd.sr.coding.Code, observer_type: hd.sr.coding.Code | None) -> hd.sr.QualitativeEvaluation:
    """A coded value; where a report has two observers, with the one whose it is (TID 1002)."""
    evaluation = hd.sr.QualitativeEvaluation(name, value)
    if observer_type is not None:
        evaluation[0].ContentSequence = ContentSequence([
            hd.sr.CodeContentItem(name=OBSERVER_TYPE, value=observer_type, relationship_type="HAS OBS CONTEXT")])
    return evaluation


def _refer_to_segment(item: ScoredLesion, number: int, segmentation: Segmentation, source: Source) -> hd.sr.ReferencedSegment:
    """The segment, with the images that show it; with the series, where its slices are no images."""
    images, series = None, None
    if source.of_slice:
        first = item.lesion.bounding_box[0].start
        images = _refer_to_images([source.of_slice[first + int(z)] for z in np.flatnonzero(item.lesion.mask.any(axis=(1, 2)))])
    else:
        series = hd.sr.SourceSeriesForSegmentation(source.series_uid)
    return hd.sr.ReferencedSegment(segmentation.SOPClassUID, segmentation.SOPInstanceUID, number, source_images=images, source_series=series)


def _refer_to_images(images: list[SourceImage]) -> list[hd.sr.SourceImageForSegmentation]:
    """One reference a file, with the frames of it."""
    def file_of(image: SourceImage) -> tuple[str, str]:
        return image.sop_class_uid, image.sop_instance_uid

    references = []
    for (sop_class_uid, sop_instance_uid), of_file in groupby(sorted(images, key=file_of), key=file_of):
        frames = [image.frame for image in of_file if image.frame is not None]
        references.append(hd.sr.SourceImageForSegmentation(sop_class_uid, sop_instance_uid, referenced_frame_numbers=sorted(frames) or None))
    return references


def _build_algorithm(versions: Mapping[str, str]) -> hd.sr.AlgorithmIdentification:
    return hd.sr.AlgorithmIdentification(
        name=MAKER, version=get_software_version(versions), parameters=[describe_versions(versions)] if versions else None, family=ALGORITHM_FAMILY)


def _list_evidence(source: Source, segmentation: Segmentation | None, read: Sequence[ReadPhase]) -> list[Dataset]:
    """All images and the segmentation; the first entry is what highdicom copies patient and study from."""
    # A file that holds several phases stands once.
    images = dict.fromkeys([*((source.series_uid, image) for image in source.files),
                            *((phase.series.series_uid, image) for phase in read for image in phase.files)])
    evidence: list[Dataset] = []
    for series_uid, image in images:
        entry = Dataset()
        if not evidence:
            entry.update(source.attributes)
        entry.StudyInstanceUID = source.study_uid
        entry.SeriesInstanceUID = series_uid
        entry.SOPClassUID = image.sop_class_uid
        entry.SOPInstanceUID = image.sop_instance_uid
        evidence.append(entry)
    return evidence + ([] if segmentation is None else [segmentation])
