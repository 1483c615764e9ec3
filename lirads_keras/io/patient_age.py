"""How old the patient was at the examination."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from lirads_keras.io.dicom_headers import Examination

OLDEST_YEARS = 120.0
"""Who would be older has a birth date that stands for an unknown one, such as 19000101."""


def find_age_years(examinations: Iterable[Examination]) -> float | None:
    """The age that PatientAge tells, and PatientBirthDate with StudyDate (PS3.3, C.7.1.1 and C.7.2.2); None where none does.

    Where they or the files contradict each other the youngest age counts: what is for adults alone is then not given to somebody who may be a child.
    """
    ages = [age for examination in set(examinations) for age in (
        examination.age_years, _compute_age_years(examination.birth_date, examination.study_date)) if age is not None]
    return min(ages, default=None)


def _compute_age_years(birth_date: str, study_date: str) -> float | None:
    """Whole years; None where a date is none, or no age follows."""
    born, at = _parse_date(birth_date), _parse_date(study_date)
    if born is None or at is None:
        return None
    birthdays = at.year - born.year - ((at.month, at.day) < (born.month, born.day))
    return float(birthdays) if 0 <= birthdays < OLDEST_YEARS else None


def _parse_date(text: str) -> date | None:
    """A DA, also with the points of earlier versions of the standard (PS3.5, 6.2)."""
    digits = text.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) if len(digits) == 8 and digits.isdecimal() else None
    except ValueError:
        return None
