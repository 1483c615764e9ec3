"""Images made by a formula, to pre-train a trunk on where photographs cannot be had.

Kataoka H, Okayasu K, Matsumoto A, et al. Pre-training without natural images. ACCV 2020. A class is a random iterated function system (IFS): affine maps of
the plane that are applied in random order; its image is the attractor, which the points fall on. Other images of a class come from the same maps with one of
their six parameters stretched a little, turned and mirrored. Different from the publication: every map contracts, also when stretched, so that no point runs
away; points are counted, not drawn as patches, so that an image has grey levels, as a crop has; and there are thousands of images, not a million.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAPS = (2, 8)
"""Fewest and most maps of a system, as in the publication."""
STRETCH = 0.2
"""A parameter is multiplied by 0.8 … 1.2, as in the publication."""
FILLING_RATE = 0.2
"""Share of the image's pixels that the unstretched attractor meets at least (the publication's code has the same)."""
POINTS_PER_PIXEL = 2
SETTLING_STEPS = 15
"""Steps until a point lies on the attractor: a contraction to 1/1.2 leaves less than a fifteenth of where it began, and most maps contract far more."""
STEPS = 30
"""Steps of each point that are drawn."""
MARGIN = 0.05
"""Empty border around the attractor, as a share of the image's side."""


@dataclass(frozen=True, eq=False)
class FunctionSystem:
    """An iterated function system: `maps` (m, 2, 3) float64, x -> maps[:, :2] x + maps[:, 2]; `probabilities` (m,) of choosing each, that sum to 1."""

    maps: np.ndarray
    probabilities: np.ndarray


def draw_function_system(generator: np.random.Generator, image_px: int) -> FunctionSystem:
    """A random system whose attractor fills enough of an image: the maps' parameters are uniform in [−1, 1] as far as they contract.

    A map is chosen in proportion to its determinant, so that the attractor is covered evenly.
    """
    while True:
        maps = np.stack([_draw_contraction(generator) for _ in range(generator.integers(MAPS[0], MAPS[1], endpoint=True))])
        areas = np.abs(np.linalg.det(maps[:, :, :2]))
        # A map that flattens the plane to a line has no area and is chosen now and then all the same.
        probabilities = np.maximum(areas, 0.01) / np.maximum(areas, 0.01).sum()
        system = FunctionSystem(maps, probabilities)
        if np.mean(_draw(_iterate(maps[None], probabilities, image_px, generator), image_px) > 0) >= FILLING_RATE:
            return system


def build_formula_images(*, classes: int, images_per_class: int, image_px: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes the images of all classes.

    Returns:
        images uint8 (n, y, x), black ground and an attractor as bright as the logarithm of its density; labels int32 (n,), class by class. A class depends on
        the seed and its number alone.
    """
    images = np.empty((classes, images_per_class, image_px, image_px), np.uint8)
    for number in range(classes):
        generator = np.random.default_rng([seed, number])
        system = draw_function_system(generator, image_px)
        points = _iterate(_stretch(system.maps, images_per_class, generator), system.probabilities, image_px, generator)
        images[number] = _draw(_turn(points, generator), image_px)
    return images.reshape(-1, image_px, image_px), np.repeat(np.arange(classes, dtype=np.int32), images_per_class)


def _draw_contraction(generator: np.random.Generator) -> np.ndarray:
    """One map (2, 3) that contracts even with one of its parameters stretched: a stretched entry adds at most STRETCH times itself to the norm."""
    while True:
        candidate = generator.uniform(-1, 1, (2, 3))
        if np.linalg.norm(candidate[:, :2], 2) * (1 + STRETCH) < 1:
            return candidate


def _stretch(maps: np.ndarray, images: int, generator: np.random.Generator) -> np.ndarray:
    """Maps (images, m, 2, 3): in each image one of the six parameters of all maps is multiplied by one factor."""
    factors = np.ones((images, 6))
    factors[np.arange(images), generator.integers(0, 6, images)] = generator.uniform(1 - STRETCH, 1 + STRETCH, images)
    return maps * factors.reshape(images, 1, 2, 3)


def _iterate(maps: np.ndarray, probabilities: np.ndarray, image_px: int, generator: np.random.Generator) -> np.ndarray:
    """Points (images, points, 2) on the attractors of the systems (images, m, 2, 3), by the chaos game: many points at once, each for STEPS steps."""
    images, walkers = len(maps), max(POINTS_PER_PIXEL * image_px ** 2 // STEPS, 1)
    # A contiguous row a parameter: six numbers taken at a time from rows of six are slower.
    table = np.ascontiguousarray(maps.reshape(-1, 6).T.astype(np.float32))
    first_map = (np.arange(images) * maps.shape[1])[:, None]
    edges = np.cumsum(probabilities)[:-1].astype(np.float32)
    x = np.zeros((images, walkers), np.float32)
    y = np.zeros_like(x)
    drawn = []
    for step in range(SETTLING_STEPS + STEPS):
        chosen = first_map + np.searchsorted(edges, generator.random((images, walkers), np.float32), side="right")
        a, b, e, c, d, f = (parameter[chosen] for parameter in table)
        x, y = a * x + b * y + e, c * x + d * y + f
        if step >= SETTLING_STEPS:
            drawn.append(np.stack([x, y], axis=-1))
    return np.concatenate(drawn, axis=1)


def _turn(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Each image's points turned by any angle, half of the images mirrored."""
    angle = generator.uniform(0, 2 * np.pi, len(points))
    mirror = generator.choice([-1.0, 1.0], len(points))
    turns = np.stack([np.stack([mirror * np.cos(angle), -mirror * np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)
    return np.einsum("nij,npj->npi", turns.astype(np.float32), points)


def _draw(points: np.ndarray, image_px: int) -> np.ndarray:
    """Images uint8 (n, y, x) of points (n, points, 2): centred, as large as the margin allows, log(1 + count) scaled to 255."""
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    # Both axes alike, so that a turned attractor keeps its shape.
    extent = np.maximum((high - low).max(axis=2, keepdims=True), 1e-6)
    inside = (points - (low + high) / 2) / extent * (1 - 2 * MARGIN) + 0.5
    columns, rows = np.moveaxis(np.minimum((inside * image_px).astype(np.int64), image_px - 1), -1, 0)
    pixels = (np.arange(len(points))[:, None] * image_px + rows) * image_px + columns
    counts = np.bincount(pixels.ravel(), minlength=len(points) * image_px ** 2).reshape(-1, image_px, image_px)
    brightness = np.log1p(counts)
    return np.rint(255 * brightness / brightness.max(axis=(1, 2), keepdims=True)).astype(np.uint8)
