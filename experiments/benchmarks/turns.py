"""Contenders of a benchmark take turns in one run, each in a process of its own, so that a busy machine slows all of them alike.

A worker prints one line with its description when it is warm, then for every number of repetitions it reads the seconds of one. This file needs the
standard library alone: a worker may run in an environment without this package.
"""
from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence


class Worker:
    """A process that waits for its turn. `command` starts it; it must call `serve`."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.description = self._read_line()

    def seconds(self, repetitions: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{repetitions}\n")
        self._process.stdin.flush()
        return float(self._read_line())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            print(f"error: benchmark {self.name}: expected a worker that runs (pip install 'lirads-keras[benchmark]'), found exit code {self._process.wait()}",
                  file=sys.stderr)
            raise SystemExit(2)
        return line.strip()


def serve(description: str, step: Callable[[], object]) -> None:
    """A worker's main loop: two steps to warm up, then what is asked for."""
    step()
    step()
    print(description, flush=True)
    for line in sys.stdin:
        repetitions = int(line)
        started = time.perf_counter()
        for _ in range(repetitions):
            step()
        print((time.perf_counter() - started) / repetitions, flush=True)


def take_turns(workers: Sequence[Worker], *, rounds: int, repetitions: int) -> dict[str, list[float]]:
    """Seconds of one repetition by worker and round."""
    seconds: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for _ in range(rounds):
        for worker in workers:
            seconds[worker.name].append(worker.seconds(repetitions))
    return seconds


def median_ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers with three digits."""
    lines = [header, ["---"] * len(header), *([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
