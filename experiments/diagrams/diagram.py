"""What a diagram is made of: boxes in a grid, and arrows between them. R draws them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A box, at column `x` (to the right) and row `y` (upwards).

    Sizes are those of one image as it leaves the part that the box stands for; `parameters` are the part's own, trained or not. What has none is None.
    """

    node_id: str
    label: str
    kind: str
    x: float
    y: float
    detail: str | None = None
    rows_px: int | None = None
    columns_px: int | None = None
    channels: int | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class Edge:
    """An arrow from box to box, by their `node_id`."""

    source: str
    target: str
    kind: str = "flow"


@dataclass(frozen=True)
class Diagram:
    nodes: Sequence[Node]
    edges: Sequence[Edge]


def count_things(**numbers: int) -> str:
    """`2 convolutions, 1 CBAM`: what there is at least one of; an underscore is a space, and the plural's "s" goes with a single one."""
    def word(name: str, number: int) -> str:
        spoken = name.replace("_", " ")
        return f"{number} {spoken[:-1] if number == 1 and spoken.endswith('s') else spoken}"

    return ", ".join(word(name, number) for name, number in numbers.items() if number)
