"""2.5D: a slice and its two neighbours as three channels of each phase (§2.4, §2.5.1), for inference and for training."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import keras
import numpy as np

from lirads_keras.config.preprocessing import AugmentationSettings
from lirads_keras.config.segmentation import SegmentationSettings, TrainingSettings
from lirads_keras.errors import InputError, Problem
from lirads_keras.preprocessing.augmentation import Augmenter
from lirads_keras.preprocessing.endless import EndlessDataset
from lirads_keras.preprocessing.intensity import of_slice
from lirads_keras.preprocessing.sampling import PHASE_DRAW, WINDOW_DRAW, Sampling, SliceOrder, SliceSample, list_centre_slices, list_lesion_slices
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput, read_segmentation_input
from lirads_keras.preprocessing.store import CT_LABELS, StoredStudy

CT_CLASSES = 1 + len(CT_LABELS)
"""Background, liver, lesion: LiTS' labels 0, 1, 2."""
MR_CLASSES = 2
"""Background, lesion: "C is 2" (Eq. 2)."""


def stack_slices(given: SegmentationInput, batch_size: int, centres: range | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the stacks of all S slices in order, a batch at a time; nothing but the batch is held in memory.

    The first and the last slice stand in for their missing neighbours, so that S slices give S stacks (ledger item 4).

    Args:
        given: of a study; its images are standardised a batch at a time, as they are read.
        batch_size: stacks at a time; the last batch may have fewer.
        centres: the slices that are stacked, all of them by default; their neighbours are those of the whole volume.

    Yields:
        z of the batch's first stack, and float32 (n, y, x, 3 × phases) with the channels z − 1, z, z + 1 of the first phase, then those of the next;
        those of an absent phase are 0.
    """
    slices = given.grid.shape[0]
    wanted = range(slices) if centres is None else centres
    for first in range(wanted.start, wanted.stop, batch_size):
        last = min(first + batch_size, wanted.stop)
        low, high = max(first - 1, 0), min(last + 1, slices)
        centre = np.arange(first, last)
        neighbours = [np.clip(centre + step, 0, slices - 1) - low for step in (-1, 0, 1)]
        blocks = [_standardise(image, low, high, given.grid.shape) for image in given.images]
        yield first, np.stack([block[index] for block in blocks for index in neighbours], axis=-1)


@dataclass(frozen=True)
class SliceDraw:
    """How training samples are drawn.

    `phases`: of the network, in its order. `classes`: MR_CLASSES (lesion or not: label > 0) or CT_CLASSES. `crop_px`: side of the window, at most
    the matrix. `samples_per_epoch` is rounded down to full batches, so that no second batch shape is traced. `seed` and `stream` name the random sequence;
    each fold has its own stream. `drop_phase`: share of the samples, among those with several phases, that lose any one of them. `sampling` and
    `lesion_fraction`: see `SliceOrder`. `augmentation`: ranges; None: none.
    """

    phases: tuple[str, ...]
    classes: int
    crop_px: int
    batch_size: int
    samples_per_epoch: int
    seed: int
    stream: int
    drop_phase: float = 0.0
    sampling: Sampling = "uniform"
    lesion_fraction: float = 0.5
    augmentation: AugmentationSettings | None = None

    @classmethod
    def of_stage(cls, settings: SegmentationSettings, stage: TrainingSettings, *, phases: tuple[str, ...], classes: int, seed: int, stream: int) -> SliceDraw:
        """As a training stage of a profile draws."""
        return cls(phases, classes, settings.training_crop_px, stage.batch_size, stage.samples_per_epoch, seed, stream, settings.drop_phase,
                   settings.sampling, settings.lesion_fraction, settings.augmentation)


class SliceDataset(EndlessDataset):
    """Training batches of the segmentation network: images float32 (n, y, x, 3 × phases) and one-hot labels
    float32 (n, y, x, classes).

    Batch n, counted across epochs, is a pure function of (seed, stream, n): see `SliceOrder` for the samples. The whole slice is standardised,
    augmented, and then cut to `crop_px`: what the window shows is what the paper's whole-slice augmentation shows there, and at the
    matrices of the profiles the transform is too cheap for cutting first to pay. The window is uniform over the slice; for a sample
    drawn for its lesion it holds at least one lesion pixel. A phase that is dropped is absent as it would be in a study without it.

    Threads share out the samples of a batch; batches are drawn one after another (Keras' enqueuer of several workers hands out a batch twice under
    MirroredStrategy, and shifts all others).

    Args:
        studies: of the training patients, in any order.
        draw: window, batches and random sequence.
        workers: threads; they change no pixel.

    Raises:
        InputError: the studies have no sample, or no lesion slice to oversample, or one has none of the phases.
        ValueError: an epoch has no full batch, or the window is larger than a slice.
    """

    def __init__(self, studies: Sequence[StoredStudy], draw: SliceDraw, *, workers: int = 2) -> None:
        super().__init__()
        _check_window(studies, draw.crop_px, draw.classes)
        self._inputs = {study: read_segmentation_input(study, draw.phases) for study in studies}
        if draw.samples_per_epoch < draw.batch_size:
            raise ValueError(f"an epoch of {draw.samples_per_epoch} samples has no full batch of {draw.batch_size}")
        self.order = SliceOrder(studies, batch_size=draw.batch_size, seed=draw.seed, stream=draw.stream, sampling=draw.sampling,
                                lesion_fraction=draw.lesion_fraction)
        self._batches = draw.samples_per_epoch // draw.batch_size
        self._classes, self._crop_px, self._drop_phase, self._key = draw.classes, draw.crop_px, draw.drop_phase, (draw.seed, draw.stream)
        self._augmenter = None if draw.augmentation is None else Augmenter(draw.augmentation)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="slices") if workers > 1 else None

    @property
    def batches_per_epoch(self) -> int:
        return self._batches

    def samples(self, number: int) -> list[SliceSample]:
        """Patients and slices of batch `number`."""
        return self.order.batch(number)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        samples = self.samples(number)
        draw = map if self._pool is None else self._pool.map
        return _to_batch(list(draw(self._draw, samples)), self._classes)

    def _draw(self, sample: SliceSample) -> tuple[np.ndarray, np.ndarray]:
        key = (*self._key, sample.position)
        given = _drop_phase(self._inputs[sample.study], self._drop_phase, key)
        image, labels, background = _read_stack(sample.study, given, sample.z)
        lesion = _find_lesion(labels, self._classes) if sample.must_show_lesion else None
        if self._augmenter is not None:
            moved_image, moved_labels = self._augmenter(image, labels, key, background)
            assert moved_labels is not None
            moved_lesion = None if lesion is None else _find_lesion(moved_labels, self._classes)
            # A shift can push a lesion off the slice, a rotation can lose one of a single pixel: then the slice stays as it was.
            if moved_lesion is None or len(moved_lesion):
                image, labels, lesion = moved_image, moved_labels, moved_lesion
        generator = np.random.default_rng((*key, WINDOW_DRAW))
        point = None if lesion is None else lesion[generator.integers(len(lesion))]
        return _cut(image, labels, [
            _draw_start(size, self._crop_px, None if point is None else int(point[axis]), generator) for axis, size in enumerate(labels.shape)],
            self._crop_px)


class FixedSlices(keras.utils.PyDataset):
    """Validation batches: the same samples every time, not augmented, spread evenly over the studies and their slices.

    Half of them show a lesion (all others do not), as far as there are such slices; their window is centred on it, the others' on the
    slice. Full batches only, so that no second batch shape is traced; a sample may come twice if fewer are there than asked for.

    Args:
        studies: of the early-stopping patients, in any order.
        phases: of the network, in its order; none is dropped.
        samples: rounded down to full batches, at least one.
        classes, crop_px, batch_size: as in `SliceDataset`.

    Raises:
        InputError: the studies have no sample, or one has none of the phases.
        ValueError: the window is larger than a slice.
    """

    def __init__(self, studies: Sequence[StoredStudy], *, phases: tuple[str, ...], classes: int, crop_px: int, batch_size: int, samples: int) -> None:
        super().__init__(workers=1)
        _check_window(studies, crop_px, classes)
        ordered = sorted(studies, key=lambda study: study.patient_id)
        lesions = [(int(study), int(z)) for study, z in list_lesion_slices(ordered)]
        taken = set(lesions)
        others = [pair for pair in ((int(study), int(z)) for study, z in list_centre_slices(ordered)) if pair not in taken]
        if not lesions and not others:
            raise InputError(Problem("validation studies", "a study of at least 3 slices", f"{len(studies)} studies without one"))
        count = max(samples // batch_size, 1) * batch_size
        from_lesions = 0 if not lesions else count if not others else count // 2
        # Interleaved, so that every batch is mixed.
        chosen = sorted(
            [((rank + 0.5) / from_lesions, pair) for rank, pair in enumerate(_spread(lesions, from_lesions))]
            + [((rank + 0.5) / (count - from_lesions), pair) for rank, pair in enumerate(_spread(others, count - from_lesions))])
        self._samples = [(ordered[study], z) for _, (study, z) in chosen]
        self._inputs = {study: read_segmentation_input(study, phases) for study in studies}
        self._classes = classes
        self._crop_px = crop_px
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Batches."""
        return len(self._samples) // self._batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return _to_batch([self._draw(study, z) for study, z in self.samples(index)], self._classes)

    def samples(self, index: int) -> list[tuple[StoredStudy, int]]:
        """Study and slice of each sample of batch `index`."""
        return self._samples[index * self._batch_size:(index + 1) * self._batch_size]

    def _draw(self, study: StoredStudy, z: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels, _ = _read_stack(study, self._inputs[study], z)
        lesion = _find_lesion(labels, self._classes)
        # The lesion pixel nearest to the lesions' centroid: between two lesions there may be none.
        point = lesion[np.argmin(((lesion - lesion.mean(axis=0)) ** 2).sum(axis=1))] if len(lesion) else np.array(labels.shape) // 2
        return _cut(image, labels, [
            min(max(int(centre) - self._crop_px // 2, 0), size - self._crop_px) for centre, size in zip(point, labels.shape)], self._crop_px)


def _check_window(studies: Sequence[StoredStudy], crop_px: int, classes: int) -> None:
    if classes not in (MR_CLASSES, CT_CLASSES):
        raise ValueError(f"{MR_CLASSES} or {CT_CLASSES} classes, not {classes}")
    for study in studies:
        if crop_px > min(study.segmentation.shape[1:]):
            raise ValueError(f"a window of {crop_px} pixels is larger than the slices of {study.patient_id}, {study.segmentation.shape[1:]}")


def _drop_phase(given: SegmentationInput, share: float, key: tuple[int, ...]) -> SegmentationInput:
    """Leaves out any one of the phases that are there, if another is left: a pure function of the sample's key."""
    present = [index for index, image in enumerate(given.images) if image is not None]
    if len(present) < 2:
        return given
    generator = np.random.default_rng((*key, PHASE_DRAW))
    return given.without(present[generator.integers(len(present))]) if generator.random() < share else given


def _read_stack(study: StoredStudy, given: SegmentationInput, z: int) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Standardised slices z − 1, z, z + 1 of each phase as float32 (y, x, 3 × phases), the labels of z, and what zero became in each channel by
    standardisation."""
    blocks = [_standardise(image, z - 1, z + 2, given.grid.shape) for image in given.images]
    zeros = [0.0 if image is None else of_slice(image.scale.zero, channel) for image in given.images for channel in (z - 1, z, z + 1)]
    return cv2.merge([of_channel for block in blocks for of_channel in block]), np.asarray(study.segmentation_mask()[z]), zeros


def _standardise(image: ScaledImage | None, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
    """Slices `low` … `high` − 1 as float32 (z, y, x); 0 of an absent phase."""
    if image is None:
        return np.zeros((high - low, *shape[1:]), np.float32)
    return image.scale.apply(image.array[low:high], first_slice=low)


def _find_lesion(labels: np.ndarray, classes: int) -> np.ndarray:
    """Indices (n, 2) of the lesion's pixels."""
    return np.argwhere(labels == CT_LABELS["tumour"] if classes == CT_CLASSES else labels > 0)


def _draw_start(size: int, crop: int, point: int | None, generator: np.random.Generator) -> int:
    """First index of a window of `crop` in `size`, uniform among those that hold `point`."""
    low, high = (0, size - crop) if point is None else (max(point - crop + 1, 0), min(point, size - crop))
    return int(generator.integers(low, high + 1))


def _cut(image: np.ndarray, labels: np.ndarray, start: list[int], crop_px: int) -> tuple[np.ndarray, np.ndarray]:
    window = tuple(slice(first, first + crop_px) for first in start)
    return image[window], labels[window]


def _to_batch(samples: list[tuple[np.ndarray, np.ndarray]], classes: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.stack([labels for _, labels in samples])
    if classes == MR_CLASSES:
        labels = labels > 0
    return np.stack([image for image, _ in samples]), np.stack([labels == label for label in range(classes)], axis=-1).astype(np.float32)


def _spread(pairs: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """`count` of `pairs` at even distances."""
    return [pairs[int((rank + 0.5) * len(pairs) / count)] for rank in range(count)]
