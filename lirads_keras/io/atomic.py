"""Files appear whole or not at all: written beside, flushed to disk, renamed."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it over `path` on success and removes it on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as SimpleITK choose the format by it.
    beside = path.with_name(f".{uuid4().hex[:8]}.{path.name}")
    try:
        yield beside
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Lets `write` fill an open binary file that becomes `path`."""
    with replacing(path) as beside, open(beside, "wb") as file:
        write(file)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text. Bytes of a file's name that are no UTF-8, as old disks hold them, are written as \\udcXX."""
    write_bytes(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def write_json(path: Path, content: Any) -> None:
    """Writes JSON with sorted keys, so that equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes a .npy file that `numpy.load(..., mmap_mode="r")` can map."""
    write_bytes(path, lambda file: np.save(file, array, allow_pickle=False))
