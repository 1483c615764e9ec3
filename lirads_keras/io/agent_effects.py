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
    if agent.agent is None and {Phase.DELAYED, Phase.HEPATOBILIARY} <= phases:
        expected = f"a contrast agent, on which the delayed phase depends (a phase map can say '{AGENT}: {' or '.join(ContrastAgent)}')"
        return [Problem(f"{where}, {Phase.HEPATOBILIARY}", expected, "a hepatobiliary phase, which gadoxetate and gadobenate have, and no agent")]
    wrong = {ContrastAgent.GADOXETATE: (Phase.DELAYED,), ContrastAgent.GADOBENATE: (Phase.TRANSITIONAL,),
             ContrastAgent.EXTRACELLULAR: (Phase.TRANSITIONAL, Phase.HEPATOBILIARY)}.get(agent.agent, ()) if agent.agent else ()
    return [Problem(f"{where}, {phase}", f"the phase {Phase.TRANSITIONAL if phase is Phase.DELAYED else Phase.DELAYED} with {agent.agent}, or another agent "
                    f"(a phase map can say '{AGENT}: ...')", f"{phase} with {agent.agent} ({agent.evidence})") for phase in wrong if phase in phases]


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
