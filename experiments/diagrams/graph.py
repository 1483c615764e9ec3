"""A Keras graph cut into parts: which operations lead to which of some chosen ones, and which part reads which."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras


def list_sources(operation: Any) -> list[Any]:
    """The layers or operations whose outputs `operation` reads, in the order of its arguments; none for an input."""
    return [tensor._keras_history.operation for tensor in keras.tree.flatten(operation.input)]


def split_graph(ends: Mapping[str, Any]) -> tuple[dict[str, list[Any]], list[tuple[str, str]]]:
    """Cuts a graph at `ends`: named operations in the order in which they are computed, each called once.

    Returns:
        The operations of each part, those that its end needs and no earlier end does; and the pairs (source, target) of parts of which the second
        reads the first, each once.
    """
    owner: dict[Any, str] = {}
    for name, end in ends.items():
        waiting = [end]
        while waiting:
            operation = waiting.pop()
            if operation not in owner:
                owner[operation] = name
                waiting += list_sources(operation)
    parts = {name: [operation for operation, part in owner.items() if part == name] for name in ends}
    wires = dict.fromkeys((owner[source], part) for operation, part in owner.items() for source in list_sources(operation) if owner[source] != part)
    return parts, list(wires)


def count_parameters(operations: Iterable[Any]) -> int:
    """Numbers in the weights of some layers, moving statistics too."""
    return sum(operation.count_params() for operation in operations if isinstance(operation, keras.layers.Layer))


def count_layers(operations: Iterable[Any], kind: type) -> int:
    return sum(isinstance(operation, kind) for operation in operations)
