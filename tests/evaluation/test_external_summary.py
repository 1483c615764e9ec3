from __future__ import annotations

from pathlib import Path

import numpy as np

from lirads_keras.entities import Phase
from lirads_keras.evaluation.external_readings import Reading
from lirads_keras.evaluation.external_summary import describe_notes, describe_scores, summarize_scores


def score(segmentation: str, dice: float | None, *counts: int) -> dict[str, object]:
    return {"segmentation": segmentation, "dice": dice, **dict(zip(("n_reference", "n_detected", "n_predicted", "n_matched"), counts, strict=True))}


def test_counts_are_over_lesions_and_dice_over_patients_who_have_one() -> None:
    # One component covers two lesions of the first patient, and three are false.
    rows = [score("delayed", 0.5, 3, 2, 2, 1), score("delayed", 0.2, 1, 0, 0, 0), score("delayed", 0.8, 1, 1, 1, 1), score("delayed", None, 0, 0, 2, 0)]
    summary, = summarize_scores(rows).to_dict("records")
    assert summary["patients"] == 4 and summary["with a lesion"] == 3 and summary["lesions detected"] == "3 of 5"
    np.testing.assert_allclose([summary[name] for name in ("mean Dice", "median Dice", "precision", "false lesions a patient")], [0.5, 0.5, 3 / 6, 3 / 4])


def test_what_cannot_be_computed_is_a_dash() -> None:
    line = describe_scores([score("delayed", None, 0, 0, 0, 0)]).splitlines()[1]
    assert line.split() == ["delayed", "1", "0", "–", "–", "0", "of", "0", "–", "0.000"]


def test_notes_are_told_once_for_all_patients() -> None:
    image = {Phase.DELAYED: Path("a.nii")}
    odd = [Reading("delayed", f"P{number}", image, "odd") for number in range(4)]
    readings = [*odd, Reading("delayed", "P5", image), Reading("three-phase", "P0", {}, "odd")]
    assert describe_notes(readings) == ["delayed, 4 patients scored (P0, P1, P2 …): odd", "three-phase, 1 patient not scored (P0): odd"]
