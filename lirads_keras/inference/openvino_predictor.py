"""The segmentation network on OpenVINO, an optional package: about twice as fast in bfloat16 on CPUs that have it.

TensorFlow and OpenVINO are imported where they are needed: that a package is absent is told before TensorFlow's seconds.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lirads_keras.config.segmentation import Engine
from lirads_keras.errors import InputError, Problem
from lirads_keras.inference.halves import Window, split_network

if TYPE_CHECKING:
    import keras

STREAMS = 2
"""Slices that are computed side by side, each with its share of the threads: a second slice gains more than a second thread. Each takes memory of its own."""


def check_engine(engine: Engine) -> None:
    """Raises InputError if the engine's package is not installed; cheap, to be called before hours of training."""
    if engine != "keras" and find_spec("openvino") is None:
        raise InputError(Problem("inference.engine", f"the package openvino, for {engine} (pip install 'lirads-keras[openvino]')", "no such package"))


class OpenVinoPredictor:
    """A Keras segmentation network converted to OpenVINO when it is first asked after `take_weights`, and compiled once for each shape of slice and window.

    Args:
        model: a UNet++, images (n, y, x, c) -> softmax (n, y, x, 2).
        precision: of the convolutions; probabilities come out in float32. "bf16" is what OpenVINO takes by itself where the CPU has it; where it has
            not, OpenVINO computes in float32.
        threads: all cores if None.
    """

    def __init__(self, model: keras.Model, precision: Literal["f32", "bf16"], threads: int | None = None) -> None:
        threads = threads or os.cpu_count() or 1
        self._model = model
        self._split = split_network(model)
        self.window_px = self._split.window_px
        self._streams = min(STREAMS, threads)
        self._options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": self._streams}
        self._halves: tuple[Any, Any] | None = None
        self._requests: dict[tuple[int, ...], list[Any]] = {}

    def __call__(self, stacks: np.ndarray, window: Window) -> np.ndarray:
        """As `Predictor`: lesion probability float32 (n, rows, columns) of stacks float32 (n, y, x, c) in a window."""
        if self._halves is None:
            self._halves = convert_halves(self._model)
        lower, upper = self._halves
        probability = np.empty((len(stacks), *(part.stop - part.start for part in window)), np.float32)
        for first in range(0, len(stacks), self._streams):
            group = [[np.ascontiguousarray(stack[None])] for stack in stacks[first:first + self._streams]]
            requests = self._infer(lower, group, 0)
            maps = [[np.ascontiguousarray(array) for array in self._split.cut_maps([output.data for output in request.output_tensors], window)]
                    for request in requests]
            for index, request in enumerate(self._infer(upper, maps, 1), start=first):
                probability[index] = request.output_tensors[0].data[0]
        return probability

    def take_weights(self) -> None:
        """Drops the converted network, so that the next call converts the model as it is then."""
        self._halves = None
        self._requests.clear()

    def _infer(self, half: Any, group: list[list[np.ndarray]], number: int) -> list[Any]:
        """The finished requests of a group of slices, each with its inputs (1, y, x, c): single inputs, since a fixed shape compiles to the fastest kernels."""
        import openvino

        key = (number, *group[0][0].shape)
        if key not in self._requests:
            network = half.clone()
            network.reshape({network.input(index): array.shape for index, array in enumerate(group[0])})
            compiled = openvino.Core().compile_model(network, "CPU", self._options)
            self._requests[key] = [compiled.create_infer_request() for _ in range(self._streams)]
        requests = self._requests[key][:len(group)]
        for request, inputs in zip(requests, group, strict=True):
            request.start_async(inputs, share_inputs=True)
        for request in requests:
            request.wait()
        return requests


def convert_halves(model: keras.Model) -> tuple[Any, Any]:
    """Both halves of a UNet++ (`split_network`) as OpenVINO models with float32 weights; the upper gives the lesion probability (n, y, x).

    A network built for mixed precision is converted from its float32 weights, so that OpenVINO alone decides in what it computes.
    """
    import keras
    import tensorflow as tf

    twin = keras.models.clone_model(model, clone_function=lambda layer: layer.__class__.from_config({**layer.get_config(), "dtype": "float32"}))
    twin.set_weights(model.get_weights())
    split = split_network(twin)

    def compute_maps(stacks: tf.Tensor) -> list[tf.Tensor]:
        return split.lower(stacks, training=False)

    def compute_probability(*maps: tf.Tensor) -> tf.Tensor:
        return split.upper(list(maps), training=False)[..., 1]

    return (_convert(compute_maps, [tf.TensorSpec((None, None, None, model.input.shape[-1]), tf.float32, name="stacks")]),
            _convert(compute_probability, [tf.TensorSpec(array.shape, tf.float32, name=f"map_{index}") for index, array in enumerate(split.upper.inputs)]))


def _convert(function: Callable[..., Any], signature: list[Any]) -> Any:
    """A TensorFlow function as an OpenVINO model, its inputs and outputs in the function's order."""
    import openvino
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(tf.function(function, input_signature=signature).get_concrete_function())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
        # OpenVINO's own reader, not its Python converter, which reports its use over the network.
        network = openvino.Core().read_model(path)
    inputs, outputs = ([by_name(tensor.name) for tensor in tensors] for by_name, tensors in (
        (network.input, frozen.inputs), (network.output, frozen.outputs)))
    return openvino.Model([output.node for output in outputs], [parameter.node for parameter in inputs])
