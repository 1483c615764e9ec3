"""Time points: the images of a heap as series, each with its phase and the evidence for it."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from lirads_keras.entities import AgentFinding, ContrastAgent, Series
from lirads_keras.io.clocks import bring_to_one_clock
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_scan import SetAside
from lirads_keras.io.dicom_stacks import Stack, split_series
from lirads_keras.io.phase_facts import PhaseFinding, SeriesFacts
from lirads_keras.io.phases import find_phases
from lirads_keras.io.stack_order import DAY_S, count_past_midnight

NO_VOLUME = "no one volume: "
"""How the evidence begins for images that cannot be divided into volumes."""


@dataclass(frozen=True)
class TimePoint:
    """One time point of a series: its slices' headers, sorted along their normal, and what was found out about its phase and its study's contrast agent."""

    series: Series
    headers: tuple[Header, ...]
    finding: PhaseFinding
    agent: AgentFinding


def gather_time_points(headers: Iterable[Header], agent: ContrastAgent | None = None) -> tuple[list[TimePoint], list[SetAside]]:
    """Divides the images of a heap into time points, in order of SeriesInstanceUID and time, and finds their phases study by study.

    Args:
        headers: of all images.
        agent: the contrast agent where the user gives it, whatever the images say.

    Returns:
        The time points, and the single images, which are no volume.
    """
    by_uid: dict[str, list[Header]] = {}
    for header in bring_to_one_clock(headers):
        by_uid.setdefault(header.series_uid, []).append(header)
    stacks: list[tuple[str, int, Stack]] = []
    facts: list[SeriesFacts] = []
    alone: list[SetAside] = []
    for uid, images in sorted(by_uid.items()):
        found = split_series(images)
        alone += [_single(stack.headers[0]) for stack in found if len(stack.headers) < 2]
        volumes = [stack for stack in found if len(stack.headers) > 1]
        stacks += [(uid, index, stack) for index, stack in enumerate(volumes)]
        facts += [_collect_facts(stack, delay) for stack, delay in zip(volumes, _find_delays(volumes), strict=True)]

    by_study: dict[str, list[int]] = {}
    for index, (_, _, stack) in enumerate(stacks):
        by_study.setdefault(stack.headers[0].examination.study_uid, []).append(index)
    told: dict[int, tuple[SeriesFacts, PhaseFinding, AgentFinding]] = {}
    for indices in by_study.values():
        of_study = _count_on([facts[index] for index in indices])
        phases = find_phases(of_study, agent)
        told |= {index: (*found, phases.agent) for index, found in zip(indices, zip(of_study, phases.findings, strict=True), strict=True)}
    return [_build_time_point(uid, time, stack, *told[index]) for index, (uid, time, stack) in enumerate(stacks)], alone


def list_files(headers: Iterable[Header]) -> tuple[tuple[Path, ...], tuple[int, ...]]:
    """`files` and `frames` of a `Series`."""
    slices = tuple(headers)
    several = any(header.frame or header.tile for header in slices)
    return tuple(header.path for header in slices), tuple(header.frame for header in slices) if several else ()


def _build_time_point(uid: str, time: int, stack: Stack, facts: SeriesFacts, finding: PhaseFinding, agent: AgentFinding) -> TimePoint:
    if stack.problem:
        finding = PhaseFinding(None, NO_VOLUME + stack.problem)
    evidence = finding.evidence + (f"; time points told apart by {' and '.join(stack.told_apart_by)}" if stack.told_apart_by else "")
    files, frames = list_files(stack.headers)
    number = stack.headers[0].series_number
    series = Series(uid, files, finding.phase, evidence, stack.headers[0].description, time, frames, None if number is None else int(number),
                    facts.acquired_s, facts.seconds_after_contrast, finding.arterial_timing)
    return TimePoint(series, stack.headers, replace(finding, evidence=evidence), agent)


def _single(header: Header) -> SetAside:
    return SetAside(header.path, f"a single image ({'/'.join(header.image_type)})", header.series_uid, header.description)


def _find_delays(stacks: list[Stack]) -> list[float]:
    """By how much each stack of a series was acquired later than its AcquisitionTime says, in seconds.

    Where AcquisitionTime is one for the whole series and TriggerTime is not, the latter counts from the former; else AcquisitionTime is the
    stack's own, whatever TriggerTime says, and whatever told the stacks apart.
    """
    acquired = {_median([header.acquired for header in stack.headers], 0.0) for stack in stacks}
    triggered = [_median([header.trigger_time for header in stack.headers], 0.0) for stack in stacks]
    known = [time for time in triggered if time is not None]
    return known if len(acquired) == 1 and len(known) == len(stacks) and len(set(known)) > 1 else [0.0] * len(stacks)


def _count_on(facts: list[SeriesFacts]) -> list[SeriesFacts]:
    """The series of a study, the times of those after midnight counted on."""
    timed = [index for index, item in enumerate(facts) if item.acquired_s is not None]
    counted = dict(zip(timed, count_past_midnight([time for item in facts if (time := item.acquired_s) is not None]), strict=True))
    return [replace(item, acquired_s=counted.get(index)) for index, item in enumerate(facts)]


def _collect_facts(stack: Stack, delay: float) -> SeriesFacts:
    first = stack.headers[0]
    acquired = _median([header.acquired for header in stack.headers], delay)
    after = _median([header.time_of_day for header in stack.headers], delay)
    if after is not None and first.contrast_time_of_day is not None:
        # Either may be on the other side of midnight.
        after = (after - first.contrast_time_of_day + DAY_S / 2) % DAY_S - DAY_S / 2
    else:
        after = None
    echo = None if first.echo_time is None else round(first.echo_time, 1)
    kind = (first.modality, first.rows, first.columns, tuple(round(value, 2) for value in first.orientation), echo)
    return SeriesFacts(
        first.description, first.protocol, first.image_type, after, acquired, kind, first.modality, first.orientation, first.echo_time, first.b_value,
        next((header.contrast_agent for header in stack.headers if header.contrast_agent), ""))


def _median(times: list[float | None], delay: float) -> float | None:
    known = [time for time in times if time is not None]
    return median(count_past_midnight(known)) + delay if len(known) == len(times) and known else None
