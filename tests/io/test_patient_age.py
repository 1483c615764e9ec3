from __future__ import annotations

from pathlib import Path

import pytest

from lirads_keras.entities import Phase
from lirads_keras.io.dicom import read_study


@pytest.mark.parametrize("attributes, years", [
    ({"PatientAge": "017Y"}, 17), ({"PatientAge": "018Y"}, 18), ({"PatientAge": "030M"}, 2.5), ({"PatientAge": "000Y"}, None),
    ({"PatientAge": "old"}, None), ({}, None),
    ({"PatientBirthDate": "20081231", "StudyDate": "20261130"}, 17), ({"PatientBirthDate": "20081130", "StudyDate": "20261130"}, 18),
    ({"PatientBirthDate": "20081201", "StudyDate": "20261130"}, 17), ({"PatientBirthDate": "2008.12.01", "StudyDate": "20261130"}, 17),
    ({"PatientBirthDate": "20261101", "StudyDate": "20261130"}, 0), ({"PatientBirthDate": "20270101", "StudyDate": "20261130"}, None),
    ({"PatientBirthDate": "19000101", "StudyDate": "20261130"}, None), ({"PatientBirthDate": "20080231", "StudyDate": "20261130"}, None),
    ({"PatientBirthDate": "2008", "StudyDate": "20261130"}, None), ({"PatientBirthDate": "19600101"}, None),
    # Who may be a child is taken for one.
    ({"PatientAge": "040Y", "PatientBirthDate": "20100101", "StudyDate": "20261130"}, 16),
    ({"PatientAge": "012Y", "PatientBirthDate": "19600101", "StudyDate": "20261130"}, 12),
    ({"PatientAge": "066Y", "PatientBirthDate": "19600101", "StudyDate": "20261130"}, 66)])
def test_the_age_of_a_study(tmp_path: Path, write_series, attributes, years) -> None:
    write_series(tmp_path, **attributes)
    study = read_study(tmp_path)
    assert Phase.DELAYED in study.phases() and study.age_years == years
