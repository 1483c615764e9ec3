from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import MEMORY_BYTES, MUTATIONS, Mutations, find_peak_bytes, mutate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from lirads_keras.entities import Phase, Series, Study
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_study, read_volume
from lirads_keras.io.dicom_scan import scan_folder
from lirads_keras.io.nifti import read_mask_on_grid

PREAMBLE_BYTES = 128

WriteSeries = Callable[..., list[Path]]
WriteImage = Callable[..., Path]


def edit(path: Path, **attributes: Any) -> None:
    """Changes attributes of a file; None removes one."""
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def delayed(study: Study) -> Series:
    return study.phases()[Phase.DELAYED]


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def test_a_heap_of_files_becomes_a_study(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path / "in", description="LAVA ARTERIAL 35s", series=1, first_value=10)
    paths += write_series(tmp_path / "in", description="THRIVE portal venous", series=2, first_value=20)
    paths += write_series(tmp_path / "in", description="LAVA DELAYED 180s", series=3, first_value=30)
    (tmp_path / "in" / "README").write_text("no DICOM")
    random.Random(1).shuffle(paths)
    for number, path in enumerate(paths):
        target = tmp_path / "heap" / str(number % 3) / f"F{number:04d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)

    study = read_study(tmp_path / "heap")
    assert (study.patient_id, study.study_uid) == ("P-1", "1.2.826.0.1.3680043.8.498.1")
    assert {phase: series.description for phase, series in study.phases().items()} == {
        Phase.ARTERIAL: "LAVA ARTERIAL 35s", Phase.PORTAL_VENOUS: "THRIVE portal venous", Phase.DELAYED: "LAVA DELAYED 180s"}
    volume = read_volume(delayed(study))
    assert volume.array.dtype == np.float32 and volume.shape == (4, 3, 5)
    assert volume.array[:, 0, 0].tolist() == [30, 31, 32, 33] and volume.array[:, 1, 4].tolist() == [60, 62, 64, 66]
    assert volume.spacing_mm == (4, 2, 1.5)
    assert (volume.affine @ [3, 2, 4, 1]).tolist() == [-10 + 4 * 1.5, -20 + 2 * 2, 30 + 3 * 4, 1]


def test_slices_are_sorted_along_their_normal_on_an_oblique_grid(tmp_path: Path, write_image: WriteImage) -> None:
    row, column = np.array([0, 0.6, 0.8]), np.array([1.0, 0, 0])
    normal = np.cross(row, column)
    for index, order in enumerate([2, 0, 3, 1]):
        write_image(
            tmp_path / f"{index}.dcm", np.full((2, 3), order, np.uint16), ImageOrientationPatient=[*row, *column],
            ImagePositionPatient=(np.array([5, 6, 7]) + 3 * order * normal).tolist(), PixelSpacing=[0.5, 0.25])
    volume = read_volume(read_series(tmp_path)[0])
    assert volume.array[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert volume.spacing_mm == pytest.approx((3, 0.5, 0.25))
    np.testing.assert_allclose(volume.affine[:3].T, np.stack([normal * 3, column * 0.5, row * 0.25, np.array([5, 6, 7])]), atol=1e-9)


def test_geometry_equals_simpleitks(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path, ImageOrientationPatient=[0.8, 0.6, 0, -0.6, 0.8, 0])
    image = sitk.ReadImage([str(path) for path in paths])
    volume = read_volume(read_series(tmp_path)[0])
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    for z, y, x in ((0, 0, 0), (3, 2, 4), (1, 0, 3)):
        np.testing.assert_allclose((volume.affine @ [z, y, x, 1])[:3], image.TransformIndexToPhysicalPoint((x, y, z)), atol=1e-6)


def test_signed_pixels_unused_bits_and_rescale(tmp_path: Path, write_image: WriteImage) -> None:
    # 12 bits stored, the upper four hold rubbish (an embedded overlay, retired).
    pixels = np.array([[0x0FFF, 0x7800], [0x07FF, 0x0001]], np.uint16)
    for index in range(2):
        write_image(
            tmp_path / f"{index}.dcm", pixels, BitsStored=12, HighBit=11, PixelRepresentation=1, ImagePositionPatient=[0, 0, index], Modality="CT",
            RescaleSlope=2, RescaleIntercept=-1000)
    assert read_volume(read_series(tmp_path)[0]).array[1].tolist() == [[-1002, -5096], [3094, -998]]


def test_philips_slices_of_different_scales_come_on_that_of_the_first(tmp_path: Path, write_image: WriteImage) -> None:
    # Stored value, RescaleSlope, scale slope: displayed 200 and 100, floating point 100 both (Chenevert et al. 2014).
    for index, (stored, rescale, scale) in enumerate([(100, 2.0, 1.0), (50, 2.0, 0.5), (100, 2.0, 1.0)]):
        path = write_image(tmp_path / f"{index}.dcm", np.full((2, 2), stored, np.uint16), ImagePositionPatient=[0, 0, index], RescaleSlope=rescale)
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", scale)
        dataset.save_as(path)
    assert read_volume(read_series(tmp_path)[0]).array[:, 0, 0].tolist() == [200, 200, 200]


def test_a_real_world_value_mapping_stands_in_for_a_missing_rescale(tmp_path: Path, write_series: WriteSeries) -> None:
    for path in write_series(tmp_path, first_value=10):
        mapping = pydicom.Dataset()
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.5, -1.0
        edit(path, RealWorldValueMappingSequence=[mapping])
    assert read_volume(read_series(tmp_path)[0]).array[:, 0, 0].tolist() == [4, 4.5, 5, 5.5]


def test_duplicated_slices_are_set_aside_and_different_ones_are_not(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path)
    edit(Path(shutil.copy(paths[2], tmp_path / "sent again")), SOPInstanceUID="1.2.3.4")
    assert [len(series.files) for series in read_series(tmp_path)] == [4]
    dataset = pydicom.dcmread(tmp_path / "sent again")
    dataset.PixelData = b"\1" + dataset.PixelData[1:]
    dataset.save_as(tmp_path / "sent again")
    assert "found 1 of 4 positions more than once, the first at 38.00 mm" in message_of(lambda: reread(tmp_path))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_other_transfer_syntaxes_give_equal_voxels(tmp_path: Path, write_series: WriteSeries, syntax: pydicom.uid.UID) -> None:
    write_series(tmp_path / "plain")
    for path in write_series(tmp_path / "other"):
        dataset = pydicom.dcmread(path)
        if syntax == RLELossless:
            dataset.compress(syntax)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            list(dataset)       # converts every element before it is written in the other byte order
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
            pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
        else:
            dataset.save_as(path, enforce_file_format=True)
    plain, other = (read_volume(read_series(tmp_path / name)[0]) for name in ("plain", "other"))
    np.testing.assert_array_equal(plain.array, other.array)


@pytest.mark.parametrize("attribute, values", [
    ("TemporalPositionIdentifier", [3, 1, 2]),
    ("TriggerTime", [31000, 900, 10000]),
    ("AcquisitionTime", ["100130.5", "093000", "100000"]),
    ("ContentTime", ["100130.5", "093000", "100000"]),
    (None, [])])
def test_time_points_of_one_series_are_told_apart_and_put_in_order(
        tmp_path: Path, write_image: WriteImage, attribute: str | None, values: list[Any]) -> None:
    for time in range(3):
        for z in range(4):
            attributes = {attribute: values[time]} if attribute else {}
            write_image(
                tmp_path / f"{time}-{z}.dcm", np.full((2, 2), time, np.uint16), ImagePositionPatient=[0, 0, 5 * z],
                # Without any time the instance number decides: all time points of a slice, then the next slice.
                InstanceNumber=10 * z + (2, 0, 1)[time], **attributes)
    series = read_series(tmp_path)
    assert [item.temporal_index for item in series] == [0, 1, 2]
    assert [read_volume(item).array[0, 0, 0] for item in series] == [1, 2, 0]
    assert (attribute or "InstanceNumber") in series[0].phase_evidence


def test_echoes_and_time_points_together_are_told_apart(tmp_path: Path, write_image: WriteImage) -> None:
    for time in range(2):
        for echo in range(2):
            for z in range(3):
                write_image(
                    tmp_path / f"{time}-{echo}-{z}.dcm", np.full((2, 2), 10 * time + echo, np.uint16), ImagePositionPatient=[0, 0, 5 * z],
                    EchoTime=1.1 + echo, AcquisitionTime=f"1000{time}0")
    assert [read_volume(item).array[0, 0, 0] for item in read_series(tmp_path)] == [0, 1, 10, 11]


def test_times_that_differ_slice_by_slice_divide_nothing(tmp_path: Path, write_series: WriteSeries) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        edit(path, AcquisitionTime=f"10000{index}", ContentTime=f"10010{index}")
    assert [len(series.files) for series in read_series(tmp_path)] == [4]


def test_what_is_no_volume_is_set_aside_with_reasons(
        tmp_path: Path, write_series: WriteSeries, write_image: WriteImage, caplog: pytest.LogCaptureFixture) -> None:
    paths = write_series(tmp_path)
    shutil.copy(paths[0], tmp_path / "again.dcm")
    write_image(tmp_path / "localizer.dcm", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_image(tmp_path / "single.dcm", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.8", ImageType=["DERIVED", "SECONDARY", "MPR"])
    write_image(tmp_path / "capture.dcm", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.7", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    write_image(tmp_path / "colour.dcm", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.6", SamplesPerPixel=3)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "old").write_bytes(b"PK\x03\x04" + bytes(200))
    write_image(tmp_path / "burned", np.zeros((9, 9), np.uint16), SeriesInstanceUID="1.2.5", BurnedInAnnotation="YES")
    with caplog.at_level("INFO"):
        study = read_study(tmp_path)
    assert [len(series.files) for series in study.series] == [4]
    for reason in ("a copy of another file", "a localizer", "a single image (DERIVED/SECONDARY/MPR)", "Secondary Capture Image Storage", "a colour image",
                   "no DICOM file", "1 × empty", "an archive, which is not looked into", "burned-in text"):
        assert reason in caplog.text


def test_a_phase_map_names_time_points_and_series(tmp_path: Path, write_series: WriteSeries) -> None:
    for time in range(3):
        write_series(tmp_path / str(time), series=1, description="DYN", first_value=10 * (time + 1), AcquisitionTime=f"10{time}000")
    write_series(tmp_path / "late", series=2, description="T1 late", first_value=90)
    map_file = tmp_path / "phases.yaml"
    map_file.write_text(
        "arterial: {series: DYN, time_point: 1}\nportal_venous: {series: 1.2.826.0.1.3680043.8.498.1.1, time_point: 2}\ndelayed: {series: T1 late}\n")
    study = read_study(tmp_path, map_file)
    assert {phase: read_volume(series).array[0, 0, 0] for phase, series in study.phases().items()} == {
        Phase.ARTERIAL: 20, Phase.PORTAL_VENOUS: 30, Phase.DELAYED: 90}
    assert study.series[0].phase is None and delayed(study).phase_evidence == "phase map"


def test_the_phase_map_comes_before_the_names(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path, series=1, description="delayed 1", first_value=10)
    write_series(tmp_path, series=2, description="delayed 2", first_value=20)
    write_series(tmp_path, series=3, description="arterial", first_value=30)
    assert "one series for the phase delayed (a phase map can name it), found 2: series 'delayed 1'" in message_of(lambda: read_study(tmp_path))
    map_file = tmp_path / "phases.yaml"
    map_file.write_text("delayed: {series: delayed 2}\n")
    study = read_study(tmp_path, map_file)
    assert study.phases()[Phase.DELAYED].description == "delayed 2" and study.phases()[Phase.ARTERIAL].description == "arterial"


@pytest.mark.parametrize("text, message", [
    ("delayed: {series: nothing}", "phases.yaml, delayed: expected one series 'nothing', found 0 of them; the study has: series 'DYN'"),
    ("delayed: {series: DYN}", "expected one series 'DYN', found 2 of them; they are: series 'DYN' (1.2.826.0.1.3680043.8.498.1.1), time points 0, 1"),
    ("delayed: {series: DYN, time_point: 2}", "one series 'DYN' with a time point 2, found 0"),
    ("delayed: {time_point: 0}\narterial: {series: DYN, time_point: 0}", "arterial: expected another series or time point than for delayed"),
    ("{}", "at least one line")])
def test_a_phase_map_that_does_not_fit(tmp_path: Path, write_series: WriteSeries, text: str, message: str) -> None:
    for time in range(2):
        write_series(tmp_path / str(time), description="DYN", AcquisitionTime=f"10{time}000")
    (tmp_path / "phases.yaml").write_text(text)
    assert message in message_of(lambda: read_study(tmp_path, tmp_path / "phases.yaml"))


def test_no_study_at_the_path(tmp_path: Path) -> None:
    assert "expected a folder with DICOM files, found no such folder" in message_of(lambda: read_study(tmp_path / "absent"))
    (tmp_path / "file").write_text("")
    assert "found a file" in message_of(lambda: read_study(tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    assert "expected a series of MR or CT images, found an empty folder" in message_of(lambda: read_study(tmp_path / "empty"))
    (tmp_path / "empty" / "notes").write_text("hello")
    assert "found 1 × no DICOM file" in message_of(lambda: read_study(tmp_path / "empty"))


def test_neither_a_delayed_nor_a_portal_venous_phase_says_what_there_is(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path, description="LAVA ARTERIAL 35s")
    message = message_of(lambda: read_study(tmp_path))
    assert "a series of the phase delayed or portal_venous (" in message and "a phase map can name it" in message
    assert "series 'LAVA ARTERIAL 35s' (1.2.826.0.1.3680043.8.498.1.1), time point 0, 4 slices (SeriesDescription 'LAVA ARTERIAL 35s': 'arterial')" in message
    assert read_study(tmp_path, require_one_of=()).phases().keys() == {Phase.ARTERIAL}
    assert read_study(tmp_path, require_one_of=(Phase.ARTERIAL, Phase.DELAYED)).phases().keys() == {Phase.ARTERIAL}


def test_a_study_may_lack_the_delayed_phase_where_it_has_a_portal_venous_one(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path / "a", description="LAVA ARTERIAL 35s")
    write_series(tmp_path / "b", series=2, description="LAVA PORTAL VENOUS 70s")
    assert read_study(tmp_path).phases().keys() == {Phase.ARTERIAL, Phase.PORTAL_VENOUS}


def test_two_patients_or_studies_are_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", series=2, description="LAVA ARTERIAL", PatientID="P-2", StudyInstanceUID="1.2.3")
    message = message_of(lambda: read_study(tmp_path))
    assert "files of one patient, found 2: " in message and "files of one study, found 2" in message
    # What is printed may be passed on: files, no identifiers.
    assert "P-1" not in message and "P-2" not in message and "2-0.dcm" in message


def truncate(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def break_file(path: Path, how: str) -> None:
    size = path.stat().st_size
    match how:
        case "zero bytes":
            truncate(path, 0)
        case "text":
            path.write_text("Dear colleague, the images follow. " * 20)
        case "truncated pixels":
            truncate(path, size - 7)
        case "truncated header":
            truncate(path, 600)
        case "truncated meta":
            truncate(path, 160)
        case "short pixels":
            edit(path, PixelData=b"\0" * 28)
        case "no pixels":
            edit(path, PixelData=None)
        case "no position":
            edit(path, ImagePositionPatient=None)
        case "no spacing":
            edit(path, PixelSpacing=None)
        case "no rows":
            edit(path, Rows=None)
        case "no orientation":
            edit(path, ImageOrientationPatient=None)


BROKEN = {
    "zero bytes": "a DICOM file, as its name says, found an empty file",
    "text": "a file without the DICM mark",
    "truncated pixels": "30 bytes of PixelData (3 rows × 5 columns), found 23 (truncated file)",
    "truncated header": "truncated file",
    "truncated meta": "DICOM file",
    "short pixels": "30 bytes of PixelData (3 rows × 5 columns), found 28",
    "no pixels": "expected PixelData, found the end of the file (truncated file?)",
    "no position": "expected ImagePositionPatient of 3 numbers, found none",
    "no spacing": "expected PixelSpacing of 2 numbers, found none",
    "no rows": "expected Rows of at least 1",
    "no orientation": "expected ImageOrientationPatient of 6 numbers, found none"}


@pytest.mark.parametrize("how, message", BROKEN.items())
def test_a_broken_file_is_one_clear_message(tmp_path: Path, write_series: WriteSeries, how: str, message: str) -> None:
    paths = write_series(tmp_path)
    break_file(paths[2], how)
    found = message_of(lambda: read_study(tmp_path))
    assert message in found and "1-2.dcm" in found and "\n" not in found
    with pytest.raises(InputError):
        read_volume(Series("1.2.826.0.1.3680043.8.498.1.1", tuple(paths), None, ""))


def test_a_file_that_became_another_series_is_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    series, = read_series(tmp_path) if write_series(tmp_path) else []
    edit(series.files[1], SeriesInstanceUID="1.2.3")
    assert "1-1.dcm: expected an image of series 1.2.826.0.1.3680043.8.498.1.1 (index the folder again?), found one of series 1.2.3" in message_of(
        lambda: read_volume(series))


def test_all_broken_files_come_at_once(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path, slices=len(BROKEN) + 3)
    for path, how in zip(paths, BROKEN):
        break_file(path, how)
    break_file(paths[-1], "no position")
    with pytest.raises(InputError) as caught:
        read_study(tmp_path)
    # Files with the same fault share a line: two end before PixelData, two have no position.
    assert len(caught.value.problems) == len(BROKEN) - 1
    assert "and 1 more: expected PixelData" in str(caught.value) and "and 1 more: expected ImagePositionPatient" in str(caught.value)


def test_broken_pixels_after_the_headers_were_read(tmp_path: Path, write_series: WriteSeries) -> None:
    series = read_series(tmp_path) if write_series(tmp_path) else []
    truncate(series[0].files[1], 700)
    series[0].files[2].unlink()
    with pytest.raises(InputError) as caught:
        read_volume(series[0])
    assert len(caught.value.problems) == 2 and "No such file" in str(caught.value)


def test_compressed_pixels_that_cannot_be_decoded(tmp_path: Path, write_series: WriteSeries) -> None:
    for path in write_series(tmp_path):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.PixelData = dataset.PixelData[:-40] + b"\xff" * 40
        dataset.save_as(path)
    message = message_of(lambda: read_volume(read_series(tmp_path)[0]))
    assert "and 3 more: expected PixelData of 3 rows × 5 columns, found pixels that cannot be decoded" in message


def reread(folder: Path) -> object:
    return [read_volume(series) for series in read_series(folder)]


def test_missing_slices_are_refused_with_their_positions(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path, slices=9)
    for index in (2, 5, 6):
        paths[index].unlink()
    assert "a slice every 4 mm, found 3 missing, at 38.00, 50.00, 54.00 mm" in message_of(lambda: reread(tmp_path))


def test_uneven_distances_are_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    edit(write_series(tmp_path, slices=6)[3], ImagePositionPatient=[-10, -20, 43.5])
    message = message_of(lambda: reread(tmp_path))
    assert "distances within 25% of the usual one, found distances from 2.5 to 5.5 mm; 1-3.dcm lies at 43.50 mm instead of 42.00 mm" in message


def test_rounded_positions_are_no_uneven_distances(tmp_path: Path, write_series: WriteSeries) -> None:
    edit(write_series(tmp_path, slices=6)[3], ImagePositionPatient=[-10, -20, 42.05])
    assert read_volume(read_series(tmp_path)[0]).spacing_mm == (4, 2, 1.5)


def test_repeated_positions_are_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    edit(write_series(tmp_path)[3], ImagePositionPatient=[-10, -20, 34])
    message = message_of(lambda: reread(tmp_path))
    assert "1 of 3 positions more than once, the first at 34.00 mm: 1-" in message and "nothing that puts them in order" in message


def test_slightly_uneven_distances_are_resampled_with_a_notice(tmp_path: Path, write_image: WriteImage, caplog: pytest.LogCaptureFixture) -> None:
    # A voxel's value is ten times its place: linear interpolation restores it wherever the slices lie.
    for index, place in enumerate([0, 4, 8.8, 12, 16]):
        write_image(tmp_path / f"{index}.dcm", np.full((2, 2), 10 * place, np.uint16), ImagePositionPatient=[0, 0, place])
    volume = read_volume(read_series(tmp_path)[0])
    np.testing.assert_allclose(volume.array[:, 1, 1], [0, 40, 80, 120, 160], atol=1e-4)
    assert volume.spacing_mm == (4, 2, 1.5) and "distances from 3.2 to 4.8 mm: resampled" in caplog.text


def test_a_tilted_gantry_is_resampled_with_a_notice(tmp_path: Path, write_image: WriteImage, caplog: pytest.LogCaptureFixture) -> None:
    # Rows of 2 mm lie 1.3 mm lower from slice to slice of 4 mm: 18°. A voxel's value is 10 × its y in mm + 1000.
    for index in range(5):
        rows = 1000 + 10 * (2 * np.arange(30) + 1.3 * index)
        write_image(tmp_path / f"{index}.dcm", np.repeat(rows[:, np.newaxis], 4, 1).astype(np.uint16), ImagePositionPatient=[5, 1.3 * index, 4 * index])
    volume = read_volume(read_series(tmp_path)[0])
    assert volume.shape == (5, 33, 4) and "tilted by 18° against the stack: resampled" in caplog.text
    z, y = np.mgrid[:5, :33]
    place_mm = (volume.affine @ np.stack([z, y, 0 * z, 0 * z + 1]).reshape(4, -1))[1].reshape(5, 33)
    inside = (place_mm >= 1.3 * z) & (place_mm <= 58 + 1.3 * z)
    np.testing.assert_allclose(volume.array[:, :, 2][inside], 1000 + 10 * place_mm[inside], atol=1e-2)
    assert inside.sum() > 5 * 28 and np.all(volume.array[0, 30:] < 1600) and volume.array[4, 0, 0] == 0


@pytest.mark.parametrize("shifts, found", [
    ([0, 3, 6, 9], "shifted by up to 9 mm in their plane (36.9°)"), ([0, 1, 0, 1], "1 mm in their plane (several stacks?)")])
def test_stacks_that_no_gantry_makes_are_refused(tmp_path: Path, write_series: WriteSeries, shifts: list[float], found: str) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        edit(path, ImagePositionPatient=[-10, -20 + shifts[index], 30 + 4 * index])
    assert found in message_of(lambda: reread(tmp_path))


def test_another_plane_among_the_slices_is_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    paths = write_series(tmp_path)
    edit(paths[1], PixelSpacing=[2, 1.6])
    assert "1-1.dcm: expected the plane of 1-0.dcm (3 × 5 px of 2 × 1.5 mm" in message_of(
        lambda: read_volume(Series("1.2.826.0.1.3680043.8.498.1.1", tuple(paths), None, "")))


@pytest.mark.parametrize("attribute, value, message", [
    ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "two perpendicular unit vectors, found 1\\0\\0\\1\\0\\0"),
    ("PixelSpacing", [0, 1], "PixelSpacing above 0, found 0\\1"),
    ("RescaleSlope", "", None),
    ("BitsStored", 17, "BitsStored and HighBit that fit in 16 bits, found 17 and 15")])
def test_senseless_attributes(tmp_path: Path, write_series: WriteSeries, attribute: str, value: Any, message: str | None) -> None:
    for path in write_series(tmp_path):
        edit(path, **{attribute: value})
    if message is None:
        reread(tmp_path)
    else:
        assert message in message_of(lambda: reread(tmp_path)) and "and 3 more" in message_of(lambda: reread(tmp_path))


def write_compressed(folder: Path, write_series: WriteSeries) -> None:
    for path in write_series(folder, slices=3):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)


def write_time_points(folder: Path, write_series: WriteSeries) -> None:
    """Three volumes in one series, which TriggerTime alone tells apart."""
    for time in range(3):
        for path in write_series(folder / str(time), slices=3, TriggerTime=30 + 60 * time):
            path.rename(folder / f"{time}-{path.name}")
        (folder / str(time)).rmdir()


FUZZED = {
    "classic": (2000, lambda folder, fixtures: fixtures("write_series")(folder, slices=3)),
    "compressed": (800, lambda folder, fixtures: write_compressed(folder, fixtures("write_series"))),
    "multi-frame": (800, lambda folder, fixtures: fixtures("write_multi_frame")(
        folder / "m.dcm", np.zeros((3, 3, 4), np.uint16), [{"z_mm": 4.0 * z, "slope": 2.0} for z in range(3)])),
    "time points": (600, lambda folder, fixtures: write_time_points(folder, fixtures("write_series"))),
    "mosaic": (800, lambda folder, fixtures: fixtures("write_mosaic")(folder / "m.dcm", np.zeros((5, 3, 4), np.uint16)))}
"""How many mutations, and how the files are written."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", FUZZED)
def test_mutated_files_are_read_or_refused(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """About 30 s for the classic files, 15 s for each other kind."""
    examples, write = FUZZED[kind]
    write(tmp_path, request.getfixturevalue)
    paths = sorted(tmp_path.iterdir())
    originals = [path.read_bytes() for path in paths]

    def read_all(folder: Path) -> tuple[Series, ...]:
        # A study of time points without phases is refused as such.
        return tuple(read_series(folder)) if kind == "time points" else read_study(folder).series

    assert len(read_all(tmp_path)) == (3 if kind == "time points" else 1)

    @settings(max_examples=examples, deadline=4000, database=None)
    @given(st.tuples(*([MUTATIONS] * len(paths))))
    def read(mutations: tuple[Mutations, ...]) -> None:
        for path, original, changes in zip(paths, originals, mutations, strict=True):
            path.write_bytes(mutate(original, changes, PREAMBLE_BYTES))
        try:
            for series in read_all(tmp_path):
                assert np.isfinite(read_volume(series).affine).all()
        except InputError as error:
            assert all(problem.expected and problem.found for problem in error.problems)

    read()
    # A decoder that believes a mutated size asks for far more.
    assert find_peak_bytes() < MEMORY_BYTES


def test_real_mr_with_three_time_points_in_one_series(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "mr_dce_one_series"
    assert [len(series.files) for series in read_series(folder)] == [60, 60, 60]
    assert "time points 0, 1, 2, 60 slices" in message_of(lambda: read_study(folder))
    map_file = tmp_path / "phases.yaml"
    map_file.write_text("arterial: {time_point: 0}\nportal_venous: {time_point: 1}\ndelayed: {time_point: 2}\n")
    phases = read_study(folder, map_file).phases()
    volumes = {phase: read_volume(series) for phase, series in phases.items()}
    assert {volume.shape for volume in volumes.values()} == {(60, 256, 256)}
    # The breast enhances: each time point is brighter than the one before.
    arterial, portal_venous, late = (float(volumes[phase].array.mean()) for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED))
    assert arterial < portal_venous < late
    image = sitk.ReadImage([str(path) for path in phases[Phase.DELAYED].files])
    np.testing.assert_array_equal(volumes[Phase.DELAYED].array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(
        (volumes[Phase.DELAYED].affine @ [59, 255, 255, 1])[:3], image.TransformIndexToPhysicalPoint((255, 255, 59)), atol=1e-4)


def test_real_ct_is_in_hu(real_data: Path) -> None:
    series, = read_series(real_data / "ct_liver_metastases")
    volume = read_volume(series)
    assert volume.shape == (51, 512, 512) and volume.spacing_mm == pytest.approx((5, 0.804688, 0.804688))
    air, soft = np.percentile(volume.array[volume.array > -1024], [2, 80])
    assert -1024 < air < -900 and 0 < soft < 100


def test_real_t2_and_adc_are_told_apart(real_data: Path) -> None:
    found = {series.description: read_volume(series) for series in read_series(real_data / "mr_t2_adc")}
    assert found["AX T2"].shape == (33, 512, 584) and found["ADC"].shape == (36, 288, 256)
    assert found["AX T2"].spacing_mm == pytest.approx((8, 0.6836, 0.6836)) and found["ADC"].spacing_mm == pytest.approx((7, 1.5625, 1.5625))


@pytest.mark.parametrize("number", range(1, 10))
def test_real_transfer_syntaxes_of_a_mosaic_equal_their_reference(real_data: Path, tmp_path: Path, number: int) -> None:
    """Nine encodings of one Siemens mosaic; the reference is dcm2niix's."""
    shutil.copy(real_data / "transfer_syntaxes" / "In" / f"{number}.dcm", tmp_path / "mosaic")
    series, = read_series(tmp_path)
    volume = read_volume(series)
    assert series.frames == tuple(range(35)) and volume.shape == (35, 64, 64) and volume.spacing_mm == pytest.approx((3.6, 3.25, 3.25))
    # Fails unless both grids are the same, up to the order of their axes.
    np.testing.assert_array_equal(read_mask_on_grid(real_data / "transfer_syntaxes" / "Ref" / f"{number}.nii", volume), volume.array)


def test_real_transfer_syntaxes_together_are_one_volume_and_its_duplicates(real_data: Path) -> None:
    scan = scan_folder(real_data / "transfer_syntaxes" / "In")
    assert len(scan.headers) == 35 and [aside.reason for aside in scan.set_aside] == ["a slice that is there already, with the same pixels"] * 8


def test_real_multi_frame_equals_its_single_frames(real_data: Path) -> None:
    folder = real_data / "seg_sr_examples" / "segmentations" / "24x38x3"
    many, one = (read_series(folder / name)[0] for name in ("multiframe", "image"))
    assert len(set(many.files)) == 1 and many.frames == (0, 1, 2) and one.frames == ()
    a, b = read_volume(many), read_volume(one)
    np.testing.assert_array_equal(a.array, b.array)
    np.testing.assert_allclose(a.affine, b.affine, atol=1e-4)


def test_real_objects_that_are_no_images(real_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        message = message_of(lambda: read_study(real_data / "seg_sr_examples", require_one_of=()))
    assert "files of one patient, found 3" in message
    for reason in ("3 × Segmentation Storage: a segmentation", "1 × Comprehensive SR Storage: a structured report"):
        assert reason in caplog.text
