from __future__ import annotations

import keras
import pytest
from diagrams.diagram import count_things
from diagrams.graph import count_layers, count_parameters, list_sources, split_graph
from keras import layers


@pytest.fixture
def ring() -> keras.Model:
    """image -> a -> b -> sum(a, b) -> c: 3 * 4 + 4, 4 * 4 + 4 and 4 * 2 + 2 parameters."""
    image = keras.Input((3,), name="image")
    a = layers.Dense(4, name="a")(image)
    b = layers.Dense(4, name="b")(a)
    return keras.Model(image, layers.Dense(2, name="c")(layers.Add(name="sum")([a, b])))


def test_sources_stand_in_the_order_of_the_arguments(ring):
    assert [[source.name for source in list_sources(ring.get_layer(name))] for name in ("image", "a", "sum")] == [[], ["image"], ["a", "b"]]


def test_parts_hold_every_layer_once_and_wires_join_parts_only(ring):
    ends = {name: ring.get_layer(name) for name in ("a", "sum", "c")}
    parts, wires = split_graph(ends)
    assert {name: {layer.name for layer in part} for name, part in parts.items()} == {"a": {"a", "image"}, "sum": {"sum", "b"}, "c": {"c"}}
    # a reaches the second part twice, which is one wire.
    assert sorted(wires) == [("a", "sum"), ("sum", "c")]
    assert [count_parameters(part) for part in parts.values()] == [16, 20, 10]
    assert count_layers(parts["sum"], layers.Dense) == 1


def test_things_are_counted_in_words():
    assert count_things(convolutions=1, residual_blocks=2, CBAM=1, heads=0) == "1 convolution, 2 residual blocks, 1 CBAM"
    assert count_things(heads=0) == ""
