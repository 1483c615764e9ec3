"""How many files a process may hold open: a mapped array holds its file, and a cohort has thousands of them."""
from __future__ import annotations

import resource


def allow_open_files() -> None:
    """Raises the process' limit to the most that the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
