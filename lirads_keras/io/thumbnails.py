"""Small pictures of time points, by which somebody who is asked for a phase sees what it is asked of."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from lirads_keras.errors import InputError
from lirads_keras.io.atomic import write_bytes
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_pixels import read_pixels
from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.dicom_values import VolumeValues

FOLDER_NAME = "thumbnails"

LONGEST_SIDE_PX = 192

WINDOW_PERCENT = (1.0, 99.5)
"""Black and white: the brightest vessels and the noise of air do not matter."""

_NAME = re.compile(r"[0-9a-f]{20}-\d+\.png")


def name_thumbnail(point: TimePoint) -> str:
    """The path below the manifest's folder. It has a digest of SeriesInstanceUID, and so nothing of the patient, and is the same in each run."""
    digest = hashlib.sha256(point.series.series_uid.encode()).hexdigest()[:20]
    return f"{FOLDER_NAME}/{digest}-{point.series.temporal_index}.png"


def write_thumbnail(out: Path, point: TimePoint) -> str:
    """Writes the middle slice of a time point as a PNG file of 8-bit grey values below `out`, and returns its name there.

    Raises:
        InputError, Unusable or OSError: the slice cannot be read or decoded, or is padding alone.
    """
    header = point.headers[len(point.headers) // 2]
    image = draw_thumbnail(_read_slice(header), header.pixel_spacing_mm)
    written, png = cv2.imencode(".png", image)
    assert written
    write_bytes(out / name_thumbnail(point), lambda file: file.write(png.tobytes()))
    return name_thumbnail(point)


def describe_failure(error: InputError | Unusable | OSError) -> str:
    """Why a thumbnail could not be drawn."""
    if isinstance(error, OSError):
        return f"expected a readable file, found {error.strerror or error}"
    faults = error.problems if isinstance(error, InputError) else (error,)
    return "; ".join(f"expected {fault.expected}, found {fault.found}" for fault in faults)


def remove_other_thumbnails(out: Path, kept: Iterable[str]) -> None:
    """Removes the thumbnails below `out` that are not among `kept`; other files that lie there stay."""
    folder = out / FOLDER_NAME
    if not folder.is_dir():
        return
    names = {name.rpartition("/")[2] for name in kept}
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and path.name not in names:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def draw_thumbnail(image: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Grey values (y, x), uint8, of an image (y, x) whose rows and columns are `spacing_mm` apart; in true proportions."""
    image = np.nan_to_num(image.astype(np.float64))
    low, high = np.percentile(image, WINDOW_PERCENT)
    if high <= low:
        low, high = image.min(), image.max()
    grey = np.clip((image - low) / (high - low if high > low else 1.0), 0, 1)
    height_mm, width_mm = image.shape[0] * spacing_mm[0], image.shape[1] * spacing_mm[1]
    px_per_mm = LONGEST_SIDE_PX / max(height_mm, width_mm)
    height, width = (max(1, round(side * px_per_mm)) for side in (height_mm, width_mm))
    # One side after the other: where one shrinks and the other grows, each has its own way of interpolation.
    for size in ((width, image.shape[0]), (width, height)):
        shrinks = size[0] < grey.shape[1] or size[1] < grey.shape[0]
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _read_slice(header: Header) -> np.ndarray:
    """A slice (y, x) as `dicom.read_volume` reads it, but for itself: MONOCHROME1 inverted, padding made background."""
    values = VolumeValues([header])
    with quiet_pydicom(), open(header.path, "rb", buffering=0) as file:
        for pixels in read_pixels(file, [header]):
            values.put(0, pixels)
    return values.finish(str(header.path))[0]
