"""What a segmentation network is given of a study: an image for each phase that it reads, on one grid, from the store or from volumes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.preprocessing.intensity import IntensityScale, compute_intensity_scale
from lirads_keras.preprocessing.resample import find_image_box, to_segmentation_grid
from lirads_keras.preprocessing.store import CT, StoredStudy


@dataclass(frozen=True, eq=False)
class ScaledImage:
    """Raw voxels (z, y, x), which may be memory-mapped, and Eq. 1 with the standardisation of that image."""

    array: np.ndarray
    scale: IntensityScale


@dataclass(frozen=True, eq=False)
class SegmentationInput:
    """The images of a network's phases in its order, which is that of time; None where the study lacks the phase. One at least is there.

    The channels of an absent phase are 0, the mean of every standardised image: Eq. 1's zero would have to be made up, as it depends on the numbers of an
    image that is not there, and a kernel adds next to nothing for channels of 0. A phase that is dropped in training is one that is absent, in the same way.

    `grid` is the segmentation grid as a Volume whose voxels are not read.
    """

    grid: Volume
    images: tuple[ScaledImage | None, ...]

    @property
    def latest(self) -> ScaledImage:
        """The delayed phase, or the latest that is there."""
        return next(image for image in reversed(self.images) if image is not None)

    def without(self, index: int) -> SegmentationInput:
        """The same study without the phase at `index`."""
        return SegmentationInput(self.grid, tuple(None if place == index else image for place, image in enumerate(self.images)))


def read_segmentation_input(study: StoredStudy, phases: Sequence[str]) -> SegmentationInput:
    """Of a stored study, memory-mapped.

    Args:
        study: an MR study, or a CT, whose only image is what a network of one phase reads.
        phases: of the network, in its order.

    Raises:
        InputError: the study has none of the phases.
    """
    wanted = (CT,) if CT in study.phases and len(phases) == 1 else tuple(phases)
    images = tuple(ScaledImage(study.segmentation_image(phase), study.segmentation_scales[phase]) if phase in study.phases else None for phase in wanted)
    _check_images(images, str(study.folder), phases, study.phases)
    return SegmentationInput(study.segmentation_grid(), images)


def build_segmentation_input(volumes: Mapping[Phase, Volume], phases: Sequence[Phase], settings: PreprocessingSettings, name: str) -> SegmentationInput:
    """Of a study's raw volumes (z, y, x).

    Args:
        volumes: by phase, all on one grid; those that are not among `phases` are left alone.
        phases: of the network, in its order.
        settings: Eq. 1, and the matrix of the segmentation grid.
        name: of the study, for messages.

    Raises:
        InputError: the study has none of the phases, or images that Eq. 1 cannot scale, all of them.
    """
    resampled = {phase: to_segmentation_grid(volumes[phase], settings.matrix_px) for phase in phases if phase in volumes}
    images: list[ScaledImage | None] = []
    problems: list[Problem] = []
    for phase in phases:
        image = None
        if phase in resampled:
            array = resampled[phase].array
            try:
                # Of the image alone: padding is Eq. 1's zero (§2.4), and moves none of its numbers.
                inside = array[find_image_box(volumes[phase], settings.matrix_px)]
                image = ScaledImage(array, compute_intensity_scale(inside, settings, f"{name}, {phase}"))
            except InputError as error:
                problems += error.problems
        images.append(image)
    raise_if_any(problems)
    _check_images(images, name, phases, volumes)
    return SegmentationInput(next(iter(resampled.values())), tuple(images))


def _check_images(images: Sequence[ScaledImage | None], where: str, phases: Sequence[str], found: Sequence[str] | Mapping[Phase, Volume]) -> None:
    if not any(images):
        raise InputError(Problem(where, f"an image of the phase {' or '.join(phases)}", ", ".join(found) or "none"))
