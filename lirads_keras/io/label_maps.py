"""Label maps as programs for drawing hand them over: NIfTI, NRRD (3D Slicer, MITK) and MetaImage (ITK-SNAP, elastix).

3D Slicer's `.seg.nrrd` says what its labels are called (Segment0_Name, Segment0_LabelValue, Segment0_Layer: Slicer's documentation, "Segmentations",
section on the segmentation file format), and may be smaller than the image that was drawn on: outside of it nothing was drawn.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.grids import describe_grid, from_itk, place_on_grid, reorient_to_grid
from lirads_keras.io.nifti import SUFFIXES as NIFTI_SUFFIXES
from lirads_keras.io.nifti import as_labels, is_nifti, read_nifti, read_nifti_labels
from lirads_keras.io.nifti_header import RIGHT_ANGLE_COSINE

SUFFIXES = (".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", *sorted(NIFTI_SUFFIXES, key=len, reverse=True))
"""Longer ones first, so that the first that fits is the whole suffix."""

_METAIMAGE = (".mha", ".mhd")
_SEGMENT_KEY = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
_POINTER = re.compile(r"\s*\(0x[0-9a-fA-F]+\)")
_LIBRARY_WORDS = re.compile(r"^(?:\S*ITK ERROR|\S*itk::ERROR|\[nrrd\] \w+):\s*|^\w+(?:ImageIO|ImageFileReader\w*):\s*", re.ASCII)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels (uint8, or uint16 where one is above 255) on their own grid, and what the file calls them.

    `may_be_cropped`: the file may hold a part of the grid that was drawn on, and nothing was drawn outside of it.
    """

    volume: Volume
    names: Mapping[int, str] = field(default_factory=dict)
    may_be_cropped: bool = False


@dataclass(frozen=True)
class _Segment:
    name: str
    label: int
    layer: int


def split_name(name: str) -> tuple[str, str] | None:
    """A file's name without its suffix, and the suffix in lower case; None where it is not that of a label map or volume that is read."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    return None if suffix is None else (name[:len(name) - len(suffix)], suffix)


def read_volume_file(path: Path) -> Volume:
    """Reads an image from a NIfTI, NRRD or MetaImage file, in its own type (z, y, x).

    Raises:
        InputError: as `read_nifti`, for each of the formats.
    """
    if is_nifti(path):
        return read_nifti(path)
    volume, _ = _read_itk(path)
    if volume.array.dtype.kind == "f" and not np.isfinite(volume.array).all():
        raise InputError(Problem(f"{path}, its voxels", "finite numbers", f"{np.count_nonzero(~np.isfinite(volume.array))} NaN or infinite"))
    return volume


def read_label_map(path: Path) -> LabelMap:
    """Reads a label map of any of the formats, on its own grid.

    Raises:
        InputError: a file that cannot be read, not three dimensions, several values a voxel (layers, colours), segments that share a label, or voxels
            that are no labels.
    """
    if is_nifti(path):
        return LabelMap(read_nifti_labels(path))
    volume, segments = _read_itk(path)
    labels = volume.with_array(as_labels(volume.array, path))
    found = set(np.unique(labels.array).tolist())
    return LabelMap(labels, {segment.label: segment.name for segment in segments if segment.label in found and segment.name}, bool(segments))


def read_label_map_on_grid(path: Path, grid: Volume) -> tuple[np.ndarray, Mapping[int, str]]:
    """Reads a label map that lies on `grid`, turned to its axes; a segmentation of 3D Slicer that was cropped is filled up with zeros.

    Returns:
        Labels (z, y, x), uint8 or uint16, and the names that the file gives them.

    Raises:
        InputError: as `read_label_map`, or another grid.
    """
    found = read_label_map(path)
    labels = reorient_to_grid(found.volume, grid)
    if labels is None and found.may_be_cropped:
        labels = place_on_grid(found.volume, grid)
    if labels is None:
        raise InputError(Problem(f"{path}, the grid", describe_grid(grid), describe_grid(found.volume)))
    return labels, found.names


def _read_itk(path: Path) -> tuple[Volume, tuple[_Segment, ...]]:
    """The voxels of a NRRD or MetaImage file, and 3D Slicer's segments, if it names any."""
    suffix = (split_name(path.name) or ("", ""))[1]
    kind = "MetaImage" if suffix in _METAIMAGE else "NRRD"
    if not suffix or not path.is_file():
        raise InputError(Problem(str(path), f"a file whose name ends in {', '.join(SUFFIXES)}", path.name if path.is_file() else "no such file"))
    if kind == "MetaImage" and not path.name.endswith(suffix):
        # ITK knows this format by a suffix in lower case only.
        if suffix == ".mhd":
            raise InputError(Problem(str(path), "a suffix in lower case, .mhd", path.name))
        with TemporaryDirectory() as folder:
            link = Path(folder) / f"mask{suffix}"
            link.symlink_to(path.absolute())
            return _read_by(link, path, kind)
    return _read_by(path, path, kind)


def _read_by(place: Path, path: Path, kind: str) -> tuple[Volume, tuple[_Segment, ...]]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(place))
    reader.SetImageIO(f"{'Meta' if kind == 'MetaImage' else 'Nrrd'}ImageIO")
    # Its warnings go past us to the terminal, with addresses in memory.
    warned = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader.ReadImageInformation()
        segments = _find_segments({key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}, path) if kind == "NRRD" else ()
        _check_layers(path, segments, reader.GetNumberOfComponents())
        size = list(reader.GetSize())
        while len(size) > 3 and size[-1] == 1:
            size.pop()
        if len(size) != 3 or 0 in size:
            raise InputError(Problem(str(path), f"a {kind} file of three dimensions", " × ".join(map(str, size))))
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(Problem(str(path), f"a whole {kind} file", f"one that cannot be read ({_describe(error, place, kind)})")) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
    while image.GetDimension() > 3:
        image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
    directions = np.array(image.GetDirection()).reshape(3, 3)
    if np.abs(directions.T @ directions - np.eye(3)).max() > RIGHT_ANGLE_COSINE:
        raise InputError(Problem(f"{path}, its axes", "axes at right angles", np.array2string(directions, precision=3, separator=", ").replace("\n", "")))
    return from_itk(image), segments


def _find_segments(header: Mapping[str, str], path: Path) -> tuple[_Segment, ...]:
    """3D Slicer's segments; versions before 4.11 gave neither label nor layer: every segment was a layer of its own, of ones."""
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _SEGMENT_KEY.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = " ".join(value.split())
    segments = []
    for order, (number, values) in enumerate(sorted(found.items())):
        label, layer = values.get("LabelValue", "1"), values.get("Layer", "0" if "LabelValue" in values else str(order))
        if not (label.isdecimal() and layer.isdecimal()):
            raise InputError(Problem(f"{path}, Segment{number}", "a whole LabelValue and Layer", f"{label!r} and {layer!r}"))
        segments.append(_Segment(values.get("Name", ""), int(label), int(layer)))
    return tuple(segments)


def _check_layers(path: Path, segments: tuple[_Segment, ...], components: int) -> None:
    """Overlapping segments lie in layers, which are no label map: which of two lesions a voxel belongs to is not ours to say."""
    told = "; ".join(f"{segment.name or 'a segment without name'} (label {segment.label}, layer {segment.layer})" for segment in segments[:8])
    told += " …" if len(segments) > 8 else ""
    if components > 1 or len({segment.layer for segment in segments}) > 1:
        found = (f"{components} values" if components > 1 else "one value") + " a voxel" + (f": {told}" if told else "")
        raise InputError(Problem(str(path), "one label map (from 3D Slicer: segments that do not overlap, or Segmentations, Export to labelmap)", found))
    if len({segment.label for segment in segments}) < len(segments):
        raise InputError(Problem(str(path), "each segment with a label of its own", told))


def _describe(error: RuntimeError, place: Path, kind: str) -> str:
    """The last line of what SimpleITK says, without its addresses in memory and names of classes."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    if kind == "MetaImage":
        # It gives the operating system's last word on another matter ("No such file or directory").
        return "its header, or voxels that it announces, are not there"
    last = _POINTER.sub("", lines[-1].replace(str(place), "it")) if lines else "no reason given"
    return _LIBRARY_WORDS.sub("", _LIBRARY_WORDS.sub("", last))[:200]
