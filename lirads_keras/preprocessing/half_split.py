"""The half split beside the nine folds: the paper's printed accuracies fit a test set of 88 of its 174 lesions (ledger item 2)."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PAPER_TEST_SHARE = 88 / 174
"""Share of the lesions that are tested."""
DRAWS = 200
"""Random halves that are looked at; among so many one is as near as the lesions' numbers allow."""
_HALF = 4
"""Random stream; the folds have 1 to 3 (splits.py)."""


def split_half(lesions_of: Mapping[str, int], seed: int) -> list[str]:
    """The test patients: of DRAWS random halves the first whose number of lesions is nearest to 88 of 174.

    Args:
        lesions_of: number of lesions of each patient; their order does not matter.
        seed: of the draws.

    Returns:
        Sorted ids of half of the patients, rounded down; the other patients are trained on.

    Raises:
        ValueError: there are fewer than two patients.
    """
    if len(lesions_of) < 2:
        raise ValueError(f"a half split needs two patients or more, not {len(lesions_of)}")
    names = sorted(lesions_of)
    counts = np.array([lesions_of[name] for name in names])
    wanted = PAPER_TEST_SHARE * counts.sum()
    generator = np.random.default_rng((seed, _HALF))
    draws = [generator.permutation(len(names))[:len(names) // 2] for _ in range(DRAWS)]
    best = min(draws, key=lambda chosen: abs(int(counts[chosen].sum()) - wanted))
    return sorted(names[index] for index in best)
