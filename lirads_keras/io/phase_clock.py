"""What the times of acquisition say of a time point's phase: they tell it where its name does not, and a name that they contradict is left open."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from lirads_keras.entities import ArterialTiming, Phase
from lirads_keras.io.phase_facts import PhaseFinding, SeriesFacts
from lirads_keras.io.phase_names import phases_at, phases_near, read_minutes_s, read_name_rules
from lirads_keras.io.suitability import read_rule_table


@dataclass(frozen=True)
class ClockRules:
    """Of the table `phase_rules.yaml`, how times tell a phase, and which a named phase may have."""

    ranges_s: Mapping[Phase, tuple[float, float]]
    possible_s: Mapping[Phase, tuple[float, float]]
    before_contrast_s: float
    after_arterial_s: Mapping[Phase, tuple[float, float]]


@cache
def read_clock_rules() -> ClockRules:
    """The package's own."""
    table, names = read_rule_table(), read_name_rules()
    return ClockRules(
        ranges_s=names.ranges_s,
        possible_s={**names.possible_s, Phase.PRECONTRAST: (float("-inf"), names.possible_s[Phase.ARTERIAL][0])},
        before_contrast_s=table["before_contrast_s"],
        after_arterial_s={Phase(phase): (low, high) for phase, (low, high) in table["seconds_after_arterial"].items()})


def ask_clock(by_name: PhaseFinding, facts: SeriesFacts) -> PhaseFinding:
    """A finding by name with what ContrastBolusStartTime says to it. A clock that is often set by hand does not overrule a name, nor the other way round."""
    rules, seconds = read_clock_rules(), facts.seconds_after_contrast
    if seconds is None or by_name.phase is Phase.OTHER:
        return by_name
    evidence = f"acquired {seconds:.0f} s after ContrastBolusStartTime"
    if by_name.candidates:
        return replace(by_name, evidence=f"{by_name.evidence}; {evidence}")
    if by_name.phase is not None:
        return by_name if _may_be(by_name.phase, (seconds, seconds)) else _contradict(by_name, evidence, seconds)
    told = [Phase.PRECONTRAST] if -rules.before_contrast_s <= seconds < 0 else phases_at(seconds, rules.ranges_s)
    if len(told) == 1:
        return PhaseFinding(told[0], evidence, is_by_time=True)
    near = phases_near(seconds, read_name_rules()) if seconds >= 0 else ()
    return PhaseFinding(None, f"{by_name.evidence}; {evidence}", near)


def ask_arterial_times(findings: Sequence[PhaseFinding], series: Sequence[SeriesFacts]) -> list[PhaseFinding]:
    """Where there is no contrast clock, the arterial time points are one: they are acquired shortly after injection. It tells the phase of what follows by the
    same protocol, and stands against names that it contradicts; times before an arterial image, or the same, tell nothing."""
    rules = read_clock_rules()
    named = [(facts, finding.arterial_timing) for facts, finding in zip(series, findings, strict=True) if finding.phase is Phase.ARTERIAL]
    # What follows an early arterial image may be a late one.
    anchors = {
        facts.kind: facts for facts, timing in named
        if timing is not ArterialTiming.EARLY and sum(other.kind == facts.kind for other, _ in named) == 1}
    timed = [facts.acquired_s for facts, _ in named if facts.acquired_s is not None]
    earliest, latest = rules.possible_s[Phase.ARTERIAL]
    asked = []
    for facts, finding in zip(series, findings, strict=True):
        if finding.phase is None and not finding.candidates and facts.kind in anchors:
            finding = _find_after(facts, anchors[facts.kind], rules) or finding
        elif finding.phase not in (None, Phase.OTHER, Phase.ARTERIAL) and facts.seconds_after_contrast is None and timed:
            after = None if facts.acquired_s is None else (facts.acquired_s - max(timed), facts.acquired_s - min(timed))
            if after is not None and after[0] > 0 and not _may_be(finding.phase, (after[0] + earliest, after[1] + latest)):
                finding = _contradict(finding, f"acquired {after[0]:.0f} s after the arterial phase", after[0] + earliest)
        asked.append(finding)
    return asked


def find_seconds(facts: SeriesFacts, findings: Sequence[PhaseFinding], series: Sequence[SeriesFacts]) -> float | None:
    """Seconds after injection by the clock, by the name, or at least so many by the time after the study's arterial images; None where nothing tells them."""
    if facts.seconds_after_contrast is not None:
        return facts.seconds_after_contrast
    if named := [time for name in (facts.description, facts.protocol) for time in read_minutes_s(name, read_name_rules())]:
        return max(named)
    arterial = [other.acquired_s for other, finding in zip(series, findings, strict=True) if finding.phase is Phase.ARTERIAL and other.acquired_s is not None]
    after = None if facts.acquired_s is None or not arterial else facts.acquired_s - max(arterial)
    return after if after is not None and after > 0 else None


def _may_be(phase: Phase, seconds: tuple[float, float]) -> bool:
    """Whether a phase may be acquired between two times after injection."""
    first, last = read_clock_rules().possible_s[phase]
    return first <= seconds[1] and seconds[0] <= last


def _contradict(by_name: PhaseFinding, evidence: str, seconds: float) -> PhaseFinding:
    assert by_name.phase is not None
    others = tuple(phase for phase in phases_near(max(seconds, 0), read_name_rules()) if phase is not by_name.phase)
    return PhaseFinding(None, f"{by_name.evidence}, but {evidence}: they contradict each other", (by_name.phase, *others))


def _find_after(facts: SeriesFacts, arterial: SeriesFacts, rules: ClockRules) -> PhaseFinding | None:
    if facts.acquired_s is None or arterial.acquired_s is None:
        return None
    after = facts.acquired_s - arterial.acquired_s
    phases = [phase for phase, (low, high) in rules.after_arterial_s.items() if low <= after <= high]
    if len(phases) != 1:
        return None
    evidence = f"acquired {after:.0f} s after the arterial '{arterial.description}' with the same protocol"
    return PhaseFinding(phases[0], evidence, is_by_time=True)
