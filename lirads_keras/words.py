"""Phases and lists in sentences."""
from __future__ import annotations

from collections.abc import Sequence

from lirads_keras.entities import Phase


def name_phases(phases: Sequence[Phase]) -> str:
    """"delayed phase", "portal venous and delayed phases"."""
    return f"{enumerate_words([str(phase).replace('_', ' ') for phase in phases])} {'phases' if len(phases) > 1 else 'phase'}"


def enumerate_words(words: Sequence[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
