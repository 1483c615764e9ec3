"""Preprocessed studies on disk, memory-mapped: written once, read by training, inference and cropping.

A folder `store/<patient_id>/` holds one raw `.npy` a phase on one grid (scanner units, rounded to integers), `mask.npy`, all of these once
more on the segmentation network's own grid where it differs, and `geometry.json`, which is written last: a folder without it is not complete.
The grid is the delayed phase's, of a study without one the portal venous phase's (`find_grid_phase`); here both are called the delayed grid.
Eq. 1 and the standardisation are not applied here; their few numbers are, so that voxels stay as small as they came.
"""
from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import ENHANCED_PHASES, GRID_PHASES, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_array, write_json
from lirads_keras.io.grids import same_grid
from lirads_keras.preprocessing.cutoff_check import list_cutoff_notices
from lirads_keras.preprocessing.integers import to_integers, to_labels
from lirads_keras.preprocessing.intensity import IntensityScale, compute_ct_scale, compute_intensity_scale
from lirads_keras.preprocessing.resample import compute_segmentation_grid, find_image_box, to_segmentation_grid

CT = "ct"
"""The single "phase" of a pre-training CT volume."""

CT_LABELS = {"liver": 1, "tumour": 2}
"""LiTS's labels."""

FORMAT = 3
"""Of a stored study; it rises when its files change."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredGrid:
    """Where an array (z, y, x) lies in the patient; the affine is that of `Volume`."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray

    def volume(self, array: np.ndarray) -> Volume:
        """`array` (z, y, x) on this grid."""
        if array.shape != self.shape:
            raise ValueError(f"a grid of {self.shape} cannot carry voxels of {array.shape}")
        return Volume(array, self.spacing_mm, self.affine)


@dataclass(frozen=True, eq=False)
class StoredStudy:
    """A study in the store: paths and a few numbers, no voxels; every array is mapped read-only when it is asked for.

    `phases` are "arterial", "portal_venous" and "delayed" (those that the study has), or "ct" alone. `lesion_slices` are the z indices
    whose mask holds a lesion (CT: a tumour); slices are the same on both grids. `preprocessing_digest` is that of the settings
    under which the folder was written. `shape`, `spacing_mm` and `affine` describe the delayed grid, `scales` its phases, and
    `segmentation_scales` the same phases on the segmentation grid.
    """

    patient_id: str
    folder: Path
    phases: tuple[str, ...]
    native: StoredGrid
    segmentation: StoredGrid
    scales: Mapping[str, IntensityScale]
    segmentation_scales: Mapping[str, IntensityScale]
    has_mask: bool
    has_segmentation_arrays: bool
    lesion_slices: tuple[int, ...]
    preprocessing_digest: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.native.shape

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return self.native.spacing_mm

    @property
    def affine(self) -> np.ndarray:
        return self.native.affine

    def image(self, phase: str) -> np.ndarray:
        """Raw voxels (z, y, x) of `phase` in scanner units (CT: HU), uint16 or int16, memory-mapped."""
        return self._map_phase(phase, f"{phase}.npy")

    def mask(self) -> np.ndarray:
        """Labels (z, y, x) uint8 on the delayed grid, memory-mapped; all zero where the study came without a mask (no lesion)."""
        return _map_array(self.folder / "mask.npy") if self.has_mask else _zeros(self.native)

    def segmentation_image(self, phase: str) -> np.ndarray:
        """As `image`, on the segmentation grid."""
        return self._map_phase(phase, f"segmentation_{phase}.npy" if self.has_segmentation_arrays else f"{phase}.npy")

    def segmentation_mask(self) -> np.ndarray:
        """Labels (z, y, x) uint8 on the segmentation grid, memory-mapped; all zero where the study came without a mask."""
        if not self.has_mask:
            return _zeros(self.segmentation)
        return _map_array(self.folder / "segmentation_mask.npy") if self.has_segmentation_arrays else self.mask()

    def volume(self, phase: str) -> Volume:
        """`image(phase)` with its place in the patient."""
        return self.native.volume(self.image(phase))

    def grid(self) -> Volume:
        """The delayed grid as a Volume of zeros that takes no memory; `with_array` puts voxels on it."""
        return self.native.volume(_zeros(self.native))

    def segmentation_grid(self) -> Volume:
        """The segmentation grid as a Volume of zeros that takes no memory."""
        return self.segmentation.volume(_zeros(self.segmentation))

    def _map_phase(self, phase: str, name: str) -> np.ndarray:
        if phase not in self.phases:
            raise KeyError(f"{self.patient_id} has no phase {phase}, only {', '.join(self.phases)}")
        return _map_array(self.folder / name)


def write_stored_study(folder: Path, volumes: Mapping[str, Volume], mask: np.ndarray | None, settings: PreprocessingSettings) -> None:
    """Writes a study into the store; the folder's name is the patient's.

    Args:
        folder: `store/<patient_id>`, made if absent; a study that is there already is replaced.
        volumes: raw volumes (z, y, x) of one grid, keyed "arterial", "portal_venous", "delayed", one of the latter two among them; or "ct" alone, in HU.
        mask: labels (z, y, x) of that grid, 0 … 255 (CT: 0, liver 1, tumour 2); None: no lesion.
        settings: Eq. 1, and the matrix of the segmentation grid.

    Raises:
        InputError: voxels that are not finite, do not fit into 16 bits, or would lose their contrast by rounding; mask labels that are
            not 0 … 255 (CT: 0, 1, 2); or an image without signal (from Eq. 1). All problems of the study at once.
        ValueError: phases are unknown or lie on different grids.
    """
    # Its grid is that of all phases.
    main = _find_main(volumes)
    _check_grids(volumes, mask, main)
    patient_id = folder.name
    highest_label = max(CT_LABELS.values()) if main == CT else 255
    problems: list[Problem] = []
    arrays = {phase: to_integers(volume.array, f"{patient_id}, {phase}", problems) for phase, volume in sorted(volumes.items())}
    labels = None if mask is None else to_labels(mask, highest_label, f"{patient_id}, mask", problems)
    raise_if_any(problems)

    grid = volumes[main]
    segmentation = compute_segmentation_grid(grid, settings.matrix_px)
    differs = not same_grid(segmentation, grid)
    # Resampling gives fractions: the scale is that of the integers which are stored and read.
    segmentation_arrays = {
        phase: to_integers(to_segmentation_grid(grid.with_array(array), settings.matrix_px).array, f"{patient_id}, {phase} on the segmentation grid", problems)
        for phase, array in arrays.items()} if differs else arrays
    raise_if_any(problems)

    scales = {phase: _compute_scale(array, phase, settings, f"{patient_id}, {phase}", problems) for phase, array in arrays.items()}
    # Of the image alone, without what pads it to a square.
    inside = find_image_box(grid, settings.matrix_px)
    segmentation_scales = {phase: _compute_scale(array[inside], phase, settings, f"{patient_id}, {phase} on the segmentation grid", problems)
                           for phase, array in segmentation_arrays.items()} if differs else scales
    raise_if_any(problems)
    phases = [phase for phase in ENHANCED_PHASES if phase in arrays]
    for notice in list_cutoff_notices({phase: grid.with_array(arrays[phase]) for phase in phases}, {phase: scales[phase] for phase in phases}):
        _log.warning("%s: %s", patient_id, notice)

    geometry_path = folder / "geometry.json"
    # An interrupted replacement must not pass for complete.
    geometry_path.unlink(missing_ok=True)
    # What an earlier study of this patient had and this one may not have.
    for old in folder.glob("*.npy"):
        old.unlink()
    for phase, array in arrays.items():
        write_array(folder / f"{phase}.npy", array)
        if differs:
            write_array(folder / f"segmentation_{phase}.npy", segmentation_arrays[phase])
    segmentation_labels = labels
    if labels is not None:
        write_array(folder / "mask.npy", labels)
        if differs:
            segmentation_labels = to_segmentation_grid(grid.with_array(labels), settings.matrix_px, labels=True).array.astype(np.uint8)
            write_array(folder / "segmentation_mask.npy", segmentation_labels)
    write_json(geometry_path, {
        "format": FORMAT,
        "patient_id": patient_id,
        "phases": list(arrays),
        "grid": _grid_to_json(grid),
        "segmentation_grid": _grid_to_json(segmentation if differs else grid),
        "scales": {phase: _scale_to_json(scale) for phase, scale in scales.items()},
        "segmentation_scales": {phase: _scale_to_json(scale) for phase, scale in segmentation_scales.items()},
        "has_mask": labels is not None,
        "has_segmentation_arrays": differs,
        "lesion_slices": [] if segmentation_labels is None else _find_lesion_slices(segmentation_labels, main == CT),
        "preprocessing_digest": settings.digest(),
    })


def read_stored_study(folder: Path) -> StoredStudy:
    """Reads `geometry.json` of a stored study and checks that its arrays are there, whole, and of the stated shape.

    Raises:
        InputError: the folder is not a complete stored study; every array that is missing or wrong is named.
    """
    path = folder / "geometry.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(Problem(str(path), "the geometry of a complete stored study", str(error))) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(Problem(str(path), f"a stored study of format {FORMAT}", f"{str(content)[:80]}"))
    try:
        study = StoredStudy(
            patient_id=content["patient_id"],
            folder=folder,
            phases=tuple(content["phases"]),
            native=_grid_from_json(content["grid"]),
            segmentation=_grid_from_json(content["segmentation_grid"]),
            scales={phase: _scale_from_json(scale) for phase, scale in content["scales"].items()},
            segmentation_scales={phase: _scale_from_json(scale) for phase, scale in content["segmentation_scales"].items()},
            has_mask=content["has_mask"],
            has_segmentation_arrays=content["has_segmentation_arrays"],
            lesion_slices=tuple(content["lesion_slices"]),
            preprocessing_digest=content["preprocessing_digest"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(Problem(str(path), "the geometry of a stored study", f"{type(error).__name__}: {error}")) from error
    _check_arrays(study)
    return study


def _find_main(volumes: Mapping[str, Volume]) -> str:
    """The image on whose grid all lie."""
    phases = [phase for phase in ENHANCED_PHASES if phase in volumes]
    if set(volumes) == {CT}:
        return CT
    if len(phases) < len(volumes) or not any(phase in volumes for phase in GRID_PHASES):
        raise ValueError(f"a stored study has 'delayed' or 'portal_venous', perhaps other enhanced phases, or 'ct' alone, not {sorted(volumes)}")
    return str(find_grid_phase(phases))


def _check_grids(volumes: Mapping[str, Volume], mask: np.ndarray | None, main: str) -> None:
    grid = volumes[main]
    for phase, volume in volumes.items():
        if not same_grid(volume, grid):
            raise ValueError(f"{phase} does not lie on the grid of {main}: align the phases first")
    if mask is not None and mask.shape != grid.shape:
        raise ValueError(f"the mask's shape is {mask.shape}, that of its volume {grid.shape}")


def _compute_scale(array: np.ndarray, phase: str, settings: PreprocessingSettings, where: str, problems: list[Problem]) -> IntensityScale:
    try:
        return compute_ct_scale(array, settings.ct_window_hu) if phase == CT else compute_intensity_scale(array, settings, where)
    except InputError as error:
        problems.extend(Problem(where, problem.expected, problem.found) for problem in error.problems)
        return IntensityScale(0.0, 1.0, 0.0, 1.0)


def _find_lesion_slices(labels: np.ndarray, ct: bool) -> list[int]:
    lesion = labels == CT_LABELS["tumour"] if ct else labels > 0
    return np.flatnonzero(lesion.any(axis=(1, 2))).tolist()


def _check_arrays(study: StoredStudy) -> None:
    expected: list[tuple[str, tuple[int, int, int], tuple[str, ...]]] = [(phase, study.native.shape, ("uint16", "int16")) for phase in study.phases]
    if study.has_mask:
        expected.append(("mask", study.native.shape, ("uint8",)))
    if study.has_segmentation_arrays:
        expected += [(f"segmentation_{phase}", study.segmentation.shape, ("uint16", "int16")) for phase in study.phases]
        if study.has_mask:
            expected.append(("segmentation_mask", study.segmentation.shape, ("uint8",)))
    problems = []
    for name, shape, types in expected:
        path = study.folder / f"{name}.npy"
        try:
            array = _map_array(path)
        except (OSError, ValueError) as error:
            problems.append(Problem(str(path), "a .npy array", str(error)))
            continue
        if array.shape != shape or array.dtype.name not in types:
            problems.append(Problem(str(path), f"{' or '.join(types)} voxels of shape {shape}", f"{array.dtype.name} of shape {array.shape}"))
    raise_if_any(problems)


def _map_array(path: Path) -> np.ndarray:
    state = path.stat()
    return _map_version(path, state.st_ino, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _map_version(path: Path, inode: int, modified_ns: int, size: int) -> np.ndarray:
    """One map a file, shared by all threads: opening and parsing the header for every slice costs more than reading it.

    The file's inode, time and size are part of the key, so that a replaced file is mapped anew.
    """
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _zeros(grid: StoredGrid) -> np.ndarray:
    return np.broadcast_to(np.uint8(0), grid.shape)


def _grid_to_json(volume: Volume) -> dict[str, Any]:
    return {"shape": list(volume.shape), "spacing_mm": [float(value) for value in volume.spacing_mm], "affine": np.asarray(volume.affine, float).tolist()}


def _grid_from_json(content: dict[str, Any]) -> StoredGrid:
    rows, spacing, affine = content["shape"], content["spacing_mm"], np.asarray(content["affine"], float)
    if len(rows) != 3 or len(spacing) != 3 or affine.shape != (4, 4):
        raise ValueError("a grid has three sizes, three spacings and a 4 × 4 affine")
    return StoredGrid((int(rows[0]), int(rows[1]), int(rows[2])), (float(spacing[0]), float(spacing[1]), float(spacing[2])), affine)


def _scale_to_json(scale: IntensityScale) -> dict[str, Any]:
    return {name: [float(item) for item in value] if isinstance(value, tuple) else float(value) for name, value in vars(scale).items()}


def _scale_from_json(content: dict[str, Any]) -> IntensityScale:
    return IntensityScale(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})
