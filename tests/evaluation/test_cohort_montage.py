from __future__ import annotations

import io

import numpy as np
import pytest

from lirads_keras.evaluation.cohort_montage import MontageCase, MontageRow, choose_montage_cases, cut_montage_row, plot_montage

PATIENTS = [{"patient_id": f"P{number}", "group": "negative" if number > 4 else "positive", "oblique": int(number in (1, 4))} for number in range(7)]
LESIONS = [
    {"patient_id": "P0", "mask_label": 2, "category": "LR-3", "diameter_mm": 11.0, "aphe": 1, "washout": 0, "capsule": 0, "tissue_class": "class_b"},
    {"patient_id": "P1", "mask_label": 1, "category": "LR-5", "diameter_mm": 60.0, "aphe": 1, "washout": 1, "capsule": 1, "tissue_class": "class_a"},
    {"patient_id": "P2", "mask_label": 1, "category": "LR-4", "diameter_mm": 30.0, "aphe": 1, "washout": 0, "capsule": 0, "tissue_class": "class_b"},
    {"patient_id": "P3", "mask_label": 1, "category": "LR-3", "diameter_mm": 24.0, "aphe": 0, "washout": 0, "capsule": 0, "tissue_class": "class_d"},
    {"patient_id": "P4", "mask_label": 1, "category": "LR-5", "diameter_mm": 22.0, "aphe": 1, "washout": 1, "capsule": 0, "tissue_class": "class_a"},
]
CONFOUNDERS = [
    {"patient_id": "P0", "kind": "haemangioma", "diameter_mm": 30.0, "x_mm": 0.0, "y_mm": 0.0, "z_mm": 0.0},
    {"patient_id": "P5", "kind": "cyst", "diameter_mm": 30.0, "x_mm": 0.0, "y_mm": 0.0, "z_mm": 0.0},
    {"patient_id": "P6", "kind": "haemangioma", "diameter_mm": 12.0, "x_mm": 4.0, "y_mm": -6.0, "z_mm": 10.0}]


def test_a_case_of_each_kind_and_no_patient_twice() -> None:
    cases = choose_montage_cases(PATIENTS, LESIONS, CONFOUNDERS)
    assert [case.patient_id for case in cases] == ["P0", "P1", "P2", "P3", "P6", "P4"]
    assert [case.mask_label for case in cases] == [2, 1, 1, 1, None, 1]
    assert cases[4].centre_lps_mm == (4.0, -6.0, 10.0) and "haemangioma" in cases[4].title


def test_kinds_that_are_missing_are_left_out() -> None:
    assert [case.patient_id for case in choose_montage_cases(PATIENTS, LESIONS[:1], CONFOUNDERS[:2])] == ["P0"]
    assert choose_montage_cases(PATIENTS, [], []) == []


def test_the_slice_with_the_most_of_the_lesion_or_with_the_finding() -> None:
    labels = np.zeros((4, 20, 30), np.uint8)
    labels[1, 3:5, 3:5], labels[2, 8:12, 10:20], labels[3] = 2, 2, 1
    volumes = [np.arange(4 * 20 * 30).reshape(4, 20, 30) + 1000 * phase for phase in range(3)]
    affine = np.eye(4)
    # Index (z, y, x) to x, y, z in mm: slices 5 mm apart upwards, pixels of 2 mm from (−30, −20).
    affine[:3] = [[0, 0, 2, -30], [0, 2, 0, -20], [5, 0, 0, -10]]
    lesion = cut_montage_row(MontageCase("", "P", 2, None, 9.0), volumes, labels, (5, 2, 2), affine)
    assert [image[0, 0] for image in lesion.images] == [1200, 2200, 3200] and lesion.centre_yx == (9.5, 14.5)
    finding = cut_montage_row(MontageCase("", "P", None, (10.0, 4.0, -1.0), 9.0), volumes, labels, (5, 2, 2), affine)
    # z: (−1 + 10) / 5 = 1.8; y: (4 + 20) / 2; x: (10 + 30) / 2.
    assert finding.images[0][0, 0] == 1200 and finding.centre_yx == (pytest.approx(12), pytest.approx(20))


def draw(rows: list[MontageRow]) -> np.ndarray:
    from matplotlib.image import imread

    file = io.BytesIO()
    plot_montage(rows, "virtual cohort").savefig(file, format="png", dpi=120)
    file.seek(0)
    return imread(file)


def test_a_picture_in_radiological_convention() -> None:
    """LPS arrays run to the patient's left along x and to the back along y: the first pixel is right and front, on the upper left."""
    images = np.zeros((3, 100, 140))
    images[:, 60:90, 10:50] = 500.0
    labels = np.zeros((100, 140), np.uint8)
    labels[70:80, 20:30] = 1
    row = MontageRow(MontageCase("kind", "P1", 1, None, 24.0), tuple(images), labels, (2.4, 2.4), (74.5, 24.5))
    figure = plot_montage([row], "virtual cohort")
    assert "virtual cohort" in figure.get_suptitle() and [axes.get_title() for axes in figure.axes[:3]] == ["arterial", "portal venous", "delayed"]
    main = figure.axes[0]
    assert "P1" in main.get_ylabel() and main.get_ylim()[0] > main.get_ylim()[1] and main.get_xlim()[0] < main.get_xlim()[1]
    picture = draw([row])
    lit = np.argwhere(picture[..., :3].min(axis=2) > 0.95)
    assert len(lit) > 0
    orange = np.argwhere((np.abs(picture[..., :3] - (0.902, 0.624, 0)) < 0.12).all(axis=2))
    # In the lower left of the first panel.
    first = orange[orange[:, 1] < picture.shape[1] / 3]
    assert len(first) > 3 and first[:, 0].mean() > 0.55 * picture.shape[0] and first[:, 1].mean() < picture.shape[1] / 6


def test_no_case_is_a_picture_too() -> None:
    assert draw([]).ndim == 3
