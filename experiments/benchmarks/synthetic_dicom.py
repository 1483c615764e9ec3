"""A series of classic MR images with headers as long as scanners write them, for the benchmarks that read files."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

SLICE_MM = 3.0
PRIVATE_ELEMENTS, PRIVATE_BYTES = 80, 64
"""With the standard attributes about 120 elements and 8 KB, as in a GE dynamic series."""


def write_series(folder: Path, slices: int, side: int, *, series: int = 1, seed: int = 0) -> None:
    """Writes slices of side × side pixels, uint16, in one folder; noise over a smooth background."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.ImageType, dataset.Modality, dataset.Manufacturer = ["ORIGINAL", "PRIMARY", "OTHER"], "MR", "GE MEDICAL SYSTEMS"
    dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "SYNTHETIC", "2.25.1", f"2.25.1.{series}"
    dataset.SeriesDescription, dataset.ProtocolName = "LAVA DELAYED 180s", "synthetic"
    dataset.AcquisitionDate = dataset.ContentDate = "20200101"
    dataset.AcquisitionTime = dataset.ContentTime = "120000.5"
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.8, 0.8]
    dataset.EchoTime, dataset.RepetitionTime, dataset.MagneticFieldStrength = 1.2, 3.4, 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.Rows, dataset.Columns = 1, "MONOCHROME2", side, side
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    for number in range(PRIVATE_ELEMENTS):
        block.add_new(number, "LO", "x" * PRIVATE_BYTES)
    for index in range(slices):
        uid = UID(f"2.25.1.{series}.{index + 1}")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber, dataset.ImagePositionPatient = index + 1, [-100, -100, SLICE_MM * index]
        dataset.PixelData = rng.gamma(2, 150, (side, side)).astype("<u2").tobytes()
        dataset.save_as(folder / f"{series:04d}-{index:05d}", enforce_file_format=True)
