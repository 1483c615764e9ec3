"""Voxels and labels as the small integers that the store keeps, refused where that would change them."""
from __future__ import annotations

import numpy as np

from lirads_keras.errors import Problem

MINIMUM_LEVELS = 100
"""Fewer integer steps than this between the darkest and the brightest voxel, and rounding fractional voxels would be visible."""


def to_integers(array: np.ndarray, where: str, problems: list[Problem]) -> np.ndarray:
    """Voxels (z, y, x) rounded to uint16, or to int16 where some are negative.

    An array that is not finite, does not fit, or would lose its contrast is added to `problems` under the name `where`, and zeros are
    returned for it.
    """
    zeros = np.zeros(array.shape, np.uint16)
    if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
        problems.append(Problem(where, "finite voxels", f"{int((~np.isfinite(array)).sum())} that are not"))
        return zeros
    lowest, highest = float(array.min()), float(array.max())
    integers = np.int16 if np.rint(lowest) < 0 else np.uint16
    limits = np.iinfo(integers)
    if np.rint(lowest) < limits.min or np.rint(highest) > limits.max:
        problems.append(Problem(where, f"voxels of 16 bits ({limits.min} … {limits.max})", f"{lowest:g} … {highest:g}"))
        return zeros
    if not np.issubdtype(array.dtype, np.inexact):
        return array.astype(integers)
    rounded = np.rint(array)
    if highest - lowest < MINIMUM_LEVELS and not np.array_equal(rounded, array):
        problems.append(Problem(where, f"voxels that span at least {MINIMUM_LEVELS} scanner units, or whole numbers", f"{lowest:g} … {highest:g}"))
        return zeros
    return rounded.astype(integers)


def to_labels(mask: np.ndarray, highest: int, where: str, problems: list[Problem]) -> np.ndarray:
    """Labels (z, y, x) as uint8; fractions and labels outside 0 … `highest` are added to `problems`, and zeros returned."""
    if np.issubdtype(mask.dtype, np.inexact) and not np.array_equal(mask, np.rint(mask)):
        problems.append(Problem(where, "whole-numbered labels", "fractions or values that are not finite"))
    elif mask.size and (mask.min() < 0 or mask.max() > highest):
        problems.append(Problem(where, f"labels 0 … {highest}", f"{mask.min():g} … {mask.max():g}"))
    else:
        return mask.astype(np.uint8)
    return np.zeros(mask.shape, np.uint8)
