"""DICOM objects that are results: read and written whole, and what is said in all of them."""
from __future__ import annotations

import struct
import unicodedata
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing
from lirads_keras.io.dicom_elements import UNDEFINED_LENGTH, words

RESEARCH_USE = "Research use only. Not for diagnosis."
MAKER = "lirads_keras"
ALGORITHM_SOURCE = "after Wang et al. 2023, doi 10.3389/fonc.2023.1153241"
CHARACTER_SET = "ISO_IR 192"
"""UTF-8, whatever the source has: a reader's name need not fit into the character set of the images (PS3.3, C.12.1.1.2)."""

LONGEST_NAME = 64
"""Characters of a component group of a person's name (PS3.5, 6.2)."""

NAME_COMPONENTS = 5


UNREADABLE = (
    InvalidDicomError, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError, struct.error, zlib.error)
"""What pydicom and highdicom raise on broken objects; pydicom converts on access."""


def read_object(path: Path, sop_class: UID) -> Dataset:
    """Reads a whole object of one class.

    Raises:
        InputError: no such file, no DICOM file, an object of another class, or a truncated one.
    """
    try:
        dataset = pydicom.dcmread(path)
        whole = not any(_is_cut_short(element) for element in dataset.values())
        found = UID(dataset.get("SOPClassUID") or "")
    except OSError as error:
        raise InputError(Problem(str(path), f"a DICOM file ({sop_class.name})", error.strerror or str(error))) from error
    except InvalidDicomError as error:
        raise InputError(Problem(str(path), f"a DICOM file ({sop_class.name})", "a file without the DICM mark (PS3.10, 7.1)")) from error
    except UNREADABLE as error:
        raise InputError(Problem(str(path), f"a whole DICOM file ({sop_class.name})", words(error))) from error
    if found != sop_class:
        raise InputError(Problem(str(path), sop_class.name, found.name if found else "no SOPClassUID (truncated file?)"))
    if not whole:
        raise InputError(Problem(str(path), f"a whole DICOM file ({sop_class.name})", "a truncated one"))
    return dataset


def write_object(path: Path, dataset: Dataset) -> None:
    """Writes an object as a DICOM file (PS3.10); it appears whole or not at all."""
    with replacing(path) as beside:
        pydicom.dcmwrite(beside, dataset, enforce_file_format=True)


def describe_versions(versions: Mapping[str, str]) -> str:
    """What an algorithm was made of, as one text."""
    return "; ".join(f"{name} {value}" for name, value in versions.items())


def get_software_version(versions: Mapping[str, str]) -> str:
    """The package's own version."""
    return versions.get("lirads-keras", "unknown")


def clean_person_name(name: str) -> str:
    """A reader's name as one component group of a DICOM person name: without the signs that have a meaning there (PS3.5, 6.2.1).

    Raises:
        InputError: nothing is left.
    """
    signs = "\\=" if name.count("^") < NAME_COMPONENTS else "\\=^"
    kept = "".join(" " if sign in signs or unicodedata.category(sign).startswith("C") else sign for sign in name)
    cleaned = " ".join(kept.split())[:LONGEST_NAME].strip()
    if not cleaned.strip("^ "):
        raise InputError(Problem("the reader's name", f"a name of 1 to {LONGEST_NAME} characters", repr(name)))
    return cleaned


def build_named_uid(*parts: str) -> str:
    """A UID that is always the same for the same parts: a name-based UUID under 2.25 (PS3.5, B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, chr(10).join((MAKER, *parts))).int}"


def _is_cut_short(element: object) -> bool:
    """Whether the file ended before an element's value did: pydicom reads what there is, and says nothing."""
    return (isinstance(element, RawDataElement) and element.length != UNDEFINED_LENGTH and element.value is not None
            and len(element.value) < element.length)
