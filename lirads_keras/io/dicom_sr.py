"""What a structured report of this package says, read back."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from highdicom.sr import ComprehensiveSR, MeasurementReport
from highdicom.sr.utils import find_content_items
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ComprehensiveSRStorage

from lirads_keras.entities import HEAD_FEATURES, Category, Feature, FeatureProbabilities, Verdict
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_codes import (
    ABSENT,
    ALGORITHM_NAME,
    ALGORITHM_VERSION,
    ANCILLARY_BENIGN,
    ANCILLARY_MALIGNANT,
    ASSESSMENT_CATEGORY,
    COMMENT,
    FEATURES,
    LONG_AXIS,
    NOT_ASSESSED,
    NOT_GIVEN,
    OBSERVER_TYPE,
    PERSON,
    PERSON_NAME,
    POSSIBLE_CATEGORY,
    PRESENT,
    PROBABILITIES,
    REFERENCED_SEGMENT,
    RIM_APHE,
    SCHEME,
    TRACKING_IDENTIFIER,
    TRACKING_UID,
    VOLUME,
)
from lirads_keras.io.dicom_codes import WITHHELD as WITHHELD_CODE
from lirads_keras.io.dicom_elements import quiet_pydicom, words
from lirads_keras.io.dicom_objects import UNREADABLE, read_object
from lirads_keras.lirads.categorize import WITHHELD, describe_range

PRESENCE = {PRESENT.value: True, ABSENT.value: False, NOT_ASSESSED.value: None}


@dataclass(frozen=True)
class ReportedLesion:
    """What a report says of a lesion.

    A feature is present, absent, or None: not assessed. `by_reader` are the features that the reader decided on, `observer` is the reader's
    name, None where the algorithm alone made the report. The lesion is segment `segment_number` of the segmentation `segmentation_uid`.
    """

    lesion_id: str
    tracking_uid: str
    diameter_mm: float
    volume_ml: float
    aphe: bool | None
    washout: bool | None
    capsule: bool | None
    probabilities: FeatureProbabilities
    threshold_growth: bool
    ancillary_malignant: bool
    ancillary_benign: bool
    by_reader: tuple[Feature, ...]
    category: Verdict
    reasons: str
    algorithm: str
    observer: str | None
    segmentation_uid: str
    segment_number: int
    rim_aphe: bool = False


def read_structured_report(path: Path) -> list[ReportedLesion]:
    """Reads a report that `build_structured_report` made.

    Returns:
        The lesions in the order of the report; none gives an empty list.

    Raises:
        InputError: no DICOM file, another object than a Comprehensive SR, a truncated one, or a report of another program.
    """
    dataset = read_object(path, ComprehensiveSRStorage)
    with quiet_pydicom():
        try:
            schemes = [item.CodingSchemeDesignator for item in dataset.get("CodingSchemeIdentificationSequence") or ()]
            if SCHEME not in schemes:
                raise InputError(Problem(str(path), f"a report of this package (coding scheme {SCHEME})", ", ".join(map(str, schemes)) or "no coding scheme"))
            content = ComprehensiveSR.from_dataset(dataset, copy=False).content
            if not isinstance(content, MeasurementReport):
                raise ValueError("no TID 1500 Measurement Report")
            names = [item.PersonName for item in find_content_items(dataset, name=PERSON_NAME)]
            observer = str(names[0]) if names else None
            return [_read_group(group[0], observer) for group in content.get_volumetric_roi_measurement_groups()]
        except UNREADABLE as error:
            raise InputError(Problem(str(path), "a whole report of this package", words(error))) from error


def _read_group(group: Dataset, observer: str | None) -> ReportedLesion:
    features = {feature: item for feature, code in FEATURES.items() if (item := _find(group, code)) is not None}
    present = {feature: PRESENCE[_value(item)] for feature, item in features.items()}
    segment = _get(group, REFERENCED_SEGMENT).ReferencedSOPSequence[0]
    return ReportedLesion(
        lesion_id=str(_get(group, TRACKING_IDENTIFIER).TextValue),
        tracking_uid=str(_get(group, TRACKING_UID).UID),
        diameter_mm=_number(_get(group, LONG_AXIS)),
        volume_ml=_number(_get(group, VOLUME)),
        aphe=present[Feature.APHE],
        washout=present[Feature.WASHOUT],
        capsule=present[Feature.CAPSULE],
        probabilities=FeatureProbabilities(*(
            None if (item := _find(group, PROBABILITIES[feature])) is None else _number(item) for feature in HEAD_FEATURES)),
        threshold_growth=present.get(Feature.THRESHOLD_GROWTH) is True,
        ancillary_malignant=_find(group, ANCILLARY_MALIGNANT) is not None,
        ancillary_benign=_find(group, ANCILLARY_BENIGN) is not None,
        by_reader=tuple(feature for feature, item in features.items() if _is_readers(item)),
        category=_read_category(group),
        reasons=str(_get(group, COMMENT).TextValue),
        algorithm=f"{_get(group, ALGORITHM_NAME).TextValue} {_get(group, ALGORITHM_VERSION).TextValue}",
        observer=observer,
        segmentation_uid=str(segment.ReferencedSOPInstanceUID),
        segment_number=int(segment.ReferencedSegmentNumber),
        rim_aphe=_find(group, RIM_APHE) is not None)


def _read_category(group: Dataset) -> Verdict:
    value = _value(_get(group, ASSESSMENT_CATEGORY))
    if value == WITHHELD_CODE.value:
        return WITHHELD
    if value == NOT_GIVEN.value:
        return describe_range(tuple(Category(_value(item)) for item in find_content_items(group, name=POSSIBLE_CATEGORY)))
    return Category(value)


def _find(item: Dataset, name: Code) -> Dataset | None:
    return next(iter(find_content_items(item, name=name)), None)


def _get(item: Dataset, name: Code) -> Dataset:
    found = _find(item, name)
    if found is None:
        raise KeyError(f"no {name.meaning}")
    return found


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def _value(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def _is_readers(evaluation: Dataset) -> bool:
    """Whether a person made an evaluation (TID 1002)."""
    observer_type = _find(evaluation, OBSERVER_TYPE) if "ContentSequence" in evaluation else None
    return observer_type is not None and _value(observer_type) == PERSON.value
