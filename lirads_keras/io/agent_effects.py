"""What the contrast agent decides of a study's phases, in words for the user."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lirads_keras.entities import READ_FEATURE_PHASES, AgentFinding, ContrastAgent, Feature, Phase, Series
from lirads_keras.errors import Problem
from lirads_keras.io.contrast_agent import AMBIGUOUS
from lirads_keras.io.phase_map import AGENT
from lirads_keras.words import name_phases


def check_agent(agent: AgentFinding, series: Sequence[Series], where: Path) -> list[Problem]:
    """Phases that the agent does not have, which a phase map names, and two agents where a late phase depends on which it was."""
    phases = {item.phase for item in series}
    if agent.evidence.startswith(AMBIGUOUS) and phases & {Phase.DELAYED, Phase.TRANSITIONAL, Phase.HEPATOBILIARY}:
        expected = f"one contrast agent, on which the late phases depend (a phase map can say '{AGENT}: {' or '.join(ContrastAgent)}')"
        return [Problem(f"{where}, ContrastBolusAgent", expected, agent.evidence)]
    if {Phase.DELAYED, Phase.TRANSITIONAL} <= phases:
        return [Problem(f"{where}, {Phase.TRANSITIONAL}", f"a delayed or a transitional phase, by the contrast agent, which is {agent.agent or agent.evidence}",
                        "both")]
    wrong = Phase.DELAYED if agent.agent is ContrastAgent.GADOXETATE else Phase.TRANSITIONAL if agent.agent else None
    if wrong is None or wrong not in phases:
        return []
    right = Phase.TRANSITIONAL if wrong is Phase.DELAYED else Phase.DELAYED
    return [Problem(f"{where}, {wrong}", f"the phase {right} with {agent.agent}, or another agent (a phase map can say '{AGENT}: ...')",
                    f"{wrong} with {agent.agent} ({agent.evidence})")]


def describe_agent(agent: AgentFinding, series: Sequence[Series]) -> tuple[str, ...]:
    """What follows from gadoxetate, as a sentence; the other agents have the phases that the networks were trained on."""
    if agent.agent is not ContrastAgent.GADOXETATE:
        return ()
    phases = [item.phase for item in series]
    washout, capsule = ([phase for phase in READ_FEATURE_PHASES[feature] if phase in phases] for feature in (Feature.WASHOUT, Feature.CAPSULE))
    if not capsule:
        return ()
    read = f"washout is read from the {name_phases(washout)} alone" if washout else "washout is not assessed"
    return (f"The contrast agent is gadoxetate ({agent.evidence}): {read}, capsule from the {name_phases(capsule)}.",)


def tell_agent(agent: AgentFinding) -> str:
    """The agent in a line; where it is not known, what is taken for granted."""
    if agent.agent is not None:
        return f"contrast agent {agent.agent} ({agent.evidence})"
    return f"contrast agent {agent.evidence}: a delayed phase is read as with an agent other than gadoxetate"
