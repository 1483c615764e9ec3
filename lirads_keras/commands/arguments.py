"""Types of arguments that several commands share."""
from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Literal

from lirads_keras.errors import InputError, Problem


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


def parse_fold(text: str) -> int | Literal["all", "best"]:
    """A fold's number, or `all` or `best`."""
    if text == "all":
        return "all"
    if text == "best":
        return "best"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected all, best or a fold's number, found {text!r}")
    return int(text)


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
