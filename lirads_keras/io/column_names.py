"""Names of columns that look like a mistyped one: such a column would be passed over without a word."""
from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

TYPO_SIMILARITY = 0.85
"""Names that are at least this alike (difflib's ratio) are taken for one with a typing error: scaner and scanner, not age and stage."""


def find_typos(header: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """For each of the `known` columns that is absent, the unknown column that looks like it, if one does."""
    unknown = [column for column in header if column not in known]
    typos = {}
    for column in known:
        if column not in header and (near := get_close_matches(column.lower(), [name.lower() for name in unknown], 1, TYPO_SIMILARITY)):
            typos[column] = next(name for name in unknown if name.lower() == near[0])
    return typos
