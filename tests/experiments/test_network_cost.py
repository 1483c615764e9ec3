"""The count against the convolutions of the network that Keras builds."""
from __future__ import annotations

import math
from typing import get_args

import keras
import pytest
from network_cost import NetworkCost, count_cost

from lirads_keras.config.segmentation import DECODER_STRIDES, Stem
from lirads_keras.models.depths import ResNetDepth
from lirads_keras.models.unet_plus_plus import HEAD, build_unet_plus_plus

SIDE = 64


@pytest.mark.parametrize("channels", [3, 9])
@pytest.mark.parametrize("stem", get_args(Stem))
@pytest.mark.parametrize("encoder", get_args(ResNetDepth))
def test_it_is_that_of_the_network_but_for_its_head(encoder: ResNetDepth, stem: Stem, channels: int) -> None:
    filters = (24, 20, 16, 12, 8)[:len(DECODER_STRIDES[stem])]
    model = build_unet_plus_plus(encoder, classes=2, width_factor=0.25, decoder_filters=filters, channels=channels, stem=stem)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and layer.name != HEAD]
    shapes = keras.Model(model.input, [layer.output for layer in layers]).compute_output_shape((1, SIDE, SIDE, channels))
    outputs = [(rows * columns / SIDE ** 2, layer) for layer, (_, rows, columns, _) in zip(layers, shapes, strict=True)]
    assert count_cost(encoder, stem=stem, width_factor=0.25, decoder_filters=filters, channels=channels) == NetworkCost(
        pytest.approx(sum(share * math.prod(layer.kernel.shape) for share, layer in outputs)),
        pytest.approx(sum(share * layer.filters for share, layer in outputs)))


def test_the_full_resolution_stem_costs_nearly_four_times_as_much() -> None:
    paper, full = (count_cost("resnet34", stem=stem, width_factor=1.0, decoder_filters=(256, 128, 64, 32, 16)[:len(DECODER_STRIDES[stem])])
                   for stem in get_args(Stem))
    assert full.multiplications / paper.multiplications == pytest.approx(3.83, abs=0.01) and full.values / paper.values == pytest.approx(3.39, abs=0.01)
