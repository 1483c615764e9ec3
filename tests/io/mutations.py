"""Files with bytes set, inserted or deleted."""
from __future__ import annotations

import resource

from hypothesis import strategies as st

Mutations = list[tuple[str, float, bytes]]

MUTATIONS = st.lists(st.tuples(st.sampled_from(["set", "insert", "delete"]), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=5)
"""What is done, where (as a part of what may be changed), and with which bytes."""

MEMORY_BYTES = 2 * 1024 ** 3


def mutate(original: bytes, mutations: Mutations, first: int = 0) -> bytes:
    """The content with changes from byte `first` on."""
    content = bytearray(original)
    for change, place, data in mutations:
        start = first + int(place * (len(content) - first))
        content[start:start if change == "insert" else start + len(data)] = b"" if change == "delete" else data
    return bytes(content)


def find_peak_bytes() -> int:
    """The most memory that this process ever had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
