from __future__ import annotations

import dataclasses

import pytest
from diagrams.reading import describe_phases, list_rule_inputs
from diagrams.tables import list_diagrams
from results_tables import TABLES, build_results_table, write_results_table

from lirads_keras.entities import ENHANCED_PHASES, Phase
from lirads_keras.models.direct import build_direct
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.segmentation import build_segmentation_network


@pytest.fixture(scope="module")
def rows(profile):
    return list_diagrams(profile)


def test_the_tables_are_those_of_the_results_and_every_arrow_joins_two_boxes(rows, tmp_path):
    assert set(rows) == {"diagram_nodes", "diagram_edges"}
    for name, records in rows.items():
        lines = write_results_table(tmp_path, name, build_results_table(name, records)).read_text().splitlines()
        assert len(lines) == 1 + len(records)
    boxes = {(row["figure"], row["node_id"]) for row in rows["diagram_nodes"]}
    figures = {name: next(column.allowed for column in TABLES[name] if column.name == "figure") for name in rows}
    assert {figure for figure, _ in boxes} == set(figures["diagram_nodes"]) and figures["diagram_nodes"] == figures["diagram_edges"]
    assert {(row["figure"], row[end]) for row in rows["diagram_edges"] for end in ("source", "target")} <= boxes
    # Nothing stands alone but the phases that no network reads.
    alone = boxes - {(row["figure"], row[end]) for row in rows["diagram_edges"] for end in ("source", "target")}
    assert alone == {("phases", phase) for phase in ("precontrast", "transitional", "hepatobiliary", "other")}


def test_equal_profiles_give_equal_rows(rows, profile):
    assert list_diagrams(profile) == rows


def test_the_networks_are_those_of_the_profile(rows, profile):
    settings = profile.characterization
    unet = build_segmentation_network(profile.segmentation, MR_CLASSES, "random")
    direct = build_direct("vgg16", crop_px=settings.crop_px, width_factor=settings.width_factor, head_units=settings.head_units, weights="random", frozen=False,
                          with_size=False)
    multitask = build_characterization_network(settings, "vgg16")

    def of(figure):
        return {row["node_id"]: row for row in rows["diagram_nodes"] if row["figure"] == figure}

    assert sum(row["parameters"] for row in of("unet_plus_plus").values()) == unet.count_params()
    assert of("unet_plus_plus")["image"]["rows_px"] == profile.preprocessing.matrix_px == 32
    assert sum(row["parameters"] or 0 for row in of("multitask").values()) == multitask.count_params()
    assert of("features_step")["multitask"]["parameters"] == multitask.count_params()
    assert of("features_step")["direct"]["parameters"] == direct.count_params()
    first = unet.get_layer("stage1_unit1_cbam")
    assert sum(row["parameters"] for row in of("cbam").values()) == first.count_params()
    # The first attention layer stands at stride 4.
    assert next(row for row in of("cbam").values() if row["kind"] == "data")["rows_px"] == 32 // 4


def test_trunk_and_branches_follow_the_settings(profile):
    profile = profile.model_copy(update={
        "segmentation": profile.segmentation.model_copy(update={"deep_supervision": True}),
        "characterization": profile.characterization.model_copy(update={"variants": ("resnet50-plain",)})})
    ids = {(row["figure"], row["node_id"]) for row in list_diagrams(profile)["diagram_nodes"]}
    assert ("multitask", "stage 4") in ids and ("multitask", "block 1") not in ids and ("unet_plus_plus", "branch_full") in ids


def test_a_rule_reads_the_diameter_and_three_features():
    assert list_rule_inputs() == ["diameter_mm", "aphe", "washout", "capsule"]


def test_each_phase_is_told_what_is_read_from_it():
    diagram = describe_phases([Phase.DELAYED], "paper")
    reads = {(edge.source, edge.target) for edge in diagram.edges if edge.kind == "reads"}
    assert reads == {("arterial", "aphe"), ("portal_venous", "washout"), ("portal_venous", "capsule"), ("delayed", "washout"), ("delayed", "capsule"),
                     ("delayed", "diameter_mm")}
    assert {edge.source for edge in diagram.edges if edge.target == "category"} == {"diameter_mm", "aphe", "washout", "capsule"}
    unread = {node.node_id for node in diagram.nodes if node.detail == "recognised, not read by a network"}
    assert unread == {"precontrast", "hepatobiliary", "other"}
    other = describe_phases(ENHANCED_PHASES, "v2018")
    assert {edge.source for edge in other.edges if edge.target == "diameter_mm"} == {"arterial", "portal_venous", "delayed"}
    assert "v2018" in next(node for node in other.nodes if node.node_id == "category").detail
    assert all(dataclasses.asdict(node)["rows_px"] is None for node in diagram.nodes)
