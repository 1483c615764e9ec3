"""Random rotation, shift and both flips (§2.4), as a pure function of a sample's key.

Order of work, number of threads and earlier samples change nothing: training that is resumed sees the same pixels.
"""
from __future__ import annotations

import os
import random
import threading
from collections.abc import Sequence

import cv2
import numpy as np

from lirads_keras.config.preprocessing import AugmentationSettings

# On import the library asks the package index for a newer version of itself, which is another, differently licensed package.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations  # noqa: E402

# Samples are spread over threads by the caller: OpenCV's own pool costs a third more processor time at 160 × 160 and gains nothing.
cv2.setNumThreads(1)

_CHANNELS_TOGETHER = 3
"""Channels that are moved at once. OpenCV takes four values beyond the edge at most, and the library would give the first four to all further channels."""


class Augmenter:
    """Flips, rotates and shifts an image and its mask alike.

    The image is interpolated linearly, the mask takes the nearest label. What comes in from beyond the edge is `background` in the
    image ("zero-padded", §2.4) and 0 in the mask. Zero means zero before standardisation, so that padding looks like the air around
    the body: for a volume standardised by an IntensityScale, `background` is its `zero`.

    Args:
        settings: ranges; rotation about the centre, uniform in ± rotation_deg; shift in whole pixels, uniform in ± shift_fraction of the
            image's height and width, each by itself; each flip with its own probability.
    """

    def __init__(self, settings: AugmentationSettings) -> None:
        self._settings = settings
        # A Compose keeps the random state of the sample at hand: one a thread.
        self._threads = threading.local()

    def __call__(
        self, image: np.ndarray, mask: np.ndarray | None, key: tuple[int, ...], background: float | Sequence[float] = 0.0,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Augments one sample.

        Args:
            image: float32 (y, x, c); left as it is.
            mask: uint8 (y, x) labels, or None.
            key: integers ≥ 0 that name the sample, such as (seed, stream, position); equal keys give equal results.
            background: value of the image beyond its edge, one for all channels or one a channel.

        Returns:
            Image float32 (y, x, c) and mask uint8 (y, x), or None where there was none; the inputs themselves where nothing moved.
        """
        if mask is not None and mask.shape != image.shape[:2]:
            raise ValueError(f"an image of {image.shape} does not go with a mask of {mask.shape}")
        fill = tuple(float(value) for value in np.broadcast_to(background, image.shape[2]))
        if image.shape[2] <= _CHANNELS_TOGETHER:
            return self._move(image, mask, key, fill)
        parts = [self._move(np.ascontiguousarray(image[..., part]), mask if part.start == 0 else None, key, fill[part])
                 for part in (slice(first, first + _CHANNELS_TOGETHER) for first in range(0, image.shape[2], _CHANNELS_TOGETHER))]
        return np.concatenate([moved for moved, _ in parts], axis=-1), parts[0][1]

    def _move(self, image: np.ndarray, mask: np.ndarray | None, key: tuple[int, ...], fill: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray | None]:
        compose = self._compose()
        # `seed=` would give every transform its own generator of one seed: both flips would happen together or not at all.
        generator = np.random.default_rng(key)
        compose.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        compose.transforms[-1].fill = fill
        if mask is None:
            return np.ascontiguousarray(compose(image=image)["image"]), None
        result = compose(image=image, mask=mask)
        return np.ascontiguousarray(result["image"]), np.ascontiguousarray(result["mask"])

    def _compose(self) -> albumentations.Compose:
        if not hasattr(self._threads, "compose"):
            settings = self._settings
            shift = (-settings.shift_fraction, settings.shift_fraction)
            self._threads.compose = albumentations.Compose([
                albumentations.HorizontalFlip(p=settings.flip_horizontal),
                albumentations.VerticalFlip(p=settings.flip_vertical),
                albumentations.Affine(
                    rotate=(-settings.rotation_deg, settings.rotation_deg), translate_percent={"x": shift, "y": shift}, scale=1.0,
                    interpolation=cv2.INTER_LINEAR, mask_interpolation=cv2.INTER_NEAREST, border_mode=cv2.BORDER_CONSTANT, fill_mask=0, p=1.0),
            ], is_check_shapes=False)
        return self._threads.compose
