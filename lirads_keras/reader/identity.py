"""Who the patient is: read when the reader asks, shown on the page, kept nowhere."""
from __future__ import annotations

from pydicom.errors import InvalidDicomError

from lirads_keras.entities import Study, find_grid_phase
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_elements import quiet_pydicom
from lirads_keras.io.dicom_walk import read_dataset

_TAGS = {"patient_name": "PatientName", "patient_id": "PatientID", "birth_date": "PatientBirthDate", "sex": "PatientSex", "study_date": "StudyDate",
         "accession_number": "AccessionNumber"}


def read_identity(study: Study) -> dict[str, str]:
    """The patient's and the examination's identifying tags from a file of the phase on whose grid the study is read; what is not there is empty.

    Raises:
        InputError: the file is gone or no DICOM file any more.
    """
    series = study.phases()
    path = series[find_grid_phase(series)].files[0]
    try:
        with quiet_pydicom():
            dataset = read_dataset(path, stop_before_pixels=True, specific_tags=list(_TAGS.values()))
            return {name: str(dataset.get(keyword) or "") for name, keyword in _TAGS.items()}
    except (OSError, InvalidDicomError) as error:
        raise InputError(Problem(f"study {study.patient_id}", "the files that were opened", f"{type(error).__name__}")) from error
