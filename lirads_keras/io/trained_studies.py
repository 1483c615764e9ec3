"""The studies that a run's networks were trained on, by hashes that tell nothing of a patient: who reads one of them later is told."""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from lirads_keras.entities import Phase, Series, find_grid_phase
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom
from lirads_keras.io.dicom_scan import read_headers
from lirads_keras.io.nifti import is_nifti
from lirads_keras.io.records import Record

HASH_DIGITS = 16


def compute_study_hash(study_uid: str) -> str:
    """The first hex digits of the SHA-256 of a StudyInstanceUID."""
    return hashlib.sha256(study_uid.encode()).hexdigest()[:HASH_DIGITS]


def write_trained_studies(record: Record, identity: str, fold_of: Mapping[str, int], series_of: Callable[[str], Mapping[Phase, Series]]) -> None:
    """Keeps the hash of each patient's study with the fold that tests it, unless the record was written under this identity.

    Args:
        record: of the run.
        identity: of the trainings.
        fold_of: test fold of the patients who are trained on.
        series_of: gives a patient's series. NIfTI files name no study: nothing is kept, and later said, of them.

    Raises:
        InputError: as `series_of`, or a DICOM file that cannot be read.
    """
    if record.made_from(identity):
        return
    uids = {patient_id: _read_study_uid(series_of(patient_id)) for patient_id in fold_of}
    record.write(identity, fold_of_study={compute_study_hash(uid): fold_of[patient_id] for patient_id, uid in uids.items() if uid})


def read_trained_studies(record: Record) -> dict[str, int]:
    """Test fold by hash of the study; empty where the run has no such record."""
    found = record.read().get("fold_of_study", {})
    return {str(name): int(fold) for name, fold in found.items()}


def _read_study_uid(phases: Mapping[Phase, Series]) -> str:
    path = phases[find_grid_phase(phases)].files[0]
    if is_nifti(path):
        return ""
    try:
        with quiet_pydicom():
            return read_headers(path)[0].examination.study_uid
    except Unusable as problem:
        raise InputError(Problem(str(path), problem.expected, problem.found)) from problem
    except OSError as error:
        raise InputError(Problem(str(path), "a readable file", error.strerror or str(error))) from error
