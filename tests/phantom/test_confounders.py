"""What is not HCC: in both groups, drawn as described, and painted as it looks."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom import confounders
from lirads_keras.phantom.anatomy import Anatomy, build_anatomy
from lirads_keras.phantom.cohort import PatientPlan, build_cohort_table
from lirads_keras.phantom.confounders import FAT_FRACTION, KINDS, Confounder
from lirads_keras.phantom.grid import Grid
from lirads_keras.phantom.palette import Palette, acquisition_times, build_kinetics, build_palette
from lirads_keras.phantom.render import HAEMANGIOMA_FILL, render
from lirads_keras.phantom.shapes import StarShape, Waves

SETTINGS = CohortSettings(patients_positive=111, patients_negative=92, matrix_px=160, pixel_spacing_mm=2.4, slices=44, slice_spacing_mm=4.4, seed=2023)
GRID = Grid.centred((44, 160, 160), (4.4, 2.4, 2.4))
COARSE = Grid.centred((36, 70, 92), (5.0, 4.0, 4.0))
FOCAL_FAT = next(kind for kind in KINDS if kind.name == "focal_fat")
FLAT = Waves(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))


@pytest.fixture(scope="module")
def patients() -> list[tuple[PatientPlan, Anatomy]]:
    return [(plan, build_anatomy(plan, GRID, np.random.default_rng(plan.index))) for plan in build_cohort_table(SETTINGS)[:70]]


def make(kinds: tuple[Confounder, ...] = ()) -> tuple[Anatomy, Palette]:
    """A liver without HCC and texture, with these confounders alone."""
    plan = next(plan for plan in build_cohort_table(SETTINGS) if plan.group == "negative" and plan.arterial_s - plan.arrival_s > 12)
    anatomy = replace(build_anatomy(plan, GRID, np.random.default_rng(2)), confounders=kinds, fibrosis=0.0)
    palette = build_palette(build_kinetics(plan, np.random.default_rng(2)), acquisition_times(plan))
    return anatomy, Palette(palette.signals, np.zeros(4, np.float32))


def ball(kind: str, centre: tuple[float, float, float], radius: float) -> Confounder:
    return Confounder(next(each for each in KINDS if each.name == kind), StarShape(centre, (radius,) * 3, np.eye(3), FLAT), FLAT)


def test_every_kind_is_in_both_groups(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    found = Counter((plan.group, confounder.kind.name) for plan, anatomy in patients for confounder in anatomy.confounders)
    kinds = {"cyst", "haemangioma", "transient_difference", "siderotic_nodule", "focal_fat"}
    assert set(found) == {(group, kind) for group in ("positive", "negative") for kind in kinds}
    assert min(found.values()) >= 2
    # More of the benign ones where no HCC was found, as far as chance lets it be seen.
    assert all(found["negative", kind] > found["positive", kind] for kind in ("cyst", "haemangioma", "focal_fat"))


def test_siderotic_nodules_are_those_of_cirrhosis(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    assert not any(found.kind.name == "siderotic_nodule" for plan, anatomy in patients if not plan.cirrhotic for found in anatomy.confounders)


def test_confounders_keep_clear_of_lesions_and_one_another(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    directions = np.random.default_rng(0).standard_normal((200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for _, anatomy in patients:
        shapes = [lesion.shape for lesion in anatomy.lesions]
        for found in anatomy.confounders:
            x, y, z = (np.float32(centre) + (max(found.shape.semi_axes_mm) * directions[:, axis]).astype(np.float32)
                       for axis, centre in enumerate(found.shape.centre_mm))
            assert all(other.distance((x, y, z)).min() > 0 for other in shapes)
            shapes.append(found.shape)


def test_focal_fat_lies_at_its_landmarks(patients: list[tuple[PatientPlan, Anatomy]]) -> None:
    places = []
    for _, anatomy in patients:
        gallbladder = next(organ.shape for organ in anatomy.before_liver if organ.tissue == "bile")
        for found in anatomy.confounders:
            if found.kind.name != "focal_fat":
                continue
            point = tuple(np.array([value], np.float32) for value in found.shape.centre_mm)
            assert anatomy.liver.distance(point)[0] < 0
            beside = 0 < gallbladder.distance(point)[0] < 14.1
            at_ligament = -20 <= found.shape.centre_mm[0] <= 4 and found.shape.centre_mm[1] <= anatomy.liver.lobes[1].centre_mm[1]
            assert beside or at_ligament
            places.append("gallbladder" if beside else "ligament")
    assert set(places) == {"gallbladder", "ligament"}


def test_focal_fat_takes_signal_away_and_nothing_else() -> None:
    """No mass effect: outside it not a voxel differs, and vessels run through it as they were."""
    where = (-60.0, 0.0, 0.0)
    without, palette = make()
    fat = ball("focal_fat", where, 25.0)
    plain, fatty = (render(anatomy, COARSE, palette) for anatomy in (without, replace(without, confounders=(fat,))))
    distance = fat.shape.distance(COARSE.coordinates())
    np.testing.assert_array_equal(fatty[:, distance > 2], plain[:, distance > 2])
    vessel = np.abs(plain[2] - palette["portal_blood"][2]) < 1e-6 * palette["portal_blood"][2]
    assert (vessel & (distance < -4)).sum() >= 4
    np.testing.assert_allclose(fatty[:, vessel & (distance < -4)], plain[:, vessel & (distance < -4)], rtol=1e-6)
    liver = (np.abs(plain[2] / palette["liver"][2] - 1) < 1e-6) & (distance < -4)
    assert liver.sum() > 100
    for time in range(4):
        fat_over_liver = palette["suppressed_fat"][time] / palette["liver"][time]
        np.testing.assert_allclose(fatty[time][liver] / plain[time][liver], 1 - FAT_FRACTION * (1 - fat_over_liver), rtol=1e-5)
    # 20 % of fat, nine tenths of whose signal is suppressed.
    assert 0.80 < np.median(fatty[3][liver] / plain[3][liver]) < 0.85


def test_haemangiomas_fill_in_from_the_edge() -> None:
    where = (-70.0, 0.0, 10.0)
    anatomy, palette = make((ball("haemangioma", where, 20.0),))
    image = render(anatomy, Grid.centred((1, 41, 41), (1.0, 1.0, 1.0), where), palette, fill=np.array(HAEMANGIOMA_FILL))[:, 0]
    nodules = [float(np.mean(np.abs(image[time] - palette["haemangioma_nodules"][time]) < 0.02 * palette["haemangioma_nodules"][time])) for time in (1, 2, 3)]
    assert nodules[0] < nodules[1] < nodules[2]
    arterial, delayed = image[1] / palette["liver"][1], image[3] / palette["liver"][3]
    # At 6 and at 18 of 20 mm.
    assert arterial[20, 26] < 0.75 < 1.2 < arterial[20, 38] and delayed[20, 26] > 1.1


def test_focal_fat_leaves_what_is_drawn_beside_and_after_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = build_cohort_table(SETTINGS)[:5]
    with_fat = [build_anatomy(plan, GRID, np.random.default_rng(plan.index)) for plan in plans]
    monkeypatch.setattr(confounders, "KINDS", tuple(kind for kind in KINDS if kind is not FOCAL_FAT))
    without = [build_anatomy(plan, GRID, np.random.default_rng(plan.index)) for plan in plans]
    assert any(found.kind is FOCAL_FAT for anatomy in with_fat for found in anatomy.confounders)
    for one, other in zip(with_fat, without, strict=True):
        assert (one.texture_seed, one.fibrosis) == (other.texture_seed, other.fibrosis)
        rest = [(found.kind.name, found.shape.centre_mm) for found in one.confounders if found.kind is not FOCAL_FAT]
        assert rest == [(found.kind.name, found.shape.centre_mm) for found in other.confounders]
