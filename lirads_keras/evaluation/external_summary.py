"""What segmentation networks find in an external set, in a few lines."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lirads_keras.evaluation.external_readings import Reading

_NAMED = 3
"""So many patients of a note are named."""


def summarize_scores(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a segmentation variant.

    Dice is over the patients with a reference lesion. Precision is detected lesions over these and the false ones, as in §3; a false lesion is a component
    that belongs to no reference lesion. What cannot be computed is NaN.

    Args:
        rows: of scores.csv.
    """
    table = pd.DataFrame(rows).astype({"dice": float})
    summary = []
    for name, part in table.groupby("segmentation", sort=False):
        detected, reference, false = int(part["n_detected"].sum()), int(part["n_reference"].sum()), part["n_predicted"] - part["n_matched"]
        called = detected + int(false.sum())
        summary.append({
            "segmentation": name, "patients": len(part), "with a lesion": int((part["n_reference"] > 0).sum()), "mean Dice": part["dice"].mean(),
            "median Dice": part["dice"].median(), "lesions detected": f"{detected} of {reference}", "precision": detected / called if called else np.nan,
            "false lesions a patient": false.mean()})
    return pd.DataFrame(summary)


def describe_scores(rows: Sequence[Mapping[str, Any]]) -> str:
    """`summarize_scores` as a table of text."""
    return summarize_scores(rows).to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.3f}")


def describe_notes(readings: Sequence[Reading]) -> list[str]:
    """A line for each note of each variant: how many patients, who, and whether they were scored."""
    groups: dict[tuple[str, bool, str], list[str]] = {}
    for reading in readings:
        if reading.note:
            groups.setdefault((reading.segmentation, bool(reading.images), reading.note), []).append(reading.patient_id)
    return [
        f"{segmentation}, {len(names)} patient{'s' if len(names) > 1 else ''} {'' if scored else 'not '}scored ({', '.join(names[:_NAMED])}"
        f"{' …' if len(names) > _NAMED else ''}): {note}"
        for (segmentation, scored, note), names in groups.items()]
