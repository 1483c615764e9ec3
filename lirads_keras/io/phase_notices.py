"""How the series of a study were told and chosen, in sentences and lines for whoever reads its result."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lirads_keras.entities import READ_PHASES, ArterialTiming, Phase, Series
from lirads_keras.io.dicom_scan import SetAside
from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.dicom_values import describe_values
from lirads_keras.io.read_series import describe_series
from lirads_keras.words import name_phases


def list_overruled(time_points: Sequence[TimePoint], series: Sequence[Series]) -> tuple[str, ...]:
    """What the phase map names against the rules, as sentences."""
    overruled = [(point.finding, item) for point, item in zip(time_points, series, strict=True) if item.phase not in (None, Phase.OTHER, point.finding.phase)]
    return tuple(
        f"The phase map names series '{item.description}' as {item.phase}, against {finding.obstacle.reason if finding.obstacle else finding.evidence}."
        for finding, item in overruled if finding.obstacle or finding.phase not in (None, Phase.OTHER))


def describe_arterial(series: Sequence[Series]) -> tuple[str, ...]:
    """Which of early and late arterial series is used, and what follows where there is but an early one."""
    used = next((item for item in series if item.phase is Phase.ARTERIAL), None)
    early = [item for item in series if item.arterial_timing is ArterialTiming.EARLY]
    if used is None or not early:
        return ()
    if used in early:
        return (f"The arterial phase, series '{used.description}', is an early one: APHE that it does not show is not assessed.",)
    names = " and ".join(f"'{item.description}'" for item in early)
    return (f"The arterial phase is series '{used.description}', and not the early arterial {names}.",)


def list_values(time_points: Sequence[TimePoint], series: Sequence[Series]) -> list[str]:
    """What is done to the values of the phases, as sentences."""
    return [f"Series '{item.description}' {told}." for point, item in zip(time_points, series, strict=True)
            if item.phase not in (None, Phase.OTHER) and (told := describe_values(point.headers))]


def list_out_of_order(series: Sequence[Series]) -> list[str]:
    """Sentences on phases whose times of acquisition run against their order."""
    # Phase has them in order of time.
    timed = [(phase, item.acquired_s) for phase in Phase for item in series if item.phase == phase is not Phase.OTHER and item.acquired_s is not None]
    return [
        f"The {name_phases([earlier])} was acquired {before - after:.0f} s after the {name_phases([later])}: one of the series may show another phase."
        for (earlier, before), (later, after) in pairwise(timed) if before > after]


def describe_left_out(folder: Path, set_aside: Sequence[SetAside], series: Sequence[Series]) -> list[str]:
    """Files by their reason, then series that are read as no phase."""
    by_reason: dict[str, list[SetAside]] = {}
    for aside in set_aside:
        by_reason.setdefault(aside.reason, []).append(aside)
    lines = []
    for reason, found in by_reason.items():
        count = sum(aside.files for aside in found)
        lines.append(f"{found[0].path.relative_to(folder)}{f' and {count - 1} more' if count > 1 else ''}: {reason}")
    unread = {Phase.OTHER: "", None: "no phase is told: ", Phase.PRECONTRAST: "precontrast, which nothing is read from: "}
    return lines + [f"{describe_series(item)}: {unread.get(item.phase, f'{item.phase}: ')}{item.phase_evidence}"
                    for item in series if item.phase not in READ_PHASES]
