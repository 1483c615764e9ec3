"""A copy of the checkout in which a test makes one edit, and what Python and R then find there."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ROOMS = ("lirads_keras", "experiments", "r_analysis", "data_manifests")


def copy_checkout(folder: Path) -> Path:
    """The code and what it reads, copied into `folder`."""
    for room in ROOMS:
        shutil.copytree(CHECKOUT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(CHECKOUT / "CITATION.cff", folder)
    return folder


def edit_once(path: Path, old: str, new: str) -> None:
    """Replaces a text that stands there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def list_changed(copy: Path) -> list[str]:
    """Files of the copy that the checkout does not have, or not so."""
    files = [path.relative_to(copy) for path in sorted(copy.rglob("*")) if path.is_file()]
    return [str(file) for file in files if not (CHECKOUT / file).is_file() or (copy / file).read_bytes() != (CHECKOUT / file).read_bytes()]


def run_python(copy: Path, code: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs code that imports the copy's package and scripts."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(copy), str(copy / "experiments")]), "PYTHONDONTWRITEBYTECODE": "1"}
    # Python looks into the folder where it is started first.
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=copy, env=environment, capture_output=True, text=True, check=False)


def run_r(copy: Path, code: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs code after the copy's R functions; `schema` is the copy's, `arguments` are texts."""
    load = ('arguments <- commandArgs(TRUE); for (file in list.files(file.path(arguments[1], "R"), full.names = TRUE)) source(file, encoding = "UTF-8"); '
            'schema <- read_schema(file.path(arguments[1], "schema.csv")); arguments <- arguments[-1]; ')
    return subprocess.run(["Rscript", "-e", load + code, str(copy / "r_analysis"), *map(str, arguments)], env=os.environ | {"LC_ALL": "C.UTF-8"},
                          capture_output=True, text=True, check=False)
