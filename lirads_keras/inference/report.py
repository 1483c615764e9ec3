"""What `lirads predict` leaves behind: report.json and one overlay picture a lesion."""
from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lirads_keras.entities import READ_PHASES, NotGiven, Phase, Report, ScoredLesion, Volume
from lirads_keras.io.atomic import write_bytes, write_json
from lirads_keras.io.read_series import series_to_json
from lirads_keras.lirads.applicability import TUMOR_IN_VEIN, describe_applicability

RESEARCH_USE = "Research use only. Not for diagnosis."
PREDICTION_COLOUR = "#56B4E9"
MARGIN_MM = 30.0
"""Tissue shown around a lesion."""

PANEL_INCH = 3.4
TITLE_CHARACTERS_PER_INCH = 13
"""So many characters of 9 points fit into an inch: the title of a study of one phase takes more lines than that of three."""


def report_to_json(report: Report, explained: Collection[str] = ()) -> dict[str, Any]:
    """The report as JSON: sizes in mm and ml, positions in LPS mm; `explained` are the lesions that have a second picture.

    Six digits behind the point tell a probability from the decision threshold, and a diameter from the table's 10 and 20 mm.
    """
    return {
        "notice": RESEARCH_USE,
        "notices": list(report.notices),
        "population": list(describe_population(report)),
        "applicability": {"adult": report.applicability.is_adult, "high_risk": report.applicability.high_risk, "untreated": report.applicability.untreated,
                          "despite_age": report.applicability.despite_age},
        "tumor_in_vein": report.tumor_in_vein,
        "patient_id": report.patient_id,
        "study_uid": report.study_uid,
        "phases": [series_to_json(series) for series in report.phases],
        "contrast_agent": {"agent": None if report.contrast_agent.agent is None else str(report.contrast_agent.agent),
                           "evidence": report.contrast_agent.evidence},
        "set_aside": list(report.left_out),
        "lesions": [_lesion_to_json(scored) | ({"explanation": _explanation_name(scored)} if scored.lesion.lesion_id in explained else {})
                    for scored in report.lesions],
        "versions": report.versions,
    }


def describe_population(report: Report) -> tuple[str, ...]:
    """Sentences on whom LI-RADS is for and what the categories are conditional on, and on the tumor in vein that a reader found."""
    return (*([TUMOR_IN_VEIN] if report.tumor_in_vein else []), *describe_applicability(report.applicability))


def write_report(folder: Path, report: Report, volumes: Mapping[Phase, Volume], probability: Volume, threshold: float,
                 explanations: Mapping[str, Figure] | None = None) -> None:
    """Writes `report.json`, `<lesion_id>.png` and, for the lesions of `explanations`, `explanation-<lesion_id>.png` into `folder`.

    The report comes last, so that it is only there when all is there.
    """
    explanations = explanations or {}
    for scored in report.lesions:
        _write_figure(folder / f"{scored.lesion.lesion_id}.png", plot_lesion(scored, volumes, probability, threshold))
        if scored.lesion.lesion_id in explanations:
            _write_figure(folder / _explanation_name(scored), explanations[scored.lesion.lesion_id])
    write_json(folder / "report.json", report_to_json(report, explanations))


def plot_lesion(scored: ScoredLesion, volumes: Mapping[Phase, Volume], probability: Volume, threshold: float) -> Figure:
    """The slice with the largest area of the lesion in each phase, with the outline of the segmentation."""
    lesion = scored.lesion
    z = lesion.largest_slice
    grid = probability
    rows, columns = (_window(lesion.bounding_box[axis], grid.spacing_mm[axis], grid.shape[axis]) for axis in (1, 2))
    extent_mm = (0.0, (columns.stop - columns.start) * grid.spacing_mm[2], (rows.stop - rows.start) * grid.spacing_mm[1], 0.0)
    shown = [phase for phase in READ_PHASES if phase in volumes]
    width_inch = PANEL_INCH * len(shown) + 0.4
    figure = Figure(figsize=(width_inch, 4.6), layout="constrained")
    for axes, phase in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
        image = volumes[phase].array[z]
        low, high = np.percentile(image, (1, 99.5))
        axes.imshow(image[rows, columns], cmap="gray", vmin=low, vmax=max(high, low + 1), extent=extent_mm, interpolation="nearest")
        inside = probability.array[z][rows, columns]
        if inside.min() < threshold <= inside.max():
            y_mm = (np.arange(inside.shape[0]) + 0.5) * grid.spacing_mm[1]
            x_mm = (np.arange(inside.shape[1]) + 0.5) * grid.spacing_mm[2]
            axes.contour(x_mm, y_mm, inside, levels=[threshold], colors=PREDICTION_COLOUR, linewidths=1.2)
        axes.set_title(str(phase).replace("_", " "), fontsize=10)
        axes.set_xlabel("mm", fontsize=8)
        axes.tick_params(labelsize=8)
    probabilities = ", ".join(f"{name} {'not assessed' if value is None else format(value, '.2f')}" for name, value in (
        ("APHE", scored.probabilities.aphe), ("washout", scored.probabilities.washout), ("capsule", scored.probabilities.capsule)))
    sentences = (f"{lesion.lesion_id}: {scored.reasons}", f"probabilities: {probabilities}", f"slice {z} (from 0). {RESEARCH_USE}")
    figure.suptitle("\n".join(textwrap.fill(sentence, int(TITLE_CHARACTERS_PER_INCH * width_inch)) for sentence in sentences), fontsize=9)
    return figure


def _write_figure(path: Path, figure: Figure) -> None:
    write_bytes(path, lambda file: figure.savefig(file, format="png", dpi=110))


def _explanation_name(scored: ScoredLesion) -> str:
    return f"explanation-{scored.lesion.lesion_id}.png"


def _lesion_to_json(scored: ScoredLesion) -> dict[str, Any]:
    lesion, probabilities = scored.lesion, scored.probabilities
    return {
        "lesion_id": lesion.lesion_id,
        "category": str(scored.category),
        "possible_categories": [str(category) for category in scored.category.possible] if isinstance(scored.category, NotGiven) else [],
        "reasons": scored.reasons,
        "diameter_mm": round(lesion.diameter_mm, 6),
        "volume_ml": round(lesion.volume_ml, 6),
        "largest_slice": lesion.largest_slice,
        "centroid_lps_mm": [round(value, 2) for value in lesion.centroid_lps_mm],
        "mean_probability": None if lesion.mean_probability is None else round(lesion.mean_probability, 6),
        "features": {name: {"probability": None if value is None else round(value, 6), "present": getattr(scored.observation, name)}
                     for name, value in (("aphe", probabilities.aphe), ("washout", probabilities.washout), ("capsule", probabilities.capsule))},
        "overlay": f"{lesion.lesion_id}.png",
    }


def _window(box: slice, spacing_mm: float, size: int) -> slice:
    margin = round(MARGIN_MM / spacing_mm)
    return slice(max(box.start - margin, 0), min(box.stop + margin, size))
