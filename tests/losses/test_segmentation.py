"""Eqs. 2 and 3 against hand-computed values, another library, and a brute-force extension in float64."""
from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.config.segmentation import SegmentationLossSettings
from lirads_keras.losses import segmentation
from lirads_keras.losses.segmentation import HybridSegmentationLoss, compute_dice, compute_focal, compute_lovasz_softmax

RNG = np.random.default_rng(0)


def random_batch(shape: tuple[int, int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One-hot labels and a softmax, both (n, h, w, c) float32."""
    rng = np.random.default_rng(seed)
    y = np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], shape[:-1])]
    score = np.exp(rng.normal(0, 1.5, shape))
    return y, (score / score.sum(-1, keepdims=True)).astype("float32")


# Two pixels: the first is lesion (class 1) with p = 0.8, the second is background with p = 0.6.
Y_HAND = np.array([[[[0, 1], [1, 0]]]], np.float32)
P_HAND = np.array([[[[0.2, 0.8], [0.6, 0.4]]]], np.float32)


def test_pooled_dice_of_two_pixels() -> None:
    lesion = (2 * 0.8 + 1) / (1 + 0.8 ** 2 + 0.4 ** 2 + 1)
    background = (2 * 0.6 + 1) / (1 + 0.2 ** 2 + 0.6 ** 2 + 1)
    assert float(compute_dice(Y_HAND, P_HAND, "pooled")[0]) == pytest.approx(lesion + background, rel=1e-6)


def test_per_pixel_dice_of_two_pixels() -> None:
    expected = (2 * 0.8 / (1 + 0.8 ** 2) + 2 * 0.6 / (1 + 0.6 ** 2)) / 2
    assert float(compute_dice(Y_HAND, P_HAND, "per_pixel")[0]) == pytest.approx(expected, rel=1e-6)


def test_focal_of_two_pixels() -> None:
    expected = (0.25 * 0.2 ** 2 * -np.log(0.8) + 0.75 * 0.4 ** 2 * -np.log(0.6)) / 2
    assert float(compute_focal(Y_HAND, P_HAND, alpha_lesion=0.25, gamma=2)[0]) == pytest.approx(expected, rel=1e-5)


def test_pooled_dice_sums_over_the_whole_batch() -> None:
    y, p = random_batch((3, 4, 5, 3))
    overlap, squares = (y * p).sum((0, 1, 2)), (y ** 2 + p ** 2).sum((0, 1, 2))
    expected = np.sum((2 * overlap + 1) / (squares + 1))
    np.testing.assert_allclose(compute_dice(y, p, "pooled"), np.full(3, expected), rtol=1e-5)


def test_per_pixel_dice_as_printed() -> None:
    y, p = random_batch((3, 4, 5, 3))
    printed = [np.mean([np.sum(2 * y[n, i, j] * p[n, i, j] / (y[n, i, j] ** 2 + p[n, i, j] ** 2)) for i in range(4) for j in range(5)]) for n in range(3)]
    np.testing.assert_allclose(compute_dice(y, p, "per_pixel"), printed, rtol=1e-5)


@pytest.mark.parametrize(("mode", "best"), [("pooled", 2), ("per_pixel", 1)])
@pytest.mark.parametrize("lesion", ["empty", "full", "half"])
def test_a_perfect_prediction_reaches_the_best_dice_even_without_a_lesion(mode: Any, best: int, lesion: str) -> None:
    y = np.zeros((2, 8, 8, 2), "float32")
    mask = {"empty": np.zeros((8, 8)), "full": np.ones((8, 8)), "half": np.eye(8)}[lesion]
    y[..., 1], y[..., 0] = mask, 1 - mask
    np.testing.assert_allclose(compute_dice(y, y, mode), best, rtol=1e-6)


def test_binary_focal_is_that_of_segmentation_models() -> None:
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    import segmentation_models
    y, p = random_batch((2, 6, 5, 2))
    # With two classes the background's term is the negative half of the binary focal loss of the lesion's channel.
    expected = segmentation_models.losses.BinaryFocalLoss(alpha=0.25, gamma=2.0)(y[..., 1:], p[..., 1:])
    assert float(np.mean(compute_focal(y, p, alpha_lesion=0.25, gamma=2.0))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_focal_with_equal_weights_is_the_categorical_one_of_segmentation_models(classes: int) -> None:
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    import segmentation_models
    y, p = random_batch((2, 6, 5, classes))
    # That library also averages over the channels, Eq. 2 sums over them.
    expected = classes * segmentation_models.losses.CategoricalFocalLoss(alpha=0.5, gamma=1.5)(y, p)
    assert float(np.mean(compute_focal(y, p, alpha_lesion=0.5, gamma=1.5))) == pytest.approx(float(expected), rel=1e-5)


def test_focal_weighs_liver_and_lesion_alike_and_the_background_with_the_rest() -> None:
    p = np.full((1, 1, 3, 3), 1 / 3, "float32")
    for class_index, alpha in ((0, 0.9), (1, 0.1), (2, 0.1)):
        y = np.zeros((1, 1, 3, 3), "float32")
        y[..., class_index] = 1
        assert float(compute_focal(y, p, alpha_lesion=0.1, gamma=0)[0]) == pytest.approx(alpha * np.log(3), rel=1e-5)


def jaccard_loss(wrong: np.ndarray, positive: np.ndarray) -> float:
    """Eq. 6 of Berman et al.: the Jaccard loss as a function of the set of wrong pixels."""
    union = np.sum(positive | wrong)
    return np.sum(wrong) / union if union else 0.0


def brute_force_extension(error: np.ndarray, positive: np.ndarray) -> float:
    """Lovász extension by its integral over levels, ∫ Δ({i: m_i ≥ t}) dt from 0 to the largest error: no sorting of pixels, no gradient vector."""
    levels = np.unique(np.append(error, 0.0))
    return sum((upper - lower) * jaccard_loss(error >= upper, positive) for lower, upper in zip(levels[:-1], levels[1:], strict=True))


def brute_force_lovasz(y: np.ndarray, p: np.ndarray, classes: str = "all") -> float:
    y, p = y.astype(float).reshape(-1, y.shape[-1]), p.astype(float).reshape(-1, p.shape[-1])
    chosen = [c for c in range(y.shape[-1]) if classes == "all" or y[:, c].any()]
    return float(np.mean([brute_force_extension(np.abs(y[:, c] - p[:, c]), y[:, c] > 0.5) for c in chosen]))


@settings(max_examples=60)
@given(seed=st.integers(0, 10 ** 6), n=st.integers(1, 3), side=st.integers(1, 6), channels=st.sampled_from([2, 3]), classes=st.sampled_from(["all", "present"]),
       steps=st.sampled_from([0, 4]), lesions=st.sampled_from(["random", "none", "only"]))
def test_lovasz_equals_the_brute_force_extension(seed: int, n: int, side: int, channels: int, classes: Any, steps: int, lesions: str) -> None:
    y, p = random_batch((n, side, side + 1, channels), seed)
    if lesions != "random":
        y[:] = np.eye(channels)[0 if lesions == "none" else channels - 1]
    if steps:
        p = np.round(p * steps) / steps  # ties
    found = compute_lovasz_softmax(y, p, classes=classes)
    assert found.shape == (n,)
    np.testing.assert_allclose(found, brute_force_lovasz(y, p, classes), rtol=1e-5, atol=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 10 ** 6))
def test_lovasz_of_a_hard_prediction_is_the_jaccard_loss(seed: int) -> None:
    y, _ = random_batch((2, 4, 4, 2), seed)
    p, _ = random_batch((2, 4, 4, 2), seed + 1)
    expected = np.mean([1 - np.sum(y[..., c] * p[..., c]) / np.sum(np.maximum(y[..., c], p[..., c])) for c in range(2)])
    assert float(compute_lovasz_softmax(y, p, classes="all")[0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", ["all", "present"])
def test_lovasz_gradient_equals_finite_differences(classes: Any) -> None:
    y, p = random_batch((2, 3, 4, 3))
    y[..., 1] += y[..., 2]
    y[..., 2] = 0  # an absent class
    with tf.GradientTape() as tape:
        tape.watch(probability := tf.constant(p))
        loss = tf.reduce_mean(compute_lovasz_softmax(y, probability, classes=classes))
    gradient = np.asarray(tape.gradient(loss, probability))
    h = 1e-6
    for index in np.ndindex(p.shape):
        up, down = p.astype(float), p.astype(float)
        up[index] += h
        down[index] -= h
        assert gradient[index] == pytest.approx((brute_force_lovasz(y, up, classes) - brute_force_lovasz(y, down, classes)) / (2 * h), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("classes", ["all", "present"])
def test_lovasz_gradient_of_two_classes_equals_finite_differences_of_the_lesions_probability(classes: Any) -> None:
    """With two classes only such moves exist as keep their sum: the derivative by the lesion's probability is that of its channel less the background's."""
    y, p = random_batch((2, 3, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch(probability := tf.constant(p))
        loss = tf.reduce_mean(compute_lovasz_softmax(y, probability, classes=classes))
    gradient = np.asarray(tape.gradient(loss, probability))
    h = 1e-6
    for index in np.ndindex(p.shape[:3]):
        up, down = p.astype(float), p.astype(float)
        up[index] += (-h, h)
        down[index] -= (-h, h)
        expected = (brute_force_lovasz(y, up, classes) - brute_force_lovasz(y, down, classes)) / (2 * h)
        assert gradient[index][1] - gradient[index][0] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_lovasz_over_a_million_pixels_keeps_its_digits() -> None:
    rng = np.random.default_rng(0)
    y = np.eye(2, dtype="float32")[(rng.random((1, 1024, 1024)) < 0.001).astype(int)]
    lesion = np.clip(0.3 * y[..., 1] + rng.random((1, 1024, 1024)) * 0.5, 0, 1).astype("float32")
    p = np.stack([1 - lesion, lesion], -1)
    expected = []
    for c in range(2):  # the published algorithm in float64
        error, positive = np.abs(y[..., c] - p[..., c]).astype(float).ravel(), y[..., c].ravel().astype(float)
        order = np.argsort(-error)
        jaccard = 1 - (positive.sum() - np.cumsum(positive[order])) / (positive.sum() + np.cumsum(1 - positive[order]))
        expected.append(np.sum(error[order] * np.diff(jaccard, prepend=0)))
    assert float(compute_lovasz_softmax(y, p, classes="all")[0]) == pytest.approx(np.mean(expected), rel=1e-5)


def test_eq_2_over_a_large_batch_keeps_its_digits_in_value_and_gradient() -> None:
    """16 × 512², against the same in float64 with the derivative by hand."""
    rng = np.random.default_rng(0)
    y = np.zeros((16, 512, 512, 2), "float32")
    y[..., 0] = 1
    y[:, 200:240, 200:260] = (0, 1)
    lesion = np.clip(rng.beta(0.3, 6, y.shape[:3]) + 0.5 * y[..., 1], 0.001, 0.999).astype("float32")
    p = np.stack([1 - lesion, lesion], axis=-1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(probability := tf.constant(p))
        dice = tf.reduce_mean(compute_dice(y, probability, "pooled"))
        focal = tf.reduce_mean(compute_focal(y, probability, alpha_lesion=0.25, gamma=2))
    # Channel by channel, for the memory's sake.
    exact_dice = exact_focal = 0.0
    for c, alpha in enumerate((0.75, 0.25)):
        of_class, predicted = y[..., c].astype(float), p[..., c].astype(float)
        above, below = 2 * np.sum(of_class * predicted) + 1, np.sum(of_class ** 2) + np.sum(predicted ** 2) + 1
        exact_dice += above / below
        slope = 2 * of_class / below - 2 * predicted * above / below ** 2
        assert np.abs(tape.gradient(dice, probability).numpy()[..., c] - slope).max() < 2e-6 * np.abs(slope).max()
        exact_focal += np.mean(-alpha * (1 - predicted) ** 2 * of_class * np.log(predicted))
        slope = alpha * of_class * (2 * (1 - predicted) * np.log(predicted) - (1 - predicted) ** 2 / predicted) / of_class.size
        assert np.abs(tape.gradient(focal, probability).numpy()[..., c] - slope).max() < 2e-6 * np.abs(slope).max()
    assert float(dice) == pytest.approx(exact_dice, abs=2e-6)
    assert float(focal) == pytest.approx(exact_focal, rel=2e-6)


def test_the_loss_is_equation_2_and_after_the_switch_equation_3_too() -> None:
    y, p = random_batch((3, 6, 6, 2))
    loss = HybridSegmentationLoss(lovasz_weight=0.5)
    equation_2 = np.mean(compute_focal(y, p, alpha_lesion=0.25, gamma=2)) - np.mean(compute_dice(y, p, "pooled"))
    assert float(loss(y, p)) == pytest.approx(equation_2, rel=1e-5)
    loss.lovasz_switch.assign(1.0)
    assert float(loss(y, p)) == pytest.approx(equation_2 + 0.5 * brute_force_lovasz(y, p), rel=1e-5)


@pytest.mark.parametrize("switch", [0.0, 1.0])
@pytest.mark.parametrize("dice", ["pooled", "per_pixel"])
def test_values_of_samples_average_to_the_loss_of_the_batch(dice: Any, switch: float) -> None:
    y, p = random_batch((4, 5, 5, 2))
    loss = HybridSegmentationLoss(dice=dice)
    loss.lovasz_switch.assign(switch)
    values = loss.call(tf.constant(y), tf.constant(p))
    assert values.shape == (4,)
    assert float(loss(y, p)) == pytest.approx(float(np.mean(values)), rel=1e-6)


def test_settings_of_a_profile_reach_the_loss_and_its_configuration() -> None:
    chosen = SegmentationLossSettings(
        dice="per_pixel", focal_alpha_lesion=0.4, focal_gamma=1.0, lovasz_classes="present", lovasz_weight=2.0, lovasz_below_loss=-0.5)
    loss = HybridSegmentationLoss.from_settings(chosen)
    again = HybridSegmentationLoss.from_config(loss.get_config())
    y, p = random_batch((2, 4, 4, 2))
    y[..., 0], y[..., 1] = 1, 0
    expected = (np.mean(compute_focal(y, p, alpha_lesion=0.4, gamma=1.0)) - np.mean(compute_dice(y, p, "per_pixel")) + 2 * brute_force_lovasz(y, p, "present"))
    for instance in (loss, again):
        instance.lovasz_switch.assign(1.0)
        assert float(instance(y, p)) == pytest.approx(expected, rel=1e-5)


def one_convolution() -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Softmax(dtype="float32")(keras.layers.Conv2D(2, 1)(image)))


def test_switching_traces_nothing_anew_and_costs_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[int] = []
    executed: list[int] = []

    def execute() -> np.float32:
        executed.append(1)
        return np.float32(0)

    def counted(y: Any, p: Any, *, classes: Any) -> Any:
        traced.append(1)
        return compute_lovasz_softmax(y, p, classes=classes) + tf.ensure_shape(tf.numpy_function(execute, [], tf.float32), ())

    monkeypatch.setattr(segmentation, "compute_lovasz_softmax", counted)
    loss = HybridSegmentationLoss()
    model = one_convolution()
    model.compile("sgd", loss)
    y, _ = random_batch((2, 4, 4, 2))
    x = RNG.normal(size=(2, 4, 4, 3)).astype("float32")
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    traces = len(traced)
    assert traces > 0
    assert not executed
    loss.lovasz_switch.assign(1.0)
    model.train_on_batch(x, y)
    assert len(executed) == 1
    loss.lovasz_switch.assign(0.0)
    model.train_on_batch(x, y)
    assert len(executed) == 1
    assert len(traced) == traces


def test_an_undefined_extension_cannot_leak_before_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "compute_lovasz_softmax", lambda y, p, *, classes: tf.reduce_sum(p, (1, 2, 3)) * np.nan)
    loss = HybridSegmentationLoss()
    y, p = random_batch((2, 4, 4, 2))

    @tf.function
    def value_and_gradient(probability: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(probability)
            value = loss(y, probability)
        return value, tape.gradient(value, probability)

    value, gradient = value_and_gradient(tf.constant(p))
    assert np.isfinite(value) and np.isfinite(gradient).all()
    loss.lovasz_switch.assign(1.0)
    assert np.isnan(value_and_gradient(tf.constant(p))[0])


@pytest.mark.parametrize("switch", [0.0, 1.0])
def test_undefined_probabilities_are_not_hidden(switch: float) -> None:
    y, p = random_batch((2, 4, 4, 2))
    p[1, 2, 2] = np.nan
    loss = HybridSegmentationLoss()
    loss.lovasz_switch.assign(switch)
    assert np.isnan(float(loss(y, p)))


@pytest.mark.parametrize("lesion", ["empty", "full"])
@pytest.mark.parametrize("dice", ["pooled", "per_pixel"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients_are_finite_at_saturated_probabilities(dice: Any, gamma: float, lesion: str) -> None:
    y = np.zeros((1, 4, 4, 2), "float32")
    y[..., 1 if lesion == "full" else 0] = 1
    loss = HybridSegmentationLoss(dice=dice, focal_gamma=gamma)
    loss.lovasz_switch.assign(1.0)
    for p in (y, 1 - y):
        with tf.GradientTape() as tape:
            tape.watch(probability := tf.constant(p))
            value = loss(y, probability)
        assert np.isfinite(float(value))
        assert np.isfinite(tape.gradient(value, probability)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_inputs_are_summed_in_float32(dtype: str) -> None:
    # 2 x 512 x 512 ones overflow float16 (65,504) and stand still in bfloat16 at 256.
    y = np.zeros((2, 512, 512, 2), "float32")
    y[..., 0] = 1
    y[:, :100, :100] = (0, 1)
    p = 0.25 + 0.5 * y
    loss = HybridSegmentationLoss()
    loss.lovasz_switch.assign(1.0)
    value = loss(tf.cast(y, dtype), tf.cast(p, dtype))
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(float(loss(y, p)), rel=1e-6)
    n, lesions = y[..., 0].size, y[..., 1].sum()
    dice = sum((2 * 0.75 * k + 1) / (k + 0.5625 * k + 0.0625 * (n - k) + 1) for k in (lesions, n - lesions))
    focal = -np.log(0.75) * 0.0625 * (0.25 * lesions + 0.75 * (n - lesions)) / n
    assert float(value) == pytest.approx(focal - dice + brute_force_lovasz(y[:1], p[:1]), rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 4, 4, 1), (2, 4, 4, 3)])
def test_labels_that_are_not_one_hot_are_refused(shape: tuple[int, ...]) -> None:
    _, p = random_batch((2, 4, 4, 2))
    with pytest.raises(ValueError, match=r"one-hot \(n, h, w, 2\)"):
        HybridSegmentationLoss()(np.zeros(shape, "float32"), p)


def test_unknown_options_are_refused() -> None:
    other: Any = "other"
    with pytest.raises(ValueError, match="pooled or per_pixel, not 'other'"):
        compute_dice(Y_HAND, P_HAND, other)
    with pytest.raises(ValueError, match="all or present, not 'other'"):
        compute_lovasz_softmax(Y_HAND, P_HAND, classes=other)


REPLICAS = """
import keras
import numpy as np
import tensorflow as tf

cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from lirads_keras.losses.segmentation import HybridSegmentationLoss

rng = np.random.default_rng(0)
x = rng.normal(size=(4, 8, 8, 3)).astype("float32")
y = np.eye(2, dtype="float32")[rng.integers(0, 2, (4, 8, 8))]
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2


def step(samples, switch, batch):
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Softmax()(keras.layers.Conv2D(2, 1)(image)))
    loss = HybridSegmentationLoss()
    model.compile(keras.optimizers.SGD(1.0), loss)
    loss.lovasz_switch.assign(switch)
    value = model.fit(tf.data.Dataset.from_tensor_slices((x[samples], y[samples])).batch(batch), verbose=0).history["loss"][0]
    return [value, *model.get_weights()]


for switch in (0.0, 1.0):
    with strategy.scope():
        together = step(slice(0, 4), switch, 4)
    for found, expected in zip(together, step(slice(0, 4), switch, 4), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
"""


@pytest.mark.slow
def test_two_replicas_have_value_and_gradient_of_one_device_with_the_whole_batch() -> None:
    """The pooled Dice and Eq. 3 are no means over samples: halves of a batch would give another loss."""
    subprocess.run([sys.executable, "-c", REPLICAS], check=True)


def test_the_loss_of_branches_is_their_mean() -> None:
    y, first = random_batch((3, 4, 4, 2))
    _, second = random_batch((3, 4, 4, 2), seed=1)
    loss = HybridSegmentationLoss(dice="per_pixel")
    loss.lovasz_switch.assign(1.0)
    found = loss.call(tf.constant(y), tf.stack([first, second], axis=-1))
    assert found.shape == (3,)
    np.testing.assert_allclose(found, (loss.call(tf.constant(y), tf.constant(first)) + loss.call(tf.constant(y), tf.constant(second))) / 2, rtol=1e-6)
