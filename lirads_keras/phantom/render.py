"""Paints an anatomy on a grid: partial volumes of implicit surfaces, one image for each time of the palette."""
from __future__ import annotations

import numpy as np
from scipy import ndimage

from lirads_keras.phantom.anatomy import Anatomy, Organ
from lirads_keras.phantom.confounders import Confounder
from lirads_keras.phantom.grid import Box, Coordinates, Grid, is_empty
from lirads_keras.phantom.lesion_shapes import ModelLesion
from lirads_keras.phantom.motion import REACH_MM, Motion
from lirads_keras.phantom.palette import Palette
from lirads_keras.phantom.shapes import StarShape, coverage

SUBVOXEL_MM = 0.9
"""Lesion edges and rims are sampled at least this finely inside a voxel."""

TEXTURE_POINTS, TEXTURE_STEP_MM = 64, 1.6
NODULE_SIGMA, PATCH_SIGMA = 1.9, 6.0
"""Blur of the texture in steps: nodules of about 5–10 mm, patches of about 3 cm."""

LIVER_MODULATION = 0.025
FIBROUS_SEPTUM_WIDTH = 0.30
LESION_MODULATION = (0.02, 0.045)
LESION_MODULATION_FULL_MM = 60.0
"""Large lesions are a mosaic, small ones are even."""

HAEMANGIOMA_FILL = (0.15, 0.30, 0.55, 0.95)
"""Share of the radius filled in from the edge before contrast, in the arterial, portal venous and delayed phase."""


def render(anatomy: Anatomy, grid: Grid, palette: Palette, motion: Motion | None = None, fill: np.ndarray | None = None) -> np.ndarray:
    """Noiseless images (T, z, y, x) float32 of the palette's T times, without coil bias.

    Args:
        anatomy: in the position of the delayed phase.
        grid: where to paint.
        palette: signals; its texture scales the modulation.
        motion: of the organs that breathe, the same for all times of this call.
        fill: for each time, how far haemangiomas have filled (0–1); default: completely.
    """
    here = grid.coordinates()
    moved = here if motion is None else motion(here)
    image = np.zeros((palette.times, *grid.shape), np.float32)
    width = grid.mean_spacing_mm
    cavity = coverage(anatomy.cavity.distance(here), width)
    _paint(image, coverage(anatomy.skin.distance(here), width), palette["suppressed_fat"])
    _paint(image, coverage(anatomy.muscle.distance(here), width), palette["muscle"])
    _paint(image, cavity, palette["suppressed_fat"])
    _paint(image, cavity * coverage(_diaphragm(anatomy, moved), width), palette["lung"])
    for organ in anatomy.behind_liver:
        _paint_organ(image, organ, grid, here, moved, cavity, palette)
    liver_box, liver = _paint_liver(image, anatomy, grid, moved, palette)
    filled = np.ones(palette.times) if fill is None else fill
    for confounder in anatomy.confounders:
        if confounder.kind.landmarks:
            _paint_confounder(image, confounder, grid, moved, liver_box, liver, palette, filled)
    for organ in anatomy.before_liver:
        _paint_organ(image, organ, grid, here, moved, cavity, palette)
    _paint_veins(image, anatomy, grid, moved, liver_box, liver, palette)
    for confounder in anatomy.confounders:
        if not confounder.kind.landmarks:
            _paint_confounder(image, confounder, grid, moved, liver_box, liver, palette, filled)
    for lesion in anatomy.lesions:
        _paint_lesion(image, lesion, anatomy, grid, moved, palette)
    return image


def compute_coverage(shape: StarShape, grid: Grid, coordinates: Coordinates | None = None, rims_mm: tuple[float, ...] = ()) -> tuple[Box, list[np.ndarray]]:
    """Share of each voxel inside a shape, and inside the shape less a rim of each given thickness, by supersampling.

    Args:
        coordinates: of the whole grid, if tissue has moved.

    Returns:
        The box of the grid around the shape, and for 0 mm and each rim the shares (float32) in that box.
    """
    reach = REACH_MM if coordinates is not None else 0.0
    box = grid.box_around(*shape.bounds(max(grid.spacing_mm) + reach))
    levels = (0.0, *rims_mm)
    local = grid.coordinates(box) if coordinates is None else tuple(axis[box] for axis in coordinates)
    if is_empty(box):
        return box, [np.zeros(local[0].shape, np.float32) for _ in levels]
    distance = shape.distance((local[0], local[1], local[2]))
    shares = [(distance <= -level).astype(np.float32) for level in levels]
    half_diagonal = np.linalg.norm(grid.spacing_mm) / 2
    # The distance is of first order only: half as much again is looked at closely.
    mixed = np.flatnonzero((distance < 1.5 * half_diagonal) & (distance > -max(levels) - 1.5 * half_diagonal))
    counts = [max(int(np.ceil(spacing / SUBVOXEL_MM)), 2) for spacing in grid.spacing_mm]
    steps = np.meshgrid(*((np.arange(count) + 0.5) / count - 0.5 for count in counts), indexing="ij")
    offsets = (grid.affine[:3, :3] @ np.array(steps).reshape(3, -1)).astype(np.float32)
    for chunk in np.array_split(mixed, max(len(mixed) * offsets.shape[1] // 2_000_000 + 1, 1)):
        x, y, z = (axis.reshape(-1)[chunk][:, None] + offset[None] for axis, offset in zip(local, offsets, strict=True))
        fine = shape.distance((x, y, z))
        for share, level in zip(shares, levels, strict=True):
            share.reshape(-1)[chunk] = (fine <= -level).mean(axis=1, dtype=np.float32)
    return box, shares


def _paint(image: np.ndarray, alpha: np.ndarray, values: np.ndarray) -> None:
    for picture, value in zip(image, values, strict=True):
        picture += alpha * (value - picture)


def _diaphragm(anatomy: Anatomy, moved: Coordinates) -> np.ndarray:
    """Signed distance to the lungs, above a dome that falls towards the body wall."""
    x, y, z = moved
    a, b, _ = anatomy.cavity.semi_axes_mm
    return np.float32(anatomy.diaphragm_mm) - 70 * (np.square(x * np.float32(1 / a)) + np.square(y * np.float32(1 / b))) - z


def _paint_organ(image: np.ndarray, organ: Organ, grid: Grid, here: Coordinates, moved: Coordinates, cavity: np.ndarray, palette: Palette) -> None:
    low, high = organ.shape.bounds(grid.mean_spacing_mm + (REACH_MM if organ.breathes else 0.0))
    limit = np.float64(1e4)
    box = grid.box_around(np.maximum(low, -limit), np.minimum(high, limit))
    if is_empty(box):
        return
    x, y, z = (axis[box] for axis in (moved if organ.breathes else here))
    alpha = coverage(organ.shape.distance((x, y, z)), grid.mean_spacing_mm)
    _paint(image[(slice(None), *box)], alpha * cavity[box] if organ.breathes else alpha, palette[organ.tissue])


def _paint_liver(image: np.ndarray, anatomy: Anatomy, grid: Grid, moved: Coordinates, palette: Palette) -> tuple[Box, np.ndarray]:
    box = grid.box_around(*anatomy.liver.bounds(grid.mean_spacing_mm + REACH_MM))
    x, y, z = (axis[box] for axis in moved)
    alpha = coverage(anatomy.liver.distance((x, y, z)), grid.mean_spacing_mm)
    inside = np.flatnonzero(alpha)
    share = alpha.reshape(-1)[inside]
    nodules, patches = _sample_texture(anatomy.texture_seed, (x.reshape(-1)[inside], y.reshape(-1)[inside], z.reshape(-1)[inside]))
    modulation = np.float32(LIVER_MODULATION) * (0.5 * nodules + patches)
    septa = np.float32(anatomy.fibrosis) * np.exp(-np.square(nodules * np.float32(1 / FIBROUS_SEPTUM_WIDTH)))
    for index, picture in enumerate(image):
        values = palette["liver"][index] * (1 + palette.texture[index] * modulation)
        values += palette.texture[index] * septa * (palette["capsule"][index] - palette["liver"][index])
        local = picture[box]
        background = local.reshape(-1)[inside]
        flat = local.reshape(-1)
        flat[inside] = background + share * (values - background)
        picture[box] = flat.reshape(local.shape)
    return box, alpha


def _paint_veins(image: np.ndarray, anatomy: Anatomy, grid: Grid, moved: Coordinates, liver_box: Box, liver: np.ndarray, palette: Palette) -> None:
    inside_liver = np.zeros(grid.shape, np.float32)
    inside_liver[liver_box] = liver
    for number, vein in enumerate(anatomy.veins):
        box = grid.box_around(*vein.tube.bounds(grid.mean_spacing_mm + REACH_MM))
        if is_empty(box):
            continue
        x, y, z = (axis[box] for axis in moved)
        alpha = coverage(vein.tube.distance((x, y, z)), grid.mean_spacing_mm)
        if number > 0:
            # Only the portal trunk, the first piece, runs outside the liver.
            alpha *= inside_liver[box]
        _paint(image[(slice(None), *box)], alpha, palette[vein.blood])


def _paint_confounder(
        image: np.ndarray, confounder: Confounder, grid: Grid, moved: Coordinates, liver_box: Box, liver: np.ndarray, palette: Palette,
        fill: np.ndarray) -> None:
    kind, shape = confounder.kind, confounder.shape
    inside_liver = np.zeros(grid.shape, np.float32)
    inside_liver[liver_box] = liver
    if kind.edge_mm:
        box = grid.box_around(*shape.bounds(kind.edge_mm + REACH_MM))
        if is_empty(box):
            return
        x, y, z = (axis[box] for axis in moved)
        alpha = coverage(shape.distance((x, y, z)), kind.edge_mm)
    else:
        box, (alpha,) = compute_coverage(shape, grid, moved)
        if is_empty(box):
            return
        x, y, z = (axis[box] for axis in moved)
    alpha = alpha * inside_liver[box] * np.float32(kind.opacity)
    local = image[(slice(None), *box)]
    if kind.name != "haemangioma":
        _paint(local, alpha, palette[kind.signal])
        return
    radius = shape.relative_radius((x, y, z))
    relative: Coordinates = tuple((axis - np.float32(centre)) / np.float32(shape.semi_axes_mm[0]) for axis, centre in zip(
        (x, y, z), shape.centre_mm, strict=True))  # type: ignore[assignment]
    pattern = np.float32(0.12) * confounder.pattern(relative)
    for picture, nodules, core, filled in zip(local, palette["haemangioma_nodules"], palette["haemangioma_core"], fill, strict=True):
        share = np.clip((radius - (1 - np.float32(filled)) + pattern) / np.float32(0.15), 0, 1)
        picture += alpha * (core + share * (nodules - core) - picture)


def _paint_lesion(image: np.ndarray, lesion: ModelLesion, anatomy: Anatomy, grid: Grid, moved: Coordinates, palette: Palette) -> None:
    plan = lesion.plan
    box, (whole, inner) = compute_coverage(lesion.shape, grid, moved, (plan.capsule_mm,))
    inside = np.flatnonzero(whole)
    if len(inside) == 0:
        return
    x, y, z = (axis[box].reshape(-1)[inside] for axis in moved)
    nodules, patches = _sample_texture(anatomy.texture_seed + 1 + plan.mask_label, (x, y, z))
    low, high = LESION_MODULATION
    amount = low + (high - low) * min(plan.diameter_mm / LESION_MODULATION_FULL_MM, 1.0)
    modulation = np.float32(amount) * (0.7 * nodules + 0.7 * patches)
    dead = np.zeros(len(inside), np.float32)
    if lesion.necrosis:
        radius = lesion.shape.relative_radius((x, y, z)) + np.float32(0.06) * patches
        dead = np.clip((np.float32(lesion.necrosis) - radius) / np.float32(0.12), 0, 1)
    core = inner.reshape(-1)[inside]
    rim = whole.reshape(-1)[inside] - core
    tissue, capsule = palette[f"lesion:{plan.lesion_id}"], palette[f"capsule:{plan.lesion_id}"]
    for index, picture in enumerate(image):
        values = tissue[index] * (1 + palette.texture[index] * modulation)
        values += dead * (palette["necrosis"][index] - values)
        local = picture[box]
        flat = local.reshape(-1)
        flat[inside] = flat[inside] * (1 - core - rim) + core * values + rim * capsule[index]
        picture[box] = flat.reshape(local.shape)


_TEXTURES: dict[int, tuple[np.ndarray, np.ndarray]] = {}


def _sample_texture(seed: int, coordinates: Coordinates) -> tuple[np.ndarray, np.ndarray]:
    """Two band-limited random fields of unit variance (fine nodules, coarse patches) that repeat after about 10 cm."""
    if seed not in _TEXTURES:
        # A worker paints one patient at a time: older textures are not asked for again.
        if len(_TEXTURES) > 12:
            _TEXTURES.clear()
        noise = np.random.default_rng(seed).standard_normal((TEXTURE_POINTS,) * 3).astype(np.float32)
        fields = [ndimage.gaussian_filter(noise, sigma, mode="wrap") for sigma in (NODULE_SIGMA, PATCH_SIGMA)]
        _TEXTURES[seed] = (fields[0] / fields[0].std(), fields[1] / fields[1].std())
    points = np.stack([axis.reshape(-1) for axis in coordinates]) * np.float32(1 / TEXTURE_STEP_MM)
    nodules, patches = (ndimage.map_coordinates(field, points, order=1, mode="grid-wrap") for field in _TEXTURES[seed])
    return nodules, patches
