"""Eq. 1 with its exact 99th percentile on 300 × 512 × 512, against the plain numpy expression; one core.

python experiments/benchmarks/normalize.py [--slices N] [--side N] [--rounds N]. Both start from the store's 16-bit voxels and give float32; memory is
the highest above the process with the 16-bit volume, as a multiple of the float32 volume.
"""
from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
from pathlib import Path

import numpy as np
from turns import Worker, format_table, median_ratio, serve, take_turns

AIM, LARGEST_DIFFERENCE, LARGEST_MEMORY = 3.0, 1e-6, 2.0
PROFILE = Path(__file__).resolve().parents[1] / "profiles" / "paper.yaml"


def build_volume(slices: int, side: int) -> np.ndarray:
    """Gamma-distributed signal and a dark background, uint16."""
    rng = np.random.default_rng(0)
    block = rng.gamma(2, 150, (min(slices, 20), side, side))
    block[rng.random(block.shape) < 0.4] *= 0.05
    return np.concatenate([block.round().astype(np.uint16)] * -(-slices // len(block)))[:slices]


def normalize_plainly(volume: np.ndarray) -> np.ndarray:
    """As one would write it down (§2.4)."""
    upper = np.percentile(volume, 99)
    scaled = np.where(volume < 80, 0, np.where(volume > upper, 1, (volume - np.float32(80)) / np.float32(upper - 80)))
    return (scaled - scaled.mean(dtype=np.float64)) / scaled.std(dtype=np.float64)


def normalize_by_package(volume: np.ndarray) -> np.ndarray:
    from lirads_keras.config.profile import read_profile
    from lirads_keras.preprocessing.intensity import compute_intensity_scale

    settings = read_profile(PROFILE).preprocessing
    return compute_intensity_scale(volume, settings, "benchmark").apply(volume)


FUNCTIONS = {"lirads_keras": normalize_by_package, "numpy": normalize_plainly}


def serve_function(name: str, slices: int, side: int) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    volume = build_volume(slices, side)
    FUNCTIONS[name](volume[:1])
    before = _current_kb()
    FUNCTIONS[name](volume)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    baseline_kb = max(before, _current_kb())
    serve(f"{max(peak_kb - baseline_kb, 0) * 1024 / (4 * volume.size):.3f}", lambda: FUNCTIONS[name](volume))


def _current_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", choices=FUNCTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return serve_function(arguments.worker, arguments.slices, arguments.side)
    workers = [Worker(name, [sys.executable, __file__, "--worker", name, "--slices", str(arguments.slices), "--side", str(arguments.side)])
               for name in FUNCTIONS]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
    small = build_volume(30, arguments.side)
    difference = float(np.abs(normalize_by_package(small) - normalize_plainly(small)).max())
    size = f"{arguments.slices} × {arguments.side} × {arguments.side}"
    print(format_table([f"{size}, uint16 in, float32 out", "median, s", "times as fast", "aim", "peak memory"], [
        [worker.name, statistics.median(times[worker.name]), 1 / median_ratio(times[worker.name], times["numpy"]),
         AIM if worker is workers[0] else "", f"{worker.description} × the volume"] for worker in workers]))
    print(f"\nlargest difference {difference:.1e} (allowed {LARGEST_DIFFERENCE:g}), memory allowed {LARGEST_MEMORY:g} × the volume")
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
