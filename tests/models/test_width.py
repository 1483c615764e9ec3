from __future__ import annotations

import pytest

from lirads_keras.models.width import MINIMUM_CHANNELS, scale_channels


@pytest.mark.parametrize(("channels", "factor", "expected"), [
    (64, 1, 64), (64, 0.25, 16), (512, 0.25, 128), (64, 0.1, MINIMUM_CHANNELS), (64, 1.5, 96), (100, 0.333, 33)])
def test_channels_are_multiplied_and_rounded(channels: int, factor: float, expected: int) -> None:
    assert scale_channels(channels, factor) == expected


@pytest.mark.parametrize("factor", [0, -1])
def test_a_factor_that_is_not_positive_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        scale_channels(64, factor)
