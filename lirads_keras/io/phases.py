"""Which contrast phase the time points of a study show: by rules over their names, their times and the contrast agent."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lirads_keras.entities import ENHANCED_PHASES, AgentFinding, ArterialTiming, ContrastAgent, Phase
from lirads_keras.io.contrast_agent import AMBIGUOUS, find_agent
from lirads_keras.io.phase_clock import ask_arterial_times, ask_clock, find_seconds
from lirads_keras.io.phase_facts import PhaseFinding, SeriesFacts
from lirads_keras.io.phase_names import read_name, read_name_rules
from lirads_keras.io.suitability import Obstacle, find_name_obstacle, find_obstacle, find_weighting_obstacle

OF_ONE_AGENT = (Phase.TRANSITIONAL, Phase.HEPATOBILIARY)
"""Phases that an extracellular agent has not."""


@dataclass(frozen=True)
class StudyPhases:
    """What each time point of a study was found to be, in their order, and the study's contrast agent."""

    findings: tuple[PhaseFinding, ...]
    agent: AgentFinding


def find_phase(description: str, protocol: str = "") -> tuple[Phase | None, str]:
    """The phase that a series' name tells by itself, and the evidence in words.

    Args:
        description: SeriesDescription (0008,103E); read first.
        protocol: ProtocolName (0018,1030); read only if the description says nothing.

    Returns:
        A phase (`other` for another contrast, a computed image or a scout, and for a transitional phase, which no network is trained on), or None if the name
        says nothing, or contradicts itself.
    """
    finding = find_by_name(description, protocol)
    return Phase.OTHER if finding.phase is Phase.TRANSITIONAL else finding.phase, finding.evidence


def find_phases(series: Sequence[SeriesFacts], agent: ContrastAgent | None = None) -> StudyPhases:
    """The phases of a study's time points: by name; where that says nothing by the time after the contrast agent; else by the time after an
    arterial time point of the same protocol. A name that says two phases stays open, and so does one that times contradict, and what no rule tells. Where one
    arterial series is named late and another early, the early one is `other`. What the agent, which is `agent` if that is given, decides is told by
    `_judge_by_agent`.

    What cannot be a phase (`find_obstacle`, `find_name_obstacle`) is `other`, but for one case: CT, coronal or sagittal images whose phase nothing tells stay
    open in a study without axial MR, where they stand in no phase's place and a segmentation may be trained on them.
    """
    obstacles = [find_obstacle(facts.modality, facts.orientation, facts.image_type) for facts in series]
    has_axial_mr = any(obstacle is None or not obstacle.is_final for obstacle in obstacles)
    alone = [_find_alone(facts, obstacle, has_axial_mr) for facts, obstacle in zip(series, obstacles, strict=True)]
    findings = ask_arterial_times(_prefer_late(alone), series)
    by_word = [(phase, find_seconds(facts, findings, series), finding.evidence)
               for facts, finding in zip(series, findings, strict=True) for phase in _list_of_one_agent(finding)]
    found = AgentFinding(agent, "phase map") if agent else find_agent(
        (facts.contrast_agent for facts in series), (name for facts in series for name in (facts.description, facts.protocol)), by_word)
    return StudyPhases(tuple(_judge_by_agent(findings, found)), found)


def find_by_name(description: str, protocol: str) -> PhaseFinding:
    """What the name of a series tells by itself."""
    for attribute, text in (("SeriesDescription", description), ("ProtocolName", protocol)):
        if obstacle := find_name_obstacle(text):
            evidence = f"{attribute} '{text}': {obstacle.reason}"
            if attribute == "ProtocolName" and description.strip():
                # Many scanners call the whole examination so ("Liver with MRCP"): that does not speak of each of its series.
                return PhaseFinding(None, f"{evidence}, but SeriesDescription '{description}' tells nothing", ENHANCED_PHASES)
            told = read_name(text, read_name_rules())
            return PhaseFinding(Phase.OTHER, evidence, (told.phase,) if told.phase else told.candidates, replace(obstacle, reason=evidence),
                                is_by_time=told.is_by_time)
        reading = read_name(text, read_name_rules())
        if reading.evidence:
            return PhaseFinding(reading.phase, f"{attribute} '{text}': {reading.evidence}", reading.candidates, arterial_timing=reading.arterial_timing,
                                is_by_time=reading.is_by_time)
    return PhaseFinding(None, "neither SeriesDescription nor ProtocolName names a phase")


def _find_alone(facts: SeriesFacts, obstacle: Obstacle | None, has_axial_mr: bool) -> PhaseFinding:
    """What a time point tells by itself, if nothing in its headers stands against it."""
    finding = ask_clock(find_by_name(facts.description, facts.protocol), facts)
    if obstacle is None and finding.obstacle is None:
        obstacle = find_weighting_obstacle(facts.echo_time_ms, facts.b_value)
    if obstacle is None:
        return finding
    if obstacle.is_final and not has_axial_mr and finding.phase is None and not finding.candidates:
        return replace(finding, evidence=f"{finding.evidence}; {obstacle.reason}")
    return PhaseFinding(Phase.OTHER, obstacle.reason, _list_told(finding), obstacle, is_by_time=finding.is_by_time)


def _prefer_late(findings: list[PhaseFinding]) -> list[PhaseFinding]:
    """Of early and late arterial series the late ones."""
    named = [finding for finding in findings if finding.phase is Phase.ARTERIAL]
    if not any(finding.arterial_timing is ArterialTiming.LATE for finding in named):
        return findings
    return [
        replace(finding, phase=Phase.OTHER, evidence=f"{finding.evidence}; the late arterial phase is used instead", candidates=(Phase.ARTERIAL,))
        if finding.phase is Phase.ARTERIAL and finding.arterial_timing is ArterialTiming.EARLY else finding for finding in findings]


def _judge_by_agent(findings: Sequence[PhaseFinding], found: AgentFinding) -> list[PhaseFinding]:
    """The findings as the contrast agent has them: with gadoxetate what would be delayed is transitional; a phase that the agent has not is left open, and so
    is one that a time alone tells while the agent is not known, or is gadobenate, whose hepatobiliary phase comes after an hour. So are the late
    phases where two agents are told.
    """
    if found.agent is ContrastAgent.GADOXETATE:
        has_transitional = any(finding.phase is Phase.TRANSITIONAL for finding in findings)
        return [_as_transitional(finding, found, has_transitional) for finding in findings]
    reason = {
        ContrastAgent.EXTRACELLULAR: f"the contrast agent, which is extracellular ({found.evidence}), has no such phase",
        ContrastAgent.GADOBENATE: f"with gadobenate ({found.evidence}) it comes after an hour or more",
        None: f"the contrast agent is {found.evidence}, and the time alone does not tell"}[found.agent]
    judged = []
    for finding in findings:
        if found.evidence.startswith(AMBIGUOUS) and finding.phase in (Phase.DELAYED, *OF_ONE_AGENT):
            assert finding.phase is not None
            finding = replace(finding, phase=None, evidence=f"{finding.evidence}; the contrast agent is {found.evidence}",
                              candidates=tuple(dict.fromkeys((finding.phase, Phase.DELAYED, Phase.TRANSITIONAL))))
        without = found.agent is ContrastAgent.EXTRACELLULAR and finding.phase in OF_ONE_AGENT
        without |= found.agent is ContrastAgent.GADOBENATE and finding.phase is Phase.TRANSITIONAL
        if without or finding.phase is Phase.HEPATOBILIARY and finding.is_by_time:
            assert finding.phase is not None
            finding = replace(finding, phase=None, evidence=f"{finding.evidence}; {reason}", candidates=(Phase.DELAYED, finding.phase))
        judged.append(finding)
    return judged


def _as_transitional(finding: PhaseFinding, found: AgentFinding, has_transitional: bool) -> PhaseFinding:
    """A finding of a study with gadoxetate; a series that is named transitional comes before what is called delayed."""
    candidates = tuple(dict.fromkeys(Phase.TRANSITIONAL if phase is Phase.DELAYED else phase for phase in finding.candidates))
    if finding.phase is not Phase.DELAYED:
        return replace(finding, candidates=candidates)
    evidence = f"{finding.evidence}; with gadoxetate ({found.evidence}) this is no delayed phase, but a transitional one"
    if has_transitional:
        return replace(finding, phase=Phase.OTHER, evidence=f"{evidence}; another series is named so", candidates=(Phase.TRANSITIONAL,))
    return replace(finding, phase=Phase.TRANSITIONAL, evidence=evidence)


def _list_of_one_agent(finding: PhaseFinding) -> list[Phase]:
    """The phase of one agent that a word tells, of a series itself or, in another plane or computed, of what shows it as well."""
    shows = finding.obstacle is None or finding.obstacle.replaces_phase
    told = _list_told(finding) if shows and not finding.is_by_time else ()
    return [phase for phase in told if phase in OF_ONE_AGENT and len(told) == 1]


def _list_told(finding: PhaseFinding) -> tuple[Phase, ...]:
    """The phases that were told, whatever stands against them."""
    return finding.candidates if finding.phase in (None, Phase.OTHER) else (finding.phase,)
