"""Eq. 1's cut-off against what an abdomen in air can have: images of which every share is known."""
from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.stats import rayleigh

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Phase, Volume
from lirads_keras.preprocessing.cutoff_check import describe_cutoff, list_cutoff_notices
from lirads_keras.preprocessing.intensity import IntensityScale, compute_intensity_scale
from lirads_keras.preprocessing.store import write_stored_study

SETTINGS = PreprocessingSettings(matrix_px=64)
NOISE = 10.0
"""Of the air, with its mode there: a cut-off of 80 lies eight times beyond."""


def make_abdomen(fraction: float = 0.4, fat: float = 0.3, gain: float = 1.0) -> np.ndarray:
    """Air, and a body that fills so much of each slice, part of it suppressed fat of half the cut-off."""
    rng = np.random.default_rng(4)
    shape = (4, 40, 50)
    signal = rayleigh.rvs(scale=NOISE, size=shape, random_state=rng)
    pixels = signal.reshape(4, -1)
    body = round(fraction * 2000)
    pixels[:, :body] = rng.normal(400, 60, (4, body))
    pixels[:, :round(fat * body)] = rng.normal(45, 5, (4, round(fat * body)))
    return np.rint(np.maximum(signal * gain, 0)).astype(np.float32)


def describe(array: np.ndarray, cutoff: float | str = 80.0, scope: str = "volume") -> str:
    return describe_cutoff(array, compute_intensity_scale(array, SETTINGS.model_copy(update={"background_cutoff": cutoff, "scope": scope}), "test"))


@pytest.mark.parametrize("fraction", [0.2, 0.4, 0.75])
@pytest.mark.parametrize("fat", [0, 0.3, 0.45])
@pytest.mark.parametrize("scope", ["volume", "slice"])
def test_nothing_is_told_of_a_body_in_air(fraction: float, fat: float, scope: str) -> None:
    assert describe(make_abdomen(fraction, fat), scope=scope) == ""


@pytest.mark.parametrize("gain", [0.1, 0.3, 3, 10, 100])
def test_the_automatic_cutoff_fits_at_any_gain(gain: float) -> None:
    assert describe(make_abdomen(gain=gain), "auto") == ""


def test_a_cutoff_that_leaves_the_air_is_told() -> None:
    """At twelve times the signal the air lies around 120 instead of 10: 80 keeps exp(−(80 ∕ 120)² ∕ 2), 80 % of it."""
    told = describe(make_abdomen(fat=0, gain=12))
    assert told.startswith("Eq. 1's cut-off of 80 keeps 88% of the image and 80% of what looks like air") and "background_cutoff: auto" in told
    # Where a third of the air is left, the share of all voxels is one that a body can have.
    assert "of what looks like air" in describe(make_abdomen(0.4, gain=5.4))


def test_a_cutoff_that_takes_the_body_is_told() -> None:
    """At a fifth of the signal tissue lies around 80 and fat around 9: of 40 % body without fat half is left."""
    told = describe(make_abdomen(0.4, 0, gain=0.19))
    assert told.startswith("Eq. 1's cut-off of 80 keeps only ") and "what looks like the body" in told
    # A body of a twelfth of the image is less than a liver and what lies around it.
    assert "keeps only 8% of the image and removes 0%" in describe(make_abdomen(0.08, 0))
    assert describe(make_abdomen(0.08, 0), "auto").endswith("(is it an abdomen in air?)")


def test_an_image_without_air_is_told_whatever_divides_it() -> None:
    full = np.random.default_rng(2).integers(900, 1000, (4, 40, 50)).astype(np.float32)
    assert "keeps 100% of the image" in describe(full)
    # One value of a histogram: nothing divides it.
    assert "keeps 100% of the image" in describe_cutoff(np.full((2, 4, 4), 500, np.float32), IntensityScale(80.0, 600.0, 0.5, 0.2))


def test_a_sentence_names_the_phase() -> None:
    arrays = {Phase.ARTERIAL: make_abdomen(), Phase.PORTAL_VENOUS: make_abdomen(fat=0, gain=12)}
    volumes = {phase: Volume(array, (4.0, 1.0, 1.0), np.diag([4.0, 1.0, 1.0, 1.0])) for phase, array in arrays.items()}
    (sentence,) = list_cutoff_notices(volumes, {phase: compute_intensity_scale(array, SETTINGS, "test") for phase, array in arrays.items()})
    assert sentence.startswith("In the portal venous phase Eq. 1's cut-off of 80 keeps 88% of the image") and sentence.endswith("cut-off).")


def test_a_study_for_training_is_told_when_it_is_stored(tmp_path, caplog) -> None:
    for gain, count in ((1.0, 0), (12.0, 1)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            write_stored_study(tmp_path / "P1", {"delayed": Volume(make_abdomen(gain=gain), (4.0, 1.0, 1.0), np.diag([4.0, 1.0, 1.0, 1.0]))}, None, SETTINGS)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == count and all(line.startswith("P1: In the delayed phase Eq. 1's cut-off") for line in told)
