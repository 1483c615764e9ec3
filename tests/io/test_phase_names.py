"""Names by language, and what they say: `phase_names.csv` states what is right, and where a public text has the name or its words, or that none was found."""
from __future__ import annotations

import csv
import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.entities import ArterialTiming, Phase
from lirads_keras.io.deidentify_plan import clean_name
from lirads_keras.io.phase_facts import PhaseFinding, SeriesFacts
from lirads_keras.io.phase_names import NameRules, read_name, read_name_rules
from lirads_keras.io.phases import find_by_name, find_phases
from lirads_keras.io.suitability import find_name_obstacle, read_rule_table, simplify_name

LANGUAGES = {"en", "zh", "de", "fr", "es", "it", "pt", "pl", "tr", "ru", "nl", "sv", "ja", "ko"}
FEWEST_NAMES, FEWEST_OF_A_LANGUAGE = 600, 25
MOST_ASKED, MOST_ASKED_OF_ONE_ANSWER = 0.25, 0.1
ASKED = "asked"
ANSWERS = {str(phase) for phase in Phase} | {f"arterial {timing}" for timing in ArterialTiming} | {ASKED}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    language: str
    accepted: tuple[str, ...]
    source: str

    @property
    def has_one_answer(self) -> bool:
        return len(self.accepted) == 1 and self.accepted != (ASKED,)


def read_rows() -> list[Row]:
    with (Path(__file__).parent / "phase_names.csv").open(encoding="utf-8", newline="") as file:
        return [Row(row["name"], row["language"], tuple(row["accepted"].split("|")), row["source"]) for row in csv.DictReader(file)]


ROWS = read_rows()


def find(name: str) -> PhaseFinding:
    return find_by_name(name, "")


def answer(finding: PhaseFinding) -> str:
    if finding.phase is None:
        return ASKED
    return f"{finding.phase} {finding.arterial_timing}" if finding.arterial_timing else str(finding.phase)


def test_the_table_is_one_of_facts() -> None:
    names = [row.name for row in ROWS]
    assert len(names) >= FEWEST_NAMES and len(set(names)) == len(names)
    assert {row.language for row in ROWS} == LANGUAGES
    assert not [row for row in ROWS if not row.source.strip() or set(row.accepted) - ANSWERS or len(set(row.accepted) - {ASKED}) > 2]
    assert not [row for row in ROWS if {"delayed", "hepatobiliary"} <= set(row.accepted)], "the two are never one answer"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_name_is_read_wrong_and_few_are_asked(language: str) -> None:
    rows = [row for row in ROWS if row.language == language]
    found = {row: answer(find(row.name)) for row in rows}
    assert len(rows) >= FEWEST_OF_A_LANGUAGE
    wrong = {row.name: told for row, told in found.items() if told not in row.accepted and not (told == ASKED and row.has_one_answer)}
    asked = [row.name for row, told in found.items() if told == ASKED]
    of_one = [row for row in rows if row.has_one_answer]
    asked_of_one = [row.name for row in of_one if found[row] == ASKED]
    assert not wrong
    assert len(asked) <= MOST_ASKED * len(rows) and len(asked_of_one) <= MOST_ASKED_OF_ONE_ANSWER * len(of_one), asked_of_one


def drop_accents(name: str) -> str:
    """As somebody types who has none on the keyboard; Japanese voicing marks are no accents."""
    kept = [mark for mark in unicodedata.normalize("NFD", name) if not unicodedata.combining(mark) or mark in "\u3099\u309a"]
    return unicodedata.normalize("NFC", "".join(kept)).translate(str.maketrans("łŁıø", "lLio"))


@pytest.mark.parametrize("change", [drop_accents, str.upper, str.lower, lambda name: name.replace(" ", "_"), lambda name: unicodedata.normalize("NFD", name)])
def test_accents_case_and_underscores_change_nothing(change) -> None:
    def told(name: str) -> tuple:
        finding = find(name)
        return finding.phase, set(finding.candidates), finding.arterial_timing

    assert not {row.name: told(change(row.name)) for row in ROWS if told(change(row.name)) != told(row.name)}


def test_a_name_says_the_same_after_deidentification() -> None:
    differ = {row.name: clean_name(row.name) for row in ROWS if answer(find(clean_name(row.name))) != answer(find(row.name))}
    assert not differ


def without_each(rules: NameRules) -> Iterator[tuple[str, re.Pattern[str], NameRules]]:
    """What an alternative means, itself, and the rules without it."""
    for meaning, alternatives in rules.words.items():
        for index, pattern in enumerate(alternatives):
            rest = alternatives[:index] + alternatives[index + 1:]
            yield meaning, pattern, dataclasses.replace(rules, words={**rules.words, meaning: rest})
    for index, (pattern, _) in enumerate(rules.times):
        yield "time", pattern, dataclasses.replace(rules, times=rules.times[:index] + rules.times[index + 1:])


def test_each_alternative_of_the_rules_decides_a_name() -> None:
    rules = read_name_rules()
    names = [row.name for row in ROWS if not find_name_obstacle(row.name)]
    texts = {name: simplify_name(name) for name in names}

    def told(name: str, by: NameRules) -> tuple:
        reading = read_name(name, by)
        return reading.phase, reading.arterial_timing, bool(reading.evidence)

    whole = {name: told(name, rules) for name in names}
    idle = [
        f"{meaning} {pattern.pattern}" for meaning, pattern, fewer in without_each(rules)
        if not any(told(name, fewer) != whole[name] for name in names if pattern.search(texts[name]))]
    assert not idle


def test_alternatives_are_single() -> None:
    """One with a `|` outside of brackets would be two, of which the test above asks but one."""
    table = read_rule_table()
    for alternatives in (table["phases"] | table["qualifiers"]).values():
        for alternative in (one for of_language in alternatives.values() for one in of_language):
            depth = 0
            for mark in alternative:
                depth += (mark == "(") - (mark == ")")
                assert mark != "|" or depth, alternative


@pytest.mark.parametrize("name, told", [
    # A word of lateness beside an arterial one is late arterial, in every language and order.
    ("phase artérielle tardive", "arterial late"), ("arteriell spät", "arterial late"), ("fase arterial tardía", "arterial late"),
    ("arteriosa tardiva", "arterial late"), ("faza późna tętnicza", "arterial late"), ("geç arteriyel", "arterial late"),
    ("поздняя артериальная", "arterial late"), ("laat arterieel", "arterial late"), ("sen artärfas", "arterial late"), ("動脈相 後期", "arterial late"),
    ("晚期动脉", "arterial late"), ("후기 동맥기", "arterial late"), ("동맥후기", "arterial late"),
    ("geç arter", "arterial late"), ("late AP", "arterial late"), ("LATE_ART", "arterial late"), ("AX T1 late dyn art", "arterial late"),
    ("arterielle Spätphase", "arterial late"), ("ART. TARD.", "arterial late"), ("Late Art 35 s", "arterial late"),
    # Late beside the portal venous phase may be either; beside a vein, or alone, it is delayed.
    ("Late Art/PV", ASKED), ("ARTERIAL TARDIA PORTAL", ASKED), ("portal venous late", ASKED), ("portalvenöse Spätphase", ASKED), ("門脈相後期", ASKED),
    ("venöse Spätphase", "delayed"), ("t1_vibe_dixon_tra_bh_late_W", "delayed"), ("senfase", "delayed"), ("early to late", ASKED), ("LAVA early", ASKED),
    ("phase artérielle précoce", "arterial early"), ("раннеартериальная", "arterial early"), ("early late arterial", "arterial"),
    # A word against a number.
    ("LAVA 25s delay", ASKED), ("25 sec delay", ASKED), ("20 min delay", ASKED), ("延迟20分钟", ASKED), ("延迟25秒", ASKED), ("arterial 20 min", ASKED),
    ("retraso 20 min", ASKED), ("20분 지연", ASKED), ("задержка 25 секунд", ASKED), ("geç faz 20 dakika", ASKED),
    ("Spätphase 2 Stunden", ASKED), ("HBP 3 min", ASKED), ("PV 20 min", ASKED), ("delayed 10 min", ASKED), ("pre 3 min", ASKED),
    ("Primovist spät 20 min", ASKED), ("20MIN T1 VIBE ART", ASKED),
    ("venous 5 min", ASKED), ("equilibrium 15 min", ASKED), ("délai 20 min tardif", ASKED), ("LAVA art 180 s", ASKED), ("+C delayed 35 s", ASKED),
    ("early HBP 10 min", "hepatobiliary"), ("1h HBP", "hepatobiliary"), ("GD-EOB 20 min", "hepatobiliary"), ("tardiva 3'", "delayed"), ("5' delay", "delayed"),
    ("LAVA delayed 3min 20s", "delayed"), ("arterial 25 s", "arterial"), ("VIBE DELAYED TTC=3.3s", "delayed"), ("delayed BH 17 s", "delayed"),
    # Seconds count from the injection only where the name says so; an agent or "post" does.
    ("LAVA 35s", ASKED), ("THRIVE 65s", ASKED), ("BH 25s", ASKED), ("LAVA 180 s", ASKED), ("LAVA +C BH 20s", ASKED),
    ("+C 35s", "arterial"), ("LAVA post 70 s", "portal_venous"), ("T1 gado 30''", "arterial"), ("LAVA 180 s p.i.", "delayed"), ("nach 70 sek", "portal_venous"),
    ("门脉期 20秒 屏气", "portal_venous"), ("T1 pre contrast BH 18 s", "precontrast"),
    # Minutes do; a comma, or a point, is no end of a number.
    ("2,5 min", "delayed"), ("1,5 min", ASKED), ("dyn 1 min", "portal_venous"), ("1 min 30 s", ASKED), ("2 min 30 s", "delayed"), ("VIBE 10 min", ASKED),
    ("t1_vibe_fs_tra_p2_bh_2.5mm", ASKED), ("LAVA 3 minimal", ASKED),
    # Both sides of the injection in one name.
    ("LAVA PRE/POST", ASKED), ("with/without contrast", ASKED), ("wo/w", ASKED), ("vor und nach KM", ASKED), ("nativ + KM", ASKED), ("mit/ohne KM", ASKED),
    ("avec/sans injection", ASKED), ("造影前後", ASKED), ("pre contrast", "precontrast"), ("ohne KM", "precontrast"), ("造影前", "precontrast"),
    # Words that only look like one.
    ("T1 del hígado", ASKED), ("eTHRIVE SENSE", ASKED), ("Poznań T1", ASKED), ("文脈", ASKED), ("大動脈", ASKED), ("간세포암 T1", ASKED), ("肝胆胰 T1", ASKED),
    ("T1 pre-op", ASKED),
    ("KM intravenös arteriell", "arterial"), ("KM i.v. venös", "portal_venous"), ("contraste intravenoso arterial", "arterial"),
    ("post RFA THRIVE 20s", ASKED), ("arteriell/venös", ASKED), ("arteriovenös", ASKED), ("arterio-portal", ASKED), ("артериовенозная", ASKED)])
def test_words_and_numbers(name: str, told: str) -> None:
    finding = find(name)
    assert answer(finding) == told, finding
    assert len(finding.candidates) != 1 or finding.phase is Phase.OTHER, "one candidate is no question"


@given(st.sampled_from([row.name for row in ROWS if "delayed" in row.accepted and not find_name_obstacle(row.name)]), st.integers(6, 60))
def test_no_delayed_phase_after_six_minutes(name: str, minutes: int) -> None:
    """With gadoxetate such images are transitional or hepatobiliary, in which LI-RADS v2018 reads no washout."""
    assert find(f"{name} {minutes} min").phase is not Phase.DELAYED


@given(st.text(max_size=40))
def test_any_text_has_an_answer(name: str) -> None:
    finding = find(name)
    assert finding.phase is not Phase.DELAYED or not {Phase.HEPATOBILIARY, Phase.ARTERIAL} & set(finding.candidates)


LATE, EARLY = "LAVA late arterial", "LAVA early arterial"


@pytest.mark.parametrize("names, told", [
    ((EARLY, LATE), ("other early", "arterial late")),
    ((EARLY, LATE, LATE), ("other early", "arterial late", "arterial late")),
    ((EARLY, "LAVA arterial"), ("arterial early", "arterial")),
    ((LATE, "LAVA arterial"), ("arterial late", "arterial")),
    ((EARLY, "LAVA portal"), ("arterial early", "portal_venous")),
    ((EARLY, "late arterial SUB"), ("arterial early", "other"))])
def test_the_late_arterial_phase_goes_before_the_early_one(names: tuple[str, ...], told: tuple[str, ...]) -> None:
    findings = find_phases([SeriesFacts(name) for name in names]).findings
    assert tuple(map(answer, findings)) == told
    if told[0] == "other early":
        assert findings[0].evidence.endswith("; the late arterial phase is used instead") and findings[0].candidates == (Phase.ARTERIAL,)
