from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from lirads_keras.evaluation.overlays import (
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    REFERENCE_COLOUR,
    REFERENCE_LINE,
    OverlayCase,
    choose_by_dice,
    choose_small,
    plot_cases,
    plot_small_lesions,
)

COLOUR_BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3)}
"""Linear RGB as it looks to a person without one kind of cone (Machado, Oliveira, Fernandes 2009, severity 1)."""


def to_lab(colour: str, seen_by: str) -> np.ndarray:
    srgb = np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(COLOUR_BLIND[seen_by]) @ linear, 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("eye", COLOUR_BLIND)
def test_reference_and_prediction_are_told_apart_by_every_eye(eye):
    # A difference of 2 is just seen side by side; ten times that is seen at a glance.
    assert deltaE_ciede2000(to_lab(REFERENCE_COLOUR, eye), to_lab(PREDICTION_COLOUR, eye)) > 20
    assert REFERENCE_LINE != PREDICTION_LINE


def test_the_worst_the_median_and_the_best_are_chosen_by_rank():
    dice = {f"P{rank:02d}": rank / 100 for rank in range(11)}
    assert choose_by_dice(dice) == [("worst", "P00"), ("worst", "P01"), ("median", "P04"), ("median", "P05"), ("best", "P09"), ("best", "P10")]


def test_of_equal_ones_the_first_by_name_is_chosen_whatever_the_order():
    names = [f"P{number}" for number in range(9)]
    expected = [("worst", "P0"), ("worst", "P1"), ("median", "P3"), ("median", "P4"), ("best", "P7"), ("best", "P8")]
    assert choose_by_dice(dict.fromkeys(names, 0.0)) == choose_by_dice(dict.fromkeys(reversed(names), 0.0)) == expected


@pytest.mark.parametrize("patients, kinds", [
    (0, []), (1, ["worst"]), (2, ["worst", "median"]), (3, ["worst", "median", "best"]), (4, ["worst", "worst", "median", "median"]),
    (6, ["worst", "worst", "median", "median", "best", "best"]), (7, ["worst", "worst", "median", "median", "best", "best"])])
def test_with_few_patients_each_comes_once(patients, kinds):
    chosen = choose_by_dice({f"P{rank}": rank / 10 for rank in range(patients)})
    assert [kind for kind, _ in chosen] == kinds
    assert len({name for _, name in chosen}) == len(chosen) == min(patients, 6)


def test_small_lesions_are_spread_over_their_sizes():
    sizes = {("P1", f"L{size}"): float(size) for size in (4, 5, 6, 7, 8, 9, 10, 11, 12, 19, 20, 90)}
    # Ten are under 20 mm: ranks 0, 1.8, 3.6, 5.4, 7.2, 9.
    assert choose_small(sizes) == [("P1", f"L{size}") for size in (4, 6, 8, 9, 11, 19)]
    assert choose_small(dict(reversed(sizes.items()))) == choose_small(sizes)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6])
def test_few_small_lesions_are_all_shown(count):
    sizes = {("P1", f"L{number}"): 5.0 + number for number in range(count)}
    assert choose_small(sizes) == list(sizes)


def make_case(predicted: bool = True, *, ring: bool = False) -> OverlayCase:
    reference, prediction = np.zeros((20, 40), bool), np.zeros((20, 40), bool)
    reference[4:8, 10:20] = True
    prediction[5:9, 10:20] = predicted
    return OverlayCase("P1", np.arange(800, dtype=np.uint16).reshape(20, 40), reference, prediction, (2.0, 1.5),
                       (12.0, 22.5) if ring else None, 15.0 if ring else None)


def outlines(axes) -> list:
    """(colour, x range, y range) in mm of each outline, where it crosses from inside to outside."""
    from matplotlib.colors import to_hex

    found = []
    for drawn in axes.collections:
        vertices = np.concatenate([path.vertices for path in drawn.get_paths()])
        found.append((to_hex(drawn.get_edgecolor()[0]).upper(), *(tuple(np.round([vertices[:, k].min(), vertices[:, k].max()], 6)) for k in (0, 1))))
    return found


def test_each_row_shows_its_mask_in_its_colour_and_place():
    figure = plot_cases([make_case(), make_case(predicted=False)], "two cases (virtual cohort)")
    image, reference, prediction = (figure.axes[index] for index in (0, 2, 4))
    # Pixels 10 … 19 of 1.5 mm reach from 15 to 30 mm, rows 4 … 7 of 2 mm from 8 to 16 mm.
    assert outlines(image) == []
    assert outlines(reference) == [(REFERENCE_COLOUR, (15.0, 30.0), (8.0, 16.0))]
    assert outlines(prediction) == [(PREDICTION_COLOUR, (15.0, 30.0), (10.0, 18.0))]
    assert outlines(figure.axes[5]) == [] and [text.get_text() for text in figure.axes[5].texts] == ["nothing predicted here"]
    assert not prediction.texts and "virtual cohort" in figure.get_suptitle()
    assert image.get_images()[0].get_extent() == [0, 60.0, 40.0, 0]


def test_a_small_lesion_is_ringed_in_the_whole_slice_and_outlined_near_by():
    figure = plot_small_lesions([make_case(ring=True)], "one (virtual cohort)")
    whole, near = figure.axes
    (ring,) = whole.patches
    assert tuple(ring.center) == (22.5, 12.0) and ring.radius == 15.0 / 2 + 8 and not ring.get_fill()
    assert [colour for colour, *_ in outlines(near)] == [REFERENCE_COLOUR, PREDICTION_COLOUR] and outlines(whole) == []
    assert near.get_xlim() == (-7.5, 52.5) and near.get_ylim() == (42.0, -18.0)


def test_every_panel_shows_a_body_whole_and_at_one_scale():
    images = [np.full((100, 120), 10, np.uint16), np.full((100, 120), 10, np.uint16)]
    images[0][10:20, 30:60] = 500
    images[1][40:90, 60:70] = 500
    empty = np.zeros((100, 120), bool)
    figure = plot_cases([OverlayCase("P", image, empty, empty, (2.0, 1.0)) for image in images], "two (virtual cohort)")
    # Bodies from 20 to 40 and 80 to 180 mm, 30 to 60 and 60 to 70 mm: 100 and 30 mm are the largest, with 15 mm on each side.
    for row in range(3):
        limits = [(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes[2 * row:2 * row + 2]]
        assert limits == [((15.0, 75.0), (95.0, -35.0)), ((35.0, 95.0), (195.0, 65.0))]


@pytest.mark.parametrize("plot", [plot_cases, plot_small_lesions])
def test_without_cases_there_is_still_a_figure(plot, tmp_path):
    plot([], "none (virtual cohort)").savefig(tmp_path / "empty.png")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_cases_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        plot_small_lesions([make_case(ring=True)], "one").savefig(tmp_path / f"{name}.png", metadata={"Software": None})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
