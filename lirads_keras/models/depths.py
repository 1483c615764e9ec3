"""Depths of the ResNet encoders; without Keras, for whoever counts what a network takes and builds none."""
from __future__ import annotations

from typing import Literal

ResNetDepth = Literal["resnet18", "resnet34", "resnet50"]

BLOCKS_PER_STAGE: dict[ResNetDepth, tuple[int, int, int, int]] = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
