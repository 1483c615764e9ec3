"""Which contrast agent a study was given: by its headers, by the names of its series, or by a phase that only one agent has."""
from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from lirads_keras.entities import AgentFinding, ContrastAgent, Phase
from lirads_keras.io.suitability import read_rule_table, simplify_name

LATEST_GADOXETATE_S = 3600.0
"""Gadoxetate's hepatobiliary phase is acquired 10 to 20 minutes after injection, seldom later; gadobenate's from one hour on (LI-RADS v2018, technique)."""

AMBIGUOUS = "ambiguous, "
"""How the evidence begins where several agents are told."""


def find_agent(contrast_agents: Iterable[str], names: Iterable[str], phases: Iterable[tuple[Phase, float | None, str]] = ()) -> AgentFinding:
    """The agent that a study's series tell.

    Args:
        contrast_agents: ContrastBolusAgent and ContrastBolusAgentSequence of the series, in words; they are asked first.
        names: SeriesDescriptions and ProtocolNames, asked where those say nothing.
        phases: of the series, with seconds after injection where they are known and evidence: a hepatobiliary or a transitional phase tells its agent.

    Returns:
        No agent where none is told, or several are; the evidence says so.
    """
    for attribute, texts in (("ContrastBolusAgent", contrast_agents), ("the name", names)):
        told = {agent: text for text in sorted(set(texts)) for agent in read_agents(text)}
        if len(told) == 1:
            (agent, text), = told.items()
            return AgentFinding(agent, f"{attribute} '{text}'")
        if told:
            return AgentFinding(None, AMBIGUOUS + f"{attribute} tells " + " and ".join(f"{agent} ('{text}')" for agent, text in told.items()))
    for phase, seconds, evidence in phases:
        if phase is Phase.TRANSITIONAL:
            return AgentFinding(ContrastAgent.GADOXETATE, f"a transitional phase, {evidence}")
        if phase is Phase.HEPATOBILIARY:
            is_late = seconds is not None and seconds > LATEST_GADOXETATE_S
            return AgentFinding(ContrastAgent.GADOBENATE if is_late else ContrastAgent.GADOXETATE, f"a hepatobiliary phase, {evidence}")
    return AgentFinding()


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
