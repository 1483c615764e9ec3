from __future__ import annotations

import hashlib
import json

import pytest

from lirads_keras.entities import Phase, Series
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_study
from lirads_keras.io.records import Record
from lirads_keras.io.trained_studies import compute_study_hash, read_trained_studies, write_trained_studies


def test_the_hash_is_the_start_of_the_sha_256():
    assert compute_study_hash("1.2.3") == hashlib.sha256(b"1.2.3").hexdigest()[:16]


def test_studies_are_kept_by_their_hash_with_the_fold_that_tests_them(tmp_path, write_series):
    series = {}
    for number, patient_id in enumerate(("P1", "P2")):
        write_series(tmp_path / patient_id, description="LAVA PORTAL VENOUS 70s", StudyInstanceUID=f"1.2.{number}")
        series[patient_id] = read_study(tmp_path / patient_id).phases()
    series["P3"] = {Phase.DELAYED: Series("", (tmp_path / "P3.nii.gz",), Phase.DELAYED, "manifest")}
    fold_of = {"P1": 0, "P2": 4, "P3": 1}
    record = Record(tmp_path / "trained_studies.json")
    assert read_trained_studies(record) == {}
    write_trained_studies(record, "a", fold_of, series.__getitem__)
    assert read_trained_studies(record) == {compute_study_hash("1.2.0"): 0, compute_study_hash("1.2.1"): 4}
    assert "1.2." not in record.path.read_text() and "P1" not in record.path.read_text()
    # Written under this identity, it is not made again; under another it is, and of images that are gone that is told.
    for path in (tmp_path / "P2").iterdir():
        path.unlink()
    write_trained_studies(record, "a", {}, series.__getitem__)
    assert len(read_trained_studies(record)) == 2
    with pytest.raises(InputError, match="P2.*: expected a readable file, found No such file"):
        write_trained_studies(record, "b", fold_of, series.__getitem__)
    (tmp_path / "P2" / next(iter(series["P2"].values())).files[0].name).write_bytes(b"no DICOM")
    with pytest.raises(InputError, match="P2.*: expected a DICOM file"):
        write_trained_studies(record, "b", fold_of, series.__getitem__)
    assert json.loads(record.path.read_text())["identity"] == "a"
