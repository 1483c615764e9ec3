"""Small stored studies, and data sets and inputs of them, for the tests of slices."""
from __future__ import annotations

import numpy as np

from lirads_keras.config.preprocessing import AugmentationSettings, PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.segmentation_input import SegmentationInput
from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

MATRIX = 32


def make_study(folder, slices=7, seed=0, lesions=(3,), ct=False):
    shape = (slices, MATRIX, MATRIX)
    array = np.random.default_rng(seed).uniform(0, 900, shape).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    for z in lesions:
        mask[z, 4 + seed:8 + seed, 20:25] = 2 if ct else 1
    if ct:
        mask[:, 10:30, 2:18] = 1
        array = array - 400
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = [4, 2, 2, 1]
    write_stored_study(folder, {"ct" if ct else "delayed": Volume(array, (4.0, 2.0, 2.0), affine)}, mask if lesions else None,
                       PreprocessingSettings(matrix_px=MATRIX))
    return read_stored_study(folder)


def make_dataset(studies, **changes):
    options = {"phases": ("delayed",), "classes": 2, "crop_px": 16, "batch_size": 4, "samples_per_epoch": 13, "seed": 11, "stream": 2,
               "sampling": "lesion_oversampled", "lesion_fraction": 0.5, "augmentation": AugmentationSettings(), "workers": 1} | changes
    workers = options.pop("workers")
    return SliceDataset(studies, SliceDraw(**options), workers=workers)


def standardise(study, phase="delayed"):
    return study.segmentation_scales[phase].apply(np.asarray(study.segmentation_image(phase)))


SCALE = IntensityScale(80.0, 700.0, 0.4, 0.3)


def make_input(*images):
    """Raw volumes, each with its scale, as the images of a network's phases; None for one that is absent."""
    shape = next(image.array.shape for image in images if image is not None)
    grid = Volume(np.broadcast_to(np.uint8(0), shape), (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
    return SegmentationInput(grid, images)
