"""What the segmentation network takes, counted from its settings without building it: TensorFlow takes seconds to load.

The convolutions are those of `lirads_keras.models.unet_plus_plus`; normalisation, attention and heads are left out, which are small beside them.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lirads_keras.config.segmentation import Stem
from lirads_keras.models.depths import BLOCKS_PER_STAGE, ResNetDepth
from lirads_keras.models.width import scale_channels
from lirads_keras.variants import STACKED_SLICES


@dataclass(frozen=True)
class Convolution:
    """`stride`: of its output; `side`: of its kernel."""

    stride: int
    side: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class NetworkCost:
    """Of one image, for each of its pixels: `multiplications` of a forward pass, and the `values` that convolutions give, which training keeps."""

    multiplications: float
    values: float


def count_cost(encoder: ResNetDepth, *, stem: Stem, width_factor: float, decoder_filters: tuple[int, ...], channels: int = STACKED_SLICES) -> NetworkCost:
    """Counts a UNet++; the arguments are those of `build_unet_plus_plus`."""
    convolutions = list(_list_convolutions(encoder, stem, width_factor, decoder_filters, channels))
    return NetworkCost(sum(layer.side ** 2 * layer.inputs * layer.outputs / layer.stride ** 2 for layer in convolutions),
                       sum(layer.outputs / layer.stride ** 2 for layer in convolutions))


def _list_convolutions(encoder: ResNetDepth, stem: Stem, width_factor: float, decoder_filters: tuple[int, ...], channels: int) -> Iterator[Convolution]:
    first_stride, first_side = (2, 7) if stem == "paper" else (1, 3)
    skips = [scale_channels(64, width_factor)]
    yield Convolution(first_stride, first_side, channels, skips[0])
    for stage, blocks in enumerate(BLOCKS_PER_STAGE[encoder]):
        filters = scale_channels(64 * 2 ** stage, width_factor)
        skips.append(4 * filters if encoder == "resnet50" else filters)
        stride = first_stride * 2 ** (stage + 1)
        yield Convolution(stride, 1, skips[-2], skips[-1])
        for block in range(blocks):
            inputs = skips[-1] if block else skips[-2]
            if encoder == "resnet50":
                # A stage's second convolution halves the image, except in the first stage.
                yield Convolution(stride // 2 if stage and not block else stride, 1, inputs, filters)
                yield Convolution(stride, 3, filters, filters)
                yield Convolution(stride, 1, filters, skips[-1])
            else:
                yield Convolution(stride, 3, inputs, filters)
                yield Convolution(stride, 3, filters, filters)
    nodes = decoder_filters[len(skips) - 2::-1]
    for i, (filters, (skip, below)) in enumerate(zip(nodes, pairwise(skips), strict=True)):
        for j in range(1, len(skips) - i):
            up = below if j == 1 else nodes[i + 1]
            yield Convolution(first_stride * 2 ** i, 3, skip + (j - 1) * filters + up, filters)
            yield Convolution(first_stride * 2 ** i, 3, filters, filters)
    if stem == "paper":
        yield Convolution(1, 3, nodes[0], decoder_filters[-1])
        yield Convolution(1, 3, decoder_filters[-1], decoder_filters[-1])
