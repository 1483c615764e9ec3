"""Which contrast phase a series shows: by rules over its name and times, or by a phase map that the user writes."""
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lirads_keras.entities import ENHANCED_PHASES, ArterialTiming, Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.phase_names import phases_at, read_name, read_name_rules
from lirads_keras.io.suitability import Obstacle, find_name_obstacle, find_obstacle, find_weighting_obstacle, read_rule_table

ABSENT = "absent"
"""The word of a phase map for a phase that the study lacks."""


@dataclass(frozen=True)
class PhaseRules:
    """Of the table `phase_rules.yaml`, how times tell a phase; names are read by `phase_names`, what is no phase is told by `suitability`."""

    ranges_s: Mapping[Phase, tuple[float, float]]
    before_contrast_s: float
    after_arterial_s: dict[Phase, tuple[float, float]]


@dataclass(frozen=True)
class SeriesFacts:
    """What the phase of one time point of a series is told from.

    `seconds_after_contrast` counts from ContrastBolusStartTime; `acquired_s` from any moment that the study's series share. Series
    of equal `kind` are of one dynamic protocol (matrix, orientation, echo time). `orientation` is ImageOrientationPatient, empty where it is not known.
    """

    description: str = ""
    protocol: str = ""
    image_type: tuple[str, ...] = ()
    seconds_after_contrast: float | None = None
    acquired_s: float | None = None
    kind: Hashable = None
    modality: str = "MR"
    orientation: tuple[float, ...] = ()
    echo_time_ms: float | None = None
    b_value: float | None = None


@dataclass(frozen=True)
class PhaseFinding:
    """A phase with its evidence in words; where it is None, `candidates` are the phases that are in question.

    Where an `obstacle` stands against its being a contrast phase, the phase is `other`, and `candidates` are those that its name tells nevertheless; so it is
    where a study has a late arterial series and this one is early. `arterial_timing` is what the name says of an arterial series.
    """

    phase: Phase | None
    evidence: str
    candidates: tuple[Phase, ...] = ()
    obstacle: Obstacle | None = None
    arterial_timing: ArterialTiming | None = None


@dataclass(frozen=True)
class PhaseChoice:
    """A line of a phase map: `series` is a SeriesInstanceUID or an exact SeriesDescription, None where the study has one series;
    `time_point` counts from 0 in order of time, None where the series has one."""

    series: str | None
    time_point: int | None


@cache
def read_phase_rules() -> PhaseRules:
    """The package's own rules."""
    table = read_rule_table()
    return PhaseRules(
        ranges_s=read_name_rules().ranges_s,
        before_contrast_s=table["before_contrast_s"],
        after_arterial_s={Phase(phase): (low, high) for phase, (low, high) in table["seconds_after_arterial"].items()})


def find_phase(description: str, protocol: str = "") -> tuple[Phase | None, str]:
    """The phase that a series' name tells, and the evidence in words.

    Args:
        description: SeriesDescription (0008,103E); read first.
        protocol: ProtocolName (0018,1030); read only if the description says nothing.

    Returns:
        A phase (`other` for another contrast, a computed image or a scout), or None if the name says nothing, or contradicts itself.
    """
    finding = _find_by_name(description, protocol)
    return finding.phase, finding.evidence


def find_phases(series: Sequence[SeriesFacts]) -> list[PhaseFinding]:
    """The phases of a study's time points: by name; where that says nothing by the time after the contrast agent; else by the time after an
    arterial time point of the same protocol. A name that says two phases stays open, and so does what no rule tells. Where one arterial series is named
    late and another early, the early one is `other`.

    What cannot be a phase (`find_obstacle`, `find_name_obstacle`) is `other`, but for one case: CT, coronal or sagittal images whose phase nothing tells stay
    open in a study without axial MR, where they stand in no phase's place and a segmentation may be trained on them.
    """
    rules = read_phase_rules()
    obstacles = [find_obstacle(facts.modality, facts.orientation, facts.image_type) for facts in series]
    has_axial_mr = any(obstacle is None or not obstacle.is_final for obstacle in obstacles)
    findings = _prefer_late([_find_alone(facts, obstacle, rules, has_axial_mr) for facts, obstacle in zip(series, obstacles, strict=True)])
    named = [(facts, finding.arterial_timing) for facts, finding in zip(series, findings, strict=True) if finding.phase is Phase.ARTERIAL]
    # What follows an early arterial image may be a late one.
    anchors = {
        facts.kind: facts for facts, timing in named
        if timing is not ArterialTiming.EARLY and sum(other.kind == facts.kind for other, _ in named) == 1}
    return [
        _find_after_arterial(facts, anchors[facts.kind], rules) or finding
        if finding.phase is None and not finding.candidates and facts.kind in anchors else finding
        for facts, finding in zip(series, findings, strict=True)]


def read_phase_map(path: Path) -> dict[Phase, PhaseChoice | None]:
    """Reads a phase map (YAML), which says what series or time point is what phase, or that the study has none of it (`absent`, here None).

    Example:
        >>> print(Path("phases.yaml").read_text())      # doctest: +SKIP
        arterial: {series: 1.2.840.113619.2.5, time_point: 1}
        portal_venous: absent
        delayed: {series: "LAVA late"}

    Raises:
        InputError: the file is absent, no YAML mapping, names no phase, an unknown phase or key, or a value of another kind.
    """
    try:
        content: Any = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except OSError as error:
        raise InputError(Problem(str(path), "a readable phase map", error.strerror or str(error))) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(Problem(str(path), "a YAML file", " ".join(str(error).split()))) from error
    if not isinstance(content, dict) or not content:
        raise InputError(Problem(str(path), "at least one line such as 'delayed: {series: LAVA late, time_point: 0}'", _shown(content)))

    problems: list[Problem] = []
    choices: dict[Phase, PhaseChoice | None] = {}
    for name, choice in content.items():
        where = f"{path}, {name}"
        if name not in list(Phase):
            problems.append(Problem(where, f"one of {', '.join(Phase)}", repr(name)))
        if choice == ABSENT and name in list(Phase):
            choices[Phase(name)] = None
            continue
        if not isinstance(choice, dict) or not choice:
            problems.append(Problem(where, "a mapping with series, time_point or both", _shown(choice)))
            continue
        problems += [Problem(where, "the keys series and time_point only", repr(key)) for key in choice if key not in ("series", "time_point")]
        series, time_point = choice.get("series"), choice.get("time_point")
        if not isinstance(series, str | None) or series == "":
            problems.append(Problem(f"{where}, series", "a SeriesInstanceUID or a SeriesDescription, in quotation marks if it is a number", _shown(series)))
        if not isinstance(time_point, int | None) or isinstance(time_point, bool) or (time_point is not None and time_point < 0):
            problems.append(Problem(f"{where}, time_point", "a whole number from 0", _shown(time_point)))
        if name in list(Phase):
            choices[Phase(name)] = PhaseChoice(series, time_point)
    raise_if_any(problems)
    return choices


def _find_by_name(description: str, protocol: str) -> PhaseFinding:
    for attribute, text in (("SeriesDescription", description), ("ProtocolName", protocol)):
        if obstacle := find_name_obstacle(text):
            evidence = f"{attribute} '{text}': {obstacle.reason}"
            if attribute == "ProtocolName" and description.strip():
                # Many scanners call the whole examination so ("Liver with MRCP"): that does not speak of each of its series.
                return PhaseFinding(None, f"{evidence}, but SeriesDescription '{description}' tells nothing", ENHANCED_PHASES)
            told = read_name(text, read_name_rules())
            return PhaseFinding(Phase.OTHER, evidence, (told.phase,) if told.phase else told.candidates, replace(obstacle, reason=evidence))
        reading = read_name(text, read_name_rules())
        if reading.evidence:
            return PhaseFinding(reading.phase, f"{attribute} '{text}': {reading.evidence}", reading.candidates, arterial_timing=reading.arterial_timing)
    return PhaseFinding(None, "neither SeriesDescription nor ProtocolName names a phase")


def _find_alone(facts: SeriesFacts, obstacle: Obstacle | None, rules: PhaseRules, has_axial_mr: bool) -> PhaseFinding:
    """What a time point tells by itself, if nothing in its headers stands against it."""
    finding = _find_by_name_and_clock(facts, rules)
    if obstacle is None and finding.obstacle is None:
        obstacle = find_weighting_obstacle(facts.echo_time_ms, facts.b_value)
    if obstacle is None:
        return finding
    if obstacle.is_final and not has_axial_mr and finding.phase is None and not finding.candidates:
        return replace(finding, evidence=f"{finding.evidence}; {obstacle.reason}")
    return PhaseFinding(Phase.OTHER, obstacle.reason, _list_told(finding), obstacle)


def _prefer_late(findings: list[PhaseFinding]) -> list[PhaseFinding]:
    """Of early and late arterial series the late ones."""
    named = [finding for finding in findings if finding.phase is Phase.ARTERIAL]
    if not any(finding.arterial_timing is ArterialTiming.LATE for finding in named):
        return findings
    return [
        replace(finding, phase=Phase.OTHER, evidence=f"{finding.evidence}; the late arterial phase is used instead", candidates=(Phase.ARTERIAL,))
        if finding.phase is Phase.ARTERIAL and finding.arterial_timing is ArterialTiming.EARLY else finding for finding in findings]


def _list_told(finding: PhaseFinding) -> tuple[Phase, ...]:
    """The phases that were told, whatever stands against them."""
    return finding.candidates if finding.phase in (None, Phase.OTHER) else (finding.phase,)


def _find_by_name_and_clock(facts: SeriesFacts, rules: PhaseRules) -> PhaseFinding:
    """By name and time after contrast; a name stands against a clock, which is often set by hand."""
    by_name = _find_by_name(facts.description, facts.protocol)
    seconds = facts.seconds_after_contrast
    if seconds is None or by_name.phase is Phase.OTHER or by_name.candidates:
        return by_name
    by_time = [Phase.PRECONTRAST] if -rules.before_contrast_s <= seconds < 0 else phases_at(seconds, rules.ranges_s)
    evidence = f"acquired {seconds:.0f} s after ContrastBolusStartTime"
    if by_name.phase is None:
        return PhaseFinding(by_time[0], evidence) if len(by_time) == 1 else PhaseFinding(None, f"{by_name.evidence}; {evidence}")
    against = "" if by_name.phase in by_time or not by_time else f"; but {evidence}, which is {by_time[0]}"
    return replace(by_name, evidence=by_name.evidence + against)


def _find_after_arterial(facts: SeriesFacts, arterial: SeriesFacts, rules: PhaseRules) -> PhaseFinding | None:
    if facts.acquired_s is None or arterial.acquired_s is None:
        return None
    after = facts.acquired_s - arterial.acquired_s
    phases = [phase for phase, (low, high) in rules.after_arterial_s.items() if low <= after <= high]
    if len(phases) != 1:
        return None
    return PhaseFinding(phases[0], f"acquired {after:.0f} s after the arterial '{arterial.description}' with the same protocol")


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", key_node.start_mark)
        return super().construct_mapping(node, deep)
