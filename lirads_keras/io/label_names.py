"""What the labels of a label map mean: labels.csv of a manifest (mask_label, name), and ITK-SNAP's label descriptions."""
from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_text
from lirads_keras.io.tables import Column, check_cells, check_unique, read_table

COLUMNS = {"mask_label": Column("integer", lowest=1, highest=65535), "name": Column("text")}

_SNAP_LINE = re.compile(r'(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+[01]\s+[01]\s+"(.*)"')
"""Label, red, green, blue, opacity, visible in slices, visible in 3-D, name."""


def read_label_names(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name → labels of a manifest's labels.csv; empty where there is none. A name may stand for several labels (liver: 1 and 2).

    Raises:
        InputError: everything that is wrong with the table.
    """
    path = folder / "labels.csv"
    if not path.exists():
        return {}
    problems: list[Problem] = []
    table = read_table(path, COLUMNS, problems)
    if table is not None:
        check_cells(table, COLUMNS, problems)
        check_unique(table, ("mask_label", "name"), problems)
    raise_if_any(problems)
    assert table is not None
    names: dict[str, tuple[int, ...]] = {}
    for label, name in table.cells("mask_label", "name"):
        names[name] = (*names.get(name, ()), int(label))
    return names


def write_label_names(folder: Path, names: Mapping[str, Iterable[int]]) -> None:
    """Writes labels.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((label, name) for name, labels in names.items() for label in labels)
    write_text(folder / "labels.csv", text.getvalue())


def choose_labels(choice: str, names: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The labels that a user names: "liver", "1", or several joined by commas, whose union is meant.

    Raises:
        InputError: a name that labels.csv does not know.
    """
    by_name = {name.casefold(): labels for name, labels in names.items()}
    chosen: set[int] = set()
    problems = []
    for part in (text.strip() for text in choice.split(",")):
        if part.casefold() in by_name:
            chosen.update(by_name[part.casefold()])
        elif part.isascii() and part.isdecimal() and 0 < int(part) <= 65535:
            chosen.add(int(part))
        else:
            near = get_close_matches(part.casefold(), by_name, 1)
            known = ", ".join(names) or "labels.csv names none; give the number of the label"
            problems.append(Problem(f"--label {choice}", f"a name of labels.csv ({known}) or a whole number from 1 to 65535",
                                    repr(part) + (f" (did you mean {near[0]}?)" if near else "")))
    raise_if_any(problems)
    return tuple(sorted(chosen))


def read_snap_labels(path: Path) -> dict[int, str]:
    """Label → name of an ITK-SNAP label description file, without the clear label 0.

    Raises:
        InputError: a file that is not to be read, or lines of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(Problem(str(path), "a readable label description file", error.strerror or str(error))) from error
    except UnicodeDecodeError as error:
        raise InputError(Problem(str(path), "UTF-8 text", f"the byte {error.object[error.start]:#04x} at {error.start}")) from error
    names: dict[int, str] = {}
    problems = []
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if not line or line.startswith("#"):
            continue
        if not (found := _SNAP_LINE.fullmatch(line)):
            problems.append(Problem(f"{path}, line {number}", 'label, red, green, blue, opacity, two switches and "name" (ITK-SNAP)', repr(line[:80])))
        elif int(found[1]) in names:
            problems.append(Problem(f"{path}, line {number}", "each label once", f"{found[1]} again"))
        else:
            names[int(found[1])] = found[2].strip() or f"label {found[1]}"
    raise_if_any(problems)
    names.pop(0, None)
    return names


def is_snap_labels(path: Path) -> bool:
    """Whether a text file looks like an ITK-SNAP label description: its first line that is no comment has that form."""
    try:
        lines = (line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    except OSError:
        return False
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return bool(_SNAP_LINE.fullmatch(first))
