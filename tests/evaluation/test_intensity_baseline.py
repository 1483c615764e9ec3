from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.evaluation.intensity_baseline import (
    BINS,
    Interval,
    build_edges,
    choose_intervals,
    compute_interval_dice,
    count_bins,
    find_bins,
    find_range,
    find_voxels,
)
from lirads_keras.preprocessing.intensity import IntensityScale

LEVELS = (3, 40, 41, 120, 200, 249)
"""Few bins are used, so that every interval can be tried."""


def draw_patients(seed: int, count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Bins and reference of small volumes with a lesion each."""
    rng = np.random.default_rng(seed)
    patients = {}
    for number in range(count):
        bins = rng.choice(LEVELS, (2, 4, 5), p=rng.dirichlet(np.ones(len(LEVELS)))).astype(np.uint8)
        reference = rng.uniform(size=bins.shape) < 0.3
        reference.flat[number] = True
        patients[f"P{number}"] = (bins, reference)
    return patients


def dice(mask: np.ndarray, reference: np.ndarray) -> float:
    return 2 * (mask & reference).sum() / (mask.sum() + reference.sum())


@settings(max_examples=20)
@given(st.integers(0, 10 ** 6))
def test_the_choice_against_brute_force(seed: int) -> None:
    patients = draw_patients(seed, 5)
    fold_of = {f"P{number}": number % 2 for number in range(5)}
    histograms = {name: count_bins(*pair) for name, pair in patients.items()}
    chosen = choose_intervals(histograms, fold_of, 2, np.arange(BINS + 1.0))
    ends = sorted({0, BINS, *LEVELS, *(level + 1 for level in LEVELS)})
    for fold in (0, 1):
        training = [pair for name, pair in patients.items() if fold_of[name] != fold]

        def mean_dice(first: int, last: int) -> float:
            return float(np.mean([dice((bins >= first) & (bins < last), reference) for bins, reference in training]))

        best = max(mean_dice(first, last) for first, last in itertools.combinations(ends, 2))
        found = chosen[fold]
        assert mean_dice(found.first, found.last) == pytest.approx(best, abs=1e-12)
        # Of equals the first to begin, then the first to end.
        equals = [(first, last) for first, last in itertools.combinations(range(BINS + 1), 2) if {first, last} <= {found.first, found.last, *ends}
                  and mean_dice(first, last) > best - 1e-12]
        assert (found.first, found.last) == min(equals)
        assert (found.lower, found.upper) == (found.first, found.last)


def test_every_interval_of_a_patient_by_hand() -> None:
    bins, reference = np.array([[[10, 20, 20, 30]]], np.uint8), np.array([[[False, True, False, True]]])
    table = compute_interval_dice(count_bins(bins, reference))
    assert table.shape == (BINS + 1, BINS + 1)
    # 10 alone: no lesion. 20 alone: one of two. 30 alone: the other. 20 to 30: both, and one too many. All.
    assert (table[0, 11], table[20, 21], table[25, 250], table[11, 31], table[0, 250]) == (0, 2 / 4, 2 / 3, 4 / 5, 4 / 6)
    assert table[30, 30] == 0 and table[40, 5] == 0


def test_a_fold_is_not_told_of_its_own_patients() -> None:
    patients = draw_patients(3, 4)
    fold_of = {"P0": 0, "P1": 0, "P2": 1, "P3": 1}
    histograms = {name: count_bins(*pair) for name, pair in patients.items()}
    edges = np.arange(BINS + 1.0)
    before = choose_intervals(histograms, fold_of, 2, edges)[0]
    bins, reference = patients["P0"]
    changed = histograms | {"P0": count_bins(249 - bins, ~reference)}
    assert choose_intervals(changed, fold_of, 2, edges)[0] == before
    assert set(choose_intervals({"P0": histograms["P0"]}, fold_of, 3, edges)) == {1, 2}


def test_bins_cover_the_range_evenly() -> None:
    edges = build_edges(-1.0, 4.0)
    np.testing.assert_allclose(np.diff(edges), 0.02)
    middles = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
    np.testing.assert_array_equal(find_bins(middles, edges), np.arange(BINS))
    np.testing.assert_array_equal(find_bins(np.array([-1, 4, -9, 9], np.float32), edges), [0, 249, 0, 249])
    for wrong in ((1, 1), (2, 1), (0, math.inf), (math.nan, 1)):
        with pytest.raises(ValueError, match="finite and rises"):
            build_edges(*wrong)


def test_the_range_follows_from_the_scales() -> None:
    # Eq. 1's 0 and 1 after the standardisation: (0 − 0.25) / 0.5 and (1 − 0.25) / 0.5; (0 − 0.1) / 0.2 and (1 − 0.1) / 0.2.
    scales = [IntensityScale(80.0, 880.0, 0.25, 0.5), IntensityScale(80.0, 700.0, 0.1, 0.2)]
    assert find_range(scales) == (pytest.approx(-0.5), pytest.approx(4.5))
    # The same two as slices of one volume.
    assert find_range([IntensityScale((80.0, 80.0), (880.0, 700.0), (0.25, 0.1), (0.5, 0.2))]) == find_range(scales)


def test_an_interval_holds_its_first_bin_and_not_its_last() -> None:
    bins = np.array([6, 7, 8, 9, 250], np.uint8).reshape(1, 1, -1)
    assert find_voxels(bins, Interval(7, 9, 0.0, 1.0)).ravel().tolist() == [False, True, True, False, False]
