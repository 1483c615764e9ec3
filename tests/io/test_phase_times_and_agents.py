"""Times of acquisition and contrast agents, by which a phase is told, asked, or another than its name says. What is right is stated first (LI-RADS v2018,
technique: delayed 2 to 5 min; with gadoxetate, washout in the portal venous phase alone, capsule there or in the transitional phase)."""
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import AgentFinding, ContrastAgent, Phase
from lirads_keras.io.contrast_agent import find_agent, read_agents
from lirads_keras.io.phase_facts import SeriesFacts
from lirads_keras.io.phases import find_phases
from lirads_keras.io.suitability import read_rule_table

A, P, D, T, H = Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED, Phase.TRANSITIONAL, Phase.HEPATOBILIARY
GADOXETATE, GADOBENATE, EXTRACELLULAR = ContrastAgent

AGENTS = {
    GADOXETATE: ["Primovist", "EOVIST", "Gd-EOB-DTPA", "GD EOB DTPA 10ml", "EOB", "GdEOBDTPA", "gadoxetate disodium", "Gadoxetic acid", "gadoxetico", "普美显",
                 "普美顯", "钆塞酸二钠", "プリモビスト", "EOB・プリモビスト注シリンジ", "примовист", "프리모비스트", "PRIMOVIST (Gd-EOB-DTPA)"],
    GADOBENATE: ["MultiHance", "MULTIHANCE 529", "Gd-BOPTA", "gadobenate dimeglumine", "Gadobensäure", "莫迪司", "钆贝葡胺", "мультихенс"],
    EXTRACELLULAR: ["Gadovist", "GADAVIST", "Dotarem", "Magnevist", "Gd-DTPA", "gadopentetate", "ProHance", "gadoteridol", "Gadoterate meglumine", "Clariscan",
                    "Omniscan", "马根维显", "加乐显", "多它灵", "钆喷酸葡胺", "マグネビスト", "ガドビスト", "Elucirem", "дотарем", "가도비스트"]}


@pytest.mark.parametrize("agent, text", [(agent, text) for agent, texts in AGENTS.items() for text in texts])
def test_agents_by_their_names(agent: ContrastAgent, text: str) -> None:
    assert read_agents(text) == [agent]
    assert find_agent([text, "", "GADOLINIUM"], ["AX LAVA"]) == AgentFinding(agent, f"ContrastBolusAgent '{text}'")


@pytest.mark.parametrize("text", ["", "GADOLINIUM", "Gd", "CONTRAST", "yes", "10 ml", "NONE", "saline", "feobed", "Ablavar", "Feraheme"])
def test_what_names_no_agent(text: str) -> None:
    assert read_agents(text) == [] and find_agent([text], []) == AgentFinding()


def test_what_names_two_agents_names_none() -> None:
    """A name, and what the scanner was set to, may each be of another examination."""
    assert find_agent(["Gadolinium"], ["T1 Primovist"]) == AgentFinding(GADOXETATE, "the name 'T1 Primovist'")
    assert find_agent(["Primovist"], ["T1 Primovist"]) == AgentFinding(GADOXETATE, "ContrastBolusAgent 'Primovist'")
    for texts, names in ((["Gadovist", "Primovist"], []), (["Primovist / Gadovist"], []), (["Gadovist"], ["T1 Primovist"])):
        found = find_agent(texts, names)
        assert found.agent is None and "gadoxetate" in found.evidence and "extracellular" in found.evidence


@pytest.mark.parametrize("agent, phase, seconds, right", [
    ("Gadovist", H, None, None), ("Gadovist", T, None, None), ("MultiHance", T, None, None), ("MultiHance", H, 1200, None), ("MultiHance", H, 5400, GADOBENATE),
    ("MultiHance", H, None, GADOBENATE), ("EOVIST", H, 1200, GADOXETATE), ("EOVIST", T, 180, GADOXETATE), ("", H, 1200, GADOXETATE), ("", H, 5400, GADOBENATE)])
def test_a_named_agent_and_a_phase_that_it_has_not_contradict_each_other(
        agent: str, phase: Phase, seconds: float | None, right: ContrastAgent | None) -> None:
    found = find_agent([agent], [], [(phase, seconds, "by hand")])
    assert found.agent is right and (right is not None or found.evidence.startswith("ambiguous"))


def test_a_transitional_phase_and_a_late_hepatobiliary_one_tell_two_agents_in_any_order() -> None:
    phases = [(T, 180.0, "a"), (H, 7200.0, "b")]
    assert find_agent([], [], phases).agent is None is find_agent([], [], phases[::-1]).agent


def test_each_pattern_of_the_table_is_one_of_an_agent() -> None:
    assert list(read_rule_table()["contrast_agents"]) == list(ContrastAgent), "in this order they are asked"


def tell(*series: SeriesFacts, agent: ContrastAgent | None = None) -> list[Phase | None]:
    return [finding.phase for finding in find_phases(series, agent).findings]


@pytest.mark.parametrize("agent, name, phase", [
    ("EOVIST", "LAVA DELAYED 3 min", T), ("Gd-EOB-DTPA", "LAVA DELAYED", T), ("EOVIST", "LAVA 3 min", T), ("EOVIST", "HBP", H), ("EOVIST", "LAVA 20 min", H),
    ("EOVIST", "LAVA TRANSITIONAL", T), ("EOVIST", "LAVA PV", P), ("EOVIST", "LAVA ART", A),
    ("MultiHance", "LAVA DELAYED 3 min", D), ("MultiHance", "HBP 60 min", H), ("MultiHance", "LAVA TRANSITIONAL", None), ("MultiHance", "LAVA 20 min", None),
    ("Gadovist", "LAVA DELAYED 3 min", D), ("Gadovist", "HBP", None), ("Gadovist", "LAVA 20 min", None), ("Gadovist", "LAVA TRANSITIONAL", None),
    ("", "LAVA DELAYED 3 min", D), ("", "LAVA 20 min", None), ("GADOLINIUM", "LAVA 20 min", None), ("", "HBP", H), ("", "LAVA TRANSITIONAL", T)])
def test_what_a_name_is_with_an_agent(agent: str, name: str, phase: Phase | None) -> None:
    assert tell(SeriesFacts(name, contrast_agent=agent)) == [phase]


def test_the_agent_of_one_series_is_that_of_the_study() -> None:
    assert tell(SeriesFacts("ART", contrast_agent="EOVIST"), SeriesFacts("DELAYED")) == [A, T]
    assert tell(SeriesFacts("ART", contrast_agent="EOVIST"), SeriesFacts("DELAYED"), agent=EXTRACELLULAR) == [A, D]


def test_a_hepatobiliary_series_tells_gadoxetate_and_a_late_one_gadobenate() -> None:
    series = [SeriesFacts("ART"), SeriesFacts("DELAYED 3 min"), SeriesFacts("HBP 20 min")]
    found = find_phases(series)
    assert [finding.phase for finding in found.findings] == [A, T, H] and found.agent.agent is GADOXETATE and "HBP 20 min" in found.agent.evidence
    assert tell(*series[:2]) == [A, D]
    dated = [SeriesFacts(item.description, acquired_s=1000 + after) for item, after in zip(series, (0, 150), strict=False)]
    for last in (SeriesFacts("HBP", seconds_after_contrast=5400), SeriesFacts("HBP 2h"), SeriesFacts("HBP 120 min"), SeriesFacts("HBP", acquired_s=8000)):
        late = [*dated, last]
        assert tell(*late) == [A, D, H] and find_phases(late).agent.agent is GADOBENATE, last
    assert tell(SeriesFacts("ART", contrast_agent="Gadovist"), SeriesFacts("DELAYED"), SeriesFacts("HBP")) == [A, None, None], "which of them is wrong is asked"
    for shown in (SeriesFacts("SUB HBP"), SeriesFacts("COR HBP", orientation=(1, 0, 0, 0, 0, -1)), SeriesFacts("mDIXON F HBP")):
        assert tell(*series[:2], shown) == [A, T, Phase.OTHER], "what is computed from the phase, or lies in another plane, shows that there was one"
    assert tell(*series[:2], SeriesFacts("T2 HBP")) == [A, D, Phase.OTHER], "another contrast does not"
    assert tell(*series[:2], SeriesFacts("LAVA 20 min")) == [A, D, None], "a time alone tells none either"


def test_what_is_named_transitional_comes_before_what_is_named_delayed() -> None:
    assert tell(SeriesFacts("TRANSITIONAL 3 min"), SeriesFacts("DELAYED 5 min"), SeriesFacts("HBP")) == [T, Phase.OTHER, H]


@pytest.mark.parametrize("seconds, unnamed, delayed", [
    (-100, Phase.PRECONTRAST, None), (30, A, None), (70, P, None), (100, None, None), (119, None, None), (120, D, D), (300, D, D), (301, None, None),
    (600, None, None), (899, None, None), (1200, None, None), (5000, None, None)])
def test_delayed_is_two_to_five_minutes_by_the_clock(seconds: float, unnamed: Phase | None, delayed: Phase | None) -> None:
    assert tell(SeriesFacts("DYN", seconds_after_contrast=seconds)) == [unnamed]
    assert tell(SeriesFacts("LAVA DELAYED", seconds_after_contrast=seconds)) == [delayed]
    if seconds > 300:
        for agent in ("", "Gadovist", "MultiHance"):
            assert tell(SeriesFacts("DYN", seconds_after_contrast=seconds, contrast_agent=agent)) == [None]


@pytest.mark.parametrize("name, right, wrong", [
    ("ART", (10, 20, 35, 50), (-30, 5, 60, 70, 180)), ("PV", (40, 60, 90, 119), (-1, 20, 180, 600)), ("PRE", (-1200, -5, 0, 8), (20, 60, 200)),
    ("HBP", (600, 1200, 5400), (60, 180, 400))])
def test_names_that_the_clock_contradicts_are_asked(name: str, right: tuple[float, ...], wrong: tuple[float, ...]) -> None:
    alone, = tell(SeriesFacts(name))
    assert alone is not None
    for seconds in right:
        assert tell(SeriesFacts(name, seconds_after_contrast=seconds)) == [alone], seconds
    for seconds in wrong:
        finding, = find_phases([SeriesFacts(name, seconds_after_contrast=seconds)]).findings
        assert finding.phase is None and finding.candidates[0] is alone and "contradict" in finding.evidence, seconds


@pytest.mark.parametrize("after, phase", [(-50, D), (0, D), (30, None), (69, None), (80, D), (150, D), (280, D), (300, None), (1180, None)])
def test_without_a_clock_the_arterial_image_is_one(after: float, phase: Phase | None) -> None:
    """20 minutes after the arterial image nothing is delayed, whatever it is called; times that are all one, or run backwards, are no clock."""
    finding = find_phases([SeriesFacts("LAVA ART", acquired_s=1000), SeriesFacts("LAVA DELAYED", acquired_s=1000 + after)]).findings[1]
    assert finding.phase is phase and (phase is not None or D in finding.candidates)


@given(agent=st.sampled_from(["", "EOVIST", "MultiHance", "Gadovist", "EOVIST / Gadovist"]), names=st.lists(st.sampled_from(
    ["PRE", "ART", "PV", "DELAYED", "TRANSITIONAL", "HBP", "3 min", "20 min", "DYN", "SUB PV", "late venous"]), min_size=1, max_size=6),
       seconds=st.one_of(st.none(), st.floats(-500, 8000)))
def test_whatever_the_study_the_agents_rules_hold(agent: str, names: list[str], seconds: float | None) -> None:
    found = find_phases([SeriesFacts(name, seconds_after_contrast=seconds, contrast_agent=agent) for name in names])
    phases = {finding.phase for finding in found.findings}
    assert not (found.agent.agent is GADOXETATE and D in phases)
    assert not (found.agent.agent is not GADOXETATE and T in phases)
    assert not (found.agent.agent is EXTRACELLULAR and H in phases)
    assert all(finding.evidence and (finding.phase is not None or finding.obstacle is None) for finding in found.findings)


def test_a_phase_map_gives_the_agent(tmp_path: Path) -> None:
    from lirads_keras.io.phase_map import PhaseMap, read_phase_map

    (tmp_path / "map.yaml").write_text("contrast_agent: extracellular\n")
    assert read_phase_map(tmp_path / "map.yaml") == PhaseMap({}, EXTRACELLULAR)
