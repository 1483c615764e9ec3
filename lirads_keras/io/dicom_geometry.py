"""Where the slices of a volume lie in the patient (DICOM PS3.3 C.7.6.2.1.1)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from lirads_keras.entities import Volume
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.dicom_headers import Header

SAME_POSITION_MM = 0.01
"""Slices nearer than this along their normal are at the same position: positions are written with three digits or more."""

OFF_GRID_FRACTION = 0.05
"""A slice may lie this part of the slice distance away from its place on an even grid (rounded positions, table readings)."""

SAME_PLANE_TOLERANCE = 1e-3
"""Direction cosines and relative pixel spacings that differ less are the same."""

UNEVEN_GAP_FRACTION = 0.25
"""Distances that differ by at most this part from the usual one are resampled to even ones; no lesion hides in a quarter of a gap."""

LARGEST_TILT_DEG = 30.0
"""CT gantries tilt up to 30°; slices that are shifted more than that are no tilted stack."""


@dataclass(frozen=True, eq=False)
class StackGrid:
    """The regular grid (z, y, x) of a stack of slices, with the affine of `Volume`, and how the slices come onto it.

    `shifts_px` (slices, 2) says how many rows and columns below and right of the grid's first pixel each slice begins (a tilted gantry), None where
    slices lie straight above each other. `places` (z,) is the fractional index of the slice at each place of the grid, None where the
    slices are evenly spaced. `notice` says so in words; empty where nothing is resampled.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    shifts_px: np.ndarray | None = None
    places: np.ndarray | None = None
    notice: str = ""

    def without_voxels(self) -> Volume:
        """The grid as a volume whose voxels are 0, and take no memory."""
        return Volume(np.broadcast_to(np.uint8(0), self.shape), self.spacing_mm, self.affine)


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
    if (a.rows, a.columns) != (b.rows, b.columns):
        return False
    if a.orientation == b.orientation and a.pixel_spacing_mm == b.pixel_spacing_mm:
        return True
    return (max(abs(x - y) for x, y in zip(a.orientation, b.orientation, strict=True)) < SAME_PLANE_TOLERANCE
            and max(abs(x - y) / y for x, y in zip(a.pixel_spacing_mm, b.pixel_spacing_mm, strict=True)) < SAME_PLANE_TOLERANCE)


def compute_grid(headers: Sequence[Header], name: str) -> StackGrid:
    """The regular grid of slices sorted along their normal.

    Slices of a tilted gantry, and slices at slightly uneven distances, get a grid that they are to be resampled to.

    Args:
        headers: slices in rising order of position.
        name: of the series, for messages.

    Raises:
        InputError: fewer than two slices, slices of different planes, repeated positions, missing slices, distances that differ by
            more than `UNEVEN_GAP_FRACTION`, or slices shifted against each other otherwise than by a gantry's tilt.
    """
    first = headers[0]
    if len(headers) < 2:
        raise_if_any([Problem(name, "at least 2 slices", f"{len(headers)}")])
    raise_if_any([
        Problem(f"{name}, {header.path.name}", f"the plane of {first.path.name} ({_plane(first)})", _plane(header))
        for header in headers if not same_plane(header, first)])
    positions = compute_positions_mm(headers)
    places, distance, uneven = _space_evenly(headers, positions, name)

    normal, down, along = compute_normal(first), _unit(first.orientation[3:]), _unit(first.orientation[:3])
    row_mm, column_mm = first.pixel_spacing_mm
    origins = np.array([header.position_mm for header in headers])
    offsets_px = (origins - origins[0]) @ np.stack([down / row_mm, along / column_mm], axis=1)
    tilt = _find_tilt(origins, positions, normal, max(distance, row_mm, column_mm), name)
    shifts_px = offsets_px - offsets_px.min(axis=0) if tilt else None
    rows, columns = (size + (ceil(extent) if tilt else 0) for size, extent in zip((first.rows, first.columns), np.ptp(offsets_px, axis=0), strict=True))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * distance, down * row_mm, along * column_mm
    affine[:3, 3] = origins[0]
    if tilt:
        affine[:3, 3] += affine[:3, 1:3] @ offsets_px.min(axis=0)
    notices = [f"slices tilted by {tilt:.3g}° against the stack"] if tilt else []
    notices += [uneven] if uneven else []
    shape = (len(headers) if places is None else len(places), rows, columns)
    return StackGrid(shape, (distance, row_mm, column_mm), affine, shifts_px, places, f"{' and '.join(notices)}: resampled" if notices else "")


def _find_tilt(origins: np.ndarray, positions: np.ndarray, normal: np.ndarray, unit_mm: float, name: str) -> float:
    """Angle in degrees between the slices' normal and the line through their first pixels; 0 where it does not matter."""
    heights = positions - positions[0]
    shift = origins - origins[0] - np.outer(heights, normal)
    farthest = float(np.linalg.norm(shift, axis=1).max())
    if farthest <= OFF_GRID_FRACTION * unit_mm:
        return 0.0
    slope = shift[-1] / heights[-1]
    tilt = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    off_line = float(np.linalg.norm(shift - np.outer(heights, slope), axis=1).max())
    if off_line > OFF_GRID_FRACTION * unit_mm or tilt > LARGEST_TILT_DEG:
        found = f"slices shifted by up to {farthest:.4g} mm in their plane"
        found += f" ({tilt:.3g}°)" if off_line <= OFF_GRID_FRACTION * unit_mm else " (several stacks?)"
        raise_if_any([Problem(name, f"slices straight above each other, or of one tilt of at most {LARGEST_TILT_DEG:g}°", found)])
    return tilt


def _space_evenly(headers: Sequence[Header], positions: np.ndarray, name: str) -> tuple[np.ndarray | None, float, str]:
    """Places of the grid as slice indices (None: the slices' own), slice distance in mm, and a notice.

    Raises:
        InputError: positions twice, missing, or too uneven.
    """
    gaps = np.diff(positions)
    repeated = np.flatnonzero(gaps < SAME_POSITION_MM)
    if repeated.size:
        found = "; ".join(f"{positions[index]:.2f} mm: {headers[index].path.name} and {headers[index + 1].path.name}" for index in repeated[:5])
        raise_if_any([Problem(name, "each slice position once", f"{repeated.size} repeated, at {found}" + (" …" if repeated.size > 5 else ""))])
    usual = float(np.median(gaps))
    multiples = np.rint(gaps / usual)
    if np.all(np.abs(gaps - multiples * usual) <= OFF_GRID_FRACTION * usual) and np.any(multiples > 1):
        missing = [positions[index] + step * usual for index in np.flatnonzero(multiples > 1) for step in range(1, min(int(multiples[index]), 20))]
        found = ", ".join(f"{position:.2f}" for position in missing[:10]) + (" …" if len(missing) > 10 else "")
        raise_if_any([Problem(name, f"a slice every {usual:.4g} mm", f"{int(multiples.sum()) - len(gaps)} missing, at {found} mm along the slice normal")])
    total = float(positions[-1] - positions[0])
    even = np.linspace(positions[0], positions[-1], len(positions))
    worst = int(np.abs(positions - even).argmax())
    if abs(positions[worst] - even[worst]) <= OFF_GRID_FRACTION * usual:
        return None, total / len(gaps), ""
    if np.abs(gaps - usual).max() > UNEVEN_GAP_FRACTION * usual:
        raise_if_any([Problem(name, f"evenly spaced slices, or distances within {UNEVEN_GAP_FRACTION:.0%} of the usual one", (
            f"distances from {gaps.min():.4g} to {gaps.max():.4g} mm; {headers[worst].path.name} lies at {positions[worst]:.2f} mm "
            f"instead of {even[worst]:.2f} mm along the slice normal"))])
    count = max(round(total / usual), 1) + 1
    places = np.interp(np.linspace(positions[0], positions[-1], count), positions, np.arange(len(positions)))
    return places, total / (count - 1), f"distances from {gaps.min():.4g} to {gaps.max():.4g} mm"


def _unit(direction: Sequence[float]) -> np.ndarray:
    vector = np.array(direction)
    return vector / np.linalg.norm(vector)


def _plane(header: Header) -> str:
    cosines = "\\".join(f"{value:.3g}" for value in header.orientation)
    return f"{header.rows} × {header.columns} px of {header.pixel_spacing_mm[0]:.4g} × {header.pixel_spacing_mm[1]:.4g} mm, {cosines}"
