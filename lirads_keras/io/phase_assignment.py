"""Which series of a study is read as which phase: by the rules, and by the phase map, which comes first; and what stands against reading it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lirads_keras.entities import ENHANCED_PHASES, READ_PHASES, Phase, Series
from lirads_keras.errors import Problem
from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.phase_map import ABSENT, PhaseChoice
from lirads_keras.io.read_series import describe_series
from lirads_keras.io.suitability import find_obstacle
from lirads_keras.io.time_point_marks import describe_time_points


def assign_phases(
        time_points: Sequence[TimePoint], choices: Mapping[Phase, PhaseChoice | None], where: Path) -> tuple[list[Series], list[Problem]]:
    """The series with the phases that the phase map names; of other phases those that the names tell."""
    series = [point.series for point in time_points]
    problems: list[Problem] = []
    chosen: dict[int, Phase] = {}
    for phase, choice in choices.items():
        if choice is None:
            continue
        found = [
            index for index, item in enumerate(series)
            if choice.series in (None, item.series_uid, item.description) and choice.time_point in (None, item.temporal_index)]
        if len(found) != 1:
            wanted = "one series" if choice.series is None else f"one series '{choice.series}'"
            wanted += "" if choice.time_point is None else f" with a time point {choice.time_point}"
            listed = describe_time_points([time_points[index] for index in found] or time_points)
            problems.append(Problem(f"{where}, {phase}", wanted, f"{len(found)} of them; {'they are' if found else 'the study has'}: {listed}"))
        elif found[0] in chosen:
            problems.append(Problem(f"{where}, {phase}", "another series or time point than for " + chosen[found[0]], describe_series(series[found[0]])))
        elif (obstacle := time_points[found[0]].finding.obstacle) and obstacle.is_final:
            problems.append(Problem(f"{where}, {phase}", "a series of axial MR images", f"{describe_series(series[found[0]])}: {obstacle.reason}"))
        else:
            chosen[found[0]] = phase
    assigned = []
    for index, item in enumerate(series):
        if index in chosen:
            obstacle = time_points[index].finding.obstacle
            evidence = f"phase map, against {obstacle.reason}" if obstacle else "phase map"
            assigned.append(replace(item, phase=chosen[index], phase_evidence=evidence))
        elif item.phase is not None and item.phase in choices:
            told = f"names another series as {item.phase}" if choices[item.phase] else f"says that {item.phase} is absent"
            assigned.append(replace(item, phase=None, phase_evidence=f"{item.phase_evidence}; the phase map {told}"))
        else:
            assigned.append(item)
    return assigned, problems


def find_unfit_phases(
        time_points: Sequence[TimePoint], series: Sequence[Series], choices: Mapping[Phase, PhaseChoice | None], folder: Path) -> dict[Phase, Problem]:
    """The enhanced phases that are missing although there is something of them, which the gate keeps out, or which may show another phase."""
    problems = {}
    for phase in ENHANCED_PHASES:
        if phase in choices or any(item.phase == phase for item in series):
            continue
        unfit = [point for point in time_points if point.finding.obstacle and point.finding.obstacle.replaces_phase and phase in point.finding.candidates]
        unclear = [
            replace(point, series=item) for point, item in zip(time_points, series, strict=True) if item.phase is None and phase in point.finding.candidates]
        if unclear:
            expected = f"one series that is of the phase {phase} (a phase map can name it, or say '{phase}: {ABSENT}')"
            problems[phase] = Problem(str(folder), expected, f"what may be it, or another phase: {describe_time_points(unclear)}")
        elif unfit:
            of_user = "" if any(point.finding.obstacle and point.finding.obstacle.is_final for point in unfit) else "name one, or "
            expected = f"a T1-weighted axial MR series of the phase {phase} (a phase map can {of_user}say '{phase}: {ABSENT}')"
            problems[phase] = Problem(str(folder), expected, f"only {describe_time_points(unfit)}")
    return problems


def check_phases(time_points: Sequence[TimePoint], series: Sequence[Series], folder: Path, require_one_of: tuple[Phase, ...]) -> list[Problem]:
    """Several series for one phase, and a study without any of the phases that it needs."""
    told = [replace(point, series=item) for point, item in zip(time_points, series, strict=True)]
    problems = []
    for phase in READ_PHASES:
        found = [point for point in told if point.series.phase == phase]
        if len(found) > 1:
            expected = f"one series for the phase {phase} (a phase map can name it)"
            problems.append(Problem(str(folder), expected, f"{len(found)}: {describe_time_points(found)}"))
    if require_one_of and not any(item.phase in require_one_of for item in series):
        expected = f"a series of the phase {' or '.join(require_one_of)} (where the names do not tell, a phase map can name it)"
        problems.append(Problem(str(folder), expected, f"none in: {describe_time_points(told)}"))
    return problems


def check_kinds(time_points: Sequence[TimePoint], series: Sequence[Series]) -> list[Problem]:
    """CT, coronal and sagittal series that would be read."""
    return [
        Problem(describe_series(item), f"axial MR images for the phase {item.phase}", obstacle.reason)
        for point, item in zip(time_points, series, strict=True) if item.phase in READ_PHASES
        and (obstacle := find_obstacle(point.headers[0].modality, point.headers[0].orientation, ())) and obstacle.is_final]
