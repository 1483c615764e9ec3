"""Where networks are cut in two: literally for those that are trained, and by its rule for small ones made to break it."""
from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from lirads_keras.inference.halves import split_network
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus

FILTERS = (12, 11, 10, 9, 8)


@pytest.mark.parametrize("options", [{}, {"deep_supervision": True}, {"cbam": False}])
@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "resnet50"])
def test_the_papers_stem_is_cut_below_stride_8_whatever_the_encoder(encoder, options):
    split = split_network(build_unet_plus_plus(encoder, classes=2, width_factor=0.125, decoder_filters=FILTERS, **options))
    # x[0, 0], x[1, 0], x[2, 0], x[2, 1] and x[2, 2].
    assert split.maps == ("relu0", "stage2_unit1_relu1", "stage3_unit1_relu1", "x_2_1_relu2", "x_2_2_relu2")
    assert split.strides == (2, 4, 8, 8, 8) and split.window_px == 8
    # Two 3 × 3 convolutions each in x[1, 1], x[1, 2] and x[1, 3] at stride 4, x[0, 4] at stride 2 and the last node at stride 1.
    assert split.reach_px == 2 * (4 + 4 + 4 + 2 + 1) == 30


@pytest.mark.parametrize("options", [{}, {"deep_supervision": True}])
@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_the_full_resolution_stem_is_cut_at_the_same_stride_one_row_lower(encoder, options):
    model = build_unet_plus_plus(encoder, classes=2, width_factor=0.125, decoder_filters=FILTERS[:4], stem="full_resolution", **options)
    split = split_network(model)
    # x[0, 0], x[1, 0], x[2, 0], x[3, 0] and x[3, 1].
    assert split.maps == ("relu0", "stage2_unit1_relu1", "stage3_unit1_relu1", "stage4_unit1_relu1", "x_3_1_relu2")
    assert split.strides == (1, 2, 4, 8, 8) and split.window_px == 8
    # x[2, 1] and x[2, 2] at stride 4, x[1, 3] at stride 2, x[0, 4] at stride 1.
    assert split.reach_px == 2 * (4 + 4 + 2 + 1) == 22


def test_the_upper_half_has_the_nodes_and_heads_alone():
    split = split_network(build_unet_plus_plus("resnet18", classes=2, width_factor=0.125, decoder_filters=FILTERS, deep_supervision=True))
    nodes = {layer.name.split("_conv")[0] for layer in split.upper.layers if isinstance(layer, layers.Conv2D)}
    assert nodes == {"x_0_1", "x_0_2", "x_0_3", "x_0_4", "x_1_1", "x_1_2", "x_1_3", "full", "head", "head_1", "head_2", "head_3"}
    assert not any(isinstance(layer, (CBAM, layers.MaxPooling2D)) for layer in split.upper.layers)


def test_maps_are_cut_at_their_own_strides():
    split = split_network(build_unet_plus_plus("resnet18", classes=2, width_factor=0.125, decoder_filters=FILTERS))
    maps = split.lower(np.zeros((1, 64, 96, 3), np.float32))
    cut = split.cut_maps(maps, (slice(16, 40), slice(88, 96)))
    for whole, part, stride in zip(maps, cut, split.strides, strict=True):
        np.testing.assert_array_equal(part, whole[:, 16 // stride:40 // stride, 88 // stride:96 // stride])
        assert part.shape[1:3] == (24 // stride, 8 // stride)


def build(upper, *, channels: int = 3) -> keras.Model:
    """A convolution of stride 2 with attention, then what `upper` makes of it."""
    image = keras.Input((None, None, channels))
    seen = CBAM(name="attention")(layers.Conv2D(4, 2, strides=2)(image))
    return keras.Model(image, upper(seen))


@pytest.mark.parametrize("upper, reach_px", [
    (lambda x: layers.Conv2D(2, 3, padding="same")(x), 2),
    (lambda x: layers.Conv2D(2, 1)(x), 0),
    (lambda x: layers.Conv2D(2, 5, padding="same")(layers.UpSampling2D(2)(x)), 2),
    (lambda x: layers.Conv2D(2, (1, 7), padding="same")(x), 6),
    (lambda x: layers.Conv2D(2, 3, padding="same", dilation_rate=3)(x), 6),
    (lambda x: layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same")(x))), 3),
    # The longer of two ways counts.
    (lambda x: layers.Average()([layers.Conv2D(4, 3, padding="same")(layers.Conv2D(4, 3, padding="same")(x)), layers.Conv2D(4, 1)(x)]), 4),
])
def test_the_reach_follows_the_convolutions_on_the_longest_way(upper, reach_px):
    split = split_network(build(upper))
    assert (split.maps, split.strides, split.window_px, split.reach_px) == (("attention",), (2,), 2, reach_px)


@pytest.mark.parametrize("whole", [
    CBAM(), layers.MaxPooling2D(2), layers.Conv2D(4, 3), layers.Conv2D(4, 3, strides=2, padding="same"), layers.UpSampling2D(2, interpolation="bilinear"),
    layers.ZeroPadding2D(1)], ids=lambda layer: type(layer).__name__)
def test_the_cut_is_behind_the_last_layer_that_is_not_local(whole):
    """A local convolution before it stays in the lower half."""
    model = build(lambda x: layers.Conv2D(2, 1, name="last")(layers.BatchNormalization()(whole(layers.Conv2D(4, 3, padding="same", name="before")(x)))))
    split = split_network(model)
    assert split.maps == (whole.name,)
    assert "before" in [layer.name for layer in split.lower.layers] and "before" not in [layer.name for layer in split.upper.layers]


def test_a_network_without_a_local_end_is_refused():
    with pytest.raises(ValueError, match="can't be cut: its last layer, attention_2, sees"):
        split_network(build(lambda x: CBAM(name="attention_2")(layers.Conv2D(4, 3, padding="same")(x))))


def test_the_number_of_input_channels_does_not_matter():
    model = build(lambda x: layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D(2)(x)), channels=9)
    split = split_network(model)
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 9)).astype(np.float32)
    maps = split.cut_maps([split.lower(images)], (slice(8, 24), slice(0, 16)))
    np.testing.assert_allclose(split.upper(maps)[:, 1:-1, :-1], model(images)[:, 9:23, :15], atol=1e-6)
