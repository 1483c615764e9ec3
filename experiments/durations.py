"""How long the stages of a run took."""
from __future__ import annotations

from stages import STAGES, Plan

from lirads_keras.io.records import Record

Interval = tuple[float, float]
"""Start and end, in seconds since the epoch."""


def measure_durations(plan: Plan) -> dict[str, float]:
    """Wall-clock seconds of each stage that has a record, all its parts together.

    Of a moment at which several stages were at work each counts its share, so that the sum is the time in which anything was. A part that was resumed
    counts its last start only; a virtual cohort that was there already counts as built.
    """
    intervals = {stage: [interval for part in plan.parts(stage) if (interval := _read_interval(plan.done(stage, part)))] for stage in STAGES}
    seconds = {stage: 0.0 for stage, own in intervals.items() if own}
    moments = sorted({moment for own in intervals.values() for interval in own for moment in interval})
    for start, end in zip(moments, moments[1:]):
        at_work = [stage for stage in seconds if any(first <= start and end <= last for first, last in intervals[stage])]
        for stage in at_work:
            seconds[stage] += (end - start) / len(at_work)
    return {stage: round(value, 1) for stage, value in seconds.items()}


def _read_interval(done: Record) -> Interval | None:
    record = done.read()
    try:
        return float(record["started"]), float(record["started"]) + float(record["seconds"])
    except (ValueError, KeyError, TypeError):
        return None
