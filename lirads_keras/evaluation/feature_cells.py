"""What the cells of a table of features may hold, and what they mean."""
from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from lirads_keras.entities import Category
from lirads_keras.lirads.batch import NOT_ASSESSED, ReaderDecision
from lirads_keras.lirads.steps import OVERRIDE_ORDER, TIES

FLAGS = {"yes": 1, "no": 0, "true": 1, "false": 0, "1": 1, "0": 0}
"""What a feature's cell may hold beside a blank, in upper or lower case."""

BLANKS = frozenset(("", "na", "n/a", "#n/a", "nan", "<na>", "null"))
"""What R, pandas and spreadsheets write for no value, in lower case; not "none", which may be a reader's word for an absent feature."""

SUMMARY_NAMES = frozenset(("mean", "average", "median", "sum", "total", "sd", "std"))
"""Rows that spreadsheets end with, which are no lesions."""

SMALLEST_MM, LARGEST_MM = 1.0, 300.0
"""Below the one nothing is measured on MRI, and no liver has room for more than the other."""

UNUSUAL_BELOW_MM = 5.0
"""An observation of this size is hardly ever given features; most lesions that are written in cm have a smaller number."""

USUAL_FROM_MM = 10.0
"""In a table in mm most lesions reach this number, in a table in cm next to none."""

LONGEST_DAYS = 36_525.0
"""A hundred years."""

UNIT_OPTION = "--diameter-unit mm|cm"
MM_IN_A_CM = 10.0

_ONE_OR_ZERO = re.compile(r"([01])\.0*", re.ASCII)
"""As programs write a column of 1 and 0 in which a cell is blank."""


class BadCell(Exception):
    """A cell holds something else than `expected`."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


class UnclearUnit(BadCell):
    """A size that may be in another unit than it is taken for."""


def is_blank(text: str) -> bool:
    """Whether a cell holds nothing, or a word for it."""
    return text.strip().lower() in BLANKS


def parse_name(text: str) -> str:
    if is_blank(text) or text.strip().lower() in SUMMARY_NAMES:
        raise BadCell("a lesion's name")
    return text


def parse_flag(text: str) -> int:
    """1, 0, or −1 for a blank."""
    word = text.strip().lower()
    if word in BLANKS:
        return NOT_ASSESSED
    if match := _ONE_OR_ZERO.fullmatch(word):
        return int(match[1])
    try:
        return FLAGS[word]
    except KeyError:
        raise BadCell("yes, no, true, false, 1, 0 or nothing") from None


def parse_positive(text: str) -> float:
    text = text.strip()
    # float() itself also takes 1_000 and digits of other scripts.
    try:
        value = float(text) if text.isascii() and "_" not in text else nan
    except ValueError:
        value = nan
    if not 0 < value < inf:
        raise BadCell("a positive number")
    return value


def parse_optional_days(text: str) -> float:
    """NaN for a blank."""
    if is_blank(text):
        return nan
    days = parse_positive(text)
    if days > LONGEST_DAYS:
        raise BadCell(f"at most {LONGEST_DAYS:g} days")
    return days


def parse_modality(text: str) -> bool:
    """Whether an earlier size is of CT or MR, from which alone threshold growth is read."""
    return text.strip().upper() in ("CT", "MR", "MRI")


def parse_size_source(text: str) -> str:
    """Who measured: `network`, `reader`, or nothing for a blank."""
    source = "" if is_blank(text) else text.strip().lower()
    if source not in ("network", "reader", ""):
        raise BadCell("network, reader or nothing")
    return source


def parse_age(text: str) -> float:
    """Years, as a number or as DICOM writes them (012Y); NaN for a blank."""
    if is_blank(text):
        return nan
    try:
        return parse_positive(text.strip().upper().removesuffix("Y"))
    except BadCell:
        raise BadCell("an age in years, or nothing") from None


@dataclass(frozen=True)
class SizeUnit:
    """How a table's sizes are read: `name` is "mm" or "cm"; None: nobody said, and they are mm where no doubt is left."""

    name: str | None = None

    @property
    def lowest_mm(self) -> float:
        """What is smaller is asked about."""
        return UNUSUAL_BELOW_MM if self.name is None else SMALLEST_MM

    def to_mm(self, sizes: Any) -> Any:
        """A size or an array of sizes in mm."""
        if self.name != "cm":
            return sizes
        # 10 × a number of two decimals may come out beside the limit that it means.
        with np.errstate(over="ignore"):
            return np.round(np.multiply(sizes, MM_IN_A_CM), 9)

    def parse(self, text: str) -> float:
        """A size in mm."""
        size_mm = float(self.to_mm(parse_positive(text)))
        if not SMALLEST_MM <= size_mm <= LARGEST_MM:
            limits = [f"{limit / (MM_IN_A_CM if self.name == 'cm' else 1):g}" for limit in (SMALLEST_MM, LARGEST_MM)]
            raise BadCell(f"a size from {limits[0]} to {limits[1]} {self.name or 'mm'} ({UNIT_OPTION} says in what unit sizes are)")
        if size_mm < self.lowest_mm:
            raise UnclearUnit(f"a size from {self.lowest_mm:g} mm on, or {UNIT_OPTION} to say that it is one, or centimetres")
        return size_mm

    def parse_optional(self, text: str) -> float:
        """As `parse`; NaN for a blank."""
        return nan if is_blank(text) else self.parse(text)


def parse_decision(text: str) -> ReaderDecision:
    """Categories that override the table, separated by spaces or semicolons; or two with | between which the reader is undecided."""
    words = [] if is_blank(text) else re.split(r"[;\s]+", text.strip().upper())
    if all(word in OVERRIDE_ORDER for word in words):
        return ReaderDecision(tuple(Category(word) for word in words))
    pair = words[0].split("|")
    if len(words) == 1 and frozenset(pair) in TIES:
        return ReaderDecision(tie=(Category(pair[0]), Category(pair[1])))
    raise BadCell(f"{', '.join(OVERRIDE_ORDER)}, or a tie such as LR-4|LR-5, or nothing")
