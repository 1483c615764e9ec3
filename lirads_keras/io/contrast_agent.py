"""Which contrast agent a study was given: by its headers, by the names of its series, or by a phase that only one agent has."""
from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from lirads_keras.entities import AgentFinding, ContrastAgent, Phase
from lirads_keras.io.suitability import read_rule_table, simplify_name

LATEST_GADOXETATE_S = 3600.0
"""Gadoxetate's hepatobiliary phase is acquired 10 to 20 minutes after injection, seldom later; gadobenate's from one hour on (LI-RADS v2018, technique)."""

EARLIEST_GADOBENATE_S = 2700.0
"""Before, nothing of gadobenate, of which 3 to 5 % are taken up by hepatocytes, is called a hepatobiliary phase."""

AMBIGUOUS = "ambiguous, "
"""How the evidence begins where several agents are told."""


def find_agent(contrast_agents: Iterable[str], names: Iterable[str], phases: Iterable[tuple[Phase, float | None, str]] = ()) -> AgentFinding:
    """The agent that a study's series tell.

    Args:
        contrast_agents: ContrastBolusAgent and ContrastBolusAgentSequence of the series, in words.
        names: SeriesDescriptions and ProtocolNames.
        phases: hepatobiliary and transitional series that a word tells, with seconds after injection where they are known, and evidence: they tell the agent
            where nothing names it.

    Returns:
        No agent where none is told, or where what tells it contradicts itself; the evidence says so.
    """
    named: dict[ContrastAgent, str] = {}
    for attribute, texts in (("ContrastBolusAgent", contrast_agents), ("the name", names)):
        for text in sorted(set(texts)):
            for agent in read_agents(text):
                named.setdefault(agent, f"{attribute} '{text}'")
    if len(named) > 1:
        return AgentFinding(None, AMBIGUOUS + " and ".join(f"{agent} by {evidence}" for agent, evidence in named.items()))
    implied: dict[ContrastAgent, str] = {}
    for phase, seconds, evidence in phases:
        for agent in ContrastAgent:
            if _has(agent, phase, seconds):
                implied.setdefault(agent, f"a {phase} phase, {evidence}")
                break
        against = next((agent for agent in named if not _may_have(agent, phase, seconds)), None)
        if against is not None:
            return AgentFinding(None, f"{AMBIGUOUS}{against} by {named[against]}, which has no such {phase} phase: {evidence}")
    found = named or implied
    if len(found) > 1:
        return AgentFinding(None, AMBIGUOUS + " and ".join(f"{agent} by {evidence}" for agent, evidence in found.items()))
    return next((AgentFinding(agent, evidence) for agent, evidence in found.items()), AgentFinding())


def _has(agent: ContrastAgent, phase: Phase, seconds: float | None) -> bool:
    """Whether an agent has a phase at a time; one that is not known is that of gadoxetate, which liver MRI with a hepatobiliary phase is mostly made with."""
    if phase is Phase.TRANSITIONAL:
        return agent is ContrastAgent.GADOXETATE
    is_late = seconds is not None and seconds > LATEST_GADOXETATE_S
    return agent is (ContrastAgent.GADOBENATE if is_late else ContrastAgent.GADOXETATE)


def _may_have(agent: ContrastAgent, phase: Phase, seconds: float | None) -> bool:
    """As `_has`, of an agent that something names: a hepatobiliary phase of unknown time may be that of either, and a late one gadoxetate's, too."""
    is_early = seconds is not None and seconds < EARLIEST_GADOBENATE_S
    return agent is ContrastAgent.GADOXETATE or agent is ContrastAgent.GADOBENATE and phase is Phase.HEPATOBILIARY and not is_early


def read_agents(text: str) -> list[ContrastAgent]:
    """The agents that a text names. Gd-EOB-DTPA and Gd-BOPTA are asked before Gd-DTPA, and what they were read from is not read again."""
    simple = simplify_name(text)
    told = []
    for agent, pattern in _read_patterns().items():
        simple, found = pattern.subn(" ", simple)
        told += [agent] * (found > 0)
    return told


@cache
def _read_patterns() -> dict[ContrastAgent, re.Pattern[str]]:
    """In the order of the table, in which they are asked."""
    return {ContrastAgent(agent): re.compile("|".join(patterns)) for agent, patterns in read_rule_table()["contrast_agents"].items()}
