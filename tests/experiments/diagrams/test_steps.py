from __future__ import annotations

import ast

import pytest
from diagrams import steps
from diagrams.steps import describe_pipeline, describe_workflow, read_purposes
from stages import STAGES


def test_the_workflow_has_every_stage_with_its_needs_and_purpose():
    diagram = describe_workflow()
    assert [node.node_id for node in diagram.nodes] == list(STAGES)
    assert {(edge.source, edge.target) for edge in diagram.edges} == {(need, name) for name, stage in STAGES.items() for need in stage.needs}
    assert len({(node.x, node.y) for node in diagram.nodes}) == len(STAGES)
    places = {node.node_id: (node.x, node.y) for node in diagram.nodes}
    assert all(places[need][1] > places[name][1] for name, stage in STAGES.items() for need in stage.needs)
    # Each stands right above the first stage that needs it: where nothing comes before it, too.
    assert all(places[name][1] == max(places[later][1] for later, stage in STAGES.items() if name in stage.needs) + 1 for name in STAGES if name != "report")
    assert places["ct"] == (0, 0) and places["cohort"] == (0, -1) and places["ct_store"] == (1, -1)
    assert places["full"][1] == places["lesions"][1] and places["trunks"] == (3, places["lesions"][1])
    assert read_purposes().keys() == STAGES.keys()
    assert all(node.detail and not node.detail.startswith("Stage") and not node.detail.endswith(".") for node in diagram.nodes)


def test_the_pipeline_has_its_steps_and_what_each_of_them_reads():
    diagram = describe_pipeline()
    order = ["read_study", "read_aligned_phases", "segment", "extract_lesions", "crop_lesions", "predict_features", "categorize"]
    assert [node.node_id for node in diagram.nodes] == order and [node.y for node in diagram.nodes] == [-row for row in range(7)]
    assert diagram.nodes[0].detail == "DICOM folder → Study; series grouped by UID, each with its Phase"
    assert diagram.nodes[5].detail == (
        "crops → FeatureProbabilities; APHE from arterial, washout and capsule from portal venous + delayed")
    # Every step reads the one before it; the crops also the volumes, the category also the diameter, which phases there are, and whose study it is.
    assert {(edge.source, edge.target) for edge in diagram.edges} == {
        *((source, step) for source, step in zip(order, order[1:]) if step != "crop_lesions"), ("extract_lesions", "crop_lesions"),
        ("read_aligned_phases", "crop_lesions"), ("extract_lesions", "categorize"), ("read_aligned_phases", "categorize"), ("read_study", "categorize")}


@pytest.mark.parametrize("body, edges", [
    ("a = first(study)\nb = second(a)", {("first", "second")}),
    ("a = first(study)\nb = second(a.name)", set()),
    ("a = first(study)\nb = second(study.items(), key=a['x'])", {("first", "second")}),
    ("a = first(study)\nb = third(x for x in a)", {("first", "third")}),
    ("a, c = first(study), second(study)\nb = third(c)", {("first", "third"), ("second", "third")}),
    ("third(second(first(study)))", {("first", "second"), ("second", "third")}),
    ("a = first(study)\nb = tuple(a)\nreturn models.third(b)", {("first", "third")}),
    ("a = first(study)\nreturn helper(a)", {("first", "second")}),
    ("a = first(study)\na = other\nthird(a)", set()),
])
def test_results_are_followed_by_the_names_that_hold_them(body, edges):
    source = "def run(study):\n" + "".join(f"    {line}\n" for line in body.splitlines()) + "def helper(x):\n    return second_of_two(x)\n"
    functions = steps._functions(ast.parse(source))
    trace = steps._Trace(["first", "second", "third"], functions)
    trace.follow(functions["run"].body)
    assert set(trace.edges) == edges
