"""Registration of a study's phases to the one on whose grid it is read (ledger item 11): off by default; benchmarks/registration.py measures its benefit.

Breath-holds differ between phases. A rigid transform, and if asked for a B-spline after it, maximises the mutual information (Mattes 2003) of
the two phases inside the body, without its wall, which does not breathe with the organs.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.filters import threshold_otsu

from lirads_keras.entities import Phase, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.grids import from_itk, to_itk
from lirads_keras.preprocessing.resample import align_phases

Method = Literal["rigid", "bspline"]

WALL_MM = 25.0
"""Skin, fat, muscles and ribs: so much of the body's outline is left out in the axial plane."""

HISTOGRAM_BINS = 32
SAMPLES = 30_000
"""Points of the inner body at which the phases are compared, at most; drawn at random with a fixed seed."""

SAMPLING_SEED = 1
LEVELS = ((4, 4.0), (2, 2.0))
"""(shrink factor of the points' grid, Gaussian sigma of the images in mm) of each resolution, from coarse to fine."""

SMALLEST_SIZE = 6
"""Points along an axis that a resolution keeps at least; the factor is lowered for thinner volumes."""

CONTROL_SPACING_MM = 60.0
"""Between the control points of the B-spline: organs shift and bend, lesions do not warp on their own."""

LARGEST_BEND_MM = 6.0
"""Bound of the control points' displacement after the rigid part: mutual information alone would also bend what shows nothing."""

RIGID_ITERATIONS, BSPLINE_ITERATIONS, BSPLINE_EVALUATIONS = 100, 10, 20


def register_phases(volumes: Mapping[Phase, Volume], method: Method) -> dict[Phase, Volume]:
    """Carries the phases to one grid like `align_phases`, and onto the anatomy of the phase that has it (`find_grid_phase`).

    Args:
        volumes: raw voxels (z, y, x) of each phase, a delayed or portal venous one among them.
        method: `rigid`, or `bspline` after it.

    Returns:
        float32 volumes on that phase's grid; the phase itself as it is. Each voxel is interpolated once, linearly.

    Raises:
        InputError: as `align_phases`, or phases that cannot be registered, all of them.
    """
    grid_phase = find_grid_phase(volumes)
    fixed = volumes[grid_phase]
    aligned = align_phases(volumes, fixed)
    problems = []
    for phase, volume in volumes.items():
        if phase == grid_phase:
            continue
        try:
            aligned[phase] = fixed.with_array(resample_moved(volume, fixed, compute_registration(aligned[grid_phase], aligned[phase], method)))
        except RuntimeError as error:
            # SimpleITK gives a C++ stack of lines, the last of which says what happened.
            reason = " ".join(str(error).strip().splitlines()[-1].split())
            expected = f"an image that can be registered to the {grid_phase} phase (preprocessing.registration: none leaves it)"
            problems.append(Problem(f"phase {phase}", expected, reason))
    raise_if_any(problems)
    return aligned


def compute_registration(fixed: Volume, moving: Volume, method: Method) -> sitk.Transform:
    """The transform from points of `fixed` to the same tissue in `moving` (LPS mm).

    Args:
        fixed: (z, y, x), the phase of the grid.
        moving: (z, y, x), on any grid.
        method: `rigid`, or `bspline` after it.

    Raises:
        RuntimeError: SimpleITK found no overlap, or no contrast.
    """
    fixed_image, moving_image = (to_itk(volume.with_array(volume.array.astype(np.float32))) for volume in (fixed, moving))
    region = to_itk(fixed.with_array(find_inner_body(fixed).astype(np.uint8)))
    with _one_thread():
        rigid = sitk.Euler3DTransform()
        rigid.SetCenter((fixed.affine @ [*((size - 1) / 2 for size in fixed.shape), 1])[:3].tolist())
        search = _prepare(region)
        search.SetOptimizerAsRegularStepGradientDescent(learningRate=2.0, minStep=0.02, numberOfIterations=RIGID_ITERATIONS)
        search.SetOptimizerScalesFromPhysicalShift()
        search.SetInitialTransform(rigid, inPlace=True)
        search.Execute(fixed_image, moving_image)
        if method == "rigid":
            return rigid
        meshes = [max(1, round(size * spacing / CONTROL_SPACING_MM)) for size, spacing in zip(fixed_image.GetSize(), fixed_image.GetSpacing(), strict=True)]
        bspline = sitk.BSplineTransformInitializer(fixed_image, meshes, order=3)
        search = _prepare(region)
        search.SetOptimizerAsLBFGSB(
            gradientConvergenceTolerance=1e-5, numberOfIterations=BSPLINE_ITERATIONS, maximumNumberOfFunctionEvaluations=BSPLINE_EVALUATIONS,
            lowerBound=-LARGEST_BEND_MM, upperBound=LARGEST_BEND_MM)
        search.SetMovingInitialTransform(rigid)
        search.SetInitialTransform(bspline, inPlace=True)
        search.Execute(fixed_image, moving_image)
        # The last of a composite is applied first: a fixed point is bent, then moved.
        return sitk.CompositeTransform([rigid, bspline])


def resample_moved(moving: Volume, fixed: Volume, transform: sitk.Transform, *, labels: bool = False) -> np.ndarray:
    """`moving` on the grid and the anatomy of `fixed` (z, y, x).

    Args:
        moving: voxels on their own grid.
        fixed: gives the grid; its voxels are not read.
        transform: as of `compute_registration`.
        labels: nearest voxel, in the volume's own type; otherwise linear and float32. Outside of the field of view stands 0, or the lowest
            value if that is below 0.
    """
    image = to_itk(moving if labels else moving.with_array(moving.array.astype(np.float32)))
    geometry = to_itk(Volume(np.zeros((1, 1, 1), np.uint8), fixed.spacing_mm, fixed.affine))
    resampled = sitk.Resample(
        image, [int(size) for size in reversed(fixed.shape)], transform, sitk.sitkNearestNeighbor if labels else sitk.sitkLinear, geometry.GetOrigin(),
        geometry.GetSpacing(), geometry.GetDirection(), min(0.0, float(moving.array.min())))
    return from_itk(resampled).array


def find_inner_body(volume: Volume) -> np.ndarray:
    """The body without its wall, bool (z, y, x): the largest part above Otsu's threshold of the logarithms, filled slice by slice, less WALL_MM.

    Where nothing is left of it (a body narrower than twice the wall), the body with its wall.

    Raises:
        InputError: an image of one value, in which there is no body.
    """
    logarithms = np.log1p(np.maximum(volume.array.astype(np.float32), 0))
    if logarithms.min() == logarithms.max():
        raise InputError(Problem("registration", "an image with a body in it", "one value everywhere"))
    labels, count = ndimage.label(logarithms > threshold_otsu(logarithms))
    body = labels == 1 + np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:])
    inner = np.zeros(body.shape, bool)
    for z, image in enumerate(body):
        body[z] = ndimage.binary_fill_holes(image)
        inner[z] = ndimage.distance_transform_edt(np.pad(body[z], 1), sampling=volume.spacing_mm[1:])[1:-1, 1:-1] > WALL_MM
    return inner if inner.any() else body


@contextmanager
def _one_thread() -> Iterator[None]:
    """The sums of several threads come in no fixed order, and the last digits with them; the search's own setting does not reach its metric."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _prepare(region: sitk.Image) -> sitk.ImageRegistrationMethod:
    """Metric and resolutions."""
    factors = [max(1, min(factor, min(region.GetSize()) // SMALLEST_SIZE)) for factor, _ in LEVELS]
    inside = int(np.count_nonzero(sitk.GetArrayViewFromImage(region)))
    search = sitk.ImageRegistrationMethod()
    search.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    search.SetMetricSamplingStrategy(search.RANDOM)
    search.SetMetricSamplingPercentagePerLevel([min(1.0, SAMPLES * factor ** 3 / inside) for factor in factors], SAMPLING_SEED)
    search.SetMetricFixedMask(region)
    search.SetInterpolator(sitk.sitkLinear)
    search.SetShrinkFactorsPerLevel(factors)
    search.SetSmoothingSigmasPerLevel([sigma for _, sigma in LEVELS])
    search.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return search
