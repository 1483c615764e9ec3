"""Writes a phase as MR Image Storage, one file a slice (DICOM PS3.3 A.4, PS3.4 B.5)."""
from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from lirads_keras.entities import ENHANCED_PHASES, VIRTUAL_COHORT, Phase
from lirads_keras.phantom.cohort import PatientPlan
from lirads_keras.phantom.signal import SCANNERS, Scanner

PROTON_MHZ_PER_T = 42.577
DOSE_ML_PER_KG = 0.2
CONCENTRATION_MMOL_PER_ML = 0.5
"""0.1 mmol/kg of a 0.5 mol/L extracellular agent; the rate is the paper's 2.5–3 ml/s (§2.3)."""

DESCRIPTIONS = {
    "GE MEDICAL SYSTEMS": {
        Phase.ARTERIAL: "LAVA ARTERIAL {seconds:.0f}s", Phase.PORTAL_VENOUS: "LAVA PORTAL VENOUS {seconds:.0f}s", Phase.DELAYED: "LAVA DELAYED {seconds:.0f}s"},
    "Philips Medical Systems": {Phase.ARTERIAL: "THRIVE arterial", Phase.PORTAL_VENOUS: "THRIVE portal", Phase.DELAYED: "THRIVE delayed"},
    "SIEMENS": {Phase.ARTERIAL: "t1_vibe_tra arterial", Phase.PORTAL_VENOUS: "t1_vibe_tra portal venous", Phase.DELAYED: "t1_vibe_tra delayed"},
}
SEQUENCE_NAMES = {"GE MEDICAL SYSTEMS": "LAVA", "Philips Medical Systems": "THRIVE", "SIEMENS": "VIBE"}
FIRST_SERIES_NUMBER = 7
WINDOW_PERCENTILE = 99.5


@dataclass(frozen=True, eq=False)
class Acquisition:
    """One phase to write: voxels (z, y, x) uint16 in scanner units and the time of its contrast, seconds after the start of injection."""

    phase: Phase
    seconds: float
    voxels: np.ndarray


def build_uid(*parts: str | int) -> UID:
    """A UID that is always the same for the same parts: a name-based UUID under 2.25 (PS3.5 B.2)."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def write_series(
        folder: Path, plan: PatientPlan, acquisition: Acquisition, affine: np.ndarray, spacing_mm: tuple[float, float, float], digest: str,
        injection: datetime, *, thickness_mm: float | None = None) -> str:
    """Writes one phase of a patient.

    Args:
        folder: new, for this series alone; files are numbered from the uppermost slice down, as consoles do.
        affine: index (z, y, x, 1) to LPS mm, `spacing_mm` (z, y, x) in the same order.
        digest: of the cohort's settings; UIDs are hashed from it, the patient, the phase and the slice.
        injection: start of the injection.
        thickness_mm: of the slices as acquired, where they were interpolated to closer ones (default: their spacing).

    Returns:
        The SeriesInstanceUID.
    """
    folder.mkdir(parents=True)
    dataset = _build_template(plan, acquisition, affine, spacing_mm, digest, injection)
    if thickness_mm is not None:
        dataset.SliceThickness = _decimal(thickness_mm)
    slices = len(acquisition.voxels)
    normal = affine[:3, 0] / np.linalg.norm(affine[:3, 0])
    for index, voxels in enumerate(acquisition.voxels):
        number = slices - index
        uid = build_uid(digest, plan.patient_id, acquisition.phase, index)
        position = affine[:3, 0] * index + affine[:3, 3]
        dataset.SOPInstanceUID = uid
        dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [_decimal(value) for value in position]
        dataset.SliceLocation = _decimal(float(position @ normal))
        dataset.PixelData = voxels.astype("<u2").tobytes()
        with open(folder / f"{number:04d}.dcm", "wb") as file:
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
    return str(dataset.SeriesInstanceUID)


def _build_template(
        plan: PatientPlan, acquisition: Acquisition, affine: np.ndarray, spacing_mm: tuple[float, float, float], digest: str,
        injection: datetime) -> Dataset:
    scanner = SCANNERS[plan.scanner]
    moment = injection + timedelta(seconds=acquisition.seconds)
    dataset = Dataset()
    dataset.file_meta = _build_file_meta()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = MRImageStorage
    _fill_patient_and_study(dataset, plan, digest, injection)
    number = FIRST_SERIES_NUMBER + ENHANCED_PHASES.index(acquisition.phase)
    description = DESCRIPTIONS[scanner.manufacturer][acquisition.phase].format(seconds=acquisition.seconds)
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = build_uid(digest, plan.patient_id, acquisition.phase)
    dataset.SeriesNumber = number
    dataset.SeriesDescription = description
    dataset.ProtocolName = f"Liver dynamic, {VIRTUAL_COHORT}"
    dataset.BodyPartExamined = "LIVER"
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = build_uid(digest, plan.patient_id, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = moment.strftime("%Y%m%d")
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = _time(moment)
    dataset.AcquisitionNumber = number - FIRST_SERIES_NUMBER + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.Manufacturer = scanner.manufacturer
    dataset.ManufacturerModelName = scanner.model
    dataset.SoftwareVersions = scanner.software.split("\\")
    dataset.InstitutionName = VIRTUAL_COHORT
    dataset.DeviceSerialNumber = f"{list(SCANNERS).index(scanner.name) + 1:04d}"
    _fill_mr_image(dataset, scanner, acquisition.voxels.shape[1:])
    _fill_contrast(dataset, plan, injection)
    _fill_geometry(dataset, acquisition, affine, spacing_mm)
    return dataset


def _build_file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = build_uid("lirads_keras", "phantom")
    meta.ImplementationVersionName = "LIRADS_KERAS"
    return meta


def _fill_patient_and_study(dataset: Dataset, plan: PatientPlan, digest: str, injection: datetime) -> None:
    start = injection - timedelta(minutes=15)
    dataset.PatientName = f"{plan.patient_id}^Virtual"
    dataset.PatientID = plan.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = plan.sex
    dataset.PatientAge = f"{plan.age_years:03d}Y"
    dataset.PatientWeight = _decimal(plan.weight_kg)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"{VIRTUAL_COHORT}: simulated, no person"
    dataset.StudyInstanceUID = build_uid(digest, plan.patient_id, "study")
    dataset.StudyDate = start.strftime("%Y%m%d")
    dataset.StudyTime = _time(start)
    dataset.StudyID = f"{plan.index + 1}"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "MR upper abdomen with contrast"


def _fill_mr_image(dataset: Dataset, scanner: Scanner, matrix: tuple[int, ...]) -> None:
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = ["SP", "SK"]
    dataset.ScanOptions = "FS"
    dataset.MRAcquisitionType = "3D"
    dataset.SequenceName = SEQUENCE_NAMES[scanner.manufacturer]
    dataset.RepetitionTime = _decimal(scanner.sequence.repetition_time_ms)
    dataset.EchoTime = _decimal(scanner.sequence.echo_time_ms)
    dataset.EchoTrainLength = 1
    dataset.FlipAngle = _decimal(scanner.sequence.flip_angle_deg)
    dataset.NumberOfAverages = _decimal(1)
    dataset.ImagedNucleus = "1H"
    dataset.MagneticFieldStrength = _decimal(scanner.field_t)
    dataset.ImagingFrequency = _decimal(scanner.field_t * PROTON_MHZ_PER_T)
    dataset.AcquisitionMatrix = [0, matrix[1], matrix[0], 0]
    dataset.InPlanePhaseEncodingDirection = "COL"


def _fill_contrast(dataset: Dataset, plan: PatientPlan, injection: datetime) -> None:
    volume_ml = plan.weight_kg * DOSE_ML_PER_KG
    dataset.ContrastBolusAgent = plan.agent
    dataset.ContrastBolusRoute = "IV"
    dataset.ContrastBolusVolume = _decimal(volume_ml)
    dataset.ContrastBolusStartTime = _time(injection)
    dataset.ContrastBolusTotalDose = _decimal(volume_ml)
    dataset.ContrastFlowRate = _decimal(plan.injection_rate_ml_s)
    dataset.ContrastFlowDuration = _decimal(volume_ml / plan.injection_rate_ml_s)
    dataset.ContrastBolusIngredient = "GADOLINIUM"
    dataset.ContrastBolusIngredientConcentration = _decimal(CONCENTRATION_MMOL_PER_ML)


def _fill_geometry(dataset: Dataset, acquisition: Acquisition, affine: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    along_row = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    down_column = affine[:3, 1] / np.linalg.norm(affine[:3, 1])
    _, rows, columns = acquisition.voxels.shape
    dataset.ImageOrientationPatient = [_decimal(value) for value in (*along_row, *down_column)]
    dataset.PixelSpacing = [_decimal(spacing_mm[1]), _decimal(spacing_mm[2])]
    dataset.SliceThickness = _decimal(spacing_mm[0])
    dataset.SpacingBetweenSlices = _decimal(spacing_mm[0])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    brightest = float(np.percentile(acquisition.voxels, WINDOW_PERCENTILE))
    dataset.WindowCenter, dataset.WindowWidth = _decimal(round(brightest / 2)), _decimal(max(round(brightest), 1))


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2, DS)."""
    return f"{value + 0.0:.9g}"


def _time(moment: datetime) -> str:
    return moment.strftime("%H%M%S.%f")
