"""Training steps of the networks of `cpu` by two processes of one thread each at the same time, against one process with two threads.

python experiments/benchmarks/two_jobs.py [--rounds N]. The processes are those of `fused_kernels.py`. Exit code 1 if the two do not do more than the one.
"""
from __future__ import annotations

import argparse
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fused_kernels import NETWORKS
from turns import Worker, format_table, median_ratio

STEPS = 6


def start(network: str, threads: int) -> Worker:
    script = Path(__file__).resolve().with_name("fused_kernels.py")
    return Worker(f"{network}, {threads} threads", [sys.executable, str(script), "--worker", network, "fused", "--threads", str(threads)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    rows, slower = [], False
    for network in NETWORKS:
        alone, pair = start(network, 2), [start(network, 1), start(network, 1)]
        one: list[float] = []
        two: list[float] = []
        with ThreadPoolExecutor(len(pair)) as pool:
            for _ in range(arguments.rounds):
                one.append(alone.seconds(STEPS))
                # Each does STEPS in the time of the slower one.
                two.append(max(pool.map(lambda worker: worker.seconds(STEPS), pair)) / len(pair))
        for worker in (alone, *pair):
            worker.close()
        ratio = median_ratio(two, one)
        rows.append([network, statistics.median(one), statistics.median(two), ratio])
        slower |= ratio >= 1
    print(format_table(["training step of `cpu`", "one process, two threads, s", "two processes, one thread each, s a step", "two / one"], rows))
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
