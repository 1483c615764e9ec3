"""Which time point of a patient is which phase: where the rules leave one answer it is taken; where not, the user is asked."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lirads_keras.entities import ENHANCED_PHASES, ContrastAgent, Phase
from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.tables import read_table

NAME = "phase_overrides.csv"

Key = tuple[str, int]
"""SeriesInstanceUID and time point."""


@dataclass(frozen=True)
class Question:
    """A time point whose phase the user is asked for, among `candidates`."""

    time_point: TimePoint
    candidates: tuple[Phase, ...]
    evidence: str


@dataclass(frozen=True)
class PhaseChoices:
    """The time points of a patient's phases, and what is left open."""

    chosen: Mapping[Phase, TimePoint]
    questions: tuple[Question, ...]


def key_of(point: TimePoint) -> Key:
    """What a row of phase_overrides.csv or files.csv speaks of."""
    return point.series.series_uid, point.series.temporal_index


def choose_phases(points: Sequence[TimePoint], overrides: Mapping[Key, Phase]) -> PhaseChoices:
    """Chooses among the time points of one patient.

    The user's answers come first. By rule a phase is given to a time point only if no other of the patient claims it, and only if
    all phases given by rule are of one examination; whatever else claims a phase, names two, or names none while one of the three
    enhanced phases is still to be found, becomes a question; with gadoxetate there is no delayed one to be found.
    """
    chosen = {overrides[key_of(point)]: point for point in points if overrides.get(key_of(point), Phase.OTHER) is not Phase.OTHER}
    free = [point for point in points if key_of(point) not in overrides]
    claims: dict[Phase, list[TimePoint]] = {}
    for point in free:
        claimed = point.finding.phase
        if claimed is not None and claimed not in (Phase.OTHER, *chosen):
            claims.setdefault(claimed, []).append(point)
    single = {phase: found[0] for phase, found in claims.items() if len(found) == 1}
    studies = {point.headers[0].examination.study_uid for phase, point in (chosen | single).items() if phase in ENHANCED_PHASES}
    by_rule = {} if len(studies) > 1 else single
    if _is_agent_in_doubt(points, overrides):
        by_rule = {phase: point for phase, point in by_rule.items() if phase is not Phase.DELAYED}
    chosen |= by_rule
    has_delayed = any(point.agent.agent is not ContrastAgent.GADOXETATE for point in points)
    missing = tuple(phase for phase in ENHANCED_PHASES if phase not in chosen and (has_delayed or phase is not Phase.DELAYED))

    questions = []
    for point in free:
        phase, evidence = point.finding.phase, point.finding.evidence
        if phase in claims and phase not in by_rule:
            if phase is Phase.DELAYED and _is_agent_in_doubt(points, overrides):
                questions.append(Question(point, (phase, Phase.TRANSITIONAL), f"{evidence}; with gadoxetate, which the hepatobiliary phase may be of, none"))
            elif len(claims[phase]) > 1:
                questions.append(Question(point, (phase,), f"{evidence}; {len(claims[phase])} time points of the patient claim this phase"))
            else:
                questions.append(Question(point, (phase,), f"{evidence}; the patient's phases are of {len(studies)} examinations"))
        elif phase is None and point.finding.candidates:
            questions.append(Question(point, point.finding.candidates, evidence))
        elif phase is None and missing:
            questions.append(Question(point, missing, evidence))
    return PhaseChoices(chosen, tuple(questions))


def _is_agent_in_doubt(points: Sequence[TimePoint], overrides: Mapping[Key, Phase]) -> bool:
    """Whether the user names a phase that gadoxetate has, of which the images tell nothing."""
    named = {overrides.get(key_of(point)) for point in points if point.agent.agent is None}
    return bool(named & {Phase.HEPATOBILIARY, Phase.TRANSITIONAL})


def read_overrides(folder: Path) -> dict[Key, Phase]:
    """The phases that the user filled in; rows with an empty phase say nothing.

    Raises:
        InputError: everything that is wrong with the file: columns, phases, time points, a time point twice.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    problems: list[Problem] = []
    table = read_table(path, ("series_uid", "time_point", "phase"), problems)
    answers: dict[Key, Phase] = {}
    for row, (uid, time, phase) in enumerate(table.cells("series_uid", "time_point", "phase") if table else ()):
        if not phase:
            continue
        assert table is not None
        if phase not in list(Phase):
            problems.append(Problem(table.where(row, "phase"), f"{', '.join(Phase)} or an empty cell", repr(phase)))
        elif not (time or "0").isdecimal():
            problems.append(Problem(table.where(row, "time_point"), "a whole number from 0", repr(time)))
        elif (uid, int(time or 0)) in answers:
            problems.append(Problem(table.where(row, "series_uid"), "each time point once", f"{uid} again"))
        else:
            answers[uid, int(time or 0)] = Phase(phase)
    raise_if_any(problems)
    return answers


def check_overrides(folder: Path, answers: Mapping[Key, Phase], patients: Mapping[str, Sequence[TimePoint]]) -> None:
    """Raises InputError for answers about time points that are not there, for a phase where only another kind of image is, and for two answers of one
    patient and phase."""
    known = {key_of(point): patient for patient, points in patients.items() for point in points}
    obstacles = {key_of(point): point.finding.obstacle for points in patients.values() for point in points}
    problems = [
        Problem(f"{folder / NAME}, {uid}, time point {time}", "a series and time point of the folder", "none such")
        for uid, time in answers if (uid, time) not in known]
    problems += [
        Problem(f"{folder / NAME}, {uid}, time point {time}", f"axial MR images for the phase {phase}", obstacle.reason)
        for (uid, time), phase in answers.items()
        if phase is not Phase.OTHER and (obstacle := obstacles.get((uid, time))) and obstacle.is_final]
    given: dict[tuple[str, Phase], Key] = {}
    for key, phase in answers.items():
        if key in known and phase is not Phase.OTHER and given.setdefault((known[key], phase), key) != key:
            problems.append(Problem(f"{folder / NAME}, {key[0]}, time point {key[1]}", f"one time point of {known[key]} for {phase}", "a second one"))
    raise_if_any(problems)
