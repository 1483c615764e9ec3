"""How well a label was found in the test patients of each fold: a table of Dice, and a page that sums it up."""
from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lirads_keras.evaluation.overlap import compute_level, score_mask
from lirads_keras.io.atomic import write_text
from lirads_keras.lesions import drop_small_components
from lirads_keras.run import NetworkFolder

COLUMNS = {
    "patient_id": "", "fold": "test fold, from 0", "has_reference": "1 if the label occurs in the patient's mask",
    "threshold": "chosen on patients whom the fold neither tests nor trains on", "minimum_volume_mm3": "chosen with it; smaller components do not count",
    "dice": "of all voxels (§3); empty where mask and prediction are both empty",
    "volume_reference_ml": "", "volume_predicted_ml": ""}
"""Columns of dice.csv."""


def score_fold(folder: NetworkFolder, fold: int, references: Iterable[tuple[str, np.ndarray, float]]) -> list[dict[str, object]]:
    """Rows of dice.csv for the test patients of a fold.

    Args:
        folder: of the fold, which is finished.
        fold: its number.
        references: patient id, mask bool (z, y, x) and volume of a voxel in ml of each test patient; one at a time is held in memory.
    """
    threshold, minimum_volume_mm3 = folder.cut
    rows: list[dict[str, object]] = []
    for patient_id, reference, voxel_ml in references:
        levels = np.load(folder.prediction(patient_id), mmap_mode="r")
        predicted = drop_small_components(levels >= compute_level(threshold), minimum_volume_mm3, voxel_ml * 1000)
        volumes = (np.count_nonzero(mask) * voxel_ml for mask in (reference, predicted))
        rows.append(dict(zip(COLUMNS, (patient_id, fold, int(reference.any()), threshold, minimum_volume_mm3, score_mask(predicted, reference), *volumes),
                             strict=True)))
    return rows


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Dice over the patients with the label, all of them and fold by fold: number, mean, standard deviation, median and quartiles."""
    positive = table[table["has_reference"] == 1]
    groups = [("all", positive), *((f"fold {fold}", part) for fold, part in positive.groupby("fold"))]
    return pd.DataFrame([{
        "patients": name, "n": len(part), "mean": part["dice"].mean(), "sd": part["dice"].std(), "median": part["dice"].median(),
        "first_quartile": part["dice"].quantile(0.25), "third_quartile": part["dice"].quantile(0.75)} for name, part in groups])


def write_segmentation_report(out: Path, rows: list[dict[str, object]], *, title: str, facts: Mapping[str, str]) -> str:
    """Writes dice.csv, summary.txt and report.html.

    Args:
        out: folder.
        rows: of all folds, from `score_fold`.
        title: what was found in whom.
        facts: what the page says of cohort, profile and label.

    Returns:
        The summary's text.
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["fold", "patient_id"], kind="stable")
    write_text(out / "dice.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    summary = summarize(table)
    negatives = table[table["has_reference"] == 0]
    notes = [f"{name}: {value}" for name, value in facts.items()]
    notes.append("Dice of each test patient, found by the network that had not seen them, at the threshold and minimum volume that it chose on others.")
    if len(negatives):
        clean = int((negatives["volume_predicted_ml"] == 0).sum())
        notes.append(f"{len(negatives)} patients without the label: nothing was found in {clean}, "
                     f"{negatives['volume_predicted_ml'].median():.3g} ml in the median.")
    text = "\n".join([title, "", *notes, "", summary.to_string(index=False, float_format=lambda value: f"{value:.3f}"), ""])
    write_text(out / "summary.txt", text)
    write_text(out / "report.html", "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">', f"<title>{html.escape(title)}</title>",
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}table{border-collapse:collapse}"
        "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(note)}</p>" for note in notes),
        "<h2>Dice</h2>", summary.to_html(index=False, border=0, float_format=lambda value: f"{value:.3f}"),
        "<h2>Patients</h2>", table.to_html(index=False, border=0, na_rep="", float_format=lambda value: f"{value:.4g}"),
        "<p>Research use only.</p></body></html>", ""]))
    return text
