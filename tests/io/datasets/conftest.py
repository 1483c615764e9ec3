"""Tiny NIfTI files in the layouts of public data sets."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lirads_keras.entities import Volume
from lirads_keras.io.nifti import write_nifti

SPACING_MM = (3.0, 1.5, 1.5)


def _write(path: Path, values: np.ndarray | int = 100, *, shape: tuple[int, int, int] = (3, 4, 5), spacing_mm: tuple[float, float, float] = SPACING_MM) -> Path:
    array = np.full(shape, values, np.int16) if isinstance(values, int) else values
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing_mm)[::-1]
    write_nifti(path, Volume(array, spacing_mm, affine))
    return path


@pytest.fixture()
def nifti() -> Callable[..., Path]:
    """Writes an image of one value, or an array (z, y, x)."""
    return _write
