"""Figs. 8 and 11: reference and predicted outlines on the delayed phase, of cases that a rule chooses and nobody picks."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

REFERENCE_COLOUR, REFERENCE_LINE = "#E8423A", "solid"
PREDICTION_COLOUR, PREDICTION_LINE = "#56B4E9", (0, (2.5, 1.5))
"""Red and blue as in the paper; this pair is told apart with every kind of colour blindness, and one line is dashed."""

CASES = 6
"""Columns of a figure, as in Fig. 8: the two worst, median and best."""

SMALL_MM = 20.0
"""§3 counts lesions under 2 cm as small."""

BODY_FRACTION, BODY_MARGIN_MM = 0.35, 15.0
"""What is brighter than this part of a slice's 99th percentile is shown, with a margin; all panels of a figure have one size in mm."""

RING_MARGIN_MM = 8.0
ZOOM_MM = 60.0
PANEL_INCH = 1.9


@dataclass(frozen=True, eq=False)
class OverlayCase:
    """One column: a slice of the delayed phase with both masks, all (y, x).

    `centre_yx_mm` and `diameter_mm` are those of the lesion that is ringed; None: no ring.
    """

    caption: str
    image: np.ndarray
    reference: np.ndarray
    prediction: np.ndarray
    spacing_yx_mm: tuple[float, float]
    centre_yx_mm: tuple[float, float] | None = None
    diameter_mm: float | None = None


def choose_by_dice(dice: Mapping[str, float]) -> list[tuple[str, str]]:
    """The two worst, two median and two best patients by Dice; of equal ones the first by name.

    Args:
        dice: of each patient with a reference lesion, in [0, 1].

    Returns:
        ("worst", "median" or "best", patient) in rising order of Dice; all patients, called by the nearest of the three, where there are six or fewer.
    """
    ranked = sorted(dice, key=lambda name: (dice[name], name))
    last, middle = len(ranked) - 1, len(ranked) // 2
    by_kind = {"worst": (0, 1), "median": (middle - 1, middle), "best": (last - 1, last)}
    if len(ranked) <= CASES:
        third = max(-(-len(ranked) // 3), 1)
        return [(list(by_kind)[rank // third], name) for rank, name in enumerate(ranked)]
    return [(kind, ranked[rank]) for kind, ranks in by_kind.items() for rank in ranks]


def choose_small(diameters_mm: Mapping[tuple[str, str], float]) -> list[tuple[str, str]]:
    """Six lesions under 2 cm, or all if they are fewer, at even steps from the smallest to the largest.

    Args:
        diameters_mm: reference diameter of each (patient_id, lesion_id).
    """
    small = sorted((key for key, diameter in diameters_mm.items() if diameter < SMALL_MM), key=lambda key: (diameters_mm[key], key))
    count = min(CASES, len(small))
    return [small[round(step * (len(small) - 1) / max(count - 1, 1))] for step in range(count)]


def plot_cases(cases: Sequence[OverlayCase], title: str) -> Figure:
    """Fig. 8: a column a case; the image, the reference in red, the prediction in blue."""
    height_mm, width_mm = _common_size_mm(cases)
    figure, rows = _start(cases, ("delayed phase", "reference", "prediction"), [height_mm / width_mm] * 3, title)
    for column, case in enumerate(cases):
        for axes, masks in zip(rows[:, column], ((), ("reference",), ("prediction",)), strict=True):
            _show(axes, case, masks)
            _zoom(axes, _body_mm(case).mean(axis=1), height_mm, width_mm)
        rows[0, column].set_title(case.caption, fontsize=7)
        if not case.prediction.any():
            rows[-1, column].text(0.5, 0.03, "nothing predicted here", color="white", fontsize=7, ha="center", transform=rows[-1, column].transAxes)
    return figure


def plot_small_lesions(cases: Sequence[OverlayCase], title: str) -> Figure:
    """Fig. 11: a column a lesion; the whole slice with the lesion ringed in red, and its surroundings with both outlines."""
    height_mm, width_mm = _common_size_mm(cases)
    figure, rows = _start(cases, ("delayed phase", f"{ZOOM_MM:g} mm around it"), [height_mm / width_mm, 1.0], title)
    for column, case in enumerate(cases):
        assert case.centre_yx_mm is not None and case.diameter_mm is not None
        y_mm, x_mm = case.centre_yx_mm
        whole, near = rows[:, column]
        _show(whole, case, ())
        _zoom(whole, _body_mm(case).mean(axis=1), height_mm, width_mm)
        whole.set_title(case.caption, fontsize=7)
        whole.add_patch(Circle((x_mm, y_mm), case.diameter_mm / 2 + RING_MARGIN_MM, fill=False, edgecolor=REFERENCE_COLOUR, linewidth=1.4))
        _show(near, case, ("reference", "prediction"))
        _zoom(near, np.array(case.centre_yx_mm), ZOOM_MM, ZOOM_MM)
    return figure


def _start(cases: Sequence[OverlayCase], row_names: Sequence[str], row_heights: Sequence[float], title: str) -> tuple[Figure, np.ndarray]:
    columns = max(len(cases), 1)
    figure = Figure(figsize=(PANEL_INCH * columns + 0.4, PANEL_INCH * sum(row_heights) + 0.9), layout="constrained")
    rows = figure.subplots(len(row_names), columns, squeeze=False, height_ratios=row_heights)
    for axes in rows.flat:
        axes.set_facecolor("black")
        axes.set_xticks([])
        axes.set_yticks([])
    for axes, name in zip(rows[:, 0], row_names, strict=True):
        axes.set_ylabel(name, fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure, rows


def _show(axes: Axes, case: OverlayCase, masks: Sequence[str]) -> None:
    height_mm, width_mm = (size * spacing for size, spacing in zip(case.image.shape, case.spacing_yx_mm, strict=True))
    low, high = np.percentile(case.image, (1, 99.9))
    axes.imshow(case.image, cmap="gray", vmin=low, vmax=max(high, low + 1), extent=(0, width_mm, height_mm, 0), interpolation="nearest")
    for name, colour, line in (("reference", REFERENCE_COLOUR, REFERENCE_LINE), ("prediction", PREDICTION_COLOUR, PREDICTION_LINE)):
        if name in masks:
            _outline(axes, getattr(case, name), case.spacing_yx_mm, colour, line)


def _zoom(axes: Axes, centre_yx_mm: np.ndarray, height_mm: float, width_mm: float) -> None:
    y_mm, x_mm = centre_yx_mm
    axes.set_xlim(x_mm - width_mm / 2, x_mm + width_mm / 2)
    axes.set_ylim(y_mm + height_mm / 2, y_mm - height_mm / 2)


def _body_mm(case: OverlayCase) -> np.ndarray:
    """First and last mm of what is bright, in y and in x (2, 2)."""
    bright = case.image > BODY_FRACTION * np.percentile(case.image, 99)
    edges = []
    for axis, spacing in enumerate(case.spacing_yx_mm):
        indices = np.flatnonzero(bright.any(axis=1 - axis))
        edges.append([indices[0] * spacing, (indices[-1] + 1) * spacing] if len(indices) else [0.0, case.image.shape[axis] * spacing])
    return np.array(edges)


def _common_size_mm(cases: Sequence[OverlayCase]) -> np.ndarray:
    """Height and width that hold the body of every case."""
    sizes = [np.diff(_body_mm(case), axis=1)[:, 0] for case in cases] or [np.zeros(2)]
    return np.max(sizes, axis=0) + 2 * BODY_MARGIN_MM


def _outline(axes: Axes, mask: np.ndarray, spacing_yx_mm: tuple[float, float], colour: str, line: str | tuple[int, tuple[float, float]]) -> None:
    if not mask.any():
        return
    # A frame of background, so that the outline of a mask at the edge is closed.
    framed = np.pad(mask.astype(np.float32), 1)
    y_mm, x_mm = ((np.arange(size) - 0.5) * spacing for size, spacing in zip(framed.shape, spacing_yx_mm, strict=True))
    drawn = axes.contour(x_mm, y_mm, framed, levels=[0.5], colors=colour, linewidths=1.3, linestyles=[line])
    drawn.set_path_effects([patheffects.withStroke(linewidth=2.4, foreground="black", alpha=0.5)])
