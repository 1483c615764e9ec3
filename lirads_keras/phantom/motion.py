"""Breath-holds differ between phases: a cranio-caudal shift and a smooth deformation of the abdominal organs."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.grid import Coordinates
from lirads_keras.phantom.shapes import Waves

SHIFT_SD_MM, SHIFT_MAX_MM = 3.5, 10.0
IN_PLANE_SD_MM = 0.8
DEFORMATION_SD_MM = 1.0
DEFORMATION_WAVELENGTH_MM = (120.0, 220.0)
REACH_MM = SHIFT_MAX_MM + 8.0
"""Breath-holds of one session differ mostly in cranio-caudal position (liver up to 10 mm); the sizes are our choice."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the tissue now at x was in the delayed phase: x + shift + field(x)."""

    shift_mm: tuple[float, float, float]
    fields: tuple[Waves, Waves, Waves]

    @staticmethod
    def random(rng: np.random.Generator) -> Motion:
        shift = rng.normal(0, (IN_PLANE_SD_MM, IN_PLANE_SD_MM, SHIFT_SD_MM))
        shift = np.clip(shift, -SHIFT_MAX_MM, SHIFT_MAX_MM)
        x, y, z = (Waves.random(2, DEFORMATION_WAVELENGTH_MM, DEFORMATION_SD_MM, rng) for _ in range(3))
        return Motion((float(shift[0]), float(shift[1]), float(shift[2])), (x, y, z))

    def __call__(self, coordinates: Coordinates) -> Coordinates:
        x, y, z = (
            axis + np.float32(shift) + field(coordinates)
            for axis, shift, field in zip(coordinates, self.shift_mm, self.fields, strict=True))
        return x, y, z
