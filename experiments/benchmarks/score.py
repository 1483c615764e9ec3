"""How long `lirads score` takes for a table of a million lesions, from reading it to the finished file; the aim is 5 s.

    .venv/bin/python experiments/benchmarks/score.py [--rows 1000000]

Prints a Markdown table. Sizes and features are random; every column that the command knows is used.
"""
from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

AIM_S = 5.0


def write_random_table(path: Path, rows: int, optional: bool) -> None:
    """A table whose cells are written in all the ways that the command takes."""
    rng = np.random.default_rng(0)
    columns = {"lesion_id": [f"P{row}-L1" for row in range(rows)], "diameter_mm": [f"{value:.3f}" for value in rng.lognormal(3, 0.7, rows)]}
    for name in ("aphe", "washout", "capsule"):
        columns[name] = rng.choice(["yes", "no", "1", "0", "TRUE", "FALSE", ""], rows).tolist()
    if optional:
        columns["prior_diameter_mm"] = [f"{value:.3f}" for value in rng.lognormal(2.7, 0.7, rows)]
        columns["days"] = rng.integers(30, 400, rows).astype(str).tolist()
        for name in ("ancillary_malignant", "ancillary_benign"):
            columns[name] = rng.choice(["yes", "no", ""], rows).tolist()
        columns["override"] = rng.choice(["", "LR-M", "LR-TIV LR-M", "LR-4|LR-5"], rows, p=[0.94, 0.02, 0.02, 0.02]).tolist()
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print("| table | rules | rows | s, with the start of Python | aim, s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for optional in (False, True):
            table = Path(folder) / f"{optional}.csv"
            write_random_table(table, rows, optional)
            for rules in ("paper", "v2018"):
                out = Path(folder) / f"{optional}-{rules}.csv"
                started = time.perf_counter()
                subprocess.run([sys.executable, "-m", "lirads_keras", "score", table, "--rules", rules, "--out", out], check=True, stdout=subprocess.DEVNULL)
                seconds = time.perf_counter() - started
                print(f"| {'all columns' if optional else 'required columns'} | {rules} | {rows:,} | {seconds:.1f} | {AIM_S:g} |", flush=True)


if __name__ == "__main__":
    main()
