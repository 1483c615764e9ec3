"""Whether slices lie in the order in which they were numbered: two exchanged positions make a volume that looks whole."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lirads_keras.io.dicom_headers import Header


def find_doubtful_positions(headers: Sequence[Header]) -> str:
    """Slices whose ImagePositionPatient says another order than both SliceLocation and InstanceNumber, which agree with each other.

    Each by itself means little: SliceLocation has no prescribed direction, and images may be numbered in any order.

    Args:
        headers: of one volume, in rising order of position.

    Returns:
        Which, in words; empty if there are none, or if the images do not say.
    """
    locations = [header.slice_location_mm for header in headers]
    numbers = [header.instance_number for header in headers]
    if None in locations or None in numbers or len(set(locations)) < len(headers) or len(set(numbers)) < len(headers):
        return ""
    by_location, by_number = _ranks(locations), _ranks(numbers)
    # SliceLocation may fall where numbers rise.
    if not np.array_equal(by_location, by_number) and not np.array_equal(by_location, len(headers) - 1 - by_number):
        return ""
    places = np.arange(len(headers))
    wrong = min(np.flatnonzero(by_location != places), np.flatnonzero(by_location != places[::-1]), key=len)
    if not wrong.size:
        return ""
    names = ", ".join(headers[index].path.name for index in wrong[:4]) + (" …" if wrong.size > 4 else "")
    return f"ImagePositionPatient, which counts, says another order than SliceLocation and InstanceNumber of {wrong.size} slices ({names})"


def _ranks(values: Sequence[float | None]) -> np.ndarray:
    return np.argsort(np.argsort(np.array(values, float)))
