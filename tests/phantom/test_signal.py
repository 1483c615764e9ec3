from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.signal import SCANNERS, add_rician_noise, build_coil_bias


def test_noise_of_air_is_rayleigh() -> None:
    # Rayleigh: mean σ √(π/2), standard deviation σ √(2 − π/2).
    noise = add_rician_noise(np.zeros((40, 100, 100), np.float32), 14.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(14 * np.sqrt(np.pi / 2), rel=0.005)
    assert noise.std() == pytest.approx(14 * np.sqrt(2 - np.pi / 2), rel=0.005)
    assert noise.dtype == np.float32


def test_noise_of_bright_tissue_is_gaussian() -> None:
    # Second moment of a Rice variable: S² + 2σ².
    noisy = add_rician_noise(np.full((40, 100, 100), 300.0, np.float32), 12.0, np.random.default_rng(0)).astype(np.float64)
    assert (noisy ** 2).mean() == pytest.approx(300 ** 2 + 2 * 12 ** 2, rel=1e-3)
    assert noisy.std() == pytest.approx(12, rel=0.01)


def test_coil_bias_is_smooth_and_moderate() -> None:
    grid = Grid.centred((20, 64, 64), (8.0, 5.0, 5.0))
    for seed in range(20):
        bias = build_coil_bias(grid.coordinates(), np.random.default_rng(seed))
        x, y, _ = grid.coordinates()
        liver = np.hypot(x, y) < 100
        assert 0.5 < bias[liver].min() and bias[liver].max() < 1.8
        assert max(np.abs(np.diff(np.log(bias), axis=axis)).max() for axis in range(3)) < 0.06


def test_scanners_put_air_below_80_and_liver_above() -> None:
    for scanner in SCANNERS.values():
        # P(Rayleigh > 80) = exp(−80² / 2σ²).
        assert np.exp(-80 ** 2 / (2 * scanner.noise_sd ** 2)) < 1e-5
        assert scanner.liver_snr * scanner.noise_sd > 240
    assert sum(scanner.cohort_share for scanner in SCANNERS.values()) == pytest.approx(1)
    assert {scanner.field_t for scanner in SCANNERS.values()} == {1.5, 3.0}
