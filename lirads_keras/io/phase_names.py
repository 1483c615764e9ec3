"""Which contrast phase a name says, in the words and with the times of `phase_rules.yaml`: a contradiction is left open, never settled."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lirads_keras.entities import ENHANCED_PHASES, ArterialTiming, Phase
from lirads_keras.io.suitability import read_rule_table, simplify_name

_UNITS_S = {"seconds": 1, "minutes": 60, "hours": 3600}
_PRIMES = ((re.compile(r"(?<=\d) ?(''|\"|″|′′)(?!\w)"), " s "), (re.compile(r"(?<=\d) ?['’′](?!\w)"), " min "))
"""3' is three minutes, 30'' thirty seconds."""
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")


@dataclass(frozen=True)
class NameRules:
    """The words by what they say (a phase, or one of the table's qualifiers), each alternative compiled by itself, and the times."""

    words: Mapping[str, tuple[re.Pattern[str], ...]]
    times: tuple[tuple[re.Pattern[str], int], ...]
    ranges_s: Mapping[Phase, tuple[float, float]]
    possible_s: Mapping[Phase, tuple[float, float]]
    longest_breath_hold_s: float
    shortest_delay_s: float


@dataclass(frozen=True)
class NameReading:
    """The phase that a name says, with its words as evidence. Where it is None and `evidence` is not empty, two or more `candidates` are in question.
    `is_by_time`: it says a time after injection, and no word for the phase."""

    phase: Phase | None
    evidence: str
    candidates: tuple[Phase, ...] = ()
    arterial_timing: ArterialTiming | None = None
    is_by_time: bool = False


@dataclass(frozen=True)
class _Time:
    seconds: float
    word: str
    is_in_seconds: bool


@cache
def read_name_rules() -> NameRules:
    """The package's own."""
    return compile_name_rules(read_rule_table())


def compile_name_rules(table: Any) -> NameRules:
    """The rules over names of a table such as `phase_rules.yaml`."""
    times = table["times_in_names"]
    words = {
        meaning: tuple(re.compile(alternative) for alternatives in languages.values() for alternative in alternatives)
        for meaning, languages in (table["phases"] | table["qualifiers"]).items()}
    return NameRules(
        words=words,
        times=tuple((re.compile(f"{times['number']}{unit}(?![a-zа-я0-9])"), factor) for name, factor in _UNITS_S.items() for unit in times[name]),
        ranges_s=_read_ranges(table["seconds_after_injection"]),
        possible_s=_read_ranges(table["seconds_that_a_phase_may_have"]),
        longest_breath_hold_s=times["longest_breath_hold_s"],
        shortest_delay_s=times["shortest_delay_s"])


def read_name(name: str, rules: NameRules) -> NameReading:
    """What a SeriesDescription or ProtocolName says; whether it may be a phase at all is asked by `suitability`.

    A word of lateness with an arterial word is the late arterial phase, alone or with a venous word the delayed one. Two phases, a phase with a time
    that it cannot have, "pre" with "post", a late portal or early venous phase, and a time that is no phase's are left open.
    """
    text = _simplify_times(name)
    found = {meaning: word for meaning, alternatives in rules.words.items() if (word := _search(alternatives, text)) is not None}
    phases = {phase: f"'{found[phase]}'" for phase in Phase if phase in found}
    times = list(_find_times(text, rules))
    if open_reading := _qualify(phases, found):
        return open_reading
    if len(phases) > 1:
        return NameReading(None, "ambiguous, names " + " and ".join(f"{phase} ({word})" for phase, word in phases.items()), tuple(phases))
    if not phases:
        return _read_times(times, found, rules)
    (phase, word), = phases.items()
    timing = _read_timing(found) if phase is Phase.ARTERIAL else None
    if timing:
        word = f"'{found[timing]}' and {word}"
    for time in times:
        if _counts_against(time, phase, found, rules) and not _lies_in(time.seconds, rules.possible_s[phase]):
            others = tuple(other for other in phases_near(time.seconds, rules) if other is not phase)
            return NameReading(None, f"{word} and '{time.word}' contradict each other", (phase, *others))
    return NameReading(phase, word, (), timing)


def read_minutes_s(name: str, rules: NameRules) -> list[float]:
    """The minutes and hours of a name, in seconds; they count from injection."""
    return [time.seconds for time in _find_times(_simplify_times(name), rules) if not time.is_in_seconds]


def phases_at(seconds: float, ranges_s: Mapping[Phase, tuple[float, float]]) -> list[Phase]:
    """The phases whose ranges hold a time after injection, at most one."""
    return [phase for phase, limits in ranges_s.items() if _lies_in(seconds, limits)]


def phases_near(seconds: float, rules: NameRules) -> tuple[Phase, ...]:
    """The phase at a time after injection, or those before and after it: two at least where it is none's."""
    at = phases_at(seconds, rules.ranges_s)
    if at:
        return tuple(at)
    order = [Phase.PRECONTRAST, *rules.ranges_s]
    later = next((index for index, phase in enumerate(order) if index and rules.ranges_s[phase][0] > seconds), len(order) - 1)
    return tuple(order[later - 1:later + 1])


def _simplify_times(name: str) -> str:
    text = _DECIMAL_COMMA.sub(".", name)
    for prime, unit in _PRIMES:
        text = prime.sub(unit, text)
    return simplify_name(text)


def _qualify(phases: dict[Phase, str], found: Mapping[str, str]) -> NameReading | None:
    """Adds what the words of lateness and veins say to `phases`; what they leave open is returned."""
    late, early, venous = (f"'{found[word]}'" if word in found else "" for word in ("late", "early", "venous"))
    if late and early and not phases:
        return NameReading(None, f"ambiguous, {early} and {late}", (Phase.ARTERIAL, Phase.DELAYED))
    if late and not phases:
        phases[Phase.DELAYED] = f"{late} and {venous}" if venous else late
        late = ""
    elif venous and Phase.PORTAL_VENOUS not in phases:
        phases |= {Phase.PORTAL_VENOUS: venous}
    given = found.get("with_and_without") or found.get("after_injection")
    if list(phases) == [Phase.PRECONTRAST] and given:
        return NameReading(None, f"ambiguous, {phases[Phase.PRECONTRAST]} and '{given}'", (Phase.PRECONTRAST, *ENHANCED_PHASES))
    if late and list(phases) in ([Phase.PRECONTRAST], [Phase.PORTAL_VENOUS]):
        phase, = phases
        return NameReading(None, f"ambiguous, {late} and {phases[phase]}", (phase, Phase.DELAYED))
    if early and list(phases) in ([], [Phase.PORTAL_VENOUS]):
        return NameReading(None, f"ambiguous, {' and '.join([early, *phases.values()])}", (Phase.ARTERIAL, Phase.PORTAL_VENOUS))
    return None


def _read_timing(found: Mapping[str, str]) -> ArterialTiming | None:
    """None where the name says neither, or both."""
    told = [timing for timing in ArterialTiming if timing in found]
    return told[0] if len(told) == 1 else None


def _read_times(times: list[_Time], found: Mapping[str, str], rules: NameRules) -> NameReading:
    """Of a name without a word for a phase."""
    counted = [time for time in times if not time.is_in_seconds or _is_after_injection(found)]
    told = {phase: time.word for time in counted for phase in phases_at(time.seconds, rules.ranges_s)}
    if len(told) == 1 and all(phases_at(time.seconds, rules.ranges_s) for time in counted):
        (phase, word), = told.items()
        return NameReading(phase, f"'{word}'", is_by_time=True)
    if counted:
        near = dict.fromkeys(phase for time in counted for phase in phases_near(time.seconds, rules))
        return NameReading(None, f"ambiguous, {' and '.join(repr(time.word) for time in counted)} after injection", tuple(near))
    return NameReading(None, "")


def _counts_against(time: _Time, phase: Phase, found: Mapping[str, str], rules: NameRules) -> bool:
    if not time.is_in_seconds or time.seconds >= rules.longest_breath_hold_s:
        return True
    if time.seconds < rules.shortest_delay_s or phase is Phase.PRECONTRAST:
        return False
    return _is_after_injection(found) or phase is Phase.DELAYED and "breath_hold" not in found


def _is_after_injection(found: Mapping[str, str]) -> bool:
    return ("after_injection" in found or "contrast_agent" in found) and "breath_hold" not in found


def _find_times(text: str, rules: NameRules) -> Iterator[_Time]:
    """In the order of the text; "1 min 30 s" is one time."""
    matches = sorted(((match, factor) for pattern, factor in rules.times for match in pattern.finditer(text)), key=lambda found: found[0].start())
    before: tuple[re.Match[str], int] | None = None
    for match, factor in matches:
        seconds = float(match["number"]) * factor
        if before is not None:
            minutes, unit = before
            if factor == 1 and unit == 60 and match.start() - minutes.end() <= 1 and seconds < 60:
                yield _Time(float(minutes["number"]) * 60 + seconds, text[minutes.start():match.end()], False)
                before = None
                continue
            yield _Time(float(minutes["number"]) * unit, minutes.group(), unit == 1)
        before = match, factor
    if before is not None:
        match, factor = before
        yield _Time(float(match["number"]) * factor, match.group(), factor == 1)


def _search(alternatives: tuple[re.Pattern[str], ...], text: str) -> str | None:
    return next((match.group() for pattern in alternatives if (match := pattern.search(text))), None)


def _lies_in(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _read_ranges(table: Mapping[str, tuple[float, float]]) -> dict[Phase, tuple[float, float]]:
    return {Phase(phase): (low, high) for phase, (low, high) in table.items()}
