"""Diagrams of the networks against counts by formula, Keras' own counts, and the publications' figures."""
from __future__ import annotations

import keras
import pytest
from diagrams.networks import describe_cbam, describe_multitask, describe_unet_plus_plus

from lirads_keras.config.segmentation import DECODER_STRIDES
from lirads_keras.entities import HEAD_FEATURES
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.multitask import build_multitask
from lirads_keras.models.unet_plus_plus import build_unet_plus_plus

FILTERS = (12, 11, 10, 9, 8)
STRIDES = (2, 4, 8, 16, 32)


def build(encoder="resnet18", stem="paper", **options) -> keras.Model:
    filters = FILTERS[:len(DECODER_STRIDES[stem])]
    return build_unet_plus_plus(encoder, classes=2, width_factor=0.125, decoder_filters=filters, stem=stem, **options)


@pytest.fixture(scope="module")
def unet() -> keras.Model:
    return build()


def test_the_grid_has_the_nodes_and_edges_of_its_depth(unet):
    diagram = describe_unet_plus_plus(unet, 64)
    ids = {node.node_id for node in diagram.nodes}
    rows = len(STRIDES)
    # A triangle of nodes; node x[i, j] reads its j predecessors in the row and one below. Besides: image, full size, probability.
    grid = {f"x[{i}, {j}]" for i in range(rows) for j in range(rows - i)}
    assert ids == grid | {"image", "full size", "probability"} and len(grid) == rows * (rows + 1) // 2
    kinds = [edge.kind for edge in diagram.edges]
    assert kinds.count("skip") == sum(j for i in range(rows) for j in range(rows - i)) == 20
    assert kinds.count("up") == rows * (rows - 1) // 2 + 1 and kinds.count("down") == rows and kinds.count("flow") == 1
    assert len({(edge.source, edge.target) for edge in diagram.edges}) == len(diagram.edges)
    for i in range(rows):
        for j in range(1, rows - i):
            read = {edge.source: edge.kind for edge in diagram.edges if edge.target == f"x[{i}, {j}]"}
            assert read == {f"x[{i}, {k}]": "skip" for k in range(j)} | {f"x[{i + 1}, {j - 1}]": "up"}


def test_boxes_stand_in_a_grid_with_the_sizes_of_their_row(unet):
    nodes = {node.node_id: node for node in describe_unet_plus_plus(unet, 96).nodes}
    for i, stride in enumerate(STRIDES):
        for j in range(len(STRIDES) - i):
            node = nodes[f"x[{i}, {j}]"]
            assert (node.x, node.y, node.rows_px, node.columns_px) == (j, -i, 96 // stride, 96 // stride)
            assert node.kind == ("decoder" if j else "encoder")
            # Filters are given from stride 16 up to stride 2; the last is of full size.
            assert j == 0 or node.channels == FILTERS[3 - i]
    assert (nodes["full size"].rows_px, nodes["full size"].channels) == (96, FILTERS[4])
    assert (nodes["probability"].rows_px, nodes["probability"].channels) == (96, 2)
    assert len({(node.x, node.y) for node in nodes.values()}) == len(nodes)


@pytest.mark.parametrize("options", [
    {}, {"deep_supervision": True}, {"cbam": False}, {"encoder": "resnet50"}, {"stem": "full_resolution"},
    {"stem": "full_resolution", "deep_supervision": True}])
def test_every_parameter_is_in_one_box(options):
    model = build(**options)
    assert sum(node.parameters for node in describe_unet_plus_plus(model, 32).nodes) == model.count_params()


def test_a_decoder_box_counts_two_convolutions_and_two_normalisations(unet):
    nodes = {node.node_id: node for node in describe_unet_plus_plus(unet, 32).nodes}
    # x[3, 1] reads x[3, 0] (32 channels) and x[4, 0] (64) at width 1/8; a normalisation has four numbers a channel.
    read = nodes["x[3, 0]"].channels + nodes["x[4, 0]"].channels
    assert read == 96 and nodes["x[3, 1]"].parameters == 9 * read * 12 + 9 * 12 * 12 + 2 * 4 * 12
    assert nodes["x[3, 1]"].detail == "2 convolutions"


def test_attention_is_told_where_it_stands(unet):
    details = {node.node_id: node.detail for node in describe_unet_plus_plus(unet, 32).nodes if node.kind == "encoder"}
    # Two residual blocks a stage; the skip of a stage lies behind the blocks of the stage before it.
    assert details["x[0, 0]"] == "1 convolution"
    assert all(details[f"x[{i}, 0]"].endswith("2 residual blocks, 2 CBAM") for i in range(1, 5))
    without = {node.node_id: node.detail for node in describe_unet_plus_plus(build(cbam=False), 32).nodes}
    assert without["x[1, 0]"].endswith("2 residual blocks")


def test_deep_supervision_has_its_heads():
    diagram = describe_unet_plus_plus(build(deep_supervision=True), 32)
    edges = {(edge.source, edge.target): edge.kind for edge in diagram.edges}
    for j in (1, 2, 3):
        assert edges[f"x[0, {j}]", f"branch_{j}"] == "up" and edges[f"branch_{j}", "probability"] == "flow"
    assert edges["full size", "branch_full"] == "flow" and ("full size", "probability") not in edges
    places = {node.node_id: (node.x, node.y) for node in diagram.nodes}
    assert len(set(places.values())) == len(places) and places["branch_2"] == (2, 1)


def test_with_the_full_resolution_stem_the_first_row_is_at_full_size():
    diagram = describe_unet_plus_plus(build(stem="full_resolution"), 96)
    nodes = {node.node_id: node for node in diagram.nodes}
    rows = len(STRIDES)
    assert nodes.keys() == {f"x[{i}, {j}]" for i in range(rows) for j in range(rows - i)} | {"image", "probability"}
    for i, stride in enumerate((1, 2, 4, 8, 16)):
        assert {nodes[f"x[{i}, {j}]"].rows_px for j in range(rows - i)} == {96 // stride}
        assert {nodes[f"x[{i}, {j}]"].channels for j in range(1, rows - i)} == ({FILTERS[3 - i]} if i < 4 else set())
    edges = {(edge.source, edge.target): edge.kind for edge in diagram.edges}
    assert edges["image", "x[0, 0]"] == "flow" and edges["x[0, 4]", "probability"] == "flow"
    kinds = list(edges.values())
    # One step down and one up less than with the paper's stem.
    assert (kinds.count("skip"), kinds.count("up"), kinds.count("down"), kinds.count("flow")) == (20, rows * (rows - 1) // 2, rows - 1, 2)
    assert len({(node.x, node.y) for node in diagram.nodes}) == len(nodes)
    # The image above the node that reads it, the probability above the one that it reads.
    assert [(nodes[name].x, nodes[name].y) for name in ("image", "x[0, 0]", "probability", "x[0, 4]")] == [(0, 1), (0, 0), (4, 1), (4, 0)]


def test_deep_supervision_at_full_resolution_needs_no_step_up():
    diagram = describe_unet_plus_plus(build(stem="full_resolution", deep_supervision=True), 32)
    edges = {(edge.source, edge.target): edge.kind for edge in diagram.edges}
    for source, branch in (("x[0, 1]", "branch_1"), ("x[0, 2]", "branch_2"), ("x[0, 3]", "branch_3"), ("x[0, 4]", "branch_full")):
        assert edges[source, branch] == edges[branch, "probability"] == "flow"
    places = {node.node_id: (node.x, node.y) for node in diagram.nodes}
    assert len(set(places.values())) == len(places) == 15 + 6


def test_one_attention_layer_is_told_operation_by_operation():
    layer = CBAM(reduction=4)
    layer.build((None, None, None, 16))
    diagram = describe_cbam(layer, (6, 5, 16))
    nodes = {node.node_id: node for node in diagram.nodes}
    labels = [node.label for node in diagram.nodes]
    # Eqs. 1 to 3 of the publication: one perceptron of two layers for both pooled vectors, two sigmoids, two products.
    assert sorted(labels) == sorted([
        "features", "mean over rows and columns", "max over rows and columns", *["matmul with hidden_kernel"] * 2, *["relu"] * 2,
        *["matmul with channel_kernel"] * 2, "add", *["sigmoid"] * 2, *["multiply"] * 2, "mean over channels", "max over channels", "concatenate",
        "conv with spatial_kernel"])
    assert sum(node.parameters for node in diagram.nodes) == layer.count_params() == 16 * 4 * 2 + 7 * 7 * 2
    assert sorted(node.parameters for node in diagram.nodes if node.label.endswith("hidden_kernel")) == [0, 64]
    assert sum(node.detail == "the same weights" for node in diagram.nodes) == 2
    # The features go into the first product, the first product into the second.
    skips = {(nodes[edge.source].label, nodes[edge.target].label) for edge in diagram.edges if edge.kind == "skip"}
    assert skips == {("features", "multiply"), ("multiply", "multiply")}
    assert len(diagram.edges) == 21 and len({(node.x, node.y) for node in diagram.nodes}) == len(diagram.nodes)
    sizes = {node.label: (node.rows_px, node.columns_px, node.channels) for node in diagram.nodes}
    assert sizes["mean over rows and columns"] == (1, 1, 16) and sizes["concatenate"] == (6, 5, 2) and sizes["conv with spatial_kernel"] == (6, 5, 1)


@pytest.mark.parametrize("trunk, blocks", [("vgg16", [f"block {n}" for n in range(1, 6)]), ("resnet50", [f"stage {n}" for n in range(1, 5)])])
def test_the_multi_task_network_has_its_blocks_heads_and_phases(trunk, blocks):
    model = build_multitask(trunk, crop_px=32, width_factor=0.125, head_units=5, weights="random")
    diagram = describe_multitask(model)
    nodes = {node.node_id: node for node in diagram.nodes}
    assert list(nodes) == ["arterial", "portal_venous", "delayed", "image", *blocks, "pool", "shared", "aphe", "washout", "capsule"]
    assert sum(node.parameters or 0 for node in diagram.nodes) == model.count_params()
    assert [nodes[name].kind for name in map(str, HEAD_FEATURES)] == ["head"] * 3
    assert (nodes["shared"].channels, nodes["shared"].rows_px, nodes["aphe"].channels, nodes["aphe"].parameters) == (5, None, 1, 6)
    assert nodes[blocks[-1]].rows_px == 1 and nodes["shared"].detail == "relu" and nodes["capsule"].detail == "sigmoid"
    reads = {(edge.source, edge.target) for edge in diagram.edges if edge.kind == "reads"}
    assert reads == {("arterial", "aphe"), *((phase, feature) for phase in ("portal_venous", "delayed") for feature in ("washout", "capsule"))}
    flow = {(edge.source, edge.target) for edge in diagram.edges if edge.kind == "flow"}
    line = ["image", *blocks, "pool", "shared"]
    assert flow == {*((phase, "image") for phase in ("arterial", "portal_venous", "delayed")), *zip(line, line[1:]), *(
        ("shared", feature) for feature in ("aphe", "washout", "capsule"))}
    assert len({(node.x, node.y) for node in diagram.nodes}) == len(diagram.nodes)


def test_blocks_are_counted():
    vgg, resnet = (describe_multitask(build_multitask(trunk, crop_px=32, width_factor=0.125, head_units=5, weights="random"))
                   for trunk in ("vgg16", "resnet50"))
    assert [node.detail for node in vgg.nodes if node.kind == "encoder"] == [f"{n} convolutions" for n in (2, 2, 3, 3, 3)]
    # Three convolutions a bottleneck and one shortcut a stage; the first stage follows the stem's convolution.
    assert [node.detail for node in resnet.nodes if node.kind == "encoder"] == [
        f"{n} convolutions, {blocks} residual blocks" for n, blocks in ((11, 3), (13, 4), (19, 6), (10, 3))]
