"""`lirads score`: categories for a table of features, by the rules alone."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lirads_keras.commands.arguments import check_out
from lirads_keras.errors import InputError, Problem


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    score = commands.add_parser(
        "score", help="categories for a table of features, by the rules alone",
        description="Reads a CSV table with the columns lesion_id, diameter_mm, aphe, washout and capsule, and writes it with category and reasons. "
                    "Features are yes, no, true, false, 1 or 0; blank or NA: not assessed, whereas what a reader is in doubt of is no. "
                    "Optional: threshold_growth (or prior_diameter_mm and days since that CT or MR of the same untreated lesion; prior_modality, "
                    "prior_untreated, size_by and prior_size_by are heeded), rim_aphe, ancillary_malignant, ancillary_benign, age_years, and override: LR-NC, "
                    "LR-TIV, LR-1, LR-2, LR-M, or a tie such as LR-4|LR-5. Where several categories remain, the cell says which: LR-4 or LR-5.")
    score.add_argument("features", type=Path, metavar="FEATURES.csv", help="table with one lesion a row")
    score.add_argument("--rules", required=True, help="paper (Table 3) or v2018 (the complete LI-RADS v2018 algorithm)")
    score.add_argument("--diameter-unit", choices=("mm", "cm"),
                       help="of all sizes, whatever their column is called (default: mm, and an error where they look like centimetres)")
    score.add_argument("--despite-age", action="store_true", help="give categories to lesions with an age_years under 18, too, for whom LI-RADS is not")
    score.add_argument("--out", type=Path, required=True, help="new CSV file for the result")
    score.set_defaults(command=_score)


def _score(parsed: argparse.Namespace) -> None:
    from lirads_keras.evaluation.feature_table import score_feature_table
    from lirads_keras.lirads.applicability import CONDITION, LESIONS, POPULATION

    check_out(parsed.out.absolute().parent)
    if parsed.out.exists():
        raise InputError(Problem(f"--out {parsed.out}", "a new file", "one that is there already"))
    lesions = score_feature_table(parsed.features, parsed.out, parsed.rules, parsed.diameter_unit, despite_age=parsed.despite_age)
    print(f"notice: {POPULATION} {LESIONS} {CONDITION}", file=sys.stderr)
    print(f"{lesions} lesion(s){f', sizes read as {parsed.diameter_unit}' if parsed.diameter_unit else ''}; {parsed.out}")
