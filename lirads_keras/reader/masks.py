"""Lesion masks: how they are kept, and how the lesions of an edited mask get the ids of those that were there before."""
from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from lirads_keras.entities import Lesion
from lirads_keras.lesions import find_boxes, is_large, label_components

_SHAPE = struct.Struct("<3I")


def pack_mask(mask: np.ndarray) -> bytes:
    """A mask (z, y, x) as its shape (three uint32, little-endian) and its zlib-compressed bits; equal masks give equal bytes."""
    return _SHAPE.pack(*mask.shape) + zlib.compress(np.packbits(np.asarray(mask, bool)).tobytes(), level=1)


def unpack_mask(packed: bytes) -> np.ndarray:
    """The mask (z, y, x), bool, that `pack_mask` packed."""
    shape = _SHAPE.unpack_from(packed)
    bits = np.frombuffer(zlib.decompress(packed[_SHAPE.size:]), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)


CRUMB_MM3 = 60.0
"""Smaller parts of an edited mask are what an eraser left: a ball of 60 mm³ is 4.9 mm wide."""


def label_lesions(mask: np.ndarray, minimum_volume_mm3: float, voxel_mm3: float) -> tuple[np.ndarray, int]:
    """The lesions of a mask: its 26-connected components, numbered from 1 by decreasing volume (equal volumes: by position).

    What a reader draws is judged more mildly than what a network marks: parts count from CRUMB_MM3 on, or from the network's minimum where that is lower.

    Args:
        mask: (z, y, x).
        minimum_volume_mm3: of the network's lesions.
        voxel_mm3: volume of a voxel.

    Returns:
        Labels (z, y, x), int32; and how many smaller components were dropped.
    """
    components, count = label_components(mask)
    voxels = np.bincount(components.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-voxels, kind="stable")
    kept = order[is_large(voxels[order], min(minimum_volume_mm3, CRUMB_MM3), voxel_mm3)]
    numbers = np.zeros(count + 1, np.int32)
    numbers[kept + 1] = np.arange(1, len(kept) + 1)
    return numbers[components], count - len(kept)


def find_first_voxel(lesion: Lesion, shape: tuple[int, ...]) -> int:
    """The lesion's first voxel, as an index into the flattened grid; it tells which component of a mask the lesion is."""
    first = np.unravel_index(int(lesion.mask.argmax()), lesion.mask.shape)
    return int(np.ravel_multi_index([int(index) + part.start for index, part in zip(first, lesion.bounding_box, strict=True)], shape))


def compute_voxels_digest(lesion: Lesion) -> str:
    """16 hex digits that are equal for two lesions of one grid if and only if their voxels are the same."""
    starts = np.array([part.start for part in lesion.bounding_box] + list(lesion.mask.shape), np.int64)
    return hashlib.sha256(starts.tobytes() + np.packbits(lesion.mask).tobytes()).hexdigest()[:16]


def select_components(mask: np.ndarray, first_voxels: Sequence[int]) -> np.ndarray:
    """A label map (z, y, x), uint16: the component that holds the k-th of the first voxels has label k.

    Raises:
        ValueError: a voxel that is not in the mask, or two in one component.
    """
    components, count = label_components(mask)
    found = components.ravel()[list(first_voxels)]
    if (found == 0).any() or len(set(found.tolist())) < len(found):
        raise ValueError("each lesion needs a component of its own in the mask")
    numbers = np.zeros(count + 1, np.uint16)
    numbers[found] = np.arange(1, len(found) + 1)
    return numbers[components]


def match_lesions(previous: np.ndarray, current: np.ndarray) -> dict[int, int]:
    """Which lesion of `current` is which of `previous`, by greatest overlap of voxels.

    The pair that shares most voxels is matched first, then the next of what is left: of a lesion that was divided, the larger common part goes on
    as that lesion; where two have grown together, the one that gave more. Equal overlaps: by number.

    Args:
        previous: labels (z, y, x), 0 is background.
        current: labels of the same shape.

    Returns:
        For each label of `current` that has a partner, the label of `previous`.
    """
    box = next(iter(find_boxes(((previous > 0) & (current > 0)).view(np.uint8))), None)
    if box is None:
        return {}
    old, new = previous[box].ravel().astype(np.int64), current[box].ravel().astype(np.int64)
    shared = (old > 0) & (new > 0)
    pairs, voxels = np.unique(np.stack([old[shared], new[shared]]), axis=1, return_counts=True)
    partners: dict[int, int] = {}
    for index in np.argsort(-voxels, kind="stable"):
        was, now = (int(label) for label in pairs[:, index])
        if now not in partners and was not in partners.values():
            partners[now] = was
    return partners
