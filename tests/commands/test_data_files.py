from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from lirads_keras.cli import main


def write_study(folder: Path) -> None:
    folder.mkdir()
    for number, name in enumerate(("LAVA ARTERIAL", "LAVA PORTAL VENOUS", "LAVA DELAYED")):
        for z in range(3):
            dataset = pydicom.Dataset()
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID, dataset.PatientName = MRImageStorage, generate_uid(), "4711", "Doe^John"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.3", f"1.2.3.{number}", name
            dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing = [0, 0, 4 * z], [1, 0, 0, 0, 1, 0], [1, 1]
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.Rows, dataset.Columns = 1, "MONOCHROME2", 4, 4
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
            dataset.PixelData = np.full((4, 4), 100 * number + z, np.uint16).tobytes()
            dataset.save_as(folder / f"{number}{z}", enforce_file_format=True)


def test_index_says_what_it_found_and_keeps_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path / "in")
    assert main(["data", "index", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "9 files: 1 patient(s), 3 time point(s) of series" in printed.out and "4711" not in printed.out + printed.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "patients.csv", "series.csv", "lesions.csv", "files.csv", "set_aside.csv", "phase_overrides.csv", "pseudonym.key"}
    first = (tmp_path / "out" / "patients.csv").read_text()
    assert main(["data", "index", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0 and (tmp_path / "out" / "patients.csv").read_text() == first
    assert main(["data", "index", str(tmp_path / "in"), "--out", str(tmp_path / "kept"), "--keep-ids"]) == 0
    assert "4711" in (tmp_path / "kept" / "patients.csv").read_text() and not (tmp_path / "kept" / "pseudonym.key").exists()


def test_the_same_key_joins_index_and_copies(tmp_path: Path) -> None:
    write_study(tmp_path / "in")
    key = ["--key", str(tmp_path / "my key")]
    assert main(["data", "index", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *key]) == 0
    assert main(["data", "deidentify", str(tmp_path / "in"), "--out", str(tmp_path / "copies"), *key]) == 0
    patient, = (path.name for path in (tmp_path / "copies").iterdir())
    assert f"\n{patient}," in (tmp_path / "out" / "patients.csv").read_text()


@pytest.mark.parametrize("arguments, message", [
    (["index", "{in}/absent", "--out", "{in}/out"], "no such folder"),
    (["index", "{in}", "--out", "{in}/out", "--masks-complete"], "--masks FOLDER with it"),
    (["index", "{in}", "--out", "{in}/out", "--masks", "{in}/nothing"], "a folder with label maps (NIfTI, NRRD or MetaImage), found no such folder"),
    (["deidentify", "{in}", "--out", "{in}", "--key", "{in}.key"], "a new or an empty folder"),
    (["deidentify", "{in}", "--out", "{in}/out", "--key", "{in}/out/key"], "a file outside of the copies' folder")])
def test_a_bad_call_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    write_study(tmp_path / "in")
    assert main(["data", *(argument.replace("{in}", str(tmp_path / "in")) for argument in arguments)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and message in errors[0] and not (tmp_path / "in" / "out" / "patients.csv").exists()
