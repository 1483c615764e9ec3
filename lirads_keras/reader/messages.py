"""What a client may send: JSON that is checked to the last key, and the reader's name in a header."""
from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lirads_keras.entities import Category
from lirads_keras.errors import InputError, Problem
from lirads_keras.lirads.diagnostic_table import RULE_SETS
from lirads_keras.lirads.steps import OVERRIDE_ORDER
from lirads_keras.reader.case import STUDY_FIELDS, StudyField
from lirads_keras.reader.scoring import LesionField

REVISION_MAX = 2 ** 53
"""JavaScript's largest whole number."""

NAME_CHARACTERS_MAX = 64
"""DICOM's longest component group of a person's name (PS3.5, 6.2)."""

READER_HEADER = "X-Lirads-Reader"
_NAME = f"a name of 1 to {NAME_CHARACTERS_MAX} printable characters (percent-encoded in a header)"

LESION_ID = r"^P[1-9][0-9]{0,5}$"


class BadReader(InputError):
    """A request without the reader's name."""


class Message(BaseModel):
    """Base of all bodies: no other keys, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AtRevision(Message):
    """A request that goes by what the client saw."""

    revision: int = Field(ge=0, le=REVISION_MAX)


class Prior(Message):
    """An earlier size of a lesion, by a reader; as `PriorSize`."""

    diameter_mm: float = Field(gt=0, le=1000, allow_inf_nan=False)
    days: float = Field(gt=0, le=36525, allow_inf_nan=False)
    modality: Literal["CT", "MR"]
    same_untreated: bool


class Edit(AtRevision):
    """One changed value; `lesion_id` is null for what belongs to the study, and only for that."""

    lesion_id: Annotated[str, Field(pattern=LESION_ID)] | None
    field: LesionField | StudyField
    value: bool | str | list[str] | Prior | None

    def plain_value(self) -> Any:
        """The value as JSON has it."""
        return self.value.model_dump() if isinstance(self.value, Prior) else self.value

    @model_validator(mode="after")
    def _check(self) -> Edit:
        if (self.lesion_id is None) != (self.field in STUDY_FIELDS):
            raise ValueError(f"lesion_id is null for {', '.join(STUDY_FIELDS)}, and only for them")
        if not _fits(self.field, self.value):
            raise ValueError(f"value must be {_VALUES[self.field]}")
        return self


_TRI_STATE = "true, false, or null for the network's own"
_FLAG = "true or false"
_ANSWER = "true, false, or null for no answer"
_VALUES: dict[str, str] = {
    "aphe": _TRI_STATE, "washout": _TRI_STATE, "capsule": _TRI_STATE, "threshold_growth": _FLAG, "ancillary_malignant": _FLAG, "ancillary_benign": _FLAG,
    "rim_aphe": _FLAG, "tumor_in_vein": _FLAG, "despite_age": _FLAG, "high_risk": _ANSWER, "untreated": _ANSWER,
    "prior": "an earlier size (diameter_mm, days, modality, same_untreated) or null",
    "overrides": f"a list of {', '.join(OVERRIDE_ORDER)}, each at most once", "tie": "a pair of categories or null", "rules": f"one of {', '.join(RULE_SETS)}"}


def _fits(field: str, value: Any) -> bool:
    if field == "prior":
        return value is None or isinstance(value, Prior)
    if _VALUES[field] in (_TRI_STATE, _ANSWER):
        return value is None or isinstance(value, bool)
    if _VALUES[field] == _FLAG:
        return isinstance(value, bool)
    if field == "overrides":
        return isinstance(value, list) and len(set(value)) == len(value) and set(value) <= {str(category) for category in OVERRIDE_ORDER}
    if field == "tie":
        return value is None or isinstance(value, list) and len(value) == 2 and set(value) <= {str(category) for category in Category}
    return isinstance(value, str) and value in RULE_SETS


def parse_reader(header: str | None) -> str:
    """The reader's name from `X-Lirads-Reader`, which is percent-encoded UTF-8.

    Raises:
        BadReader: no header, an empty or too long name, or one with control characters.
    """
    if header is None:
        raise BadReader(Problem(READER_HEADER, _NAME, "no such header"))
    try:
        name = unquote_to_bytes(header).decode("utf-8").strip()
    except UnicodeError:
        raise BadReader(Problem(READER_HEADER, _NAME, "no UTF-8")) from None
    return check_name(name, READER_HEADER)


def check_name(name: str, where: str) -> str:
    """The name itself, which DICOM can carry.

    Raises:
        BadReader: it is empty or too long, or has control characters.
    """
    if not (0 < len(name) <= NAME_CHARACTERS_MAX and name.isprintable()):
        raise BadReader(Problem(where, _NAME, f"{len(name)} characters" if name.isprintable() else "control characters"))
    return name
