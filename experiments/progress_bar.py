"""One line that says which stage, fold and epoch a run is at, and how long it will take."""
from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

from stages import Plan
from tqdm import tqdm

LINE_EVERY_S = 15.0
"""Where the output is no terminal, a line is printed this often, and with each new stage."""


class ProgressBar:
    """Reads the stages' progress files. Time left: the profile's usual share of what is left, at the pace that this machine had so far."""

    def __init__(self, plan: Plan, stages: list[str]) -> None:
        self._plan = plan
        self._shares = {(name, part): plan.profile.workflow.expected_seconds.get(name, 60.0) / len(plan.parts(name))
                        for name in stages for part in plan.parts(name)}
        self._finished_before = self._finished()
        self._done_before = sum(self._shares[key] for key in self._finished_before)
        self._started = time.time()
        self._interactive = sys.stderr.isatty()
        self._last_line, self._last_stage = 0.0, ""
        self._bar = tqdm(total=100, file=sys.stderr, bar_format="{percentage:3.0f} % |{bar:10}| {desc}", disable=not self._interactive)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def update(self) -> None:
        """Draws the line anew."""
        finished, running = self._finished(), self._running()
        fractions = {key: 1.0 if key in finished else running.get(key, {}).get("fraction", 0.0) for key in self._shares}
        done, total = sum(share * fractions[key] for key, share in self._shares.items()), sum(self._shares.values())
        left = (total - done) * self._pace(done, any_finished=finished != self._finished_before)
        percent = round(100 * done / total)
        stage = next((name for name, _ in running), "")
        waiting = next((name for name, part in self._shares if (name, part) not in finished), "")
        words = "; ".join(f"{name}: {state['detail'] or 'starting'}" for (name, _), state in running.items())
        words = words or (f"{waiting}: starting" if waiting else "finished")
        # A narrow terminal cuts the end.
        line = f"about {format_duration(left)} left · {words} · {format_duration(time.time() - self._started)} gone"
        if self._interactive:
            self._bar.n = percent
            self._bar.set_description_str(line)
        elif stage and (stage != self._last_stage or time.time() - self._last_line > LINE_EVERY_S):
            self._last_line, self._last_stage = time.time(), stage
            print(f"{percent:3d} % {line}", file=sys.stderr, flush=True)

    def _finished(self) -> set[tuple[str, str]]:
        return {key for key in self._shares if self._plan.is_done(*key)}

    def _running(self) -> dict[tuple[str, str], dict[str, Any]]:
        running = {}
        for name, part in self._shares:
            try:
                running[name, part] = json.loads(self._plan.run.progress(name, part).read_text())
            except (OSError, ValueError):
                continue
        return running

    def _pace(self, done: float, *, any_finished: bool) -> float:
        """Seconds gone over the usual seconds of what was done since the start; 1 before the first part is finished."""
        return (time.time() - self._started) / (done - self._done_before) if any_finished and done > self._done_before else 1.0


def format_duration(seconds: float) -> str:
    """"2 h 05 min", "3 min 20 s" or "8 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
