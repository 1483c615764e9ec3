from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import Lesion, Phase, Volume
from lirads_keras.preprocessing.crops import crop_mask, crop_phases, find_crop_box
from lirads_keras.preprocessing.intensity import IntensityScale

SCALE = IntensityScale(80.0, 880.0, 0.4, 0.25)
SHAPE = (5, 40, 50)


def make_lesion(mask, z=None, lesion_id="L1"):
    """A lesion of a whole-volume mask; only what cropping reads is right."""
    occupied = np.argwhere(mask)
    low, high = occupied.min(axis=0), occupied.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high))
    largest = int(np.count_nonzero(mask, axis=(1, 2)).argmax()) if z is None else z
    return Lesion(lesion_id, box, mask[box], largest, 1.0, 1.0, (0.0, 0.0, 0.0))


def make_mask(z, rows, columns, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[z, rows, columns] = True
    return mask


def make_volume(array, spacing=(4.0, 2.0, 2.0)):
    return Volume(array, spacing, np.diag([*spacing, 1.0]))


def make_raw(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.uint16)


def eq1(raw):
    return np.clip((raw.astype(np.float64) - 80) / 800, 0, 1)


def standardise(image):
    return (image - image.mean()) / image.std()


def crop(volumes, lesion, *, crop_px, margin_fraction=0.25, channels="repeat", scales=None):
    return crop_phases(volumes, lesion, scales=scales or {phase: SCALE for phase in volumes}, crop_px=crop_px, margin_fraction=margin_fraction,
                       channels=channels)


def test_the_crop_is_eq_1_of_the_box_standardised():
    """8 × 6 pixels and a quarter of 8 on each side: 12 × 12, cut at 12 pixels nothing is resized."""
    raw = make_raw()
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 26)))
    assert find_crop_box(lesion, (4.0, 2.0, 2.0), 0.25) == (slice(8, 20), slice(17, 29))
    result = crop({Phase.DELAYED: make_volume(raw)}, lesion, crop_px=12)[Phase.DELAYED]
    assert result.shape == (12, 12, 3) and result.dtype == np.float32
    for channel in range(3):
        np.testing.assert_allclose(result[..., channel], standardise(eq1(raw[2, 8:20, 17:29])), atol=1e-5)


def test_halving_averages_blocks_of_four():
    raw = make_raw()
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 28)))
    result = crop({Phase.DELAYED: make_volume(raw)}, lesion, crop_px=6)[Phase.DELAYED]
    blocks = eq1(raw[2, 8:20, 18:30]).reshape(6, 2, 6, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(result[..., 0], standardise(blocks), atol=1e-5)


def test_enlarging_is_linear():
    """A ramp stays a ramp, away from the outermost half pixel."""
    ramp = np.broadcast_to(np.arange(100, 150)[None, None, :] * 5, SHAPE).astype(np.uint16)
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 28)))
    result = crop({Phase.DELAYED: make_volume(ramp)}, lesion, crop_px=48)[Phase.DELAYED]
    steps = np.diff(result[24, 2:-2, 0].astype(np.float64))
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)


@given(st.integers(0, 4), st.integers(0, 39), st.integers(0, 49), st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.integers(1, 40),
       st.sampled_from(["repeat", "neighbours"]))
def test_any_lesion_gives_standardised_crops_of_the_same_box(z, y, x, height, width, margin, crop_px, channels):
    mask = make_mask(z, slice(y, y + height), slice(x, x + width))
    volumes = {phase: make_volume(make_raw(seed)) for seed, phase in enumerate([Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED])}
    crops = crop(volumes, make_lesion(mask), crop_px=crop_px, margin_fraction=margin, channels=channels)
    assert list(crops) == list(volumes)
    for image in crops.values():
        assert image.shape == (crop_px, crop_px, 3) and image.dtype == np.float32
        if image.any():
            assert abs(image.mean(dtype=np.float64)) < 1e-4 and abs(image.std(dtype=np.float64) - 1) < 1e-4
    rows, columns = find_crop_box(make_lesion(mask), (4.0, 2.0, 2.0), margin)
    inside = np.argwhere(mask[z])
    assert rows.start <= inside[:, 0].min() and rows.stop > inside[:, 0].max()
    assert columns.start <= inside[:, 1].min() and columns.stop > inside[:, 1].max()
    assert rows.stop - rows.start == columns.stop - columns.start


def test_the_box_is_square_in_mm():
    """10 rows of 1 mm and 4 columns of 2.5 mm are 10 mm both; 3 mm margin: 16 rows, 16 / 2.5 = 6.4 → 7 columns."""
    lesion = make_lesion(make_mask(2, slice(10, 20), slice(20, 24)))
    assert find_crop_box(lesion, (4.0, 1.0, 2.5), 0.25) == (slice(7, 23), slice(18, 25))


def test_beyond_the_edge_is_eq_1s_zero():
    raw = np.full(SHAPE, 880, np.uint16)
    lesion = make_lesion(make_mask(0, slice(0, 8), slice(42, 50)))
    result = crop({Phase.ARTERIAL: make_volume(raw)}, lesion, crop_px=12)[Phase.ARTERIAL]
    expected = np.zeros((12, 12))
    expected[2:, :10] = 1
    np.testing.assert_allclose(result[..., 0], standardise(expected), atol=1e-5)


def test_eq_1_is_that_of_each_phase():
    raw = make_raw()
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 28)))
    scales = {Phase.ARTERIAL: SCALE, Phase.DELAYED: IntensityScale(80.0, 480.0, 0.6, 0.3)}
    crops = crop({phase: make_volume(raw) for phase in scales}, lesion, crop_px=12, scales=scales)
    window = raw[2, 8:20, 18:30].astype(np.float64)
    np.testing.assert_allclose(crops[Phase.DELAYED][..., 0], standardise(np.clip((window - 80) / 400, 0, 1)), atol=1e-5)
    np.testing.assert_allclose(crops[Phase.ARTERIAL][..., 0], standardise(eq1(window)), atol=1e-5)


def test_a_scale_for_each_slice():
    raw = make_raw()
    lesion = make_lesion(make_mask(3, slice(0, 8), slice(20, 28)))
    uppers = (500.0, 600.0, 700.0, 800.0, 900.0)
    scale = IntensityScale((80.0,) * 5, uppers, (0.1, 0.2, 0.3, 0.4, 0.5), (0.2, 0.25, 0.3, 0.35, 0.4))
    result = crop({Phase.DELAYED: make_volume(raw)}, lesion, crop_px=12, scales={Phase.DELAYED: scale}, channels="neighbours")[Phase.DELAYED]
    expected = np.zeros((12, 12, 3))
    for channel, z in enumerate((2, 3, 4)):
        # The slices were standardised by themselves; the crop as a whole is standardised after that.
        padded = np.zeros((12, 12))
        padded[2:] = np.clip((raw[z, :10, 18:30].astype(np.float64) - 80) / (uppers[z] - 80), 0, 1)
        expected[..., channel] = (padded - scale.mean[z]) / scale.standard_deviation[z]
    np.testing.assert_allclose(result, standardise(expected), atol=1e-4)


@pytest.mark.parametrize(("z", "neighbours"), [(0, (0, 0, 1)), (2, (1, 2, 3)), (4, (3, 4, 4))])
def test_neighbours_are_the_slices_around_and_the_edge_slice_stands_in(z, neighbours):
    raw = make_raw()
    lesion = make_lesion(make_mask(z, slice(10, 18), slice(20, 28)))
    result = crop({Phase.DELAYED: make_volume(raw)}, lesion, crop_px=12, channels="neighbours")[Phase.DELAYED]
    expected = np.stack([eq1(raw[neighbour, 8:20, 18:30]) for neighbour in neighbours], axis=-1)
    np.testing.assert_allclose(result, standardise(expected), atol=1e-5)


def test_the_largest_slice_is_cropped():
    mask = make_mask(1, slice(10, 14), slice(10, 14))
    mask[3, 20:28, 30:38] = True
    raw = make_raw()
    result = crop({Phase.DELAYED: make_volume(raw)}, make_lesion(mask), crop_px=12)[Phase.DELAYED]
    np.testing.assert_allclose(result[..., 0], standardise(eq1(raw[3, 18:30, 28:40])), atol=1e-5)


def test_a_lesion_of_one_pixel_is_seen_with_its_surroundings():
    lesion = make_lesion(make_mask(2, 0, 49))
    assert find_crop_box(lesion, (4.0, 2.0, 2.0), 0.25) == (slice(-1, 2), slice(48, 51))
    result = crop({Phase.DELAYED: make_volume(make_raw())}, lesion, crop_px=32)[Phase.DELAYED]
    assert np.isfinite(result).all() and result.std() > 0.9


@pytest.mark.parametrize("value", [0, 79, 500, 60000])
def test_a_constant_crop_is_zero(value):
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 28)))
    result = crop({Phase.DELAYED: make_volume(np.full(SHAPE, value, np.uint16))}, lesion, crop_px=10)[Phase.DELAYED]
    np.testing.assert_array_equal(result, 0)


def test_volumes_that_do_not_fit_are_refused():
    lesion = make_lesion(make_mask(2, slice(10, 18), slice(20, 28)))
    with pytest.raises(ValueError, match="one grid"):
        crop({Phase.ARTERIAL: make_volume(make_raw()), Phase.DELAYED: make_volume(make_raw(shape=(5, 40, 49)))}, lesion, crop_px=10)
    with pytest.raises(ValueError, match="lies outside"):
        crop({Phase.DELAYED: make_volume(make_raw(shape=(2, 40, 50)))}, lesion, crop_px=10)


@pytest.mark.parametrize("z", [0, 4])
@pytest.mark.parametrize("rows", [slice(0, 3), slice(37, 40), slice(0, 40)])
@pytest.mark.parametrize("columns", [slice(0, 2), slice(48, 50)])
@pytest.mark.parametrize("channels", ["repeat", "neighbours"])
def test_a_lesion_on_any_edge_of_the_volume_is_cropped_whole(z, rows, columns, channels):
    """What lies beyond the edge is Eq. 1's zero, the rest is the image, at its own place."""
    raw = np.random.default_rng(0).integers(200, 800, SHAPE).astype(np.uint16)
    lesion = make_lesion(make_mask(z, rows, columns))
    box = find_crop_box(lesion, (4.0, 2.0, 2.0), 0.25)
    side = box[0].stop - box[0].start
    result = crop({Phase.DELAYED: make_volume(raw)}, lesion, crop_px=side, channels=channels)[Phase.DELAYED]
    expected = np.zeros((side, side, 3))
    planes = [z] * 3 if channels == "repeat" else [max(z - 1, 0), z, min(z + 1, 4)]
    for row in range(max(box[0].start, 0), min(box[0].stop, 40)):
        for column in range(max(box[1].start, 0), min(box[1].stop, 50)):
            expected[row - box[0].start, column - box[1].start] = [eq1(raw[plane, row, column]) for plane in planes]
    np.testing.assert_allclose(result, standardise(expected), atol=1e-4)


@pytest.mark.parametrize("spacing", [(4.0, 2.0, 2.0), (4.0, 0.5, 5.0), (4.0, 5.0, 0.5)])
def test_a_lesion_of_one_pixel_whatever_the_pixels_shape(spacing):
    """A lesion smaller than a pixel is that pixel: the crop is its longer side and one pixel more on each side of it."""
    lesion = make_lesion(make_mask(2, 20, 25))
    rows, columns = find_crop_box(lesion, spacing, 0.25)
    side_mm = 3 * max(spacing[1:])
    assert (rows.stop - rows.start) * spacing[1] == pytest.approx(side_mm) and (columns.stop - columns.start) * spacing[2] == pytest.approx(side_mm)
    result = crop({Phase.DELAYED: make_volume(make_raw(), spacing)}, lesion, crop_px=32)[Phase.DELAYED]
    assert np.isfinite(result).all() and result.std() > 0.9


def test_a_volume_of_one_pixel():
    lesion = make_lesion(np.ones((1, 1, 1), bool))
    result = crop({Phase.DELAYED: make_volume(np.full((1, 1, 1), 500, np.uint16))}, lesion, crop_px=9)[Phase.DELAYED]
    assert np.isfinite(result).all() and result[4, 4, 0] == result.max() > result[0, 0, 0]


def test_a_lesion_without_a_pixel_is_refused():
    mask = make_mask(2, slice(10, 18), slice(20, 28))
    mask[3, 10:18, 20:28] = True
    lesion = make_lesion(mask, z=3)
    lesion.mask[1] = False
    with pytest.raises(ValueError, match="lesion L1 has no pixel in slice 3"):
        find_crop_box(lesion, (4.0, 2.0, 2.0), 0.25)


@pytest.mark.parametrize("rows, columns", [(slice(10, 18), slice(20, 28)), (slice(0, 4), slice(46, 50)), (slice(39, 40), slice(0, 50))])
def test_the_outline_lies_where_the_lesion_lies_in_the_crop(rows, columns):
    """The same cut as the image's, also where the largest slice's outline is smaller than the lesion's box."""
    mask = make_mask(2, rows, columns)
    mask[3, 20, 25] = True
    lesion = make_lesion(mask, z=2)
    box = find_crop_box(lesion, (4.0, 2.0, 2.0), 0.25)
    side = box[0].stop - box[0].start
    padded = np.pad(mask[2], 100)[box[0].start + 100:box[0].stop + 100, box[1].start + 100:box[1].stop + 100]
    np.testing.assert_array_equal(crop_mask(lesion, (4.0, 2.0, 2.0), crop_px=side, margin_fraction=0.25), padded)
    doubled = crop_mask(lesion, (4.0, 2.0, 2.0), crop_px=2 * side, margin_fraction=0.25)
    np.testing.assert_array_equal(doubled, np.kron(padded, np.ones((2, 2))) > 0)


def test_a_side_that_shrinks_is_averaged_where_the_other_grows():
    """Pixels of 0.5 × 2 mm: a box of 40 rows and 10 columns becomes 20 × 20. Rows go two by two; columns, doubled, lie a quarter beside the old centres."""
    raw = make_raw(3, (1, 60, 30))
    volume = make_volume(raw, (4.0, 0.5, 2.0))
    lesion = make_lesion(make_mask(0, slice(8, 48), slice(10, 20), raw.shape))
    assert find_crop_box(lesion, volume.spacing_mm, 0) == (slice(8, 48), slice(10, 20))
    image = crop({Phase.DELAYED: volume}, lesion, crop_px=20, margin_fraction=0)[Phase.DELAYED][..., 0]
    halved = eq1(raw[0, 8:48, 10:20]).reshape(20, 2, 10).mean(axis=1)
    before = np.concatenate([halved[:, :1], halved[:, :-1]], axis=1)
    after = np.concatenate([halved[:, 1:], halved[:, -1:]], axis=1)
    doubled = np.stack([0.75 * halved + 0.25 * before, 0.75 * halved + 0.25 * after], axis=-1).reshape(20, 20)
    np.testing.assert_allclose(image, standardise(doubled), atol=1e-4)


def test_stripes_along_the_side_that_shrinks_become_grey():
    """Every other row bright: averaged, nothing is left of them, whatever the columns do."""
    raw = np.zeros((1, 60, 30), np.uint16)
    raw[0, ::2] = 800
    lesion = make_lesion(make_mask(0, slice(8, 48), slice(10, 20), raw.shape))
    assert not crop({Phase.DELAYED: make_volume(raw, (4.0, 0.5, 2.0))}, lesion, crop_px=20, margin_fraction=0)[Phase.DELAYED].any()


@pytest.mark.parametrize("side", [3, 10, 20, 31, 64])
def test_square_crops_are_resized_in_one_step(side):
    """As they always were: cohorts with square pixels keep their crops to the bit."""
    raw = make_raw(4)
    image = crop({Phase.DELAYED: make_volume(raw)}, make_lesion(make_mask(2, slice(10, 30), slice(10, 30))), crop_px=side, margin_fraction=0)
    scaled = SCALE.apply(raw[2:3, 10:30, 10:30])[0]
    resized = cv2.resize(scaled, (side, side), interpolation=cv2.INTER_AREA if side < 20 else cv2.INTER_LINEAR).astype(np.float64)
    repeated = np.stack([resized] * 3, axis=-1)
    np.testing.assert_array_equal(image[Phase.DELAYED], ((repeated - repeated.mean()) / repeated.std()).astype(np.float32))
