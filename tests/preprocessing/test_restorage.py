"""However a study is stored, the phases that come out are the same to rounding, and with them all that is computed of them."""
from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

from lirads_keras.entities import ENHANCED_PHASES
from lirads_keras.io.dicom import read_study
from lirads_keras.io.dicom_sources import read_source
from lirads_keras.preprocessing.study import read_aligned_phases

SHAPE, SPACING_MM, FIRST_MM = (5, 6, 8), (4.0, 2.0, 1.5), (-10.0, -20.0, 30.0)
NAMES = ("LAVA ARTERIAL 35s", "LAVA PORTAL VENOUS 70s", "LAVA DELAYED 180s")


@dataclass(frozen=True)
class Storage:
    """How one phase is stored. `exchange`, `reverse`: rows and columns, and the direction of each. `divide`: stored values are so many times the true ones in
    slice z, which RescaleSlope makes good."""

    exchange: bool
    reverse_rows: bool
    reverse_columns: bool
    divide: tuple[int, ...]
    syntax: str


STORAGE = st.builds(
    Storage, st.booleans(), st.booleans(), st.booleans(), st.tuples(*[st.sampled_from([1, 2, 4, 8])] * SHAPE[0]),
    st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless]))
AS_IT_IS = Storage(False, False, False, (1,) * SHAPE[0], ExplicitVRLittleEndian)


def write_phase(folder: Path, number: int, storage: Storage, *, merged: bool) -> None:
    """The phase's slices; merged: all phases have one SeriesInstanceUID, and SeriesNumber tells them apart."""
    generator = np.random.default_rng(number)
    for z, pixels in enumerate(generator.integers(0, 4000, SHAPE)):
        row, column = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        place = np.array(FIRST_MM) + [0, 0, SPACING_MM[0] * z]
        spacing = [SPACING_MM[1], SPACING_MM[2]]
        if storage.reverse_rows:
            place, row, pixels = place + row * spacing[1] * (pixels.shape[1] - 1), -row, pixels[:, ::-1]
        if storage.reverse_columns:
            place, column, pixels = place + column * spacing[0] * (pixels.shape[0] - 1), -column, pixels[::-1]
        if storage.exchange:
            row, column, spacing, pixels = column, row, spacing[::-1], pixels.T
        write_image(folder, number, z, np.ascontiguousarray(pixels), (row, column, place, spacing), storage, merged=merged)


def write_image(folder: Path, number: int, z: int, pixels: np.ndarray, where, storage: Storage, *, merged: bool) -> None:
    row, column, place, spacing = where
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if storage.syntax == ImplicitVRLittleEndian else ExplicitVRLittleEndian
    image = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID, image.Modality = MRImageStorage, meta.MediaStorageSOPInstanceUID, "MR"
    image.PatientID, image.StudyInstanceUID = "P", "1.2.3"
    image.SeriesInstanceUID, image.SeriesNumber = ("1.2.3.9" if merged else f"1.2.3.{number}"), number + 1
    image.SeriesDescription, image.ImageType, image.InstanceNumber = NAMES[number], ["ORIGINAL", "PRIMARY", "M"], z + 1
    image.ImagePositionPatient, image.ImageOrientationPatient = [f"{value:.4f}" for value in place], [*row, *column]
    image.PixelSpacing, image.SliceThickness, image.FrameOfReferenceUID = spacing, SPACING_MM[0], "1.2.3.4"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.RescaleSlope, image.RescaleIntercept = f"{1 / storage.divide[z]:g}", "0"
    image.PixelData = (pixels * storage.divide[z]).astype(np.uint16).tobytes()
    if storage.syntax == RLELossless:
        image.compress(RLELossless)
    image.save_as(folder / f"{number}-{z}", enforce_file_format=True)


def read(folder: Path):
    series = read_study(folder).phases()
    volumes = read_aligned_phases(series)
    return series, volumes


@settings(max_examples=40)
@given(storages=st.tuples(STORAGE, STORAGE, STORAGE), merged=st.booleans(), order=st.permutations(range(3 * SHAPE[0])))
def test_how_a_study_is_stored_changes_nothing(tmp_path_factory, storages, merged, order):
    folder, plain = tmp_path_factory.mktemp("stored"), tmp_path_factory.mktemp("plain")
    try:
        for number in range(3):
            write_phase(plain, number, AS_IT_IS, merged=False)
            write_phase(folder, number, storages[number], merged=merged)
        for place, path in zip(order, sorted(folder.iterdir()), strict=True):
            path.rename(folder / f"IM{place:04d}")
        (_, expected), (series, found) = read(plain), read(folder)
        assert list(found) == list(expected) == list(ENHANCED_PHASES)
        for phase in ENHANCED_PHASES:
            np.testing.assert_allclose(found[phase].array, expected[phase].array, atol=1e-3)
            np.testing.assert_allclose(found[phase].affine, expected[phase].affine, atol=1e-9)
            # Each slice of the result names the image that it was read from.
            images = {str(image.SOPInstanceUID): image for image in (pydicom.dcmread(path, stop_before_pixels=True) for path in series[phase].files)}
            named = read_source(series[phase], expected[phase]).of_slice
            assert [float(images[image.sop_instance_uid].ImagePositionPatient[2]) for image in named] == [30.0 + 4 * z for z in range(SHAPE[0])]
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(plain)
