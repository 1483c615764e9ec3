"""Small JSON files that say what a folder was made from."""
from __future__ import annotations

import json
from pathlib import Path


def is_finished(record: Path, identity: str) -> bool:
    """Whether the JSON file `record` was written under this identity."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))["identity"] == identity
    except (OSError, ValueError, KeyError, TypeError):
        return False
