"""Implicit surfaces: approximate signed distances in mm, negative inside. Coordinates are LPS mm, float32."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lirads_keras.phantom.grid import Coordinates


@dataclass(frozen=True, eq=False)
class Waves:
    """A smooth random field: Σ amplitude · sin(k · r + phase)."""

    vectors: np.ndarray
    phases: np.ndarray
    amplitudes: np.ndarray

    @staticmethod
    def random(count: int, wavelength: tuple[float, float], amplitude: float, rng: np.random.Generator) -> Waves:
        """`count` plane waves of random direction; the field has standard deviation `amplitude`; wavelength in the units of r."""
        directions = rng.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        vectors = directions * (2 * np.pi / rng.uniform(*wavelength, (count, 1)))
        amplitudes = np.full(count, amplitude * np.sqrt(2 / count))
        return Waves(vectors.astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32), amplitudes.astype(np.float32))

    def __call__(self, coordinates: Coordinates) -> np.ndarray:
        x, y, z = coordinates
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for vector, phase, amplitude in zip(self.vectors, self.phases, self.amplitudes, strict=True):
            argument = vector[0] * x + vector[1] * y + (vector[2] * z + phase)
            np.sin(argument, out=argument)
            argument *= amplitude
            total += argument
        return total


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the patient's axes; an infinite semi-axis makes an elliptic cylinder."""

    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]

    def distance(self, coordinates: Coordinates) -> np.ndarray:
        """First-order signed distance k0 (k0 − 1) / k1 with k0 = |r / a|, k1 = |r / a²|."""
        square = np.float32(1e-6)
        gradient = np.float32(1e-9)
        for axis, centre, semi_axis in zip(coordinates, self.centre_mm, self.semi_axes_mm, strict=True):
            if np.isinf(semi_axis):
                continue
            term = np.square((axis - np.float32(centre)) * np.float32(1 / semi_axis))
            square = square + term
            gradient = gradient + term * np.float32(1 / semi_axis ** 2)
        return (square - np.sqrt(square)) / np.sqrt(gradient)

    def bounds(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the enclosing box, widened by a margin."""
        reach = np.asarray(self.semi_axes_mm) + margin_mm
        return np.asarray(self.centre_mm) - reach, np.asarray(self.centre_mm) + reach


@dataclass(frozen=True)
class Tube:
    """A piece of a vessel: a straight cone with round ends."""

    start_mm: tuple[float, float, float]
    end_mm: tuple[float, float, float]
    start_radius_mm: float
    end_radius_mm: float

    def distance(self, coordinates: Coordinates) -> np.ndarray:
        start = np.asarray(self.start_mm, np.float32)
        axis = np.asarray(self.end_mm, np.float32) - start
        relative = [component - origin for component, origin in zip(coordinates, start, strict=True)]
        along = (relative[0] * axis[0] + relative[1] * axis[1] + relative[2] * axis[2]) / np.float32(max(float(axis @ axis), 1e-6))
        np.clip(along, 0, 1, out=along)
        square = sum(np.square(component - along * step) for component, step in zip(relative, axis, strict=True))
        return np.sqrt(square) - (np.float32(self.start_radius_mm) + along * np.float32(self.end_radius_mm - self.start_radius_mm))

    def bounds(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the enclosing box, widened by a margin."""
        reach = max(self.start_radius_mm, self.end_radius_mm) + margin_mm
        ends = np.array([self.start_mm, self.end_mm])
        return ends.min(axis=0) - reach, ends.max(axis=0) + reach


@dataclass(frozen=True, eq=False)
class StarShape:
    """An irregular ellipsoid: its radius in each direction is that of an ellipsoid times 1 + waves(direction), plus an offset in mm.

    `rotation` turns patient axes into the ellipsoid's; `offset_mm` is a reader's or a rim's displacement of the boundary.
    """

    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]
    rotation: np.ndarray
    waves: Waves
    offset_mm: Waves | None = None

    def relative_radius(self, coordinates: Coordinates) -> np.ndarray:
        """0 at the centre, 1 on the boundary."""
        distance, boundary, _ = self._along_rays(coordinates)
        return distance / boundary

    def distance(self, coordinates: Coordinates) -> np.ndarray:
        """Distance along the ray from the centre, corrected for the angle between the ray and the ellipsoid's surface."""
        distance, boundary, steepness = self._along_rays(coordinates)
        return (distance - boundary) * steepness

    def _along_rays(self, coordinates: Coordinates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance from the centre, the boundary's distance in that direction, and the cosine between ray and ellipsoid normal."""
        relative = [axis - np.float32(centre) for axis, centre in zip(coordinates, self.centre_mm, strict=True)]
        distance = np.sqrt(np.square(relative[0]) + np.square(relative[1]) + np.square(relative[2])) + np.float32(1e-4)
        x, y, z = (component / distance for component in relative)
        square, gradient = np.float32(0), np.float32(0)
        for row, semi_axis in zip(self.rotation.astype(np.float32), self.semi_axes_mm, strict=True):
            term = np.square((row[0] * x + row[1] * y + row[2] * z) * np.float32(1 / semi_axis))
            square = square + term
            gradient = gradient + term * np.float32(1 / semi_axis ** 2)
        # At the centre itself there is no direction: the lower bounds stand for that of the longest axis.
        longest = max(self.semi_axes_mm)
        square = np.maximum(square, np.float32(0.999 / longest ** 2))
        gradient = np.maximum(gradient, np.float32(0.999 / longest ** 4))
        boundary = (1 + self.waves((x, y, z))) / np.sqrt(square)
        if self.offset_mm is not None:
            boundary = np.maximum(boundary + self.offset_mm((x, y, z)), np.float32(0.5))
        return distance, boundary, square / np.sqrt(gradient)

    def bounds(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Corners of an enclosing box, widened by a margin."""
        bump = 1 + float(np.abs(self.waves.amplitudes).sum())
        offset = 0.0 if self.offset_mm is None else float(np.abs(self.offset_mm.amplitudes).sum())
        reach = np.sqrt(np.square(self.rotation.T * np.asarray(self.semi_axes_mm)).sum(axis=1)) * bump + offset + margin_mm
        return np.asarray(self.centre_mm) - reach, np.asarray(self.centre_mm) + reach


def join(first: np.ndarray, second: np.ndarray, blend_mm: float) -> np.ndarray:
    """Union with a rounded seam (polynomial smooth minimum)."""
    overlap = np.maximum(np.float32(blend_mm) - np.abs(first - second), 0) * np.float32(1 / blend_mm)
    return np.minimum(first, second) - overlap * overlap * np.float32(blend_mm / 4)


def cut(body: np.ndarray, tool: np.ndarray, blend_mm: float) -> np.ndarray:
    """`body` without `tool`, with a rounded edge."""
    return -join(-body, tool, blend_mm)


def coverage(distance_mm: np.ndarray, width_mm: float) -> np.ndarray:
    """Share of a voxel of `width_mm` inside a surface at this distance from its centre (partial volume to first order)."""
    return np.clip(np.float32(0.5) - distance_mm * np.float32(1 / width_mm), 0, 1)
