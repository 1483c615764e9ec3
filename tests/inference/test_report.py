from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lirads_keras.entities import (
    ENHANCED_PHASES,
    Applicability,
    Category,
    FeatureProbabilities,
    NotGiven,
    Observation,
    Phase,
    Report,
    ScoredLesion,
    Volume,
)
from lirads_keras.inference.report import RESEARCH_USE, plot_lesion, report_to_json, write_report
from lirads_keras.lesions import extract_lesions

SHAPE, SPACING_MM = (6, 40, 50), (4.0, 2.0, 2.0)
THRESHOLD = 0.5


def make_volume(array) -> Volume:
    return Volume(array, SPACING_MM, np.array([[0, 0, 2.0, -50], [0, 2.0, 0, -40], [4.0, 0, 0, 10], [0, 0, 0, 1]]))


def make_probability(rows=slice(10, 20), columns=slice(20, 32), *, outside=0.1) -> Volume:
    array = np.full(SHAPE, outside, np.float32)
    array[2:4, rows, columns] = 0.8
    return make_volume(array)


def make_images(phases=ENHANCED_PHASES, *, constant=False) -> dict[Phase, Volume]:
    generator = np.random.default_rng(0)
    return {phase: make_volume(np.full(SHAPE, 7.0, np.float32) if constant else generator.normal(300, 50, SHAPE).astype(np.float32)) for phase in phases}


def make_scored(probability: Volume, *, aphe: float | None = 0.4999996, reasons: str = "no APHE, washout, 23 mm: LR-4") -> ScoredLesion:
    lesion = extract_lesions(probability, THRESHOLD, minimum_volume_mm3=0)[0]
    return ScoredLesion(lesion, FeatureProbabilities(aphe, 0.75, 0.25), Observation(lesion.diameter_mm, False, True, False), Category.LR_4, reasons)


def text_of(figure) -> str:
    return figure.get_suptitle().replace("\n", " ")


def test_the_json_says_everything_once():
    probability = make_probability()
    scored = make_scored(probability)
    content = report_to_json(Report("P 7", "1.2.3", (scored,), {"keras": "3"}, ("By hand.",)))
    assert {name: content[name] for name in ("notice", "notices", "patient_id", "study_uid", "versions")} == {
        "notice": RESEARCH_USE, "notices": ["By hand."], "patient_id": "P 7", "study_uid": "1.2.3", "versions": {"keras": "3"}}
    (lesion,) = content["lesions"]
    assert lesion["lesion_id"] == "P1" and lesion["category"] == "LR-4" and lesion["reasons"] == scored.reasons
    # 12 columns and 10 rows of 2 mm: the diagonal of 11 and 9 pixels, and 0.4 pixel.
    assert lesion["diameter_mm"] == pytest.approx(2 * np.hypot(11, 9) + 0.8, abs=1e-6)
    assert lesion["volume_ml"] == pytest.approx(2 * 10 * 12 * 16 / 1000)
    assert lesion["largest_slice"] == 2
    # Centre of the box, voxel (2.5, 14.5, 25.5), in LPS mm.
    assert lesion["centroid_lps_mm"] == pytest.approx([25.5 * 2 - 50, 14.5 * 2 - 40, 2.5 * 4 + 10])
    assert lesion["mean_probability"] == pytest.approx(0.8)
    assert lesion["overlay"] == "P1.png"
    assert lesion["features"] == {"aphe": {"probability": pytest.approx(0.4999996, abs=1e-6), "present": False},
                                  "washout": {"probability": 0.75, "present": True}, "capsule": {"probability": 0.25, "present": False}}


def test_rounding_moves_nothing_across_a_threshold():
    """0.49996 is absent and 9.996 mm is under 10 mm: a reader of the report must come to the same category."""
    scored = make_scored(make_probability(), aphe=0.49996)
    scored = dataclasses.replace(scored, lesion=dataclasses.replace(scored.lesion, diameter_mm=9.9996))
    (lesion,) = report_to_json(Report("P", "1", (scored,)))["lesions"]
    assert lesion["features"]["aphe"]["probability"] < 0.5 and lesion["diameter_mm"] < 10


def test_a_range_and_whom_it_is_for_are_told():
    scored = dataclasses.replace(make_scored(make_probability()), category=NotGiven("LR-4 or LR-5", (Category.LR_4, Category.LR_5)))
    content = report_to_json(Report("P", "1", (scored,), applicability=Applicability(True, True, None), tumor_in_vein=True))
    assert content["lesions"][0]["category"] == "LR-4 or LR-5" and content["lesions"][0]["possible_categories"] == ["LR-4", "LR-5"]
    assert content["population"][0].startswith("LR-TIV") and "conditional on no treatment" in content["population"][-1] and content["tumor_in_vein"]
    assert report_to_json(Report("P", "1", (make_scored(make_probability()),)))["lesions"][0]["possible_categories"] == []


def test_what_was_not_assessed_is_null():
    (lesion,) = report_to_json(Report("P", "1", (make_scored(make_probability(), aphe=None),)))["lesions"]
    assert lesion["features"]["aphe"] == {"probability": None, "present": False}


def test_a_study_without_lesions_has_a_report_and_no_picture(tmp_path):
    write_report(tmp_path / "result", Report("P", "1", ()), make_images(), make_probability(), THRESHOLD)
    assert [path.name for path in (tmp_path / "result").iterdir()] == ["report.json"]
    assert json.loads((tmp_path / "result" / "report.json").read_text())["lesions"] == []


def test_every_lesion_has_its_picture(tmp_path):
    array = make_probability().array.copy()
    array[5, 30:33, 2:6] = 0.9
    probability = make_volume(array)
    lesions = extract_lesions(probability, THRESHOLD, minimum_volume_mm3=0)
    scored = tuple(dataclasses.replace(make_scored(probability), lesion=lesion) for lesion in lesions)
    write_report(tmp_path, Report("P", "1", scored), make_images(), probability, THRESHOLD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P1.png", "P2.png", "report.json"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("P1.png", "P2.png"))


def test_a_failed_picture_leaves_no_report(tmp_path):
    with pytest.raises(IndexError):
        write_report(tmp_path, Report("P", "1", (make_scored(make_probability()),)),
                     {Phase.DELAYED: Volume(np.zeros((1, 40, 50), np.float32), SPACING_MM, np.eye(4))}, make_probability(), THRESHOLD)
    assert not (tmp_path / "report.json").exists()


def test_an_explained_lesion_has_a_second_picture(tmp_path):
    array = make_probability().array.copy()
    array[5, 30:33, 2:6] = 0.9
    probability = make_volume(array)
    scored = tuple(dataclasses.replace(make_scored(probability), lesion=lesion) for lesion in extract_lesions(probability, THRESHOLD, minimum_volume_mm3=0))
    write_report(tmp_path, Report("P", "1", scored), make_images(), probability, THRESHOLD, {"P2": Figure(figsize=(1, 1))})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P1.png", "P2.png", "explanation-P2.png", "report.json"]
    assert (tmp_path / "explanation-P2.png").read_bytes().startswith(b"\x89PNG")
    lesions = json.loads((tmp_path / "report.json").read_text())["lesions"]
    assert [lesion.get("explanation") for lesion in lesions] == [None, "explanation-P2.png"]


@pytest.mark.parametrize("phases", [ENHANCED_PHASES, (Phase.DELAYED,), (Phase.PORTAL_VENOUS, Phase.DELAYED)])
def test_the_picture_has_a_panel_a_phase_with_the_outline(phases):
    probability = make_probability()
    figure = plot_lesion(make_scored(probability), make_images(phases), probability, THRESHOLD)
    assert [axes.get_title() for axes in figure.axes] == [str(phase).replace("_", " ") for phase in phases]
    for axes in figure.axes:
        (contour,) = [item for item in axes.collections if len(item.get_paths())]
        # The outline runs between the last pixel inside, whose centre is at 0.8, and the first outside, at 0.1.
        corners = np.concatenate([path.vertices for path in contour.get_paths()])
        across = (0.8 - THRESHOLD) / (0.8 - 0.1) * 2
        # The window begins 15 pixels before the lesion's columns, and with the first row.
        assert corners[:, 0].min() == pytest.approx((15 + 0.5) * 2 - across) and corners[:, 0].max() == pytest.approx((15 + 11.5) * 2 + across)
        assert corners[:, 1].min() == pytest.approx((10 + 0.5) * 2 - across) and corners[:, 1].max() == pytest.approx((10 + 9.5) * 2 + across)


@pytest.mark.parametrize("phases", [ENHANCED_PHASES, (Phase.DELAYED,)])
def test_the_title_is_whole_and_within_the_picture(phases):
    reasons = "no APHE, washout, threshold growth, 36 mm: LR-4 (threshold growth not counted by Table 3) (APHE not assessed: no image of the phase)"
    probability = make_probability()
    figure = plot_lesion(make_scored(probability, aphe=None, reasons=reasons), make_images(phases), probability, THRESHOLD)
    assert f"P1: {reasons}" in text_of(figure) and RESEARCH_USE in text_of(figure)
    assert "APHE not assessed, washout 0.75, capsule 0.25" in text_of(figure) and "slice 2 (from 0)" in text_of(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure._suptitle.get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("rows, columns", [(slice(0, 40), slice(0, 50)), (slice(39, 40), slice(49, 50))])
def test_lesions_at_the_edge_and_constant_images_are_drawn(tmp_path, rows, columns):
    """A lesion that fills the window has no outline there; an image of one value has no contrast."""
    probability = make_probability(rows, columns)
    write_report(tmp_path, Report("P", "1", (make_scored(probability),)), make_images(constant=True), probability, THRESHOLD)
    assert (tmp_path / "P1.png").stat().st_size > 1000
