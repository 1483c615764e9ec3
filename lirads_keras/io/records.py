"""Small JSON files that say what stands beside them was made from."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import write_json


@dataclass(frozen=True)
class Record:
    """A JSON file that is written last, when what it speaks of is complete. Its `identity` changes with everything that this depends on."""

    path: Path

    def made_from(self, identity: str) -> bool:
        """Whether the record was written under this identity."""
        return self.read().get("identity") == identity

    def read(self) -> dict[str, Any]:
        """The content; empty where there is no record, or none that can be read."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def number(self, key: str, name: str) -> float:
        """A number of the content; `name` says what it is in messages.

        Raises:
            InputError: there is no such record, or none that can be read, or it lacks the number.
        """
        try:
            return float(json.loads(self.path.read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
            raise InputError(Problem(str(self.path), f"{name}, which a finished run has", found)) from error

    def write(self, identity: str, **content: Any) -> None:
        """Writes the identity and whatever else is to be known of it."""
        write_json(self.path, {"identity": identity, **content})

    def remove(self) -> None:
        """Takes back what the record says; where there is none, nothing happens."""
        self.path.unlink(missing_ok=True)
