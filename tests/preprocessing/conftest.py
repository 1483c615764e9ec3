from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from slice_studies import make_study  # noqa: E402


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return [make_study(folder / f"P{seed}", slices=6 + seed, seed=seed, lesions=() if seed == 2 else (2, 3 + seed)) for seed in range(3)]
