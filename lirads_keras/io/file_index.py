"""`files.csv` of a manifest folder: which files, and which frames of them, are which time point, so that nobody looks for them again."""
from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path

from lirads_keras.entities import Series
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_bytes

NAME = "files.csv"
COLUMNS = ("series_uid", "time_point", "path", "frame")


@dataclass(frozen=True)
class FileIndex:
    """Files (below the series' folder) and frames of each series_uid and time point, slices in order."""

    slices: Mapping[tuple[str, int], tuple[tuple[str, int | None], ...]]

    def find(self, folder: Path, series_uid: str, time_point: int) -> Series | None:
        """The series in its folder, None if the index does not know it."""
        slices = self.slices.get((series_uid, time_point))
        if slices is None:
            return None
        frames = tuple(frame for _, frame in slices if frame is not None)
        return Series(series_uid, tuple(folder / path for path, _ in slices), None, "", temporal_index=time_point, frames=frames)


def write_file_index(folder: Path, series: Iterable[tuple[Path, Series]]) -> None:
    """Writes `files.csv` into a manifest folder; each series comes with the folder that its paths are to start from."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for start, item in series:
        frames = item.frames or [""] * len(item.files)
        rows.writerows((item.series_uid, item.temporal_index, os.path.relpath(path, start), frame)
                       for path, frame in zip(item.files, frames, strict=True))
    # A name that is no UTF-8 has to be found again.
    write_bytes(folder / NAME, lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))


def read_file_index(folder: Path) -> FileIndex:
    """Reads `files.csv` of a manifest folder; an empty index where there is none.

    Raises:
        InputError: the file is no such table.
    """
    path = folder / NAME
    try:
        state = path.stat()
    except OSError:
        return FileIndex({})
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, modified_ns: int, size: int) -> FileIndex:
    """Read once, not once a patient; the file's time and size are part of the key."""
    try:
        rows = list(csv.reader(StringIO(path.read_text(encoding="utf-8-sig", errors="surrogateescape"), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(str(path), "a UTF-8 CSV file", " ".join(str(error).split()))) from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(Problem(f"{path}, line 1", ", ".join(COLUMNS), ", ".join(rows[0]) if rows else "nothing"))
    slices: dict[tuple[str, int], list[tuple[str, int | None]]] = {}
    problems = []
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != 4 or not row[1].isdecimal() or not row[2] or (row[3] and not row[3].isdecimal()):
            problems.append(Problem(f"{path}, line {line}", "series_uid, whole time_point, path, whole or empty frame", ", ".join(row)[:120]))
        elif os.path.isabs(row[2]) or os.path.normpath(row[2]).split(os.sep)[0] == os.pardir:
            problems.append(Problem(f"{path}, line {line}, path", "a path inside of the series' folder", repr(row[2])))
        else:
            slices.setdefault((row[0], int(row[1])), []).append((row[2], int(row[3]) if row[3] else None))
    raise_if_any(problems)
    return FileIndex({key: tuple(found) for key, found in slices.items()})
