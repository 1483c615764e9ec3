"""One edit in a copy of the checkout arrives everywhere that the edited truth is used.

Each test has one edit and runs one process on the copy; the process prints what it sees as JSON.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from copies import copy_checkout, edit_once, run_python  # noqa: E402


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path)


def see(folder: Path, script: str) -> Any:
    """What a script prints as JSON, run with the package and the experiments below `folder`."""
    result = run_python(folder, f"import json, lirads_keras\nassert lirads_keras.__file__.startswith({str(folder)!r}), lirads_keras.__file__\n{script}")
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


# --- Eq. 4: which feature is read from which phase ---

FEATURES_AND_PHASES = """
import keras, numpy as np
from keras import layers
from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.entities import FeatureProbabilities, Phase
from lirads_keras.inference.explanation import compute_activation_maps
from lirads_keras.inference.features import predict_features
from lirads_keras.lirads.observation import categorize_probabilities
from lirads_keras.losses.adaptive import phase_masks
from lirads_keras.models.multitask import build_multitask
from lirads_keras.training.characterization import CropDataset, LesionCrops
from diagrams.networks import describe_multitask
from diagrams.reading import describe_phases
from diagrams.steps import describe_pipeline

HEADS = ("aphe", "washout", "capsule")

def read_pairs(table):
    return sorted([phase, head] for phase, row in zip(("arterial", "portal_venous", "delayed"), table) for head, value in zip(HEADS, row) if value)

masks = phase_masks(np.arange(3))
crops = LesionCrops(np.zeros((1, 3, 8, 8, 3), np.float32), np.ones((1, 3), bool), np.ones((1, 3), np.float32), np.zeros(1, int), np.ones(1))
still = AugmentationSettings(rotation_deg=0, shift_fraction=0, flip_horizontal=0, flip_vertical=0)
crops.images[0, :, 0, 0] = np.arange(3)[:, None]
images, _, weights = CropDataset(crops, mode="adaptive", batch_size=3, augmentation=still, seed=0, stream=0)[0]
order = np.argsort(images[:, 0, 0, 0])

class Stub:
    def predict_on_batch(self, images):
        return {head: images[:, 0, 0, :1] for head in HEADS}

# A probability of 1, 2 or 4 thirds tells by the mean which phases were read.
given = np.zeros((1, 3, 4, 4, 3), np.float32)
given[0, :, 0, 0] = np.array([1, 2, 4])[:, None]
(fused,) = predict_features(Stub(), given, np.ones((1, 3), bool), "adaptive")
(arterial_alone,) = predict_features(Stub(), given, np.array([[True, False, False]]), "adaptive")

image = keras.Input((4, 4, 3))
pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1)(image))
maps = compute_activation_maps(keras.Model(image, {head: layers.Dense(1, name=head)(pooled) for head in HEADS}), given, np.ones((1, 3), bool), "adaptive")

network = build_multitask("vgg16", crop_px=32, width_factor=0.125, head_units=8, weights="random")
reads = [sorted([edge.source, edge.target] for edge in diagram.edges if edge.kind == "reads" and edge.target in HEADS)
         for diagram in (describe_multitask(network), describe_phases([Phase.DELAYED], "paper"))]
print(json.dumps({
    "pairs": {"masks": read_pairs(np.array([masks[head] for head in HEADS]).T),
              "weights of the data set": read_pairs(np.array([weights[head][order] for head in HEADS]).T),
              "maps": read_pairs(np.isfinite(maps[0, :, :, 0, 0])), "multitask diagram": reads[0], "phases diagram": reads[1]},
    "fused": [fused.aphe, fused.washout, fused.capsule], "arterial alone": [arterial_alone.aphe, arterial_alone.washout, arterial_alone.capsule],
    "reasons": [categorize_probabilities(25.0, FeatureProbabilities(0.9, 0.8, 0.1), decision_threshold=0.5, rules="paper", phases=phases)[2]
                for phases in ((Phase.ARTERIAL, Phase.DELAYED), (Phase.PORTAL_VENOUS, Phase.DELAYED))],
    "pipeline": next(node.detail for node in describe_pipeline().nodes if node.node_id == "predict_features")}))
"""

PAIRS = [["arterial", "aphe"], ["delayed", "capsule"], ["delayed", "washout"], ["portal_venous", "capsule"], ["portal_venous", "washout"]]
"""Eq. 4 as printed."""


def test_a_phase_added_to_eq_4_arrives_in_masks_fusion_maps_reasons_and_diagrams(copy: Path) -> None:
    edit_once(copy / "lirads_keras" / "entities.py", "Feature.CAPSULE: (Phase.PORTAL_VENOUS, Phase.DELAYED)}",
              "Feature.CAPSULE: (Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)}")
    seen = see(copy, FEATURES_AND_PHASES)
    expected = sorted([*PAIRS, ["arterial", "capsule"]])
    assert seen["pairs"] == dict.fromkeys(
        ("masks", "weights of the data set", "maps", "multitask diagram", "phases diagram"), expected)
    # Means of 1; 2 and 4; 1, 2 and 4.
    assert seen["fused"] == pytest.approx([1, 3, 7 / 3]) and seen["arterial alone"] == [1, None, 1]
    assert seen["reasons"] == [
        "APHE, washout, 25 mm: LR-5 (no portal venous phase: washout has the delayed phase alone, capsule has the arterial and delayed phases alone)",
        "APHE, washout, 25 mm: LR-5 (no arterial phase: capsule has the portal venous and delayed phases alone)"]
    assert seen["pipeline"].endswith("; APHE from arterial, washout from portal venous + delayed, capsule from arterial + portal venous + delayed")


# --- Eq. 1: what is body, what is zero ---

INTENSITIES = """
from pathlib import Path
import numpy as np
from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Lesion, Phase, Volume
from lirads_keras.evaluation.intensity_baseline import find_range
from lirads_keras.inference.body_box import find_body_box
from lirads_keras.preprocessing import crops, slices
from lirads_keras.preprocessing.intensity import compute_intensity_scale
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

# Air of 10, a ring of 100 around a body of 200 and 500.
array = np.full((3, 64, 64), 10, np.float32)
array[:, 14:44, 14:44], array[:, 24:34, 24:34], array[:, 24:34, 28:34] = 100, 200, 500
settings = PreprocessingSettings(matrix_px=64, background_cutoff=80)
scale = compute_intensity_scale(array, settings, "test")
standardised, body, box = scale.apply(array), scale.is_body(array), find_body_box(array, scale, 8)

volume = Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
write_stored_study(Path("store"), {"delayed": volume}, None, settings)
study = read_stored_study(Path("store"))
stack, _, background = slices._read_stack(study, read_segmentation_input(study, ["delayed"]), 1)

# The padding is seen before the crop is standardised by itself: one pixel of the body in the corner, and beyond it nothing.
corner = np.full((3, 64, 64), 500, np.float32)
lesion = Lesion("L", (slice(1, 2), slice(0, 4), slice(0, 4)), np.ones((1, 4, 4), bool), 1, 1.0, 1.0, (0.0, 0.0, 0.0))
padded = []
crops.cv2.resize = lambda image, size, interpolation: padded.append(image) or image
crops.crop_phases({Phase.DELAYED: volume.with_array(corner)}, lesion, scales={Phase.DELAYED: scale}, crop_px=6, margin_fraction=0.25, channels="repeat")

print(json.dumps({
    "standardised": {name: float(standardised[1, 32, column]) for name, column in (("air", 0), ("ring", 20), ("body", 25), ("bright", 30))},
    "zero": scale.zero, "body": int(body[1].sum()), "box": [box.rows.start, box.rows.stop], "padding": float(padded[0][0, 0]),
    "image beside the padding": float(padded[0][1, 1]), "background": background, "ring in the stack": float(stack[32, 20, 1]),
    "range": find_range([scale])}))
"""


@pytest.mark.parametrize("old, new, ring, shift, body, box", [
    # What rises less than 50 units above the cut-off is background, too: the ring. The body is 10 × 10 pixels from 24 to 33; the box has four more on each
    # side, from and to multiples of eight.
    ("    above -= cutoff\n", "    above -= cutoff\n    above *= above >= 50\n", 0.0, 0.0, 10 ** 2, [16, 40]),
    # Another mean after the standardisation; the ring is body, 30 × 30 pixels from 14 to 43.
    ("(value - np.asarray(self.mean))", "(value - 0.5 - np.asarray(self.mean))", 20 / 420, -0.5, 30 ** 2, [8, 48]),
], ids=["cut-off", "zero"])
def test_an_edit_of_eq_1_arrives_in_voxels_body_padding_and_the_baseline(copy, old, new, ring, shift, body, box) -> None:
    edit_once(copy / "lirads_keras" / "preprocessing" / "intensity.py", old, new)
    seen = see(copy, INTENSITIES)
    one = {"air": 0.0, "ring": ring, "body": 120 / 420, "bright": 1.0}
    pixels = {"air": 64 ** 2 - 30 ** 2, "ring": 30 ** 2 - 10 ** 2, "body": 40, "bright": 60}
    mean = sum(one[name] * pixels[name] for name in one) / 64 ** 2
    deviation = (sum((one[name] - mean) ** 2 * pixels[name] for name in one) / 64 ** 2) ** 0.5
    expected = {name: (value + shift - mean) / deviation for name, value in one.items()}
    zero, highest = expected["air"], expected["bright"]
    assert seen["standardised"] == pytest.approx(expected, abs=1e-5)
    assert seen["body"] == body and seen["box"] == box
    assert seen["zero"] == pytest.approx(zero)
    assert seen["padding"] == pytest.approx(zero, abs=1e-6) and seen["image beside the padding"] == pytest.approx(highest, abs=1e-5)
    assert seen["background"] == pytest.approx([zero] * 3) and seen["ring in the stack"] == pytest.approx(expected["ring"], abs=1e-5)
    assert seen["range"] == pytest.approx([zero, highest])
