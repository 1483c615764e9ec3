"""A picture of the virtual cohort: some patients in the three phases, chosen by rules and not by looks."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lirads_keras.entities import ENHANCED_PHASES

LESION_COLOUR, BENIGN_COLOUR = "#E69F00", "#56B4E9"
"""Orange and sky blue of Okabe and Ito: told apart with every kind of colour blindness; the blue line is dashed, too."""

BODY_MM = (250.0, 340.0)
"""Height and width of what is shown of a slice."""

INSET_MM, INSET_PER_DIAMETER, INSET_SHARE = 60.0, 1.4, 0.36
"""A lesion's surroundings again, magnified and without outline, so that a rim can be seen: so wide, or so many diameters."""

SCALE_BAR_MM = 50.0
WHITE_PERCENTILE, WHITE_SHARE = 98.0, 1.12
PANEL_INCH = (2.85, 2.1)


@dataclass(frozen=True)
class MontageCase:
    """A row: the patient, the lesion of the reference that is shown, or the benign finding at `centre_lps_mm`."""

    title: str
    patient_id: str
    mask_label: int | None
    centre_lps_mm: tuple[float, float, float] | None
    diameter_mm: float


@dataclass(frozen=True, eq=False)
class MontageRow:
    """Pixels of a case: one slice (y, x) of each phase in order of time, lesion labels on it, and where its middle lies (row, column)."""

    case: MontageCase
    images: tuple[np.ndarray, ...]
    labels: np.ndarray
    spacing_yx_mm: tuple[float, float]
    centre_yx: tuple[float, float]


def choose_montage_cases(
        patients: Sequence[Mapping[str, Any]], lesions: Sequence[Mapping[str, Any]], confounders: Sequence[Mapping[str, Any]]) -> list[MontageCase]:
    """Six cases: of each kind the one whose size is nearest to a given one, no patient twice; a kind that the cohort lacks is left out.

    Args:
        patients: rows of the cohort's patients.csv; their numbers may be text.
        lesions: rows of its lesions.csv.
        confounders: rows of its confounders.csv.
    """
    groups = {str(row["patient_id"]): str(row["group"]) for row in patients}
    oblique = {str(row["patient_id"]): int(row["oblique"]) for row in patients}

    def has(row: Mapping[str, Any], **wanted: Any) -> bool:
        return all(str(row[name]) == str(value) for name, value in wanted.items())

    kinds = (
        ("LR-3, small", 9.0, [row for row in lesions if has(row, category="LR-3") and float(row["diameter_mm"]) < 20]),
        ("LR-5, large, with capsule", 55.0, [row for row in lesions if has(row, category="LR-5", capsule=1)]),
        ("APHE alone", 28.0, [row for row in lesions if has(row, aphe=1, washout=0, capsule=0)]),
        ("hypovascular", 25.0, [row for row in lesions if has(row, tissue_class="class_d", aphe=0)]),
        ("no HCC: haemangioma", 30.0, [row for row in confounders if row["kind"] == "haemangioma" and groups.get(str(row["patient_id"])) == "negative"]),
        ("oblique scan, APHE and washout", 25.0, [row for row in lesions if has(row, aphe=1, washout=1) and oblique[str(row["patient_id"])]]),
    )
    cases: list[MontageCase] = []
    for title, size_mm, rows in kinds:
        taken = {case.patient_id for case in cases}
        free = [row for row in rows if str(row["patient_id"]) not in taken]
        if free:
            row = min(free, key=lambda each: (abs(float(each["diameter_mm"]) - size_mm), str(each["patient_id"])))
            benign = "kind" in row
            cases.append(MontageCase(
                title, str(row["patient_id"]), None if benign else int(row["mask_label"]),
                (float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"])) if benign else None, float(row["diameter_mm"])))
    return cases


def cut_montage_row(
        case: MontageCase, volumes: Sequence[np.ndarray], labels: np.ndarray, spacing_mm: tuple[float, float, float], affine: np.ndarray) -> MontageRow:
    """The slice of a case: that with the largest area of the lesion, or the one through the middle of the benign finding.

    Args:
        case: which.
        volumes: arterial, portal venous and delayed phase (z, y, x) on the delayed grid.
        labels: lesions (z, y, x) on it.
        spacing_mm: (z, y, x).
        affine: index (z, y, x, 1) to LPS mm.
    """
    if case.centre_lps_mm is None:
        z = int(np.count_nonzero(labels == case.mask_label, axis=(1, 2)).argmax())
        y, x = np.argwhere(labels[z] == case.mask_label).mean(axis=0)
    else:
        middle = np.linalg.solve(affine, np.array([*case.centre_lps_mm, 1.0]))[:3]
        z, y, x = int(np.clip(np.rint(middle[0]), 0, len(labels) - 1)), middle[1], middle[2]
    return MontageRow(case, tuple(np.asarray(volume[z]) for volume in volumes), np.asarray(labels[z]), (spacing_mm[1], spacing_mm[2]), (float(y), float(x)))


def plot_montage(rows: Sequence[MontageRow], label: str) -> Figure:
    """Patients by phases with outlines, in radiological convention (the patient's right on the left of the picture); `label` is the cohort's name."""
    count = max(len(rows), 1)
    figure = Figure(figsize=(3 * PANEL_INCH[0] + 0.3, count * PANEL_INCH[1] + 0.7), layout="constrained")
    panels = figure.subplots(count, 3, squeeze=False)
    for axes, phase in zip(panels[0], ENHANCED_PHASES, strict=True):
        axes.set_title(str(phase).replace("_", " "), fontsize=9)
    for panel_row, row in zip(panels, rows, strict=False):
        # One window for the three phases, so that enhancement can be compared: air is black, portal venous liver light grey.
        white = float(np.percentile(_crop(row, row.images[1]), WHITE_PERCENTILE)) * WHITE_SHARE
        for axes, image in zip(panel_row, row.images, strict=True):
            _show(axes, row, image, white)
        panel_row[0].set_ylabel(f"{row.case.title}\n{row.case.patient_id}, {row.case.diameter_mm:.0f} mm", fontsize=7)
    for axes in panels.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(f"Patients of the {label} (simulated, no persons). Orange: reference outline; dashed blue: benign finding;\n"
                    f"insets: the surroundings without outline; bar: {SCALE_BAR_MM:g} mm; the patient's right is on the left", fontsize=8)
    return figure


def _crop(row: MontageRow, image: np.ndarray) -> np.ndarray:
    return image[tuple(_window(row, axis) for axis in (0, 1))]


def _window(row: MontageRow, axis: int) -> slice:
    """The middle of the slice along an axis."""
    size = row.labels.shape[axis]
    shown = min(round(BODY_MM[axis] / row.spacing_yx_mm[axis]), size)
    return slice((size - shown) // 2, (size - shown) // 2 + shown)


def _show(axes: Axes, row: MontageRow, image: np.ndarray, white: float) -> None:
    labels, centre = _crop(row, row.labels), [place - _window(row, axis).start for axis, place in enumerate(row.centre_yx)]
    height_mm, width_mm = (size * spacing for size, spacing in zip(labels.shape, row.spacing_yx_mm, strict=True))
    picture = _crop(row, image)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=white, extent=(0, width_mm, height_mm, 0), interpolation="nearest")
    if (labels > 0).any():
        y_mm, x_mm = ((np.arange(size) + 0.5) * spacing for size, spacing in zip(labels.shape, row.spacing_yx_mm, strict=True))
        drawn = axes.contour(x_mm, y_mm, (labels > 0).astype(np.float32), levels=[0.5], colors=LESION_COLOUR, linewidths=0.9)
        drawn.set_path_effects([patheffects.withStroke(linewidth=1.8, foreground="black", alpha=0.5)])
    y_mm, x_mm = ((place + 0.5) * spacing for place, spacing in zip(centre, row.spacing_yx_mm, strict=True))
    if row.case.mask_label is None:
        angles = np.linspace(0, 2 * np.pi, 60)
        radius = row.case.diameter_mm / 2 + 3
        axes.plot(x_mm + radius * np.cos(angles), y_mm + radius * np.sin(angles), color=BENIGN_COLOUR, linestyle=(0, (2.5, 1.5)), linewidth=0.9)
    # The front right corner of the picture is fat and air in most patients.
    inset = axes.inset_axes((1 - INSET_SHARE * height_mm / width_mm, 1 - INSET_SHARE, INSET_SHARE * height_mm / width_mm, INSET_SHARE))
    inset.imshow(picture, cmap="gray", vmin=0, vmax=white, extent=(0, width_mm, height_mm, 0), interpolation="nearest")
    reach_mm = max(INSET_MM, INSET_PER_DIAMETER * row.case.diameter_mm) / 2
    inset.set_xlim(x_mm - reach_mm, x_mm + reach_mm)
    inset.set_ylim(y_mm + reach_mm, y_mm - reach_mm)
    inset.set_xticks([])
    inset.set_yticks([])
    for side in inset.spines.values():
        side.set_color("white")
    axes.set_xlim(0, width_mm)
    axes.set_ylim(height_mm, 0)
    axes.plot([8, 8 + SCALE_BAR_MM], [height_mm - 8] * 2, color="white", linewidth=1.5)
