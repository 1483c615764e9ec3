"""The gate: whether a time point may be a contrast phase of a T1-weighted dynamic MRI of the liver, and if not, why."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

LARGEST_OBLIQUITY_DEG = 45.0
"""Slices whose normal lies farther from the head-foot axis are no axial ones: tilted by more, they are nearer to another plane. Axial stacks are tilted
along the liver or the diaphragm by less than 30°."""


LONGEST_ECHO_MS = 30.0
"""A T1-weighted gradient-echo image of the liver has its echo by 5 ms, an in-phase one at 0.3 T by 23 ms; T2-weighted, diffusion and MRCP images have it from
60 ms on."""

_PLAIN = str.maketrans("łıø", "lio")
"""Letters that Unicode does not take for an accented one."""

_VOICED = "\u3099\u309a"
"""The marks that make another syllable of a kana; the others are accents."""


@dataclass(frozen=True)
class Obstacle:
    """Why a time point is no contrast phase.

    `is_final`: no word of the user makes it one (another modality, another plane). `replaces_phase`: where the phase that its name tells is missing, it may
    have been meant for it (a CT, a coronal or fat image of that phase, a subtraction), other than a T2-weighted image or a scout.
    """

    reason: str
    is_final: bool
    replaces_phase: bool


@dataclass(frozen=True)
class _Rules:
    """Of `phase_rules.yaml`, what is no phase: by name, with whether it was made from one, and by value of ImageType; names of institutions are no such."""

    names: tuple[tuple[str, bool, re.Pattern[str]], ...]
    institution: re.Pattern[str]
    image_types: dict[str, re.Pattern[str]]


def find_obstacle(modality: str, orientation: Sequence[float], image_type: Sequence[str]) -> Obstacle | None:
    """What the headers of a time point say against its being a phase; its name is asked by `find_name_obstacle`.

    Args:
        modality: MR is what the phases are of.
        orientation: ImageOrientationPatient (0020,0037); empty where it is not known.
        image_type: ImageType (0008,0008).
    """
    if modality != "MR":
        return Obstacle(f"Modality {modality}: the phases are read from MR", is_final=True, replaces_phase=True)
    if plane := find_plane_obstacle(orientation):
        return plane
    for kind, pattern in _read_rules().image_types.items():
        if value := next((value for value in image_type if pattern.search(simplify_name(value))), None):
            return Obstacle(f"ImageType '{value}': {kind}", is_final=False, replaces_phase=True)
    for value in image_type:
        if obstacle := find_name_obstacle(value):
            return Obstacle(f"ImageType '{value}': {obstacle.reason}", is_final=False, replaces_phase=True)
    return None


def find_plane_obstacle(orientation: Sequence[float]) -> Obstacle | None:
    """A coronal or sagittal plane; oblique axial slices are none."""
    if not orientation:
        return None
    normal = np.abs(np.cross(orientation[:3], orientation[3:]))
    angle = float(np.degrees(np.arctan2(np.hypot(normal[0], normal[1]), normal[2])))
    if round(angle, 1) <= LARGEST_OBLIQUITY_DEG:
        return None
    plane = "sagittal" if normal[0] > normal[1] else "coronal"
    return Obstacle(f"{plane} slices, {angle:.0f}° from axial; up to {LARGEST_OBLIQUITY_DEG:g}° are read", is_final=True, replaces_phase=True)


def find_weighting_obstacle(echo_time_ms: float | None, b_value: float | None) -> Obstacle | None:
    """What EchoTime (0018,0081) and DiffusionBValue (0018,9087, in s/mm²) say against T1 weighting; asked where the name says nothing against it."""
    if b_value:
        return Obstacle(f"DiffusionBValue {b_value:g} s/mm²: diffusion", is_final=False, replaces_phase=True)
    if echo_time_ms is not None and echo_time_ms > LONGEST_ECHO_MS:
        return Obstacle(
            f"EchoTime {echo_time_ms:g} ms: another weighting; T1-weighted images have up to {LONGEST_ECHO_MS:g} ms", is_final=False, replaces_phase=True)
    return None


@lru_cache(maxsize=4096)
def find_name_obstacle(name: str) -> Obstacle | None:
    """What a series' description or protocol says against its being a phase: another contrast, a scout, an image that was computed from a phase's."""
    text = _read_rules().institution.sub(" ", simplify_name(name))
    for kind, of_a_phase, pattern in _read_rules().names:
        if found := pattern.search(text):
            return Obstacle(f"{kind} ('{found.group()}')", is_final=False, replaces_phase=of_a_phase)
    return None


def simplify_name(text: str) -> str:
    """Lower case without accents; what is no letter, digit, "+", "." or "%" becomes one space. Kana and Hangul stay whole."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_PLAIN))
    letters = "".join(character for character in decomposed if character in _VOICED or not unicodedata.combining(character))
    return re.sub(r"(?:[^\w+.%]|_)+", " ", unicodedata.normalize("NFC", letters)).strip()


def read_rule_table() -> Any:
    """The package's `phase_rules.yaml`."""
    return yaml.safe_load(files("lirads_keras.io").joinpath("phase_rules.yaml").read_text(encoding="utf-8"))


@cache
def _read_rules() -> _Rules:
    table = read_rule_table()
    return _Rules(
        names=tuple(
            (kind, section == "made_from_a_phase", re.compile("|".join(patterns)))
            for section in ("not_a_phase", "made_from_a_phase") for kind, patterns in table[section].items()),
        institution=re.compile("|".join(table["institution"])),
        image_types={kind: re.compile("|".join(patterns)) for kind, patterns in table["image_types"].items()})
