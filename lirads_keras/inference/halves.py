"""The segmentation network in two: what has to see whole slices, and what can be computed for a part of them."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

CUTS = {"relu0": 2, "stage2_unit1_relu1": 4, "stage3_unit1_relu1": 8, "x_2_1_relu2": 8, "x_2_2_relu2": 8}
"""Layers of `build_unet_plus_plus` at which the network is cut, and their strides: x[0, 0], x[1, 0], x[2, 0], x[2, 1] and x[2, 2]. What is computed from
them, the nodes at the strides 4, 2 and 1, has more than half of the arithmetic."""

WINDOW_PX = 8
"""Windows begin and end at multiples of the largest of these strides."""

UPPER_REACH_PX = 30
"""So far from a cut edge the upper half knows of the cut: through x[1, 1], x[1, 2], x[1, 3], x[0, 4] and the last node, each two 3 × 3 convolutions."""

Window = tuple[slice, slice]
"""Rows and columns of a slice."""


def split_network(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The lower half, images (n, y, x, 3) -> the five maps at `CUTS`, and the upper half, these -> softmax (n, y, x, classes); both share the model's layers.

    CBAM pools over the whole slice, and the encoder reaches farther than any slice: cutting their input changes what they say of what is left. The
    upper half only convolves, and not far: from cut maps it computes the probability in a window as if nothing was cut, but for the window's edge.
    """
    import keras

    maps = [model.get_layer(name).output for name in CUTS]
    return keras.Model(model.input, maps), keras.Model(maps, model.output)


def cut_maps(maps: list[Any], window: Window) -> list[Any]:
    """The window of each map (n, y / stride, x / stride, c), arrays or tensors."""
    rows, columns = window
    return [array[:, rows.start // stride:rows.stop // stride, columns.start // stride:columns.stop // stride]
            for array, stride in zip(maps, CUTS.values(), strict=True)]
