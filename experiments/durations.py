"""How long the stages of a run took."""
from __future__ import annotations

import json
from pathlib import Path

from stages import STAGES, Plan

Interval = tuple[float, float]
"""Start and end, in seconds since the epoch."""


def measure_durations(plan: Plan) -> dict[str, float]:
    """Wall-clock seconds of each stage that has a record, all its parts together.

    A moment at which several stages were at work counts for the first of them, so that the sum is the time in which anything was. A part that was resumed
    counts its last start only; a virtual cohort that was there already counts as built.
    """
    durations: dict[str, float] = {}
    counted: list[Interval] = []
    for stage in STAGES:
        own = [interval for part in plan.parts(stage) if (interval := _read_interval(plan.done_file(stage, part)))]
        if own:
            together = _merge(counted + own)
            durations[stage] = round(_total(together) - _total(counted), 1)
            counted = together
    return durations


def _read_interval(done: Path) -> Interval | None:
    try:
        record = json.loads(done.read_text())
        return float(record["started"]), float(record["started"]) + float(record["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _merge(intervals: list[Interval]) -> list[Interval]:
    """The same moments as intervals that do not overlap."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _total(intervals: list[Interval]) -> float:
    return sum(end - start for start, end in intervals)
