"""Types of arguments that several commands share."""
from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lirads_keras.errors import InputError, Problem

if TYPE_CHECKING:
    from lirads_keras.config.preprocessing import Registration
    from lirads_keras.config.profile import Profile
    from lirads_keras.entities import Applicability

ANSWERS = {"yes": True, "no": False}
NETWORKS = "full|ensemble|fold-K"


def parse_positive(text: str) -> int:
    """A whole number from 1."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


def parse_non_negative(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text!r}")
    return int(text)


def parse_cutoff(text: str) -> float | Literal["auto"]:
    """Eq. 1's cut-off: `auto`, or a number of scanner units."""
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected auto or a number of scanner units from 0, found {text!r}")
    return value


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """`--networks` and `--segmentation`: which of a run's networks read a study. What they may be depends on the run, which `find_run_files` knows."""
    parser.add_argument("--networks", default="full", metavar=NETWORKS,
                        help="networks that were trained on all patients, the mean over those of all folds, or those of one fold (default: full)")
    parser.add_argument("--segmentation", metavar="VARIANT", help="segmentation variant (default: of the run's the one that reads most phases)")
    parser.add_argument("--fold", action=_Gone, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def add_assumption_argument(parser: argparse.ArgumentParser) -> None:
    """`--assume-aligned`, for studies whose phases have several frames of reference."""
    parser.add_argument("--assume-aligned", action="store_true",
                        help="phases lie in one place also where their frames of reference (FrameOfReferenceUID) differ, as the user knows")


def add_population_arguments(parser: argparse.ArgumentParser) -> None:
    """`--high-risk`, `--untreated` and `--despite-age`: whether LI-RADS is for the patients."""
    parser.add_argument("--high-risk", choices=ANSWERS, help="whether the patients are at high risk of HCC, whom LI-RADS is for (default: not answered)")
    parser.add_argument("--untreated", choices=ANSWERS, help="whether the lesions are untreated and without pathological proof (default: not answered)")
    parser.add_argument("--despite-age", action="store_true", help="give categories to patients under 18, too, for whom LI-RADS is not")


def read_answers(parsed: argparse.Namespace) -> Applicability:
    """What `add_population_arguments` was answered."""
    from lirads_keras.entities import Applicability

    return Applicability(None, ANSWERS.get(parsed.high_risk), ANSWERS.get(parsed.untreated), parsed.despite_age)


def choose_registration(profile: Profile, parsed: argparse.Namespace) -> Registration | None:
    """The registration of phases that `--assume-aligned` leads to; None: the profile's. One that registers them needs no assumption."""
    return "assumed" if parsed.assume_aligned and profile.preprocessing.registration == "none" else None


class _Gone(argparse.Action):
    """Tells who still gives an option that there was what does its work."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        parser.error(f"argument {option_string}: expected --networks {NETWORKS} instead, found {option_string} {values}")


def check_out(folder: Path) -> None:
    """A folder that is there, or can be made.

    Raises:
        InputError: it, or the folder that it would be made in, is a file or not writable.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(Problem(f"--out {folder}", "a folder that can be written", f"{there}, {'not writable' if there.is_dir() else 'a file'}"))


def check_out_is_new(folder: Path) -> None:
    """As `check_out`, and nothing stands there yet.

    Raises:
        InputError: as `check_out`, or the folder holds something.
    """
    check_out(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(Problem(f"--out {folder}", "a new or an empty folder", "something is there already"))
