from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rayleigh

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import IntensityScale, compute_auto_cutoff, compute_ct_scale, compute_intensity_scale, of_slice


def make_settings(**changes: Any) -> PreprocessingSettings:
    return PreprocessingSettings(matrix_px=32, **changes)


def slow(raw: np.ndarray, cutoff: float = 80, upper: float | None = None, percentile: float = 99) -> np.ndarray:
    """Eq. 1 as it is printed, in float64."""
    o = raw.astype(np.float64)
    p99 = np.percentile(o, percentile) if upper is None else upper
    n = np.where(o < cutoff, 0, np.where(o > p99, 1, (o - cutoff) / (p99 - cutoff)))
    return (n - n.mean()) / n.std()


def make_array(dtype: str = "uint16", shape: tuple[int, int, int] = (7, 20, 30), fraction: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(3).gamma(2, 120, shape) // 1 + fraction).astype(dtype)


@pytest.mark.parametrize("array", [
    *(make_array(dtype) for dtype in ("uint16", "int16", "uint8", "int32", "float32", "float64")),
    make_array("float32", fraction=0.25),
    make_array("int32") * 4000,
    -make_array("int16") + 900,
    np.asfortranarray(make_array())], ids=lambda array: f"{array.dtype}-{array.max():g}")
@pytest.mark.parametrize("percentile", [99, 99.5, 60, 100])
def test_equals_the_plain_expression(array: np.ndarray, percentile: float) -> None:
    scale = compute_intensity_scale(array, make_settings(upper_percentile=percentile), "test")
    scaled = scale.apply(array)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, slow(array, percentile=percentile), atol=3e-6)
    assert abs(float(scaled.mean(dtype=np.float64))) < 1e-6 and abs(float(scaled.std(dtype=np.float64)) - 1) < 1e-6


@given(hnp.arrays(np.int16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(-50, 600)), st.floats(51, 100), st.floats(0, 200))
def test_scalars_equal_numpys(array: np.ndarray, percentile: float, cutoff: float) -> None:
    upper = float(np.percentile(array.astype(np.float64), percentile))
    # Nearer, the last digit of the percentile decides.
    assume(abs(upper - cutoff) > 1e-3)
    eq_1 = np.clip((array - cutoff) / (upper - cutoff), 0, 1) if upper > cutoff else np.zeros(1)
    if upper <= cutoff or np.ptp(eq_1) == 0:
        with pytest.raises(InputError):
            compute_intensity_scale(array, make_settings(background_cutoff=cutoff, upper_percentile=percentile), "test")
        return
    for same in (array, array.astype(np.float32), array.astype(np.float64)):
        scale = compute_intensity_scale(same, make_settings(background_cutoff=cutoff, upper_percentile=percentile), "test")
        assert scale.cutoff == cutoff and scale.upper == pytest.approx(upper, rel=1e-12)
        assert scale.mean == pytest.approx(eq_1.mean(), rel=1e-6) and scale.standard_deviation == pytest.approx(eq_1.std(), rel=1e-6)


def test_eq_1_by_hand() -> None:
    array = np.array([[[0, 79, 80, 100], [120, 180, 180, 180]]], np.uint16)
    scale = compute_intensity_scale(array, make_settings(), "test")
    # P99 = 180: Eq. 1 gives 0, 0, 0, 0.2, 0.4, 1, 1, 1.
    assert (scale.cutoff, scale.upper) == (80, 180) and scale.mean == pytest.approx(0.45)
    assert scale.standard_deviation == pytest.approx(np.sqrt((3 * 0.45 ** 2 + 0.25 ** 2 + 0.05 ** 2 + 3 * 0.55 ** 2) / 8))
    back = scale.apply(array) * scale.standard_deviation + scale.mean
    np.testing.assert_allclose(back.ravel(), [0, 0, 0, 0.2, 0.4, 1, 1, 1], atol=1e-6)


def test_any_part_of_a_volume_comes_out_as_in_the_whole() -> None:
    array = make_array()
    for scope in ("volume", "slice"):
        scale = compute_intensity_scale(array, make_settings(scope=scope), "test")
        whole = scale.apply(array)
        np.testing.assert_array_equal(scale.apply(array[2:5], first_slice=2), whole[2:5])
        np.testing.assert_array_equal(scale.apply(array[4], first_slice=4), whole[4])
        np.testing.assert_array_equal(scale.apply(array[3:4, 2:9, 5:], first_slice=3), whole[3:4, 2:9, 5:])


def test_scope_slice_is_each_slice_by_itself() -> None:
    array = make_array() * np.arange(2, 9, dtype=np.uint16)[:, None, None]
    scale = compute_intensity_scale(array, make_settings(scope="slice"), "test")
    assert isinstance(scale.upper, tuple) and len(scale.upper) == 7
    np.testing.assert_allclose(scale.apply(array), np.stack([slow(image) for image in array]), atol=3e-6)
    assert not np.allclose(scale.apply(array), slow(array), atol=0.05)


def test_the_input_is_left_as_it_is() -> None:
    array = make_array("float32")
    before = array.copy()
    compute_intensity_scale(array, make_settings(), "test").apply(array)
    np.testing.assert_array_equal(array, before)


def test_a_memory_mapped_volume(tmp_path: Any) -> None:
    array = make_array()
    np.save(tmp_path / "volume.npy", array)
    mapped = np.load(tmp_path / "volume.npy", mmap_mode="r")
    scale = compute_intensity_scale(mapped, make_settings(), "test")
    assert scale == compute_intensity_scale(array, make_settings(), "test")
    np.testing.assert_array_equal(scale.apply(mapped[1], first_slice=1), scale.apply(array)[1])


@pytest.mark.parametrize("gain", [1.0, 12.0, 0.2])
def test_the_automatic_cutoff_divides_noise_from_tissue_at_any_gain(gain: float) -> None:
    rng = np.random.default_rng(5)
    air = rayleigh.rvs(scale=12, size=(6, 40, 40), random_state=rng)
    tissue = rng.normal(400, 80, (6, 40, 40))
    array = np.rint(np.where(np.arange(40) < 20, air, tissue) * gain * 10).astype(np.int32)
    scale = compute_intensity_scale(array, make_settings(background_cutoff="auto"), "test")
    assert np.mean(array[..., :20] < scale.cutoff) > 0.99 and np.mean(array[..., 20:] > scale.cutoff) > 0.99
    np.testing.assert_allclose(scale.apply(array), slow(array, float(np.max(scale.cutoff))), atol=3e-6)


def test_ct_is_windowed() -> None:
    array = np.random.default_rng(1).integers(-1024, 1500, (3, 8, 8)).astype(np.int16)
    scale = compute_ct_scale(array, (-100, 400))
    assert (scale.cutoff, scale.upper) == (-100, 400)
    np.testing.assert_allclose(scale.apply(array), slow(array, -100, 400), atol=3e-6)


WHOLE = IntensityScale(80.0, 880.0, 0.4, 0.25)
BY_SLICE = IntensityScale((80.0, 200.0), (880.0, 900.0), (0.5, 0.25), (0.25, 0.125))


def test_zero_and_limits_by_hand() -> None:
    # (0 − 0.4) / 0.25 and (1 − 0.4) / 0.25.
    assert WHOLE.zero == pytest.approx(-1.6) and WHOLE.limits == pytest.approx((-1.6, 2.4))
    # Slice 0: (0 − 0.5) / 0.25 and (1 − 0.5) / 0.25; slice 1: (0 − 0.25) / 0.125 and (1 − 0.25) / 0.125.
    assert BY_SLICE.zero == (-2.0, -2.0) and BY_SLICE.limits == (-2.0, 6.0)
    assert [of_slice(scale.zero, 1) for scale in (WHOLE, BY_SLICE)] == [WHOLE.zero, -2.0]


@pytest.mark.parametrize("scope", ["volume", "slice"])
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_what_is_no_body_becomes_zero_and_all_stays_within_the_limits(scope: str, kind: str) -> None:
    array = make_array(kind) * np.arange(2, 9).astype(kind)[:, None, None] // 2
    scale = compute_intensity_scale(array, make_settings(scope=scope), "test")
    scaled, body = scale.apply(array), scale.is_body(array)
    assert body.dtype == bool and 0 < body.mean() < 1
    np.testing.assert_array_equal(body, array > 80)
    for z in range(len(array)):
        zero = np.float32(of_slice(scale.zero, z))
        assert (scaled[z][~body[z]] == zero).all() and (scaled[z][body[z]] > zero).all()
        np.testing.assert_array_equal(scale.is_body(array[z], first_slice=z), body[z])
    np.testing.assert_array_equal(scale.is_body(array[2:5], first_slice=2), body[2:5])
    assert (float(scaled.min()), float(scaled.max())) == pytest.approx(scale.limits, abs=1e-5)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.float64])
def test_body_is_strictly_above_the_cutoff_of_its_slice(kind: type) -> None:
    array = np.array([[[0, 80, 81, 9999]], [[81, 200, 201, 9999]]], kind)
    before = array.copy()
    np.testing.assert_array_equal(WHOLE.is_body(array), [[[False, False, True, True]], [[True, True, True, True]]])
    np.testing.assert_array_equal(BY_SLICE.is_body(array), [[[False, False, True, True]], [[False, False, True, True]]])
    np.testing.assert_array_equal(BY_SLICE.is_body(array[1], first_slice=1), [[False, False, True, True]])
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("array, message", [
    (np.full((2, 3, 3), 80, np.uint16), r"series X: expected a 99th percentile above the background cut-off of 80 .*, found 80"),
    (np.full((2, 3, 3), 500, np.uint16), "series X: expected an image with contrast between 80 and 500, found a constant one"),
    (np.zeros((2, 3, 3), np.float32), "found 0"),
    (np.full((2, 3, 3), np.nan, np.float32), "finite voxels"),
    (np.array([[[1, np.inf]]]), "finite voxels"),
    (np.zeros((0, 3, 3), np.uint16), "expected voxels, found none")])
def test_images_that_eq_1_cannot_scale(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute_intensity_scale(array, make_settings(), "series X")


def test_the_automatic_cutoff_of_an_empty_image_is_an_error() -> None:
    with pytest.raises(InputError, match="99th percentile above the background cut-off of 0"):
        compute_intensity_scale(np.zeros((2, 3, 3), np.uint16), make_settings(background_cutoff="auto"), "series X")


def test_every_dark_slice_is_named() -> None:
    array = make_array()
    array[[2, 5]] = 10
    with pytest.raises(InputError) as caught:
        compute_intensity_scale(array, make_settings(scope="slice"), "series X")
    assert [problem.where for problem in caught.value.problems] == ["series X, slice 2", "series X, slice 5"]
    compute_intensity_scale(array, make_settings(), "series X")


def test_a_constant_ct_is_an_error() -> None:
    with pytest.raises(InputError, match="contrast between -100 and 400"):
        compute_ct_scale(np.full((2, 3, 3), -1000, np.int16), (-100, 400))


@pytest.mark.parametrize("array, found", [
    (np.full((2, 3, 3), 500, np.uint16), "values of 500 to 500 alone"),
    (np.tile(np.array([990, 995, 1000], np.uint16), (2, 3, 1)), "values of 990 to 1000 alone"),
    (np.tile(np.array([1e30, 1.01e30, 1.02e30], np.float32), (2, 3, 1)), "alone")])
def test_the_automatic_cutoff_of_a_volume_in_one_bin_is_an_error(array: np.ndarray, found: str) -> None:
    for scope in ("volume", "slice"):
        with pytest.raises(InputError, match="expected an image with air and tissue in it") as caught:
            compute_intensity_scale(array, make_settings(background_cutoff="auto", scope=scope), "series X")
        assert found in str(caught.value)
    with pytest.raises(InputError):
        compute_auto_cutoff(array, "series X")


def test_the_automatic_cutoff_of_two_bins_lies_between_them() -> None:
    array = np.tile(np.array([5, 5, 1000], np.uint16), (2, 3, 1))
    assert 5 < compute_auto_cutoff(array, "X") < 1000
    assert compute_auto_cutoff(np.zeros((2, 3, 3), np.uint16), "X") == compute_auto_cutoff(np.full((2, 3, 3), -7, np.int16), "X") == 0


ANY_VALUES = st.one_of(
    st.tuples(st.just(np.int16), st.integers(-32768, 32767)), st.tuples(st.just(np.uint16), st.integers(0, 65535)),
    st.tuples(st.just(np.int64), st.integers(-2 ** 63, 2 ** 63 - 1)), st.tuples(st.just(np.float32), st.floats(width=32)),
    st.tuples(st.just(np.float64), st.floats()))


@settings(max_examples=150)
@given(st.data(), ANY_VALUES, st.integers(1, 3), st.booleans(), st.sampled_from(["auto", 0.0, 80.0]), st.sampled_from(["volume", "slice"]))
def test_whatever_the_voxels_are_there_is_a_scale_or_a_message(data, kind, side, near, cutoff, scope) -> None:
    """All values within a millionth of one, or anywhere; NaN and infinity, too."""
    dtype, first = kind
    with np.errstate(all="ignore"):
        spread = hnp.arrays(np.float64, (2, side, 3), elements=st.floats(0, 1e-6 if near else 1e3))
        array = (np.float64(first) * (1 + data.draw(spread))).clip(*((np.iinfo(dtype).min, np.iinfo(dtype).max // 2) if dtype(0).dtype.kind in "iu" else
                                                                     (-np.inf, np.inf))).astype(dtype)
        try:
            scale = compute_intensity_scale(array, make_settings(background_cutoff=cutoff, scope=scope), "X")
        except InputError:
            return
    assert np.all(np.isfinite(scale.upper)) and np.all(np.asarray(scale.upper) > scale.cutoff) and np.all(np.asarray(scale.standard_deviation) > 0)
