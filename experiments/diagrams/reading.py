"""What is read from which phase (Fig. 3), and the step between image and category (Fig. 1), as diagrams."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
from diagrams.diagram import Diagram, Edge, Node
from diagrams.graph import count_parameters

from lirads_keras.entities import ENHANCED_PHASES, FEATURE_PHASES, HEAD_FEATURES, SCORED_CATEGORIES, Observation, Phase
from lirads_keras.lirads.categorize import FEATURE_WORDS
from lirads_keras.words import name_phases

CATEGORIES = ", ".join(SCORED_CATEGORIES)


def describe_phases(segmented: Sequence[Phase], rules: str) -> Diagram:
    """Phases above, what is read from them below, and the category that comes of it; `segmented` are the phases of the segmentation network. The arrows are
    those of the training; what a study with gadoxetate is read from besides is said in the box."""
    columns = {phase: x for x, phase in enumerate(Phase)}
    details = {phase: None for phase in ENHANCED_PHASES} | {Phase.TRANSITIONAL: "of gadoxetate, where capsule is read from it"}
    nodes = [Node(str(phase), str(phase).replace("_", " "), "data", x, 2, details.get(phase, "recognised, not read by a network"))
             for phase, x in columns.items()]
    first = columns[ENHANCED_PHASES[0]]
    nodes += [Node(str(feature), FEATURE_WORDS[feature], "head", first + place, 1, "multi-task network") for place, feature in enumerate(HEAD_FEATURES)]
    size = first + len(HEAD_FEATURES)
    nodes += [Node("diameter_mm", "diameter_mm", "encoder", size, 1, "segmentation network"),
              Node("category", "category", "rule", (first + size) / 2, 0, f"{CATEGORIES} by the rule set {rules}")]
    edges = [Edge(str(phase), str(feature), "reads") for feature in HEAD_FEATURES for phase in FEATURE_PHASES[feature]]
    edges += [*(Edge(str(phase), "diameter_mm", "reads") for phase in segmented), *(Edge(name, "category") for name in list_rule_inputs())]
    return Diagram(nodes, edges)


def describe_features_step(multitask: keras.Model, direct: keras.Model, segmented: Sequence[Phase], rules: str) -> Diagram:
    """Above, the network that reads the category from the image; below, the features in between, and the rules that read them."""
    phases = ", ".join(str(phase).replace("_", " ") for phase in ENHANCED_PHASES)
    image, crop = direct.inputs[0], multitask.inputs[0]
    nodes = [
        Node("image", "one image", "data", 0, 2, f"channels: {phases}", *image.shape[1:]),
        Node("direct", "direct network", "encoder", 2, 2, "category in one step (Fig. 15)", parameters=count_parameters(direct.layers)),
        Node("direct_category", "category", "rule", 4, 2, CATEGORIES, channels=direct.output.shape[-1]),
        Node("crops", "one image a phase", "data", 0, 0, phases, *crop.shape[1:]),
        Node("multitask", "multi-task network", "encoder", 1, 0, parameters=count_parameters(multitask.layers)),
        Node("mask", "segmented lesion", "data", 2, -2, f"from the {name_phases(segmented)}"),
        Node("rules", "diagnostic table", "rule", 3, 0, f"rule set {rules}"), Node("category", "category", "rule", 4, 0, CATEGORIES)]
    words = {str(feature): FEATURE_WORDS[feature] for feature in HEAD_FEATURES}
    inputs = list_rule_inputs()
    nodes += [Node(name, word, "head", 2, 1 - place) for place, (name, word) in enumerate(words.items())]
    nodes += [Node(name, name, "data", 3 + place, -2) for place, name in enumerate(name for name in inputs if name not in words)]
    edges = [Edge("image", "direct"), Edge("direct", "direct_category"), Edge("crops", "multitask"), Edge("rules", "category"),
             *(Edge("multitask" if name in words else "mask", name) for name in inputs), *(Edge(name, "rules") for name in inputs)]
    return Diagram(nodes, edges)


def list_rule_inputs() -> list[str]:
    """What an observation cannot do without: the fields that have no default."""
    return [field.name for field in dataclasses.fields(Observation) if field.default is dataclasses.MISSING]
