"""The report on a study as one page: an HTML file that needs nothing beside itself and prints on one sheet of A4."""
from __future__ import annotations

import base64
import io
from collections.abc import Collection, Mapping
from datetime import datetime
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from lirads_keras.entities import HEAD_FEATURES, READ_PHASES, Lesion, Phase, Report, ScoredLesion, Volume
from lirads_keras.inference.report import PREDICTION_COLOUR, RESEARCH_USE, describe_population
from lirads_keras.io.agent_effects import tell_agent
from lirads_keras.io.atomic import write_text
from lirads_keras.io.read_series import describe_read
from lirads_keras.lirads.categorize import FEATURE_WORDS, describe_size

MOST_PICTURED = 6
"""With more lesions the pictures would be too small to see anything: a table takes their place."""

MOST_LISTED = 20
LESIONS_HEIGHT_MM = 156.0
"""What the heading and the foot leave of a sheet."""

LARGEST_PICTURE_MM, PICTURE_GAP_MM = 44.0, 6.0
SMALLEST_WINDOW_MM, MARGIN_MM = 70.0, 20.0
"""Side of the window around a lesion, and the tissue shown around a large one."""

PICTURE_DPI = 180
MM_PER_INCH = 25.4
REASONS_BESIDE_PICTURES, REASONS_IN_TABLE = 260, 110
VERSIONS_CHARACTERS = 600
LONGEST_LINE, LONGEST_AGENT, MOST_LEFT_OUT = 180, 110, 3
"""Longer texts are cut: all of them stand in report.json."""

TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>LI-RADS report, {{ patient_id }}</title>
<style>
@page { size: A4; margin: 0 }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: #111; font: 7.5pt/1.2 "Liberation Sans", Arial, Helvetica, sans-serif; overflow-wrap: anywhere }
main { width: 198mm; margin: 0 auto; padding: 5mm 0 }
.notice { margin: 0; padding: 1.2mm 2mm; background: #7a1f1f; color: #fff; font-size: 9pt; font-weight: bold; text-align: center }
h1 { margin: 2.5mm 0 0.5mm; font-size: 13pt }
.who { margin: 0 0 1.5mm }
.population { margin: 0 0 1.5mm; font-size: 6.5pt }
.notices { margin: 0 0 1.5mm; font-weight: bold }
.read { margin: 0 0 1.5mm; font-size: 6.5pt; line-height: 1.2 }
.lesion { display: flex; gap: 2mm; padding: 1.5mm 0; border-top: 0.2mm solid #999; break-inside: avoid }
.lesion img { flex: none }
h2 { margin: 0 0 0.6mm; font-size: 9.5pt }
.lesion p { margin: 0 0 0.6mm }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 7pt }
th, td { padding: 0.7mm 1mm; border-top: 0.2mm solid #999; text-align: left; vertical-align: top }
th { width: 19mm }
th.narrow { width: 14mm }
th:last-child { width: auto }
.reasons { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden }
footer { margin-top: 2mm; padding-top: 1mm; border-top: 0.2mm solid #999; font-size: 6.5pt; color: #444 }
footer p { margin: 0 0 0.6mm }
</style>
</head>
<body>
<main>
<p class="notice">{{ notice }}</p>
<h1>LI-RADS report: {{ lesions|length + unlisted }} {{ "lesion" if lesions|length + unlisted == 1 else "lesions" }}</h1>
<p class="who">Patient {{ patient_id }} · study {{ study_uid }} · {{ moment }}<br>
{% if observer %}Reader: {{ observer }}, with lirads_keras{% else %}Made by lirads_keras alone; no reader has edited it{% endif %}</p>
<p class="population">{{ population|join(" ") }}</p>
{% if notices %}
<p class="notices">{{ notices|join(" ") }}</p>
{% endif %}
{% if phases %}
<p class="read">Read as {% for phase in phases %}{{ phase }}; {% endfor %}{{ agent }}.
{% if left_out %}<br>Not read: {% for line in left_out %}{{ line }}{{ "; " if not loop.last else "." }}{% endfor %}{% endif %}</p>
{% endif %}
{% if not lesions %}
<p>No lesion was found.</p>
{% elif pictured %}
{% for lesion in lesions %}
<section class="lesion">
<img src="data:image/png;base64,{{ lesion.picture }}" alt="{{ lesion.alternative }}" style="width: {{ lesion.width_mm }}mm; height: {{ lesion.height_mm }}mm">
<div>
<h2>{{ lesion.id }}: {{ lesion.category }}</h2>
<p>{{ lesion.diameter }}, {{ lesion.volume }}, slice {{ lesion.slice }} (from 0).
{% for feature in lesion.features %}{{ feature.name }} {{ feature.value }}{{ ", " if not loop.last else "." }}
{% endfor %}{% if lesion.decided %}Given by the reader: {{ lesion.decided }}.{% endif %}
{% if lesion.changed %}<b>Changed by the reader.</b>{% endif %}</p>
<p>{{ lesion.reasons }}</p>
</div>
</section>
{% endfor %}
{% else %}
<table>
<thead><tr>{% for name in ("Lesion", "Category", "Diameter", "Volume") %}<th class="narrow">{{ name }}</th>{% endfor %}
{% for feature in lesions[0].features %}<th>{{ feature.name }}</th>{% endfor %}<th>Reasons</th></tr></thead>
<tbody>
{% for lesion in lesions %}
<tr><td>{{ lesion.id }}{{ " *" if lesion.changed }}</td><td>{{ lesion.category }}</td><td>{{ lesion.diameter }}</td><td>{{ lesion.volume }}</td>
{% for feature in lesion.features %}<td>{{ feature.value }}</td>{% endfor %}<td><div class="reasons">{{ lesion.reasons }}</div></td></tr>
{% endfor %}
</tbody>
</table>
{% if lesions|selectattr("changed")|list %}<p>* changed by the reader</p>{% endif %}
{% endif %}
{% if unlisted %}<p>{{ unlisted }} more lesions are in report.json.</p>{% endif %}
<footer>
<p>{{ notice }} Probabilities are those of the networks, from 0 to 1.{% if pictured %} The line is the outline of the segmentation.{% endif %}</p>
<p>{{ versions }}</p>
</footer>
</main>
</body>
</html>
"""


def write_report_page(path: Path, report: Report, volumes: Mapping[Phase, Volume], mask: Volume, *, observer: str | None,
                      changed: Collection[str] = ()) -> None:
    """Writes the page.

    Up to `MOST_PICTURED` lesions have their pictures; more stand in a table, up to `MOST_LISTED` of them.

    Args:
        path: an .html file.
        volumes: the aligned phases (z, y, x) that the lesions were read from.
        mask: on the same grid, non-zero in lesions.
        observer: the reader's name; None where the algorithm alone made the report.
        changed: ids of lesions at which the reader changed something.
    """
    listed = report.lesions[:MOST_LISTED]
    pictured = 0 < len(report.lesions) <= MOST_PICTURED
    side_mm = min(LARGEST_PICTURE_MM, LESIONS_HEIGHT_MM / max(len(listed), 1) - PICTURE_GAP_MM)
    lesions = [_describe(scored, changed, REASONS_BESIDE_PICTURES if pictured else REASONS_IN_TABLE) for scored in listed]
    for content, scored in zip(lesions, listed if pictured else (), strict=False):
        content.update(_draw(scored.lesion, volumes, mask, side_mm))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    write_text(path, environment.from_string(TEMPLATE).render(
        notice=RESEARCH_USE, patient_id=report.patient_id, study_uid=report.study_uid, moment=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
        observer=observer, lesions=lesions, pictured=pictured, unlisted=len(report.lesions) - len(listed), notices=report.notices,
        phases=[_cut(describe_read(series), LONGEST_LINE) for series in report.phases], agent=_cut(tell_agent(report.contrast_agent), LONGEST_AGENT),
        left_out=_shorten(report.left_out),
        population=describe_population(report),
        versions=_describe_versions(report.versions)))


def _describe(scored: ScoredLesion, changed: Collection[str], longest_reasons: int) -> dict[str, Any]:
    lesion, observation = scored.lesion, scored.observation
    decided = [words for words, is_true in (
        ("threshold growth", observation.threshold_growth), ("ancillary features of malignancy", observation.ancillary_malignant),
        ("ancillary features of benignity", observation.ancillary_benign), ("rim APHE", observation.rim_aphe)) if is_true]
    decided += [*observation.overrides, *([f"tie between {' and '.join(observation.tie)}"] if observation.tie else [])]
    return {
        "id": lesion.lesion_id,
        "category": str(scored.category),
        "diameter": describe_size(lesion.diameter_mm),
        "volume": f"{lesion.volume_ml:.{1 if lesion.volume_ml >= 1 else 2}f} ml",
        "slice": lesion.largest_slice,
        "features": [{"name": FEATURE_WORDS[feature], "value": _describe_feature(getattr(observation, feature), getattr(scored.probabilities, feature))}
                     for feature in HEAD_FEATURES],
        "decided": ", ".join(decided),
        "changed": lesion.lesion_id in changed,
        "reasons": _cut(scored.reasons, longest_reasons)}


def _describe_feature(present: bool | None, probability: float | None) -> str:
    value = "not assessed" if present is None else "present" if present else "absent"
    # Rounded down: 0.4999 must not seem to reach a threshold of 0.50.
    return value if probability is None else f"{value} ({floor(probability * 100 + 1e-9) / 100:.2f})"


def _draw(lesion: Lesion, volumes: Mapping[Phase, Volume], mask: Volume, side_mm: float) -> dict[str, Any]:
    """The lesion's largest slice in each phase, side by side, as base64 of a PNG."""
    phases = [phase for phase in READ_PHASES if phase in volumes]
    z, (_, row_mm, column_mm) = lesion.largest_slice, mask.spacing_mm
    box_mm = [(part.start * step, (part.stop - 1) * step) for part, step in zip(lesion.bounding_box[1:], (row_mm, column_mm), strict=True)]
    half_mm = max(SMALLEST_WINDOW_MM, *(last - first + 2 * MARGIN_MM for first, last in box_mm)) / 2
    (y_mm, x_mm) = ((first + last) / 2 for first, last in box_mm)
    rows, columns = mask.shape[1:]
    extent_mm = (-column_mm / 2, (columns - 0.5) * column_mm, (rows - 0.5) * row_mm, -row_mm / 2)
    figure = Figure(figsize=(len(phases) * side_mm / MM_PER_INCH, side_mm / MM_PER_INCH), facecolor="black")
    inside = mask.array[z] != 0
    for position, phase in enumerate(phases):
        axes = figure.add_axes((position / len(phases), 0, 0.985 / len(phases), 1), facecolor="black", xticks=[], yticks=[])
        image = volumes[phase].array[z]
        low, high = np.percentile(image, (1, 99.5))
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), extent=extent_mm, interpolation="bilinear")
        if inside.any() and not inside.all():
            axes.contour(np.arange(columns) * column_mm, np.arange(rows) * row_mm, inside, levels=[0.5], colors=PREDICTION_COLOUR, linewidths=0.8)
        axes.set(xlim=(x_mm - half_mm, x_mm + half_mm), ylim=(y_mm + half_mm, y_mm - half_mm))
        axes.text(0.03, 0.97, str(phase).replace("_", " "), transform=axes.transAxes, va="top", fontsize=6, color="white")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PICTURE_DPI)
    shown = ", ".join(str(phase).replace("_", " ") for phase in phases)
    return {"picture": base64.b64encode(file.getvalue()).decode(), "width_mm": f"{len(phases) * side_mm:.1f}", "height_mm": f"{side_mm:.1f}",
            "alternative": f"Lesion {lesion.lesion_id} with its outline, {2 * half_mm:.0f} mm wide: {shown}"}


def _describe_versions(versions: Mapping[str, str]) -> str:
    """Without the checksums, which nobody reads on paper."""
    return _cut(" · ".join(f"{name} {value}" for name, value in versions.items() if "sha256" not in name), VERSIONS_CHARACTERS)


def _shorten(lines: tuple[str, ...]) -> list[str]:
    """The first lines; all of them stand in report.json."""
    shown = [_cut(line, LONGEST_LINE) for line in lines[:MOST_LEFT_OUT]]
    return shown + ([f"{len(lines) - MOST_LEFT_OUT} more in report.json"] if len(lines) > MOST_LEFT_OUT else [])


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest - 1].rstrip()}…"
