"""Whose label map is it? By its name, where that leaves no doubt."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePath

WORDS = frozenset(
    "seg segs segmentation segmentations label labels labelmap mask masks roi rois lesion lesions tumor tumors tumour tumours annotation annotations "
    "delayed".split())
"""What may stand in a name beside the patient: it says that the file is a mask of the lesions in the delayed phase. Any other word, such as the liver,
another phase, a number or a reader, says that it may be something else."""

_TOKEN = re.compile(r"[^\W_]+")


class MaskOwners:
    """Finds the patient whom a file's name speaks of."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        """Args: names: under which a patient's masks may come (PatientID, pseudonym, UIDs), by patient_id."""
        self._exact: dict[str, set[str]] = {}
        self._folded: dict[str, set[str]] = {}
        self._tokens: dict[tuple[str, ...], set[str]] = {}
        for patient_id, ids in names.items():
            for name in filter(None, ids):
                for table, key in ((self._exact, _normal(name)), (self._folded, _normal(name).casefold())):
                    table.setdefault(key, set()).add(patient_id)
                if tokens := _split(name):
                    self._tokens.setdefault(tokens, set()).add(patient_id)

    def find(self, place: PurePath, stem: str) -> tuple[str | None, str]:
        """The patient of a file, and how it was told or why it was not.

        Args:
            place: the folder of the file, as it is called below the folder of all masks.
            stem: the file's name without suffix.
        """
        by_name = self._owners(stem)
        by_folder = set().union(*(self._owners(part) for part in place.parts))
        if not by_name and by_folder and set(_split(stem)) <= WORDS:
            by_name, by_folder = by_folder, set()
        if by_folder and by_name and not by_name & by_folder:
            return None, f"its name is that of {_join(by_name)}, its folder's that of {_join(by_folder)}"
        by_name = by_name & by_folder or by_name
        if len(by_name) == 1:
            return by_name.copy().pop(), ""
        if by_name:
            return None, f"its name may be that of {_join(by_name)}"
        return None, self._describe(stem)

    def _owners(self, text: str) -> set[str]:
        """The patients of whom a name may speak: by the whole name, or by the one id in it if nothing else but `WORDS` is there."""
        return self._exact.get(_normal(text)) or self._folded.get(_normal(text).casefold()) or self._among(_split(text), WORDS)

    def _among(self, tokens: tuple[str, ...], allowed: frozenset[str] | None) -> set[str]:
        """Owners of the ids that stand in `tokens` in one piece; the rest has to be `allowed`, unless that is None."""
        found: set[str] = set()
        for first in range(len(tokens)):
            for last in range(first + 1, len(tokens) + 1):
                if (allowed is None or set(tokens[:first] + tokens[last:]) <= allowed) and (owners := self._tokens.get(tokens[first:last])):
                    found |= owners
        return found

    def _describe(self, stem: str) -> str:
        near = self._among(_split(stem), None)
        if len(near) == 1:
            return f"its name holds more than that of {_join(near)}, and may mean another region, phase, reader or date"
        return "its name is that of no patient, study or series of the folder"


def _normal(text: str) -> str:
    # A Mac writes ä as two characters.
    return unicodedata.normalize("NFC", text)


def _split(text: str) -> tuple[str, ...]:
    """Words and numbers of a name, whatever stands between them, in lower case."""
    return tuple(_TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def _join(patient_ids: set[str]) -> str:
    listed = sorted(patient_ids)
    return " or ".join(listed[:4]) + (" …" if len(listed) > 4 else "")
