"""Which attribute is removed, emptied or replaced: the Basic Application Level Confidentiality Profile (DICOM PS3.15, E, edition 2024b).

The table of attributes is that of the package dicom-anonymizer. It is applied to nested items, too; UIDs are replaced by keyed ones, so
that files that are cleaned at different times still belong together. On top of the profile (PS3.15, E.3): SeriesDescription and ProtocolName
become the contrast phase that they told, and ContrastBolusAgent the kind of agent (Clean Descriptors), Philips' scale slope stays (Retain Safe
Private), sex and age stay (Retain Patient Characteristics, of which nothing else is kept), and dates are moved, and times kept, unless they are to be
removed, too (Retain Longitudinal Temporal Information with Modified Dates).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
from dicomanonymizer.simpledicomanonymizer import (
    anonymize_dataset,
    delete,
    delete_or_empty_or_replace_UID,
    initialize_actions_2024b,
    keep,
    replace_UID,
)
from pydicom import DataElement, Dataset, FileDataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue

from lirads_keras.io.deidentify_plan import CopyPlan
from lirads_keras.io.dicom_elements import SCALE_SLOPE, SCALE_SLOPE_CREATOR
from lirads_keras.io.dicom_headers import PixelLayout
from lirads_keras.io.dicom_pixels import unpack_pixels
from lirads_keras.io.pseudonyms import OLDEST_WRITTEN_AGE, Pseudonyms

Action = Callable[[Dataset, Any], None]
Tag = tuple[int, int]

METHOD = "PS3.15 2024b Basic Application Level Confidentiality Profile"
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_DESCRIPTORS = ("113105", "Clean Descriptors Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
PATIENT_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
RETAIN_SAFE_PRIVATE = ("113111", "Retain Safe Private Option")

SHORTEST_NAME = 3
"""Parts of a name, and ids, that are shorter are not looked for in other attributes: they stand in any text."""

_TEXT_VR = {"LO", "LT", "SH", "ST", "UC", "UT", "PN"}
_TIME_VR = {"DA": "a date (YYYYMMDD)", "TM": "a time (HHMMSS.FFFFFF)", "DT": "a date and time (YYYYMMDDHHMMSS.FFFFFF)"}
_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d*)?)?)?")
_OFFSET = re.compile(r"[+-]\d{4}$")
_AGE = re.compile(r"\d{3}[DWMY]")
_PATIENT_GROUP = 0x0010
_BIRTH_DATE, _SEX, _YEARS = (0x0010, 0x0030), (0x0010, 0x0040), (0x0010, 0x1010)


@dataclass(frozen=True)
class Emptied:
    """An attribute whose value was no date or time and was emptied: what was expected, and found."""

    keyword: str
    expected: str
    found: str


def clean_dataset(dataset: FileDataset, pseudonyms: Pseudonyms, plan: CopyPlan, *, keep_times: bool) -> list[Emptied]:
    """Removes from a dataset, in place, what tells whom it shows.

    Args:
        dataset: of a whole file.
        pseudonyms: for PatientID, PatientName and UIDs.
        plan: what the copy is to say.
        keep_times: times of day stay and dates move back by the patient's number of days; otherwise both are removed.

    Returns:
        Dates and times that could not be moved and were emptied.

    Raises:
        Exception: of many kinds, from attributes that cannot be cleaned; such a file must not be passed on.
    """
    names = _collect_names(dataset)
    shift = pseudonyms.shift(plan.owner) if keep_times else None
    emptied: list[Emptied] = []
    for nested in list(_walk(dataset)):
        _apply_rules(nested, pseudonyms, shift, emptied)
    for nested in list(_walk(dataset)):
        _blank_names(nested, names)
    for element in [element for element in dataset if 0x5000 <= element.tag.group <= 0x60FF and element.tag.group & 0xFF <= 0x1E]:
        if element.tag.group & 0xFF00 in (0x5000, 0x6000):
            del dataset[element.tag]
    dataset.pop("DataSetTrailingPadding", None)
    _clear_unused_bits(dataset)
    dataset.PatientID = dataset.PatientName = pseudonyms.patient(plan.owner)
    for keyword, name in (("SeriesDescription", plan.description), ("ProtocolName", plan.protocol)):
        dataset.pop(keyword, None)
        if name:
            setattr(dataset, keyword, name)
    for keyword in ("ContrastBolusAgent", "ContrastBolusAgentSequence"):
        dataset.pop(keyword, None)
    if plan.contrast_agent:
        dataset.ContrastBolusAgent = plan.contrast_agent
    _write_temporal_positions(dataset, plan)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if keep_times else "REMOVED"
    codes = [BASIC_PROFILE, CLEAN_DESCRIPTORS, PATIENT_CHARACTERISTICS, RETAIN_SAFE_PRIVATE] + ([MODIFIED_DATES] if keep_times else [])
    dataset.DeidentificationMethod = METHOD
    dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.preamble = b"\0" * 128
    return emptied


def _write_temporal_positions(dataset: FileDataset, plan: CopyPlan) -> None:
    """TemporalPositionIdentifier of a single image (PS3.3 C.8.3.1), TemporalPositionIndex of each frame (C.7.6.16.2.2)."""
    if not plan.temporal_positions:
        return
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        dataset.TemporalPositionIdentifier, = plan.temporal_positions
        dataset.NumberOfTemporalPositions = plan.number_of_temporal_positions
        return
    for group, position in zip(dataset.PerFrameFunctionalGroupsSequence, plan.temporal_positions, strict=True):
        if not group.get("FrameContentSequence"):
            group.FrameContentSequence = [Dataset()]
        group.FrameContentSequence[0].TemporalPositionIndex = position


def _walk(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset and all items in it, at any depth."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _walk(item)


def _apply_rules(dataset: Dataset, pseudonyms: Pseudonyms, shift: timedelta | None, emptied: list[Emptied]) -> None:
    def replace_uid(target: Dataset, tag: Any) -> None:
        if (element := target.get(tag)) is not None and element.VR == "UI" and element.value:
            several = isinstance(element.value, MultiValue)
            element.value = [pseudonyms.uid(str(uid)) for uid in element.value] if several else pseudonyms.uid(str(element.value))

    def move_date(target: Dataset, tag: Any) -> None:
        assert shift is not None
        if (element := target.get(tag)) is None or not element.value:
            return
        vr = _vr(tag)
        texts = [str(value).strip(" \0") for value in (element.value if isinstance(element.value, MultiValue) else [element.value])]
        moved = [_move(text, vr, shift) if text else "" for text in texts]
        if None in moved:
            emptied.append(Emptied(keyword_for_tag(tag), _TIME_VR[vr], repr("\\".join(texts)[:40])))
            moved = [""]
        element.value = moved if len(moved) > 1 else moved[0]

    rules: dict[Any, Action] = {}
    there = {(tag.group, tag.element) for tag in dataset.keys()}
    # The profile knows most dates and times, but not all.
    rules |= {tag: delete if shift is None else move_date for tag in there if _vr(tag) in _TIME_VR and tag[0] != _PATIENT_GROUP}
    for tag, (action, vr) in _profile().items():
        if len(tag) == 2 and tag not in there:
            continue
        if tag in _OF_THE_PATIENT:
            rules[tag] = _OF_THE_PATIENT[tag]
        elif vr in _TIME_VR and shift is not None and tag[0] != _PATIENT_GROUP:
            rules[tag] = move_date
        elif action is replace_UID:
            rules[tag] = replace_uid
        elif action is delete_or_empty_or_replace_UID:
            # Of a sequence of references the UIDs inside are replaced, when its items' turn comes.
            rules[tag] = replace_uid if vr == "UI" else keep
        else:
            rules[tag] = action
    creator = dataset.get(SCALE_SLOPE_CREATOR)
    kept = {(SCALE_SLOPE >> 16, SCALE_SLOPE & 0xFFFF): keep} if creator is not None and str(creator.value).startswith("Philips") else {}
    anonymize_dataset(dataset, kept, True, lambda: dict(rules))


@cache
def _profile() -> dict[Any, tuple[Action, str]]:
    """Action and VR of each attribute of the profile; ranges of groups have no VR."""
    return {tag: (action, _vr(tag) if len(tag) == 2 else "") for tag, action in initialize_actions_2024b().items() if tag[0] != 2}


@cache
def _vr(tag: Tag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _move(text: str, vr: str, shift: timedelta) -> str | None:
    """A date (DA), or the date of a date and time (DT), so many days earlier; a time of day (TM) stays, so that neither it nor a time without a
    date passes midnight. The offset of a DT from UTC goes, as the profile's TimezoneOffsetFromUTC does. None if it is no date or time."""
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    day, time = (text, "") if vr == "DA" else (text[:8], _OFFSET.sub("", text[8:]))
    found = _DATE.fullmatch(day)
    if found is None or (time and not _TIME.fullmatch(time)):
        return None
    try:
        moved = date(*map(int, found.groups())) - shift
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}{time}"


def _empty(dataset: Dataset, tag: Tag) -> None:
    """Leaves an attribute without a value, since a made-up one would be believed: from a birth date and a study's, people reckon an age."""
    dataset[tag] = DataElement(tag, _vr(tag), "")


def _keep_sex(dataset: Dataset, tag: Tag) -> None:
    if str(dataset[tag].value) not in ("F", "M", "O"):
        _empty(dataset, tag)


def _keep_age(dataset: Dataset, tag: Tag) -> None:
    """PatientAge is that at the study, which no date has to tell."""
    age = str(dataset[tag].value)
    if not _AGE.fullmatch(age):
        del dataset[tag]
    elif age[3] == "Y" and int(age[:3]) > OLDEST_WRITTEN_AGE:
        dataset[tag].value = f"{OLDEST_WRITTEN_AGE:03d}Y"


_OF_THE_PATIENT: dict[Tag, Action] = {_BIRTH_DATE: _empty, _SEX: _keep_sex, _YEARS: _keep_age}


def _collect_names(dataset: Dataset) -> re.Pattern[str] | None:
    """Finds the patient's names, ids and birth date, and the days of the study, wherever they stand."""
    parts = [part for keyword in ("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName")
             for part in re.split(r"[\^=\s\\,]+", str(dataset.get(keyword) or ""))]
    parts += [str(dataset.get(keyword) or "").strip() for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyID")]
    long_enough = sorted({re.escape(part) for part in parts if len(part) >= SHORTEST_NAME}, key=len, reverse=True)
    found = [rf"(?<!\w)(?:{'|'.join(long_enough)})(?!\w)"] if long_enough else []
    days = {str(element.value)[:8] for nested in _walk(dataset) for element in nested if element.VR in ("DA", "DT") and not element.is_private}
    # Earlier years are those of made-up dates, which tell nothing.
    found += sorted(rf"(?<!\d){day[:4]}[-.]?{day[4:6]}[-.]?{day[6:]}" for day in days if re.fullmatch(r"(19|2\d)\d{6}", day))
    return re.compile("|".join(found), re.IGNORECASE) if found else None


def _blank_names(dataset: Dataset, names: re.Pattern[str] | None) -> None:
    """Empties names of persons, and texts in which the patient's stand."""
    for element in list(dataset):
        if element.VR == "PN" or (element.VR in _TEXT_VR and names is not None and names.search(str(element.value))):
            dataset[element.tag] = DataElement(element.tag, element.VR, "")


def _clear_unused_bits(dataset: Dataset) -> None:
    """Bits above the stored ones of uncompressed pixels can hold an overlay (retired, PS3.5 8.1.1)."""
    stored, allocated = int(dataset.get("BitsStored") or 0), int(dataset.get("BitsAllocated") or 0)
    if "PixelData" not in dataset or dataset.file_meta.TransferSyntaxUID.is_compressed or allocated not in (8, 16, 32) or not 0 < stored < allocated:
        return
    layout = PixelLayout(0, dataset.original_encoding[1] is not False, allocated, stored, int(dataset.HighBit), dataset.PixelRepresentation == 1)
    pixels = unpack_pixels(dataset.PixelData[:len(dataset.PixelData) // (allocated // 8) * (allocated // 8)], layout)
    whole = np.ascontiguousarray(pixels).tobytes()
    dataset.PixelData = whole + b"\0" * (len(whole) % 2)
    dataset.HighBit = stored - 1


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
