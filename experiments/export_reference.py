"""Copies a finished run's results into r_analysis/reference, so that the analysis can be made again without Python or training.

python experiments/export_reference.py runs/cpu. Only a virtual cohort's run, of committed code; tables of 0.35 MB and more are packed, all
together have at most 2 MB; its pictures come along; what is there already is replaced whole.
"""
from __future__ import annotations

import argparse
import gzip
import json
import sys
from functools import partial
from pathlib import Path
from typing import BinaryIO

from stages import CHECKOUT, read_plan

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_bytes, write_json

REFERENCE = CHECKOUT / "r_analysis" / "reference"
MOST_BYTES = 2_000_000
PACKED_FROM_BYTES = 350_000


def export_reference(run: Path, out: Path = REFERENCE) -> list[Path]:
    """Copies the tables and pictures of RUN/results, and what tells how they were made as provenance.json.

    Returns:
        The files written.

    Raises:
        InputError: no finished run, a run on somebody's patients or of code that is in no commit, or too many bytes; nothing is written then.
    """
    plan = read_plan(run)
    problems = []
    if not plan.is_done("results"):
        problems.append(Problem(str(run), "a run whose results are finished", "results that are not"))
    if not plan.is_virtual:
        problems.append(Problem(str(run), "a run on the virtual cohort", f"a run on {plan.user_manifest}"))
    provenance = json.loads(plan.run.provenance.read_text())
    if provenance["dirty"] is not False:
        problems.append(Problem(str(plan.run.provenance), "a run of committed code", f"dirty: {provenance['dirty']}"))
    tables = {path.name: path.read_bytes() for path in sorted(plan.run.results.glob("*.csv"))}
    # No time of packing in the file: the same run gives the same bytes.
    files = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in tables.items() if len(content) >= PACKED_FROM_BYTES}
    files |= {name: content for name, content in tables.items() if len(content) < PACKED_FROM_BYTES}
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        problems.append(Problem(str(plan.run.results), f"tables of at most {MOST_BYTES} bytes", f"{size}"))
    raise_if_any(problems)
    files |= {path.name: path.read_bytes() for path in sorted(plan.run.results.glob("*.png"))}
    for old in out.glob("*"):
        if old.suffix in {".csv", ".gz", ".png", ".json"}:
            old.unlink()
    for name, content in files.items():
        write_bytes(out / name, partial(_fill, content))
    write_json(out / "provenance.json", {name: provenance[name] for name in ("commit", "profile_digest", "versions", "platform")})
    return [out / name for name in (*files, "provenance.json")]


def _fill(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="finished run folder")
    try:
        files = export_reference(parser.parse_args().run)
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.2f} MB in {REFERENCE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
