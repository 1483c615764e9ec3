"""`lirads score`: categories for a table of features, by the rules alone."""
from __future__ import annotations

import argparse
from pathlib import Path

from lirads_keras.commands.arguments import check_out
from lirads_keras.errors import InputError, Problem


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    score = commands.add_parser(
        "score", help="categories for a table of features, by the rules alone",
        description="Reads a CSV table with the columns lesion_id, diameter_mm, aphe, washout and capsule, and writes it with category and reasons. "
                    "Features are yes, no, true, false, 1 or 0; blank or NA: not assessed. Optional: threshold_growth (or prior_diameter_mm and days), "
                    "ancillary_malignant, ancillary_benign, and override: LR-NC, LR-TIV, LR-1, LR-2, LR-M, or a tie such as LR-4|LR-5.")
    score.add_argument("features", type=Path, metavar="FEATURES.csv", help="table with one lesion a row")
    score.add_argument("--rules", required=True, help="paper (Table 3) or v2018 (the complete LI-RADS v2018 algorithm)")
    score.add_argument("--diameter-unit", choices=("mm", "cm"),
                       help="of all sizes, whatever their column is called (default: mm, and an error where they look like centimetres)")
    score.add_argument("--out", type=Path, required=True, help="new CSV file for the result")
    score.set_defaults(command=_score)


def _score(parsed: argparse.Namespace) -> None:
    from lirads_keras.evaluation.feature_table import score_feature_table

    check_out(parsed.out.absolute().parent)
    if parsed.out.exists():
        raise InputError(Problem(f"--out {parsed.out}", "a new file", "one that is there already"))
    lesions = score_feature_table(parsed.features, parsed.out, parsed.rules, parsed.diameter_unit)
    print(f"{lesions} lesion(s){f', sizes read as {parsed.diameter_unit}' if parsed.diameter_unit else ''}; {parsed.out}")
