"""The networks as diagrams, read from built Keras models: UNet++ (§2.5.1), one CBAM layer, and the multi-task network (Fig. 6)."""
from __future__ import annotations

import math
import re
from typing import Any

import keras
from diagrams.diagram import Diagram, Edge, Node, count_things
from diagrams.graph import count_layers, count_parameters, list_sources, split_graph

from lirads_keras.entities import ENHANCED_PHASES, FEATURE_PHASES, HEAD_FEATURES
from lirads_keras.lirads.categorize import FEATURE_WORDS
from lirads_keras.models.cbam import CBAM

AXES = ("images", "rows", "columns", "channels")
"""Of a tensor (n, y, x, c)."""

HEAD_GAP = 1.8
"""Rows between the trunk and what stands above and below it: arrows to the far column pass clear of the boxes in the near one."""


def describe_unet_plus_plus(model: keras.Model, matrix_px: int) -> Diagram:
    """Nodes x[i, j] in column j and row −i, and in the row above the image, the node at full size (if the stem needs one) and what follows the nodes.

    The sizes are those for images of `matrix_px`.
    """
    named = {layer.name: layer for layer in model.layers}
    inner = {(int(found[1]), int(found[2])) for name in named if (found := re.fullmatch(r"x_(\d+)_(\d+)_concat", name))}
    deepest = max(j for _, j in inner)
    grid = {(i, 0): list_sources(named[f"x_{i}_1_concat"])[0] for i in range(deepest)}
    grid[deepest, 0] = list_sources(named[f"x_{deepest - 1}_1_up"])[0]
    grid |= {(i, j): named[f"x_{i}_{j}_relu2"] for j, i in sorted((j, i) for i, j in inner)}
    places = {f"x[{i}, {j}]": (j, -i) for i, j in grid}
    ends = dict(zip(places, grid.values(), strict=True))
    last_column = deepest
    if "full_relu2" in named:
        places["full size"], ends["full size"] = (deepest, 1), named["full_relu2"]
        last_column += 1
    branches = list_sources(named["probability"])
    if len(branches) > 1:
        ends |= {layer.name.removesuffix("_up"): layer for layer in branches}
        places |= {f"branch_{j}": (j, 1) for j in range(1, deepest)} | {"branch_full": (last_column, 1), "probability": (last_column, 3)}
    else:
        places["probability"] = (last_column, 1)
    ends["probability"] = named["probability"]
    shapes = keras.Model(model.input, [end.output for end in ends.values()]).compute_output_shape((1, matrix_px, matrix_px, model.input.shape[-1]))
    parts, wires = split_graph({"image": named["image"], **ends})

    nodes = {"image": Node("image", "image", "data", 0, 1, None, matrix_px, matrix_px, model.input.shape[-1], 0)}
    for name, (_, rows_px, columns_px, channels) in zip(ends, shapes, strict=True):
        x, y = places[name]
        kind = "head" if name == "probability" or name.startswith("branch") else "encoder" if x == 0 else "decoder"
        nodes[name] = Node(name, name.replace("_", " "), kind, x, y, _describe_part(parts[name]), rows_px, columns_px, channels,
                           count_parameters(parts[name]))
    return Diagram(list(nodes.values()), [Edge(source, target, _direction(nodes[source], nodes[target])) for source, target in wires])


def _direction(source: Node, target: Node) -> str:
    """`down` and `up` change the resolution, `skip` joins nodes of one row; what leads from the image or to a head at the same resolution is neither."""
    assert source.rows_px is not None and target.rows_px is not None
    if source.rows_px != target.rows_px:
        return "down" if source.rows_px > target.rows_px else "up"
    return "flow" if source.kind == "data" or target.kind == "head" else "skip"


def describe_cbam(layer: CBAM, shape: tuple[int, ...]) -> Diagram:
    """The operations of one CBAM layer on features (rows, columns, channels), from top to bottom; two branches stand beside one another."""
    features = keras.Input(shape, name="features")
    operations = keras.Function(features, layer.call(features)).operations
    depths: dict[Any, int] = {}
    for operation in operations:
        depths[operation] = max((depths[source] + 1 for source in list_sources(operation)), default=0)
    ids = {operation: f"{operation.name if not depth else _word(operation)}_{number}" for number, (operation, depth) in enumerate(depths.items())}
    nodes, seen = [], set[str]()
    for operation, depth in depths.items():
        beside = [other for other in operations if depths[other] == depth]
        # Weights reach an operation as arguments that are no tensors of the graph.
        weights = {weight.name: weight for weight in keras.tree.flatten(operation._inbound_nodes[0].arguments.args) if isinstance(weight, keras.Variable)}
        kind = "data" if depth == 0 else "operation" if _word(operation) == "multiply" else "attention"
        x = 0 if len(beside) == 1 else -1 if operation is beside[0] else 1
        _, rows_px, columns_px, channels = operation.output.shape
        nodes.append(Node(ids[operation], _name_operation(operation, list(weights)), kind, x, -depth, "the same weights" if weights.keys() & seen else None,
                          rows_px, columns_px, channels, sum(math.prod(weight.shape) for name, weight in weights.items() if name not in seen)))
        seen |= weights.keys()
    edges = [Edge(ids[source], ids[operation], "skip" if depths[operation] - depths[source] > 1 else "flow")
             for operation in operations for source in list_sources(operation)]
    return Diagram(nodes, edges)


def _word(operation: Any) -> str:
    return type(operation).__name__.lower()


def _name_operation(operation: Any, weights: list[str]) -> str:
    if isinstance(operation, keras.layers.InputLayer):
        return str(operation.name)
    if _word(operation) in ("mean", "max"):
        return f"{_word(operation)} over {' and '.join(AXES[axis] for axis in operation.axis)}"
    return " ".join([_word(operation), *(f"with {weight}" for weight in weights)])


def describe_multitask(model: keras.Model) -> Diagram:
    """Phases above, the trunk's blocks below one another, the heads at the bottom; `reads` joins a phase to the features that it tells (Eq. 4)."""
    trunk = _find_trunk_ends(model) | {name: model.get_layer(name) for name in ("pool", "shared")}
    heads = {str(feature): model.get_layer(str(feature)) for feature in HEAD_FEATURES}
    words = {str(feature): FEATURE_WORDS[feature] for feature in HEAD_FEATURES}
    parts, wires = split_graph(trunk | heads)
    columns = (-1, 1, 2)
    nodes = [Node(str(phase), f"{str(phase).replace('_', ' ')} phase", "data", x, HEAD_GAP - 1)
             for phase, x in zip(ENHANCED_PHASES, columns, strict=True)]
    kinds = {"image": "data", "pool": "operation", "shared": "operation"}
    nodes += [_describe_layers(name, name, parts[name], kinds.get(name, "encoder"), 0, -row) for row, name in enumerate(trunk, start=1)]
    nodes += [_describe_layers(name, words[name], parts[name], "head", x, -len(trunk) - HEAD_GAP) for name, x in zip(heads, columns, strict=True)]
    edges = [Edge(str(phase), "image") for phase in ENHANCED_PHASES] + [Edge(*wire) for wire in wires]
    return Diagram(nodes, edges + [Edge(str(phase), str(feature), "reads") for feature in HEAD_FEATURES for phase in FEATURE_PHASES[feature]])


def _find_trunk_ends(model: keras.Model) -> dict[str, Any]:
    """The input, then the last layer of each of the trunk's blocks (VGG) or stages (ResNet); what follows the last one belongs to it."""
    ends = {"image": model.layers[0]}
    for layer in model.layers:
        if found := re.match(r"(block|stage)(\d+)_", layer.name):
            ends[f"{found[1]} {found[2]}"] = layer
    ends[list(ends)[-1]] = list_sources(model.get_layer("pool"))[0]
    return ends


def _describe_layers(name: str, label: str, part: list[Any], kind: str, x: int, y: float) -> Node:
    """The box of a part whose first operation is the one that it was cut at."""
    *size, channels = part[0].output.shape[1:]
    rows_px, columns_px = size or (None, None)
    return Node(name, label, kind, x, y, _describe_part(part), rows_px, columns_px, channels, count_parameters(part))


def _describe_part(operations: list[Any]) -> str | None:
    activations = [operation.activation.__name__ for operation in operations if isinstance(operation, keras.layers.Dense)]
    return ", ".join(filter(None, [count_things(
        convolutions=count_layers(operations, keras.layers.Conv2D), residual_blocks=count_layers(operations, keras.layers.Add),
        CBAM=count_layers(operations, CBAM)), *activations])) or None
