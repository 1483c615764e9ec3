from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import Volume
from lirads_keras.lesions import measure_lesions
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import PatientPlan, build_cohort_table
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.motion import SHIFT_MAX_MM, Motion
from lirads_keras.phantom.palette import MINIMUM_CONTRAST, acquisition_times, build_kinetics, build_palette
from lirads_keras.phantom.render import render

SETTINGS = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=2023)
GRID = Grid.centred((44, 160, 160), (4.4, 2.4, 2.4))
COARSE = Grid.centred((24, 64, 64), (8.0, 6.0, 6.0))


@pytest.fixture(scope="module")
def table() -> tuple[PatientPlan, ...]:
    return build_cohort_table(SETTINGS)


@pytest.fixture(scope="module")
def patients(table: tuple[PatientPlan, ...]) -> list[tuple[PatientPlan, Anatomy]]:
    """Five patients, and those with the most and the largest lesions."""
    chosen = [plan for plan in table if plan.lesions][:5]
    chosen.append(max(table, key=lambda plan: len(plan.lesions)))
    chosen.append(max(table, key=lambda plan: max((lesion.diameter_mm for lesion in plan.lesions), default=0)))
    return [(plan, build_anatomy(plan, GRID, np.random.default_rng(plan.index))) for plan in chosen]


def test_lesions_have_the_planned_diameter(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    for plan, anatomy in patients:
        assert [lesion.plan for lesion in anatomy.lesions] == list(plan.lesions)
        for lesion in anatomy.lesions:
            low, high = lesion.shape.bounds(0.0)
            step = lesion.plan.diameter_mm / 60
            count = int((high - low).max() / step) + 2
            fine = Grid.centred((31, count, count), ((high - low)[2] / 30, step, step), lesion.shape.centre_mm)
            labels = (lesion.shape.distance(fine.coordinates()) <= 0).astype(np.uint8)
            measured, = measure_lesions(labels, Volume(labels, fine.spacing_mm, fine.affine))
            assert measured.diameter_mm == pytest.approx(lesion.plan.diameter_mm, rel=0.035)


def test_lesions_lie_in_liver_body_and_field_and_apart(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    coordinates = GRID.coordinates()
    for _, anatomy in patients:
        liver = anatomy.liver.distance(coordinates)
        taken = np.zeros(GRID.shape, int)
        for lesion in anatomy.lesions:
            low, high = lesion.shape.bounds(0.0)
            local = Grid.centred((24, 24, 24), tuple((high - low)[::-1] / 23), lesion.shape.centre_mm)
            inside = lesion.shape.distance(local.coordinates()) <= 0
            allowed = 2.0 if not lesion.plan.subcapsular else 0.25 * lesion.plan.diameter_mm
            assert np.percentile(anatomy.liver.distance(local.coordinates())[inside], 99) <= allowed
            assert (anatomy.cavity.distance(local.coordinates())[inside] <= 2).mean() > 0.97
            assert (lesion.shape.distance(coordinates) <= 0)[[0, -1]].sum() == 0 or lesion.plan.diameter_mm > 100
            taken += lesion.shape.distance(coordinates) <= 0
        assert taken.max() <= 1
        litres = ((liver <= 0) & (taken == 0)).sum() * 4.4 * 2.4 * 2.4 / 1e6
        assert 0.8 < litres < 3.0


def test_every_lesion_can_be_seen_in_some_phase(table: tuple[PatientPlan, ...]) -> None:
    for plan in table:
        if not plan.lesions:
            continue
        kinetics = build_kinetics(plan, np.random.default_rng(plan.index))
        phases = acquisition_times(plan)[1:]
        liver = kinetics.signal(kinetics.liver, phases)
        for tissue in kinetics.lesions.values():
            assert np.abs(1 - kinetics.signal(tissue, phases) / liver).max() >= MINIMUM_CONTRAST


def test_phases_look_as_they_should(table: tuple[PatientPlan, ...]) -> None:
    """Arterial (not too early): aorta and spleen bright, hepatic veins not; portal venous: veins brighter than liver, liver brightest of all phases."""
    for plan in [plan for plan in table if plan.arterial_s - plan.arrival_s >= 9][:12]:
        palette = build_palette(build_kinetics(plan, np.random.default_rng(plan.index)), acquisition_times(plan))
        liver, aorta, spleen, portal, hepatic = (palette[name] for name in ("liver", "arterial_blood", "spleen", "portal_blood", "hepatic_blood"))
        assert aorta[1] > 1.25 * liver[1] and spleen[1] > 1.2 * liver[1]
        assert portal[2] > 1.1 * liver[2] and liver[2] > liver[3] > liver[0]
        assert hepatic[1] < hepatic[2]


def test_render_shows_the_signals_of_the_palette(table: tuple[PatientPlan, ...]) -> None:
    plan = next(plan for plan in table if plan.group == "negative")
    anatomy = build_anatomy(plan, COARSE, np.random.default_rng(2))
    palette = build_palette(build_kinetics(plan, np.random.default_rng(2)), acquisition_times(plan))
    image = render(anatomy, COARSE, palette)
    assert image.shape == (4, *COARSE.shape) and image.dtype == np.float32
    liver = anatomy.liver.distance(COARSE.coordinates()) < -8
    outside = anatomy.skin.distance(COARSE.coordinates()) > 8
    for time in range(4):
        assert np.median(image[time][liver]) == pytest.approx(palette["liver"][time], rel=0.06)
        assert np.abs(image[time][outside]).max() == 0


def test_motion_moves_organs_but_not_the_body_wall(table: tuple[PatientPlan, ...]) -> None:
    plan = next(plan for plan in table if plan.group == "negative")
    anatomy = build_anatomy(plan, COARSE, np.random.default_rng(2))
    palette = build_palette(build_kinetics(plan, np.random.default_rng(2)), acquisition_times(plan)).at(3)
    still = render(anatomy, COARSE, palette)
    motion = Motion((0.0, 0.0, 8.0), Motion.random(np.random.default_rng(0)).fields)
    flat = Motion((0.0, 0.0, 8.0), tuple(  # type: ignore[arg-type]
        type(field)(field.vectors, field.phases, field.amplitudes * 0) for field in motion.fields))
    moved = render(anatomy, COARSE, palette, flat)
    wall = (anatomy.cavity.distance(COARSE.coordinates()) > 6) & (anatomy.muscle.distance(COARSE.coordinates()) < -3)
    np.testing.assert_array_equal(moved[0][wall], still[0][wall])
    # One slice is 8 mm: what stood at z is now one slice lower.
    deep = (anatomy.liver.distance(COARSE.coordinates()) < -20)[1:-1] & (anatomy.cavity.distance(COARSE.coordinates()) < -20)[1:-1]
    np.testing.assert_allclose(moved[0][1:-1][deep], still[0][2:][deep], atol=0.15 * palette["liver"][0])
    assert np.abs(moved - still).max() > 0.3 * palette["liver"][0]


def test_shifts_stay_within_their_limit() -> None:
    shifts = np.array([Motion.random(np.random.default_rng(seed)).shift_mm for seed in range(2000)])
    assert np.abs(shifts).max() <= SHIFT_MAX_MM
    assert shifts[:, 2].std() == pytest.approx(3.5, rel=0.06)
