"""From stored pixels to the values of a volume: what pads an image is background, and MONOCHROME1 runs from white to black."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom_headers import Header

ONE_BLACK_FRACTION = 0.01
"""Black is one stored value for all slices of an inverted volume if their largest values differ by no more than this part of what it spans: the darkest
voxels of slices differ by noise. Beyond that each slice was inverted by itself, and its own largest value is its black. In between the one way is as
good as the other within this part."""

PADDED_BLACK_FRACTION = 0.1
"""An inverted image whose air was cut away is padded with black: a padding that is no farther beyond its darkest voxel than this part of what it spans."""


def describe_values(headers: Sequence[Header]) -> str:
    """What is done to the values of a series beside rescaling, as the end of a sentence; empty where nothing is."""
    told = []
    if any(header.is_inverted for header in headers):
        told.append("is stored as MONOCHROME1, from white to black, and was inverted")
    if ranges := sorted({header.padding for header in headers if header.padding not in (None, (0, 0))}):
        values = ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in ranges)
        told.append(f"has pixels of PixelPaddingValue {values}, which were taken for background")
    return "; it ".join(told)


class VolumeValues:
    """Collects the slices of a volume in output units, on the scale of its first slice."""

    def __init__(self, headers: Sequence[Header]) -> None:
        self._headers = headers
        self._array = np.empty((len(headers), headers[0].rows, headers[0].columns), np.float32)
        self._padded: dict[int, np.ndarray] = {}
        self._range: dict[int, tuple[int, int]] = {}

    def put(self, z: int, pixels: np.ndarray) -> None:
        """Takes the stored pixels (rows, columns) of slice z."""
        header = self._headers[z]
        np.multiply(pixels, np.float32(header.slope), out=self._array[z])
        of_image = pixels
        if header.padding and (padded := (pixels >= header.padding[0]) & (pixels <= header.padding[1])).any():
            self._padded[z] = padded
            of_image = pixels[~padded]
        if header.is_inverted:
            self._range[z] = (int(of_image.min()), int(of_image.max())) if of_image.size else (0, 0)
        else:
            self._finish(z)

    def finish(self, name: str) -> np.ndarray:
        """The volume (z, y, x), float32; `name` is that of the series, for messages.

        Raises:
            InputError: nothing but padding.
        """
        for z, black in self._find_black().items():
            np.subtract(np.float32(black * self._headers[z].slope), self._array[z], out=self._array[z])
            self._finish(z)
        if self._padded:
            lowest = min((float(self._array[z][~self._padded[z]].min(initial=np.inf)) if z in self._padded else float(image.min())
                          for z, image in enumerate(self._array)))
            if not np.isfinite(lowest):
                raise InputError(Problem(f"{name}, PixelPaddingValue", "an image inside the padding", "padding alone"))
            for z, padded in self._padded.items():
                # As beyond a phase's field of view.
                self._array[z][padded] = min(0.0, lowest)
        return self._array

    def _find_black(self) -> dict[int, int]:
        """For each inverted slice the stored value that stands for no signal."""
        known = {z: limits for z, limits in self._range.items() if z not in self._padded or not self._padded[z].all()}
        if not known:
            return dict.fromkeys(self._range, 0)
        tops = [high for _, high in known.values()]
        darkest, span = max(tops), max(tops) - min(low for low, _ in known.values())
        padding = [header.padding[0] for header in self._headers if header.padding]
        if padding and 0 <= min(padding) - darkest <= PADDED_BLACK_FRACTION * span:
            return dict.fromkeys(self._range, min(padding))
        one_black = darkest - min(tops) <= ONE_BLACK_FRACTION * span
        return {z: darkest if one_black or z not in known else known[z][1] for z in self._range}

    def _finish(self, z: int) -> None:
        header, first = self._headers[z], self._headers[0]
        if header.intercept:
            self._array[z] += np.float32(header.intercept)
        if header.display_scale and first.display_scale and header.display_scale != first.display_scale:
            self._array[z] *= np.float32(first.display_scale / header.display_scale)
