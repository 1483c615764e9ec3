"""What a stage was made from: the sources that its script imports, directly or through others, without what says nothing to the interpreter.

Comments, docstrings and blank lines are cut out by position, and the text that is left is hashed. Neither a stream of tokens nor a tree may be hashed, as both
differ between Pythons. What is taken from them does not: the lines on which statements and comments end, the text of comments, and the places of whole
statements. Pythons 3.11, 3.12 and 3.13 gave the same digest of every module of the checkout.
"""
from __future__ import annotations

import ast
import hashlib
import io
import os
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lirads_keras.errors import InputError, Problem

NO_RESULT = {
    "lirads_keras/config": "says which settings there are and checks them; their values count, as the sections of the profile",
    "lirads_keras/errors.py": "words of an error, and a stage that ends with one has no result",
    "lirads_keras/provenance.py": "describes a run for people, and a checksum is SHA-256 or wrong",
    "experiments/stage.py": "how a stage is started, tells how far it is and says that it is done",
    "experiments/stages.py": "where a run reads and writes; the settings that count, and what a stage needs, are in its digest",
    "lirads_keras/progress.py": "tells of work and does none",
    "lirads_keras/training/queue.py": "who trains what and when; what a training gives is a function of its own seed and data",
    "experiments/user_manifest.py": "looks at a user's manifest and refuses it, or leaves everything as it is"}
"""Modules, or folders of them, that stages import and that change no result, and why. They count for nothing, nor does what is reached through them alone."""

RESOURCES = {
    "lirads_keras/io/phases.py": ("lirads_keras/io/phase_rules.yaml",),
    "lirads_keras/phantom/summary.py": ("data_manifests/paper_results.csv",),
    # Not imported but read. Its docstring and those of the stages' scripts are words in figures, and count no more than other words.
    "experiments/diagrams/steps.py": ("lirads_keras/pipeline.py",),
    "experiments/results_tables.py": ("r_analysis/schema.csv",),
    "experiments/model_card.py": ("CITATION.cff",),
    "experiments/render_report.py": (
        "r_analysis/run.R", "r_analysis/R", "r_analysis/schema.csv", "r_analysis/report.Rmd", "r_analysis/virtual_cohort.Rmd",
        "r_analysis/segmentation_variants.Rmd", "r_analysis/draws.Rmd", "r_analysis/yardsticks.Rmd", "r_analysis/report.css", "r_analysis/reader.png",
        "r_analysis/yardsticks.csv", "r_analysis/yardsticks_schema.csv", "data_manifests/paper_results.csv")}
"""Files and folders of the checkout that a module reads when a stage runs; they count where the module does."""


def compute_sources_digest(script: str, checkout: Path) -> str:
    """12 hex digits of all that `script` (below `checkout`) is made of: itself, the modules that it imports and the files that those read.

    Raises:
        InputError: a module is no Python source.
    """
    return hashlib.sha256("\n".join(f"{name} {_digest(checkout / name)}" for name in list_sources(script, checkout)).encode()).hexdigest()[:12]


def list_sources(script: str, checkout: Path) -> list[str]:
    """Paths below `checkout`, sorted: the script, its import closure without `NO_RESULT`, and the closure's `RESOURCES`."""
    modules, left = set(), [script]
    while left:
        name = left.pop()
        if name not in modules and not NO_RESULT.keys() & {name, *(folder.as_posix() for folder in PurePosixPath(name).parents)}:
            modules.add(name)
            left += find_imported(name, checkout)
    resources = {path.relative_to(checkout).as_posix() for module in modules for name in RESOURCES.get(module, ()) for path in _files(checkout / name)}
    return sorted(modules | resources)


def find_imported(name: str, checkout: Path) -> set[str]:
    """Source files of `checkout` that one of them imports, with the packages that they lie in; all are paths below it."""
    found: set[str] = set()
    # Python looks for a stage's modules beside its script first.
    there = {"experiments/": set(os.listdir(checkout / "experiments")), "": set(os.listdir(checkout))}
    for level, imported in _read(checkout / name).imports:
        parts = imported.split(".")
        # A relative import counts folders upwards. Most others are of no module of the checkout.
        roots = ["".join(f"{folder}/" for folder in name.split("/")[:-level])] if level else [
            root for root, names in there.items() if parts[0] in names or f"{parts[0]}.py" in names]
        for root in roots:
            places = [root + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]
            found |= {file for place in places for file in (f"{place}/__init__.py", f"{place}.py") if os.path.isfile(checkout / file)}
    return found


def clean_source(text: str, tree: ast.Module) -> str:
    """The text of a module without comments, docstrings, blank lines and blanks at line ends; what stands in other strings stays.

    Any statement that is a string alone goes: what documents an attribute does as little as a docstring.

    Args:
        text: with line ends "\\n", the last one included.
        tree: of this text.
    """
    # Python counts lines by "\n" alone; str.splitlines knows other ends.
    lines = text.split("\n")
    strings = _find_bare_strings(tree, lines)
    outside = _cut_comments(text, lines)
    for first, start, last, end in reversed(strings):
        rest = lines[last][end:]
        lines[first:last + 1] = [lines[first][:start], *[""] * (last - first)]
        lines[last] += rest
        outside |= set(range(first, last))
    kept = (line.rstrip() if number in outside else line for number, line in enumerate(lines))
    return "\n".join(line for number, line in enumerate(kept) if line or number not in outside)


@dataclass(frozen=True)
class _Source:
    """Of one module: the digest of its cleaned text, and its imports as (dots before the name, name)."""

    digest: str
    imports: tuple[tuple[int, str], ...]


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]


def _digest(path: Path) -> str:
    return _read(path).digest if path.suffix == ".py" else hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> _Source:
    try:
        return _understand(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise InputError(Problem(str(path), "a Python source file", f"{type(error).__name__}: {error}")) from error


@lru_cache(maxsize=None)
def _understand(content: bytes) -> _Source:
    """Remembered by the content: a file that is edited while a process plans again is read again."""
    text = _normalise(content.decode("utf-8-sig"))
    tree = ast.parse(text)
    return _Source(hashlib.sha256(clean_source(text, tree).encode()).hexdigest(), tuple(sorted(set(_imports(tree)))))


def _normalise(source: str) -> str:
    """Line ends as Python itself reads them, one at the end as well."""
    return source.replace("\r\n", "\n").replace("\r", "\n") + "\n"


def _imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Of a tree, those inside functions too, but not those under TYPE_CHECKING; what is imported from a module may be a module."""
    if isinstance(node, ast.Import):
        yield from ((0, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((node.level, ".".join(filter(None, (node.module, alias.name)))) for alias in node.names)
    for child in node.orelse if isinstance(node, ast.If) and _is_type_checking(node.test) else ast.iter_child_nodes(node):
        yield from _imports(child)


def _is_type_checking(condition: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(condition, "id", ""), getattr(condition, "attr", ""))


def _cut_comments(text: str, lines: list[str]) -> set[int]:
    """Takes the comments from the lines; the numbers, from 0, of lines that end outside of strings.

    A comment is the end of its line: where it begins follows from its text. From Python 3.12 on an f-string is several tokens, before it is one; all inside of
    it is passed over, and it holds no comment, which 3.11 does not allow.
    """
    outside, inside_strings = set(), 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        inside_strings += (kind == "FSTRING_START") - (kind == "FSTRING_END")
        number = token.start[0] - 1
        if kind == "COMMENT" and not inside_strings:
            lines[number] = lines[number].rstrip()[:-len(token.string.rstrip())]
        elif kind in ("NEWLINE", "NL") and not inside_strings:
            outside.add(number)
    return outside


def _find_bare_strings(tree: ast.Module, lines: list[str]) -> list[tuple[int, int, int, int]]:
    """Places of the statements that are nothing but a string, in order: line, character, line and character, all from 0, behind the last one."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            found.append((first, _characters(lines[first], node.col_offset), last, _characters(lines[last], node.end_col_offset or 0)))
    return sorted(found)


def _characters(line: str, position: int) -> int:
    """A tree counts bytes of UTF-8."""
    return len(line.encode()[:position].decode())
