"""Padding and MONOCHROME1: whatever stored values stand for, the volume is that of the plain image."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_study, read_volume
from lirads_keras.io.dicom_scan import read_headers
from lirads_keras.io.dicom_values import ONE_BLACK_FRACTION, VolumeValues

SIGNAL = np.random.default_rng(7).integers(0, 900, (4, 6, 8)).astype(np.uint16)
SIGNAL[:, 0, 0] = 0
"""Every slice has a voxel without any signal, as images with air in them do."""

SIGNAL[1] //= 3
"""Slices differ in their brightest voxel."""


@pytest.fixture
def write(tmp_path, write_image):
    """Writes slices (z, y, x) as a series, 4 mm apart."""
    def run(array, folder="series", **attributes):
        (tmp_path / folder).mkdir(exist_ok=True)
        for z, pixels in enumerate(array):
            write_image(tmp_path / folder / f"{z}.dcm", np.ascontiguousarray(pixels), ImagePositionPatient=[-10, -20, 30 + 4 * z], **attributes)
        return tmp_path / folder

    return run


def read(folder):
    (series,) = read_series(folder)
    return read_volume(series).array


INVERSIONS = {
    "16 bits": lambda signal: 65535 - signal,
    "12 bits": lambda signal: 4095 - signal,
    "largest of the volume": lambda signal: signal.max() - signal,
    "largest of each slice": lambda signal: signal.max(axis=(1, 2), keepdims=True) - signal}


@pytest.mark.parametrize("inversion", INVERSIONS)
@pytest.mark.parametrize("scale", [{}, {"RescaleSlope": 2, "RescaleIntercept": 5}])
def test_monochrome1_is_the_same_volume(write, inversion, scale):
    bits = 12 if inversion == "12 bits" else 16
    plain = read(write(SIGNAL, "plain", **scale))
    found = read(write(INVERSIONS[inversion](SIGNAL), "inverted", PhotometricInterpretation="MONOCHROME1", BitsStored=bits, HighBit=bits - 1, **scale))
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(plain, SIGNAL.astype(float) * scale.get("RescaleSlope", 1) + scale.get("RescaleIntercept", 0))


@pytest.mark.parametrize("stored", [~SIGNAL.astype(np.int16), (500 - SIGNAL.astype(np.int16))], ids=["complement", "from 500"])
def test_signed_monochrome1(write, stored):
    np.testing.assert_array_equal(read(write(stored, PhotometricInterpretation="MONOCHROME1")), SIGNAL)


def test_darkest_voxels_that_differ_by_noise_have_one_black(write):
    """No slice has a 0: the darkest of all becomes it, and slices keep their distance from one another."""
    noisy = 4 * SIGNAL + np.array([3, 9, 5, 7], np.uint16)[:, None, None]
    np.testing.assert_array_equal(read(write(4095 - noisy, PhotometricInterpretation="MONOCHROME1")), noisy - 3.0)


def test_a_series_of_both_kinds_is_one_volume(write, tmp_path):
    write(SIGNAL)
    write(4095 - SIGNAL, "other", PhotometricInterpretation="MONOCHROME1")
    (tmp_path / "other" / "2.dcm").replace(tmp_path / "series" / "2.dcm")
    np.testing.assert_array_equal(read(tmp_path / "series"), SIGNAL)


def test_multi_frame_monochrome1(write_multi_frame, tmp_path):
    write_multi_frame(tmp_path / "frames.dcm", 4095 - SIGNAL, [{"z_mm": 30 + 4 * z, "slope": 2} for z in range(4)], PhotometricInterpretation="MONOCHROME1",
                      PixelPaddingValue=4095)
    found = read(tmp_path)
    np.testing.assert_array_equal(found, 2.0 * SIGNAL)


def test_hounsfield_units_are_not_inverted(write):
    attributes = {"Modality": "CT", "RescaleIntercept": -1024, "RescaleSlope": 1, "RescaleType": "HU"}
    plain, displayed = (read(write(SIGNAL, kind, PhotometricInterpretation=kind, **attributes)) for kind in ("MONOCHROME2", "MONOCHROME1"))
    np.testing.assert_array_equal(displayed, plain)
    assert plain.min() == -1024


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(np.uint16, (3, 2, 4), elements=st.integers(0, 4095)), st.integers(0, 1000), st.sampled_from(sorted(INVERSIONS)))
def test_any_image_with_air_comes_back(header, signal, black_step, inversion):
    signal[:, 0, 0] = 0
    stored = INVERSIONS[inversion](signal).astype(np.uint16)
    # What the largest stored value is beyond the image's own does not matter where it is the same in all slices.
    stored = stored if inversion != "largest of the volume" else stored + np.uint16(black_step)
    values = VolumeValues([replace(header, rows=2, columns=4, is_inverted=True)] * 3)
    for z, pixels in enumerate(stored):
        values.put(z, pixels)
    # Where the slices' largest values are nearly one, nobody can tell whether they were meant to be: it makes as little difference.
    allowed = ONE_BLACK_FRACTION * float(np.ptp(stored)) if inversion == "largest of each slice" else 0
    np.testing.assert_allclose(values.finish("test"), signal, rtol=0, atol=allowed)


@pytest.fixture
def header(tmp_path, write_image):
    return read_headers(write_image(tmp_path / "1.dcm", SIGNAL[0]))[0]


def pad(array, value):
    """The image with its last column and a voxel inside padded, and which voxels these are."""
    padded = np.zeros(array.shape, bool)
    padded[:, :, -1] = padded[1, 2, 3] = True
    return np.where(padded, array.dtype.type(value), array), padded


@pytest.mark.parametrize("kind, bits, value", [
    (np.uint16, 16, 65535), (np.uint16, 16, 5000), (np.int16, 16, -2000), (np.int16, 16, -32768), (np.int16, 16, 32767), (np.uint16, 12, 4095),
    (np.uint16, 16, 0)])
@pytest.mark.parametrize("slope", [1, 3])
def test_padding_is_background(write, kind, bits, value, slope):
    stored, padded = pad(SIGNAL.astype(kind), value)
    found = read(write(stored, PixelPaddingValue=value, BitsStored=bits, HighBit=bits - 1, RescaleSlope=slope, RescaleIntercept=0))
    np.testing.assert_array_equal(found, np.where(padded, 0, SIGNAL * float(slope)))
    # Without the attribute the same numbers are an image.
    unsaid = read(write(stored, "unsaid", BitsStored=bits, HighBit=bits - 1, RescaleSlope=slope, RescaleIntercept=0))
    assert (unsaid[padded] == value * slope).all()


def test_padding_below_an_intercept_is_the_lowest_value_of_the_image(write):
    stored, padded = pad(SIGNAL.astype(np.int16) + np.int16(20), -2000)
    found = read(write(stored, PixelPaddingValue=-2000, RescaleSlope=1, RescaleIntercept=-1024))
    assert set(found[padded]) == {-1004.0} and found.min() == -1004 and (found[~padded] == SIGNAL[~padded] - 1004.0).all()


@pytest.mark.parametrize("limits", [(-2000, -1000), (-1000, -2000)])
def test_a_range_of_padding(write, limits):
    stored, padded = pad(SIGNAL.astype(np.int16), -2000)
    stored[0, 1, 1], stored[0, 1, 2], stored[0, 1, 3] = -1000, -1500, -999
    found = read(write(stored, PixelPaddingValue=limits[0], PixelPaddingRangeLimit=limits[1]))
    assert found[0, 1, 1:4].tolist() == [-999, -999, -999] and set(found[padded]) == {-999.0}
    alone = read(write(stored, "alone", PixelPaddingValue=-2000))
    assert alone[0, 1, 1:4].tolist() == [-1000, -1500, -999] and set(alone[padded]) == {-1500.0}
    unsaid = read(write(stored, "unsaid", PixelPaddingRangeLimit=-1000))
    assert set(unsaid[padded]) == {-2000.0}


def test_padding_whose_vr_contradicts_the_pixels(write, tmp_path):
    """−2000 written as 63536 (US), as some scanners do."""
    stored, padded = pad(SIGNAL.astype(np.int16), -2000)
    folder = write(stored)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.add_new("PixelPaddingValue", "US", 63536)
        dataset.save_as(path)
    np.testing.assert_array_equal(read(folder), np.where(padded, 0, SIGNAL))


def test_padding_of_inverted_images_is_background(write):
    """Stored as 0, the padding would be the brightest there is; as 4095, the black."""
    for value in (0, 4095, 65535):
        stored, padded = pad((3000 - SIGNAL).astype(np.uint16), value)
        found = read(write(stored, f"padded {value}", PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=value))
        np.testing.assert_array_equal(found, np.where(padded, 0, SIGNAL))


def test_padding_as_dark_as_air_is_the_black_of_inverted_images(write):
    """Nothing below 60 is left of the image; its slices' darkest voxels are 60, 75, 60 and 60."""
    signal = np.maximum(SIGNAL, 60)
    signal[1] += 15
    stored, padded = pad((4095 - signal).astype(np.uint16), 4095)
    found = read(write(stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095))
    np.testing.assert_array_equal(found, np.where(padded, 0, signal))


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_slice_of_padding_is_read_and_a_volume_of_it_is_not(write, kind):
    stored = (SIGNAL if kind == "MONOCHROME2" else 3000 - SIGNAL).astype(np.uint16)
    stored[3] = 9999
    found = read(write(stored, PhotometricInterpretation=kind, PixelPaddingValue=9999))
    np.testing.assert_array_equal(found[:3], SIGNAL[:3])
    assert not found[3].any()
    with pytest.raises(InputError, match="PixelPaddingValue: expected an image inside the padding, found padding alone"):
        read(write(np.full_like(stored, 9999), "nothing", PhotometricInterpretation=kind, PixelPaddingValue=9999))


def test_what_was_done_to_values_is_said(write, caplog):
    def notices(folder):
        return list(read_study(folder).notices)

    assert notices(write(SIGNAL)) == notices(write(SIGNAL, "zero", PixelPaddingValue=0)) == []
    assert notices(write(4095 - SIGNAL, "inverted", PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=5000)) == [
        "Series 'LAVA DELAYED 180s' is stored as MONOCHROME1, from white to black, and was inverted; it has pixels of PixelPaddingValue 5000, "
        "which were taken for background."]
    # Where there is no report, as in training, reading says it.
    caplog.clear()
    read(write(SIGNAL, "again"))
    assert not caplog.records
    read(write(4095 - SIGNAL, "inverted", PhotometricInterpretation="MONOCHROME1"))
    (record,) = caplog.records
    assert record.getMessage().startswith("series 'LAVA DELAYED 180s'") and record.getMessage().endswith("MONOCHROME1, from white to black, and was inverted")


def test_a_palette_is_no_grey_image(write, write_image, tmp_path):
    folder = write(SIGNAL)
    write_image(folder / "map.dcm", SIGNAL[0], SeriesInstanceUID="1.2.3.4", PhotometricInterpretation="PALETTE COLOR")
    assert any("map.dcm: a colour image" in line for line in read_study(folder).left_out)
