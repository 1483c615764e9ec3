"""A phase map: the user's word on which series is which phase, and on the contrast agent."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lirads_keras.entities import ContrastAgent, Phase
from lirads_keras.errors import InputError, Problem, raise_if_any

ABSENT = "absent"
"""The word of a phase map for a phase that the study lacks."""

AGENT = "contrast_agent"
"""The key of a phase map for the agent."""


@dataclass(frozen=True)
class PhaseChoice:
    """A line of a phase map: `series` is a SeriesInstanceUID or an exact SeriesDescription, None where the study has one series;
    `time_point` counts from 0 in order of time, None where the series has one."""

    series: str | None
    time_point: int | None


@dataclass(frozen=True)
class PhaseMap:
    """The choices by phase, None where the study has none of it, and the contrast agent where it is given."""

    choices: Mapping[Phase, PhaseChoice | None] = field(default_factory=dict)
    agent: ContrastAgent | None = None


def read_phase_map(path: Path) -> PhaseMap:
    """Reads a phase map (YAML), which says what series or time point is what phase, or that the study has none of it (`absent`, here None).

    Example:
        >>> print(Path("phases.yaml").read_text())      # doctest: +SKIP
        arterial: {series: 1.2.840.113619.2.5, time_point: 1}
        portal_venous: absent
        delayed: {series: "LAVA late"}
        contrast_agent: extracellular

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
    agent: ContrastAgent | None = None
    for name, choice in content.items():
        where = f"{path}, {name}"
        if name == AGENT:
            if choice not in list(ContrastAgent):
                problems.append(Problem(where, " or ".join(ContrastAgent), _shown(choice)))
            else:
                agent = ContrastAgent(choice)
            continue
        if name not in list(Phase):
            problems.append(Problem(where, f"one of {', '.join(Phase)}, or {AGENT}", repr(name)))
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
    return PhaseMap(choices, agent)


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
