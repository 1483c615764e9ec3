"""Registration of volumes whose motion is known."""
from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing import registration
from lirads_keras.preprocessing.registration import compute_registration, find_inner_body, register_phases, resample_moved
from lirads_keras.preprocessing.resample import align_phases

SPACING_MM = (5.0, 4.0, 4.0)
SHAPE = (24, 56, 64)
START_MM = (-120.0, -100.0, 30.0)
CENTRE_MM = (6.0, 10.0, 85.0)


def make_affine(start_mm=START_MM) -> np.ndarray:
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0] = SPACING_MM[2], SPACING_MM[1], SPACING_MM[0]
    affine[:3, 3], affine[3, 3] = start_mm, 1
    return affine


def coordinates(affine: np.ndarray) -> np.ndarray:
    """LPS mm (3, z, y, x)."""
    return np.einsum("ij,jzyx->izyx", affine[:3, :3], np.indices(SHAPE)) + affine[:3, 3, None, None, None]


def paint(points: np.ndarray, *, arterial: bool) -> np.ndarray:
    """An abdomen with organs of smooth edges; signals differ between the phases, and not by one factor."""
    x, y, z = (points[axis] - CENTRE_MM[axis] for axis in range(3))
    # The wall stands still; what is inside has been moved by the caller.
    image = np.full(points.shape[1:], 100.0 if arterial else 140.0)
    for (cx, cy, cz), (rx, ry, rz), signal in (((-25, 0, 0), (40, 35, 30), (260, 320)), ((45, 20, 10), (18, 16, 22), (420, 260)),
                                               ((0, 40, 0), (10, 10, 60), (480, 300)), ((-35, -10, 5), (11, 11, 11), (430, 230))):
        inside = 1 / (1 + np.exp(6 * (np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2) - 1)))
        image += inside * (signal[not arterial] - image)
    # Vessels and nodules: without them nothing holds an even organ in place.
    texture = np.sin(x / 7) * np.sin(y / 8) * np.sin(z / 9) + 0.5 * np.sin((x + y - z) / 5)
    return image + (30 if arterial else 20) * texture


def make_volume(move=lambda points: points, *, arterial: bool, start_mm=START_MM) -> Volume:
    """`move` takes points of this phase to where their tissue lies in the delayed phase."""
    affine = make_affine(start_mm)
    points = coordinates(affine)
    x, y = points[0] - CENTRE_MM[0], points[1] - CENTRE_MM[1]
    radius = np.sqrt((x / 112) ** 2 + (y / 92) ** 2)
    image = np.where(radius < 1, np.where(radius < 0.78, paint(move(points), arterial=arterial), 60.0), 0.0)
    noise = np.random.default_rng(int(arterial)).normal(0, 3, SHAPE)
    return Volume((image + noise).clip(0).astype(np.float32), SPACING_MM, affine)


def shift(points: np.ndarray) -> np.ndarray:
    return points + np.array([1.5, -2.0, 8.0])[:, None, None, None]


def bend(points: np.ndarray) -> np.ndarray:
    moved = shift(points)
    moved[2] += 6 * np.sin(points[0] / 40)
    return moved


def mean_distance_mm(transform: sitk.Transform, move) -> float:
    """Between where the transform brings tissue of the organs and where it belongs."""
    points = np.stack(np.meshgrid(*(CENTRE_MM[axis] + np.linspace(-30, 30, 4) for axis in range(3)), indexing="ij"))
    brought = np.array([transform.TransformPoint(point.tolist()) for point in points.reshape(3, -1).T]).T.reshape(points.shape)
    return float(np.linalg.norm(move(brought) - points, axis=0).mean())


def test_a_shift_between_breath_holds_is_found():
    fixed, moving = make_volume(arterial=False), make_volume(shift, arterial=True)
    transform = compute_registration(fixed, moving, "rigid")
    assert mean_distance_mm(sitk.Transform(3, sitk.sitkIdentity), shift) == pytest.approx(np.sqrt(1.5 ** 2 + 2 ** 2 + 8 ** 2))
    assert mean_distance_mm(transform, shift) < 1.0


@pytest.fixture
def coarse_spline(monkeypatch):
    """Few control points for a volume of few voxels."""
    monkeypatch.setattr(registration, "CONTROL_SPACING_MM", 120.0)
    monkeypatch.setattr(registration, "BSPLINE_ITERATIONS", 4)


def test_what_bends_needs_the_b_spline(coarse_spline):
    fixed, moving = make_volume(arterial=False), make_volume(bend, arterial=True)
    rigid, bent = (mean_distance_mm(compute_registration(fixed, moving, method), bend) for method in ("rigid", "bspline"))
    assert bent < 0.7 * rigid < 0.7 * mean_distance_mm(sitk.Transform(3, sitk.sitkIdentity), bend)


def test_the_b_spline_bends_no_farther_than_its_bound_and_twice_gives_the_same(coarse_spline, monkeypatch):
    fixed, moving = make_volume(arterial=False), make_volume(arterial=True)
    transforms = [compute_registration(fixed, moving, "bspline") for _ in range(2)]
    assert mean_distance_mm(transforms[0], lambda points: points) < 1.5
    bend_mm = np.abs(transforms[0].GetNthTransform(1).Downcast().GetParameters())
    assert 0 < bend_mm.max() <= registration.LARGEST_BEND_MM
    points = np.random.default_rng(0).uniform(-30, 30, (9, 3)) + CENTRE_MM
    assert [transforms[0].TransformPoint(point.tolist()) for point in points] == [transforms[1].TransformPoint(point.tolist()) for point in points]


def test_a_study_comes_on_the_delayed_grid_with_its_organs_in_place(monkeypatch):
    """The arterial phase lies on another grid; the delayed phase is returned as it is."""
    volumes = {Phase.ARTERIAL: make_volume(shift, arterial=True, start_mm=(-118.0, -101.0, 25.0)), Phase.DELAYED: make_volume(arterial=False)}
    registered, aligned = register_phases(volumes, "rigid"), align_phases(volumes, volumes[Phase.DELAYED])
    np.testing.assert_array_equal(registered[Phase.DELAYED].array, volumes[Phase.DELAYED].array)
    unmoved = make_volume(arterial=True).array
    inner = ndimage.binary_erosion(find_inner_body(volumes[Phase.DELAYED]), iterations=2)
    errors = [np.abs(found[Phase.ARTERIAL].array - unmoved)[inner].mean() for found in (registered, aligned)]
    assert errors[0] < 0.5 * errors[1]
    for volume in registered.values():
        assert volume.array.dtype == np.float32
        np.testing.assert_array_equal(volume.affine, volumes[Phase.DELAYED].affine)


def test_without_a_delayed_phase_others_come_to_the_portal_venous(monkeypatch):
    monkeypatch.setattr(registration, "compute_registration", lambda fixed, moving, method: sitk.TranslationTransform(3, (4.0, 0.0, 0.0)))
    volumes = {Phase.ARTERIAL: make_volume(arterial=True), Phase.PORTAL_VENOUS: make_volume(arterial=False)}
    registered = register_phases(volumes, "rigid")
    np.testing.assert_array_equal(registered[Phase.PORTAL_VENOUS].array, volumes[Phase.PORTAL_VENOUS].array)
    # A point of the portal venous phase lies one pixel to the left in the arterial one.
    np.testing.assert_allclose(registered[Phase.ARTERIAL].array[:, :, :-1], volumes[Phase.ARTERIAL].array[:, :, 1:], atol=1e-3)


def test_labels_are_carried_as_they_are():
    fixed = make_volume(arterial=False)
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:12, 20:30, 20:30] = 3
    translation = sitk.TranslationTransform(3, (8.0, 0.0, 5.0))
    carried = resample_moved(fixed.with_array(labels), fixed, translation, labels=True)
    np.testing.assert_array_equal(carried[7:11, 20:30, 18:28], 3)
    assert carried.dtype == np.uint8 and np.count_nonzero(carried) == np.count_nonzero(labels)


def test_the_inner_body_is_the_body_without_its_wall():
    volume = make_volume(arterial=False)
    points = coordinates(volume.affine)
    inner = find_inner_body(volume)
    depth_mm = ndimage.distance_transform_edt(np.pad((volume.array[12] > 20), 1), sampling=SPACING_MM[1:])[1:-1, 1:-1]
    np.testing.assert_array_equal(inner[12], ndimage.binary_fill_holes(inner[12]))
    assert inner[12][depth_mm > registration.WALL_MM + 8].all() and not inner[12][depth_mm < registration.WALL_MM - 8].any()
    assert inner[:, np.hypot(points[0, 0] - CENTRE_MM[0], points[1, 0] - CENTRE_MM[1]) < 40].all()
    # A body narrower than twice the wall is taken whole.
    narrow = np.zeros((3, 20, 20), np.float32)
    narrow[:, 8:12, 8:12] = 100
    assert find_inner_body(Volume(narrow, SPACING_MM, make_affine())).sum() == 3 * 16


def test_images_that_cannot_be_registered_are_told(monkeypatch):
    volumes = {phase: make_volume(arterial=phase == Phase.ARTERIAL) for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)}

    def fail(*_):
        raise RuntimeError("Exception thrown in SimpleITK\nITK ERROR: all samples map outside")

    monkeypatch.setattr(registration, "compute_registration", fail)
    with pytest.raises(InputError) as caught:
        register_phases(volumes, "rigid")
    assert [problem.where for problem in caught.value.problems] == ["phase arterial", "phase portal_venous"]
    assert all(problem.found == "ITK ERROR: all samples map outside" for problem in caught.value.problems)
    monkeypatch.undo()
    constant = {phase: volume.with_array(np.full(SHAPE, 7, np.float32)) for phase, volume in volumes.items()}
    with pytest.raises(InputError, match="one value everywhere"):
        register_phases(constant, "rigid")
