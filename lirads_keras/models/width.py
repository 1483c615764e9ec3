"""Narrower versions of published networks, for small profiles."""
from __future__ import annotations

MINIMUM_CHANNELS = 8
"""Below this a convolution leaves most of a vector unit idle and learns next to nothing."""


def scale_channels(channels: int, width_factor: float) -> int:
    """`channels` × `width_factor`, rounded, and never under `MINIMUM_CHANNELS`; a factor of 1 gives `channels`."""
    if width_factor <= 0:
        raise ValueError(f"width_factor must be positive, not {width_factor}")
    return max(MINIMUM_CHANNELS, round(channels * width_factor))
