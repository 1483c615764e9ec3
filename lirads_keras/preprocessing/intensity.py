"""Eq. 1 and standardisation (§2.4): from scanner units to zero mean and unit variance."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from skimage.filters import threshold_otsu

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.errors import InputError, Problem, raise_if_any

COUNTED_VALUES = 1 << 20
"""Volumes of whole numbers that span fewer values are counted instead of sorted, which is several times faster and as exact."""

LARGEST_WHOLE = 1 << 53
"""From here on float64 skips whole numbers."""

OTSU_BINS = 256
"""Bins of the log histogram that an automatic cut-off divides (scikit-image's default)."""

Scalar = float | tuple[float, ...]


@dataclass(frozen=True)
class IntensityScale:
    """Eq. 1 and the standardisation after it (§2.4) with the scalars of one volume; tuples hold one value a slice (`scope: slice`).

    `cutoff` and `upper` (P99) are scanner units or HU; `mean` and `standard_deviation` are those of Eq. 1's output, in [0, 1].
    """

    cutoff: Scalar
    upper: Scalar
    mean: Scalar
    standard_deviation: Scalar

    def apply(self, array: np.ndarray, first_slice: int = 0) -> np.ndarray:
        """Eq. 1, then zero mean and unit variance.

        Args:
            array: raw voxels of one slice (y, x) or of several (z, y, x) of the volume.
            first_slice: their first slice's index in that volume; counts only where the scale has a value for each slice.

        Returns:
            float32 of the same shape, from `zero` on.
        """
        cutoff, upper, deviation, zero = (
            _spread(value, array, first_slice) for value in (self.cutoff, self.upper, self.standard_deviation, self.zero))
        scaled = array.astype(np.float32)
        _subtract_cutoff(scaled, cutoff.astype(np.float32), upper.astype(np.float32), out=scaled)
        scaled *= (1 / ((upper - cutoff) * deviation)).astype(np.float32)
        scaled += zero.astype(np.float32)
        return scaled

    def is_body(self, array: np.ndarray, first_slice: int = 0) -> np.ndarray:
        """Whether Eq. 1 gives more than 0: bool of the shape of `array`; arguments as of `apply`."""
        cutoff, upper = (_spread(value, array, first_slice).astype(np.float32) for value in (self.cutoff, self.upper))
        return _subtract_cutoff(np.asarray(array, np.float32), cutoff, upper) > 0

    @property
    def zero(self) -> Scalar:
        """What Eq. 1's 0 becomes, −mean ∕ standard deviation: the background, and what lies beyond the image ("zero-padded", §2.4)."""
        return self._standardised(0.0)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest standardised intensity that a voxel of the volume can take: Eq. 1's 0 and 1."""
        return float(np.min(self.zero)), float(np.max(self._standardised(1.0)))

    def _standardised(self, value: float) -> Scalar:
        """A value of Eq. 1, in [0, 1], after the standardisation."""
        standardised = (value - np.asarray(self.mean)) / np.asarray(self.standard_deviation)
        return tuple(standardised.tolist()) if standardised.ndim else float(standardised)


def compute_intensity_scale(array: np.ndarray, settings: PreprocessingSettings, name: str) -> IntensityScale:
    """The scalars of Eq. 1 for an MR volume.

    Args:
        array: raw voxels (z, y, x) in scanner units; may be memory-mapped.
        settings: cut-off (`auto`: Otsu's threshold of the volume's log histogram), upper percentile, and whether percentile, mean and
            standard deviation are taken over the volume or each slice.
        name: of the series, for messages.

    Raises:
        InputError: voxels that are not finite, an upper percentile that does not exceed the cut-off, a constant image, or one whose values the automatic
            cut-off cannot divide.
    """
    voxels = _count(array, name)
    cutoff = _compute_auto_cutoff(voxels, name) if settings.background_cutoff == "auto" else float(settings.background_cutoff)
    if settings.scope == "volume":
        return _compute_scale(voxels, cutoff, settings.upper_percentile, name)
    problems: list[Problem] = []
    scales = []
    for z, image in enumerate(array):
        try:
            scales.append(_compute_scale(_count(image, name), cutoff, settings.upper_percentile, f"{name}, slice {z}"))
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    cutoffs, uppers, means, deviations = zip(*((scale.cutoff, scale.upper, scale.mean, scale.standard_deviation) for scale in scales), strict=True)
    return IntensityScale(cutoffs, uppers, means, deviations)


def compute_auto_cutoff(array: np.ndarray, name: str) -> float:
    """Otsu's threshold of the log histogram of a volume (z, y, x), in scanner units; 0 where nothing is above 0.

    Raises:
        InputError: voxels that are not finite, or that all lie in one bin of the histogram; `name` says of what.
    """
    return _compute_auto_cutoff(_count(array, name), name)


def compute_ct_scale(array: np.ndarray, window_hu: tuple[float, float]) -> IntensityScale:
    """The window that replaces Eq. 1 for CT (ledger item 9), with the mean and standard deviation of its output.

    Args:
        array: HU (z, y, x).
        window_hu: mapped to [0, 1].

    Raises:
        InputError: voxels that are not finite, or a constant image.
    """
    low, high = window_hu
    return _standardise(_count(array, "CT"), float(low), float(high), "CT")


def of_slice(value: Scalar, z: int) -> float:
    """A scale's value for slice z."""
    return value[z] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class _Voxels:
    """The voxels of a volume or slice; whole numbers also as distinct values in rising order and how often each occurs."""

    array: np.ndarray
    counted: tuple[np.ndarray, np.ndarray] | None

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray | int]]:
        """Values (float64) and how often each counts, all of the voxels in turn."""
        if self.counted is not None:
            yield self.counted
        else:
            for part in _parts(self.array):
                yield part.astype(np.float64), 1

    def percentile(self, percentile: float) -> float:
        """As numpy's default: linear between the two nearest ranks."""
        if self.counted is None:
            return float(np.percentile(self.array, percentile))
        values, counts = self.counted
        ends = np.cumsum(counts)
        rank = (int(ends[-1]) - 1) * percentile / 100
        below, above = values[np.searchsorted(ends, [floor(rank), ceil(rank)], side="right")]
        return float(below + (above - below) * (rank - floor(rank)))


def _count(array: np.ndarray, name: str) -> _Voxels:
    if array.size == 0:
        raise InputError(Problem(name, "voxels", "none"))
    lowest, highest = float(array.min()), float(array.max())
    if not np.isfinite([lowest, highest]).all():
        raise InputError(Problem(name, "finite voxels", "NaN or infinite ones"))
    # Beyond the latter whole numbers are no longer told apart.
    if highest - lowest >= COUNTED_VALUES or max(-lowest, highest) >= LARGEST_WHOLE:
        return _Voxels(array, None)
    low = floor(lowest)
    counts = np.zeros(ceil(highest) - low + 1, np.int64)
    for part in _parts(array):
        whole = part.astype(np.int64)
        if np.issubdtype(array.dtype, np.inexact) and not np.array_equal(whole, part):
            return _Voxels(array, None)
        counts += np.bincount((whole - low).ravel(), minlength=len(counts))
    occurring = np.flatnonzero(counts)
    return _Voxels(array, ((occurring + low).astype(np.float64), counts[occurring]))


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """A slice at a time: what is computed of it takes eight bytes a voxel."""
    return iter(array if array.ndim == 3 else array[np.newaxis])


def _compute_scale(voxels: _Voxels, cutoff: float, percentile: float, name: str) -> IntensityScale:
    upper = voxels.percentile(percentile)
    if upper <= cutoff:
        raise InputError(Problem(
            name, f"a {percentile:g}th percentile above the background cut-off of {cutoff:g} (Eq. 1; background_cutoff: auto adapts it)", f"{upper:g}"))
    return _standardise(voxels, cutoff, upper, name)


def _standardise(voxels: _Voxels, cutoff: float, upper: float, name: str) -> IntensityScale:
    def scaled(values: np.ndarray) -> np.ndarray:
        return _subtract_cutoff(values, cutoff, upper) / (upper - cutoff)

    mean = float(sum((scaled(values) * counts).sum() for values, counts in voxels.chunks()) / voxels.array.size)
    variance = sum((np.square(scaled(values) - mean) * counts).sum() for values, counts in voxels.chunks()) / voxels.array.size
    if not variance > 0:
        raise InputError(Problem(name, f"an image with contrast between {cutoff:g} and {upper:g}", "a constant one"))
    return IntensityScale(cutoff, upper, mean, float(np.sqrt(variance)))


def _compute_auto_cutoff(voxels: _Voxels, name: str) -> float:
    span = (0.0, float(np.log1p(max(0.0, float(voxels.array.max())))))
    if span[1] == 0:
        return 0.0
    counts = np.zeros(OTSU_BINS)
    for values, weights in voxels.chunks():
        logarithms = np.log1p(np.maximum(values, 0))
        counts += np.histogram(logarithms, OTSU_BINS, span, weights=np.broadcast_to(weights, logarithms.shape))[0]
    if np.count_nonzero(counts) < 2:
        found = f"values of {float(voxels.array.min()):g} to {float(voxels.array.max()):g} alone"
        raise InputError(Problem(name, "an image with air and tissue in it, which an automatic cut-off can divide", found))
    edges = np.linspace(*span, OTSU_BINS + 1)
    return float(np.expm1(threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2))))


def _subtract_cutoff(values: np.ndarray, cutoff: float | np.ndarray, upper: float | np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The numerator of Eq. 1: 0 up to the cut-off, `upper` less the cut-off from P99 on; both broadcast over `values` (floating-point)."""
    above = np.clip(values, cutoff, upper, out=out)
    above -= cutoff
    return above


def _spread(value: Scalar, array: np.ndarray, first_slice: int) -> np.ndarray:
    """A scale's values (float64) for the slices of `array`, from `first_slice` of the volume, in a shape that broadcasts over it."""
    if not isinstance(value, tuple):
        return np.array(value)
    slices = len(array) if array.ndim == 3 else 1
    return np.array(value[first_slice:first_slice + slices]).reshape((slices, 1, 1) if array.ndim == 3 else ())
