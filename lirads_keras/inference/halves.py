"""The segmentation network in two: what has to see whole slices, and what can be computed for a part of them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

WHOLE_FROM_STRIDE_PX = 8
"""From this stride on the decoder is computed for whole slices: there is little arithmetic in it, and each 3 × 3 convolution there reaches 8 px or more into a
window. Under it there is about half of the network's arithmetic, in narrow networks more than four fifths."""

PROBE_PX = 1024
"""Side of the image whose shapes tell the strides: a multiple of each."""

Window = tuple[slice, slice]
"""Rows and columns of a slice."""


@dataclass(frozen=True, eq=False)
class NetworkSplit:
    """A UNet++ in a lower half, images (n, y, x, c) -> maps, and an upper half, maps -> softmax (n, y, x, classes); both share the network's layers.

    `maps` names the layers at which the network is cut, in the order in which they are computed, and `strides` has theirs. So far as `reach_px` from a cut
    edge the upper half knows of the cut.
    """

    maps: tuple[str, ...]
    strides: tuple[int, ...]
    reach_px: int
    lower: keras.Model
    upper: keras.Model

    @property
    def window_px(self) -> int:
        """Windows begin and end at multiples of it: the largest stride of the maps."""
        return max(self.strides)

    def cut_maps(self, maps: Sequence[Any], window: Window) -> list[Any]:
        """The window of each map (n, y / stride, x / stride, c), arrays or tensors."""
        rows, columns = window
        return [array[:, rows.start // stride:rows.stop // stride, columns.start // stride:columns.stop // stride]
                for array, stride in zip(maps, self.strides, strict=True)]


def split_network(model: keras.Model) -> NetworkSplit:
    """Cuts a network in two.

    CBAM pools over the whole slice, and the encoder reaches farther than any slice: cutting their input changes what they say of what is left. What follows the
    last of them only convolves and up-samples, and not far: from cut maps it computes the probability in a window as if nothing was cut, but for the window's
    edge. To the upper half belongs each layer at a stride under `WHOLE_FROM_STRIDE_PX` that is local (`_is_local`) and leads to local layers only; the
    maps are what it reads of the lower half. They are x[0, 0], x[1, 0], x[2, 0], x[2, 1] and x[2, 2] with the paper's stem, and x[0, 0], x[1, 0], x[2, 0],
    x[3, 0] and x[3, 1] with the full-resolution one.

    Raises:
        ValueError: the network's last layer is not local.
    """
    import keras

    operations = model.operations
    readers: dict[Any, list[Any]] = {operation: [] for operation in operations}
    for operation in operations:
        for source in _list_sources(operation):
            readers[source].append(operation)
    local: set[Any] = set()
    for operation in reversed(operations):
        if _is_local(operation) and local.issuperset(readers[operation]):
            local.add(operation)
    last = model.output._keras_history.operation
    if last not in local:
        raise ValueError(f"the network can't be cut: its last layer, {last.name}, sees more than a part of a slice")
    strides = _compute_strides(model)
    upper = [operation for operation in operations if operation in local and strides[operation] < WHOLE_FROM_STRIDE_PX]
    # A dictionary, because it keeps the order.
    read = dict.fromkeys(source for operation in upper for source in _list_sources(operation) if source not in upper)
    maps = [operation for operation in operations if operation in read]
    outputs = [operation.output for operation in maps]
    return NetworkSplit(
        maps=tuple(operation.name for operation in maps),
        strides=tuple(strides[operation] for operation in maps),
        reach_px=_compute_reach(upper, strides)[last],
        lower=keras.Model(model.input, outputs),
        upper=keras.Model(outputs, model.output))


def _list_sources(operation: Any) -> list[Any]:
    import keras

    return [tensor._keras_history.operation for tensor in keras.tree.flatten(operation.input)]


def _is_local(operation: Any) -> bool:
    """Whether each pixel that the layer gives needs but a few around the same place, whatever the size of the slice."""
    from keras import layers

    if isinstance(operation, layers.Conv2D):
        return tuple(operation.strides) == (1, 1) and (operation.padding == "same" or tuple(operation.kernel_size) == (1, 1))
    if isinstance(operation, layers.UpSampling2D):
        return operation.interpolation == "nearest"
    return isinstance(operation, (layers.BatchNormalization, layers.Activation, layers.Softmax, layers.Concatenate, layers.Average))


def _compute_strides(model: keras.Model) -> dict[Any, int]:
    """Image pixels to a pixel of what each layer gives; layers that give no images have none."""
    import keras

    operations = [operation for operation in model.operations if len(operation.output.shape) == 4]
    probe = keras.Model(model.input, [operation.output for operation in operations])
    shapes = probe.compute_output_shape((1, PROBE_PX, PROBE_PX, model.input.shape[-1]))
    return {operation: PROBE_PX // shape[1] for operation, shape in zip(operations, shapes, strict=True)}


def _compute_reach(upper: Sequence[Any], strides: dict[Any, int]) -> dict[Any, int]:
    """How far from a cut edge what each layer of the upper half gives differs, in image pixels.

    Edges lie between pixels of every map, so that up-sampling and 1 × 1 convolutions add nothing; a 3 × 3 convolution adds one pixel of its own stride.
    """
    from keras import layers

    reach: dict[Any, int] = {}
    for operation in upper:
        reach[operation] = max(reach.get(source, 0) for source in _list_sources(operation))
        if isinstance(operation, layers.Conv2D):
            pixels = max(size // 2 * dilation for size, dilation in zip(operation.kernel_size, operation.dilation_rate, strict=True))
            reach[operation] += pixels * strides[operation]
    return reach
