"""Which attribute is removed, emptied or replaced: the Basic Application Level Confidentiality Profile (DICOM PS3.15, E, edition 2024b).

The table of attributes is that of the package dicom-anonymizer. It is applied to nested items, too; UIDs are replaced by keyed ones, so
that files that are cleaned at different times still belong together. On top of the profile (PS3.15, E.3): SeriesDescription becomes the
contrast phase that it told (Clean Descriptors), Philips' scale slope stays (Retain Safe Private), and dates may be moved instead of
removed (Retain Longitudinal Temporal Information with Modified Dates).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from dicomanonymizer.simpledicomanonymizer import (
    anonymize_dataset,
    delete_or_empty_or_replace_UID,
    initialize_actions_2024b,
    keep,
    replace_UID,
)
from pydicom import DataElement, Dataset, FileDataset
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue

from lirads_keras.io.dicom_elements import SCALE_SLOPE, SCALE_SLOPE_CREATOR
from lirads_keras.io.dicom_headers import PixelLayout
from lirads_keras.io.dicom_pixels import unpack_pixels
from lirads_keras.io.pseudonyms import Pseudonyms

Action = Callable[[Dataset, Any], None]

METHOD = "PS3.15 2024b Basic Application Level Confidentiality Profile"
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_DESCRIPTORS = ("113105", "Clean Descriptors Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
RETAIN_SAFE_PRIVATE = ("113111", "Retain Safe Private Option")

SHORTEST_NAME = 3
"""Parts of a name, and ids, that are shorter are not looked for in other attributes: they stand in any text."""

_TEXT_VR = {"LO", "LT", "SH", "ST", "UC", "UT", "PN"}
_PATIENT_GROUP = 0x0010


def clean_dataset(dataset: FileDataset, pseudonyms: Pseudonyms, description: str, *, keep_intervals: bool) -> None:
    """Removes from a dataset, in place, what tells whom it shows.

    Args:
        dataset: of a whole file.
        pseudonyms: for PatientID, PatientName and UIDs.
        description: the new SeriesDescription; empty for none.
        keep_intervals: times of day stay and dates move back by the patient's number of days; otherwise both are removed.

    Raises:
        Exception: of many kinds, from attributes that cannot be cleaned; such a file must not be passed on.
    """
    source = str(dataset.get("PatientID") or dataset.get("StudyInstanceUID") or "")
    names = _collect_names(dataset)
    shift = pseudonyms.shift(source) if keep_intervals else None
    for nested in list(_walk(dataset)):
        _apply_rules(nested, pseudonyms, shift)
    for nested in list(_walk(dataset)):
        _blank_names(nested, names)
    for element in [element for element in dataset if 0x5000 <= element.tag.group <= 0x60FF and element.tag.group & 0xFF <= 0x1E]:
        if element.tag.group & 0xFF00 in (0x5000, 0x6000):
            del dataset[element.tag]
    dataset.pop("DataSetTrailingPadding", None)
    _clear_unused_bits(dataset)
    dataset.PatientID = dataset.PatientName = pseudonyms.patient(source)
    dataset.pop("ProtocolName", None)
    if description:
        dataset.SeriesDescription = description
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if keep_intervals else "REMOVED"
    codes = [BASIC_PROFILE, CLEAN_DESCRIPTORS, RETAIN_SAFE_PRIVATE] + ([MODIFIED_DATES] if keep_intervals else [])
    dataset.DeidentificationMethod = METHOD
    dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.preamble = b"\0" * 128


def _walk(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset and all items in it, at any depth."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _walk(item)


def _apply_rules(dataset: Dataset, pseudonyms: Pseudonyms, shift: timedelta | None) -> None:
    def replace_uid(target: Dataset, tag: Any) -> None:
        if (element := target.get(tag)) is not None and element.VR == "UI" and element.value:
            several = isinstance(element.value, MultiValue)
            element.value = [pseudonyms.uid(str(uid)) for uid in element.value] if several else pseudonyms.uid(str(element.value))

    def move_date(target: Dataset, tag: Any) -> None:
        assert shift is not None
        if (element := target.get(tag)) is not None and element.value:
            element.value = _move(str(element.value), element.VR, shift)

    rules: dict[Any, Action] = {}
    there = {(tag.group, tag.element) for tag in dataset.keys()}
    for tag, (action, vr) in _profile().items():
        if len(tag) == 2 and tag not in there:
            continue
        if vr in ("DA", "DT", "TM") and shift is not None and tag[0] != _PATIENT_GROUP:
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


def _vr(tag: tuple[int, int]) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _move(text: str, vr: str, shift: timedelta) -> str:
    """A date (DA), or the date of a date and time (DT), so many days earlier; a time of day stays. What is no date is emptied."""
    if vr == "TM":
        return text
    date = text[:8].replace(".", "")
    try:
        moved = (datetime.strptime(date, "%Y%m%d") - shift).strftime("%Y%m%d")
    except (ValueError, OverflowError):
        return ""
    return moved.zfill(8) + (text[8:] if vr == "DT" else "")


def _collect_names(dataset: Dataset) -> re.Pattern[str] | None:
    """Finds the patient's names, ids and birth date wherever they stand."""
    parts = [part for keyword in ("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName")
             for part in re.split(r"[\^=\s\\,]+", str(dataset.get(keyword) or ""))]
    parts += [str(dataset.get(keyword) or "").strip() for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyID")]
    long_enough = sorted({re.escape(part) for part in parts if len(part) >= SHORTEST_NAME}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(long_enough)})(?!\w)", re.IGNORECASE) if long_enough else None


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
