"""All diagrams of a run as rows of diagram_nodes.csv and diagram_edges.csv, from its profile's networks as they are built."""
from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf
from diagrams.networks import describe_cbam, describe_multitask, describe_unet_plus_plus
from diagrams.reading import describe_features_step, describe_phases
from diagrams.steps import describe_pipeline, describe_workflow

from lirads_keras.config.profile import Profile
from lirads_keras.models.cbam import CBAM
from lirads_keras.models.direct import build_direct
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, PAPER_SEGMENTATION, SEGMENTATION_VARIANTS


def list_diagrams(profile: Profile) -> dict[str, list[dict[str, Any]]]:
    """Rows of the two tables; nothing is read of what was trained, and no weights are fetched."""
    settings, matrix_px = profile.characterization, profile.preprocessing.matrix_px
    segmentation = SEGMENTATION_VARIANTS[PAPER_SEGMENTATION]
    # Networks that are only looked at stay off the GPU.
    with tf.device("CPU"):
        unet = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", segmentation.channels)
        multitask = build_characterization_network(settings, CHARACTERIZATION_VARIANTS[settings.variants[0]].trunk)
        direct = build_direct("vgg16", crop_px=settings.crop_px, width_factor=settings.width_factor, head_units=settings.head_units, weights="random",
                              frozen=False, with_size=False)
        attention = next(layer for layer in unet.layers if isinstance(layer, CBAM))
        _, *size = keras.Model(unet.input, attention.output).compute_output_shape((1, matrix_px, matrix_px, unet.input.shape[-1]))
        diagrams = {
            "features_step": describe_features_step(multitask, direct, segmentation.phases, settings.rules), "workflow": describe_workflow(),
            "phases": describe_phases(segmentation.phases, settings.rules), "pipeline": describe_pipeline(),
            "unet_plus_plus": describe_unet_plus_plus(unet, matrix_px), "cbam": describe_cbam(attention, tuple(size)),
            "multitask": describe_multitask(multitask)}
    return {"diagram_nodes": [{"figure": name, **asdict(node)} for name, diagram in diagrams.items() for node in diagram.nodes],
            "diagram_edges": [{"figure": name, **asdict(edge)} for name, diagram in diagrams.items() for edge in diagram.edges]}
