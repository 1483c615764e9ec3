from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

STUDY_UID = "1.2.826.0.1.3680043.8.498.1"


def _write_image(path: Path, pixels: np.ndarray, **attributes: Any) -> Path:
    """One classic axial MR image of 2 × 1.5 mm pixels; `attributes` replace the defaults, None leaves one out."""
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage if attributes.get("Modality") == "CT" else MRImageStorage, "SOPInstanceUID": generate_uid(), "Modality": "MR",
        "PatientID": "P-1", "StudyInstanceUID": STUDY_UID, "SeriesInstanceUID": STUDY_UID + ".1", "SeriesDescription": "LAVA DELAYED 180s",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"], "InstanceNumber": 1, "ImagePositionPatient": [-10, -20, 30],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [2, 1.5], "SliceThickness": 4, "Rows": pixels.shape[0], "Columns": pixels.shape[1],
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": int(pixels.dtype.kind == "i"), "PixelData": pixels.tobytes()} | attributes
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = values["SOPClassUID"]
    meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _write_series(
        folder: Path, slices: int = 4, *, description: str = "LAVA DELAYED 180s", series: int = 1, first_value: int = 100, **attributes: Any) -> list[Path]:
    """Slices at 30, 34, … mm; slice k holds first_value + k at row 0 and 2 · (first_value + k) elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(slices):
        pixels = np.full((3, 5), 2 * (first_value + index), np.uint16)
        pixels[0] = first_value + index
        paths.append(_write_image(folder / f"{series}-{index}.dcm", pixels, **{
            "SeriesInstanceUID": f"{STUDY_UID}.{series}", "SeriesDescription": description, "InstanceNumber": index + 1,
            "ImagePositionPatient": [-10, -20, 30 + 4 * index]} | attributes))
    return paths


@pytest.fixture()
def write_image() -> Callable[..., Path]:
    return _write_image


@pytest.fixture()
def write_series() -> Callable[..., list[Path]]:
    return _write_series


@pytest.fixture()
def real_data() -> Iterator[Path]:
    folder = os.environ.get("LIRADS_REAL_DATA")
    if not folder:
        pytest.skip("LIRADS_REAL_DATA is not set")
    yield Path(folder)
