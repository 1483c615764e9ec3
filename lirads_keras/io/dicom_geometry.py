"""Where the slices of a volume lie in the patient (DICOM PS3.3 C.7.6.2.1.1)."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.dicom_headers import Header

SAME_POSITION_MM = 0.01
"""Slices nearer than this along their normal are at the same position: positions are written with three digits or more."""

OFF_GRID_FRACTION = 0.05
"""A slice may lie this part of the slice distance away from its place on an even grid (rounded positions, table readings)."""

SAME_PLANE_TOLERANCE = 1e-3
"""Direction cosines and relative pixel spacings that differ less are the same."""


def compute_normal(header: Header) -> np.ndarray:
    """Unit vector from slice to slice: row direction × column direction."""
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    normal = np.cross(row, column)
    return normal / np.linalg.norm(normal)


def compute_positions_mm(headers: Sequence[Header]) -> np.ndarray:
    """Place of each slice along the normal of the first."""
    return np.array([header.position_mm for header in headers]) @ compute_normal(headers[0])


def same_plane(a: Header, b: Header) -> bool:
    """Whether two slices can belong to one volume: equal matrix, orientation and pixel spacing."""
    return ((a.rows, a.columns) == (b.rows, b.columns)
            and max(abs(x - y) for x, y in zip(a.orientation, b.orientation, strict=True)) < SAME_PLANE_TOLERANCE
            and max(abs(x - y) / y for x, y in zip(a.pixel_spacing_mm, b.pixel_spacing_mm, strict=True)) < SAME_PLANE_TOLERANCE)


def compute_grid(headers: Sequence[Header], name: str) -> tuple[tuple[float, float, float], np.ndarray]:
    """The regular grid of slices sorted along their normal.

    Args:
        headers: slices in rising order of position.
        name: of the series, for messages.

    Returns:
        Spacing in mm (z, y, x), and the affine (4 × 4) from index (z, y, x, 1) to LPS mm.

    Raises:
        InputError: fewer than two slices, slices of different planes, repeated positions, missing slices, uneven distances, or
            slices shifted against each other (gantry tilt).
    """
    first = headers[0]
    if len(headers) < 2:
        raise_if_any([Problem(name, "at least 2 slices", f"{len(headers)}")])
    raise_if_any([
        Problem(f"{name}, {header.path.name}", f"the plane of {first.path.name} ({_plane(first)})", _plane(header))
        for header in headers if not same_plane(header, first)])
    positions = compute_positions_mm(headers)
    raise_if_any(_check_distances(headers, positions, name))

    normal = compute_normal(first)
    origins = np.array([header.position_mm for header in headers])
    step = (origins[-1] - origins[0]) / (len(headers) - 1)
    distance = float(step @ normal)
    shift = origins - origins[0] - np.outer(positions - positions[0], normal)
    farthest = float(np.linalg.norm(shift, axis=1).max())
    if farthest > OFF_GRID_FRACTION * max(distance, *first.pixel_spacing_mm):
        raise_if_any([Problem(
            name, "slices that lie straight above each other", f"slices shifted by up to {farthest:.4g} mm in their plane (gantry tilt, or several stacks)")])

    row_mm, column_mm = first.pixel_spacing_mm
    affine = np.eye(4)
    affine[:3, 0] = normal * distance
    affine[:3, 1] = _unit(first.orientation[3:]) * row_mm
    affine[:3, 2] = _unit(first.orientation[:3]) * column_mm
    affine[:3, 3] = origins[0]
    return (distance, row_mm, column_mm), affine


def _check_distances(headers: Sequence[Header], positions: np.ndarray, name: str) -> list[Problem]:
    gaps = np.diff(positions)
    repeated = np.flatnonzero(gaps < SAME_POSITION_MM)
    if repeated.size:
        found = "; ".join(f"{positions[index]:.2f} mm: {headers[index].path.name} and {headers[index + 1].path.name}" for index in repeated[:5])
        return [Problem(name, "each slice position once", f"{repeated.size} repeated, at {found}" + (" …" if repeated.size > 5 else ""))]
    usual = float(np.median(gaps))
    multiples = np.rint(gaps / usual)
    if np.all(np.abs(gaps - multiples * usual) <= OFF_GRID_FRACTION * usual) and np.any(multiples > 1):
        missing = [positions[index] + step * usual for index in np.flatnonzero(multiples > 1) for step in range(1, int(multiples[index]))]
        found = ", ".join(f"{position:.2f}" for position in missing[:10]) + (" …" if len(missing) > 10 else "")
        return [Problem(name, f"a slice every {usual:.4g} mm", f"{len(missing)} missing, at {found} mm along the slice normal")]
    even = np.linspace(positions[0], positions[-1], len(positions))
    worst = int(np.abs(positions - even).argmax())
    if abs(positions[worst] - even[worst]) > OFF_GRID_FRACTION * usual:
        return [Problem(name, "evenly spaced slices", (
            f"distances from {gaps.min():.4g} to {gaps.max():.4g} mm; {headers[worst].path.name} lies at {positions[worst]:.2f} mm "
            f"instead of {even[worst]:.2f} mm along the slice normal"))]
    return []


def _unit(direction: Sequence[float]) -> np.ndarray:
    vector = np.array(direction)
    return vector / np.linalg.norm(vector)


def _plane(header: Header) -> str:
    cosines = "\\".join(f"{value:.3g}" for value in header.orientation)
    return f"{header.rows} × {header.columns} px of {header.pixel_spacing_mm[0]:.4g} × {header.pixel_spacing_mm[1]:.4g} mm, {cosines}"
