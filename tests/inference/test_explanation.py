"""Class-activation maps of networks so small that the maps are known by hand, and of the real ones' shapes."""
from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lirads_keras.entities import HEAD_FEATURES, Category, FeatureProbabilities, Lesion, Observation, ScoredLesion
from lirads_keras.inference.explanation import COLOUR_BAR, LesionExplanation, compute_activation_maps, find_last_features, plot_explanation
from lirads_keras.inference.features import predict_features
from lirads_keras.inference.report import RESEARCH_USE
from lirads_keras.models.multitask import build_multitask

PX = 4
WEIGHTS = {"aphe": (1.0, 0.0), "washout": (0.0, 2.0), "capsule": (1.0, -1.0)}
"""Of each head, for the red and the green mean."""
ARTERIAL, PORTAL_VENOUS, DELAYED = range(3)
APHE, WASHOUT, CAPSULE = range(3)


def make_network(*, stride: int = 1, pooled: bool = False, bias: float = 0.25) -> keras.Model:
    """Red and green as two feature maps, their means, and a head each."""
    image = keras.Input((PX, PX, 3))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0, 0] = kernel[0, 0, 1, 1] = 1
    x = layers.Conv2D(2, 1, strides=stride, use_bias=False, kernel_initializer=keras.initializers.Constant(kernel), name="last")(image)
    if pooled:
        x = layers.MaxPooling2D(2, name="pooling")(x)
    shared = layers.Dense(2, activation="relu", kernel_initializer=keras.initializers.Constant(np.eye(2)), name="shared")(
        layers.GlobalAveragePooling2D(name="pool")(x))
    heads = {name: layers.Dense(1, activation="sigmoid", kernel_initializer=keras.initializers.Constant(np.reshape(weights, (2, 1))),
                                bias_initializer=keras.initializers.Constant(bias), name=name)(shared) for name, weights in WEIGHTS.items()}
    return keras.Model(image, heads)


def make_images(lesions: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, (lesions, 3, PX, PX, 3)).astype(np.float32)


def expect(image: np.ndarray, feature: str) -> np.ndarray:
    """Score: the weighted means, so the gradient's mean at each of the n places is w/n."""
    red, green = WEIGHTS[feature]
    return np.maximum((red * image[..., 0] + green * image[..., 1]) / PX ** 2, 0)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("bias", [0.25, 30.0])
def test_the_map_is_the_weighted_sum_of_the_last_convolution(pooled, bias):
    """Whether or not a pooling follows it, and even where the sigmoid has no slope any more."""
    images = make_images()
    maps = compute_activation_maps(make_network(pooled=pooled, bias=bias), images, np.ones((1, 3), bool), "plain")
    assert maps.shape == (1, 3, 3, PX, PX) and maps.dtype == np.float32
    for phase in range(3):
        for number, feature in enumerate(WEIGHTS):
            np.testing.assert_allclose(maps[0, phase, number], expect(images[0, phase], feature), atol=1e-6)


def test_only_the_phases_that_a_feature_is_read_from_have_a_map():
    present = np.array([[True, True, True], [False, True, True], [True, False, False]])
    images = make_images(3)
    images[~present] = np.nan
    known = ~np.isnan(compute_activation_maps(make_network(), images, present, "adaptive")).any(axis=(3, 4))
    expected = np.zeros((3, 3, 3), bool)
    expected[0, ARTERIAL, APHE] = expected[2, ARTERIAL, APHE] = True
    for lesion in (0, 1):
        expected[lesion, PORTAL_VENOUS:, WASHOUT:] = True
    np.testing.assert_array_equal(known, expected)
    assert (~np.isnan(compute_activation_maps(make_network(), images, present, "plain")).any(axis=(3, 4)) == present[..., None]).all()


def test_a_coarser_map_is_brought_to_the_crop():
    images = np.repeat(np.repeat(make_images()[:, :, ::2, ::2], 2, axis=2), 2, axis=3)
    images[0, ARTERIAL, :, :, 0] = 0.75
    maps = compute_activation_maps(make_network(stride=2), images, np.ones((1, 3), bool), "adaptive")
    np.testing.assert_allclose(maps[0, ARTERIAL, APHE], np.full((PX, PX), 0.75 / 4), rtol=1e-6)
    # The corner's centre lies beyond that of the coarse corner: linear interpolation keeps its value.
    assert maps[0, DELAYED, WASHOUT, 0, 0] == pytest.approx(2 * images[0, DELAYED, 0, 0, 1] / 4)


def test_batches_change_nothing():
    images, present = make_images(5), np.ones((5, 3), bool)
    np.testing.assert_array_equal(compute_activation_maps(make_network(), images, present, "plain", batch_size=4),
                                  compute_activation_maps(make_network(), images, present, "plain"))
    assert compute_activation_maps(make_network(), images[:0], present[:0], "plain").shape == (0, 3, 3, PX, PX)
    assert np.isnan(compute_activation_maps(make_network(), images, ~present, "plain")).all()


def test_taking_away_what_the_map_shows_lowers_the_feature():
    """Where the capsule's map is brightest stands what speaks for it: without it the probability falls; elsewhere it does not."""
    images = np.full((1, 3, PX, PX, 3), 0.5, np.float32)
    images[:, :, 1, 2, 0] = 1.0
    network, present = make_network(), np.ones((1, 3), bool)
    bright = np.unravel_index(np.nanargmax(compute_activation_maps(network, images, present, "adaptive")[0, DELAYED, CAPSULE]), (PX, PX))
    assert bright == (1, 2)
    before = predict_features(network, images, present, "adaptive")[0].capsule
    occluded, elsewhere = images.copy(), images.copy()
    occluded[:, :, bright[0], bright[1]] = 0.5
    elsewhere[:, :, 3, 3] = 0.5
    assert predict_features(network, occluded, present, "adaptive")[0].capsule < before
    assert predict_features(network, elsewhere, present, "adaptive")[0].capsule == before


@pytest.mark.parametrize("trunk, name, size", [("vgg16", "block5_conv3", 4), ("resnet50", "relu1", 2)])
def test_the_last_features_of_the_real_networks(trunk, name, size):
    network = build_multitask(trunk, crop_px=64, width_factor=0.125, head_units=8, weights="random")
    layer = find_last_features(network)
    assert layer.name == name and layer.output.shape[1:3] == (size, size)
    maps = compute_activation_maps(network, np.random.default_rng(0).normal(size=(1, 3, 64, 64, 3)).astype(np.float32), np.ones((1, 3), bool), "adaptive")
    assert np.nanmin(maps) >= 0 and np.isfinite(maps[0, ARTERIAL, APHE]).all()


def test_a_network_without_images_is_refused():
    given = keras.Input((3,))
    with pytest.raises(ValueError, match="no layer of images"):
        find_last_features(keras.Model(given, layers.Dense(1)(given)))


def make_scored() -> ScoredLesion:
    lesion = Lesion("P1", (slice(0, 1), slice(0, 2), slice(0, 2)), np.ones((1, 2, 2), bool), 0, 23.0, 1.0, (0.0, 0.0, 0.0), 0.9)
    return ScoredLesion(lesion, FeatureProbabilities(0.9, 0.75, None), Observation(23.0, True, True, None), Category.LR_5, "APHE, washout, 23 mm: LR-5")


def make_explanation() -> LesionExplanation:
    maps = np.full((3, len(HEAD_FEATURES), 8, 8), np.nan, np.float32)
    maps[ARTERIAL, APHE], maps[DELAYED, WASHOUT], maps[PORTAL_VENOUS, WASHOUT] = 0.5, np.linspace(0, 2, 64).reshape(8, 8), 0.0
    outline = np.zeros((8, 8), bool)
    outline[2:6, 2:6] = True
    return LesionExplanation(np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32), np.ones(3, bool), maps, outline)


def test_the_picture_has_the_crops_and_a_row_for_each_feature():
    figure = plot_explanation(make_explanation(), make_scored())
    cells = np.array([axes for axes in figure.axes if axes.get_label() != COLOUR_BAR]).reshape(4, 3)
    assert [cell.get_title() for cell in cells[0]] == ["arterial", "portal venous", "delayed"]
    assert [row[0].get_ylabel() for row in cells] == ["crop", "APHE\n0.90", "washout\n0.75", "capsule\nnot assessed"]
    overlays = np.array([[len(cell.get_images()) == 2 for cell in row] for row in cells])
    np.testing.assert_array_equal(overlays, [[0, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]])
    # One scale for both phases of washout.
    assert {cell.get_images()[1].get_clim() for cell in cells[2, 1:]} == {(0.0, 2.0)}
    assert [axes.axison for axes in figure.axes if axes.get_label() == COLOUR_BAR] == [False, True, True, False]
    assert "P1: LR-5" in figure.get_suptitle() and RESEARCH_USE in figure.get_suptitle()
    FigureCanvasAgg(figure).draw()


def test_a_map_of_zeros_says_so():
    explanation = make_explanation()
    explanation.maps[DELAYED, CAPSULE] = 0
    figure = plot_explanation(explanation, make_scored())
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == ["no place speaks for it"]


def test_a_missing_phase_and_a_lesion_that_fills_the_crop_are_drawn():
    explanation = dataclasses.replace(make_explanation(), present=np.array([False, True, True]), outline=np.ones((8, 8), bool))
    figure = plot_explanation(explanation, make_scored())
    assert sum(text.get_text() == "no image" for axes in figure.axes for text in axes.texts) == 4
    FigureCanvasAgg(figure).draw()
