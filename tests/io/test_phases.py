from __future__ import annotations

from pathlib import Path

import pytest

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.phase_facts import SeriesFacts
from lirads_keras.io.phase_map import PhaseChoice, PhaseMap, read_phase_map
from lirads_keras.io.phases import find_phase, find_phases

NAMES: dict[Phase | None, list[str]] = {
    Phase.ARTERIAL: [
        "LAVA ARTERIAL 35s", "Ax LAVA ART", "t1_vibe_fs_tra_bh_arterial", "THRIVE_art_BH", "fat sat arterial", "t1_vibe_dixon_art_W",
        "WATER: ART LAVA-Flex", "T1 Late Arterial", "动脉期", "LAVA动脉期", "動脈相", "t1_vibe_arteriell", "T1 EG temps artériel",
        "VIBE artérielle", "LAVA +C 25sec"],
    Phase.PORTAL_VENOUS: [
        "THRIVE portal venous", "LAVA PV 60s", "AX LAVA PVP", "t1_vibe_portalvenös", "portal-venöse Phase", "T1 temps portal",
        "VIBE portale", "门脉期", "門靜脈期", "AX VENOUS", "porto-venous", "LAVA post 70s", "LAVA venous phase"],
    Phase.DELAYED: [
        "LAVA DELAYED 180s", "AX LAVA Delay 3min", "延迟期", "平衡期", "t1_vibe_fs_Spätphase", "T1 VIBE spät", "T1 tardif",
        "temps à l'équilibre", "equilibrium", "LAVA 3min", "THRIVE +C 180 s", "late venous", "延時 5分钟"],
    Phase.PRECONTRAST: [
        "LAVA PRE", "t1_vibe_fs_nativ", "T1 sans injection", "平扫", "Ax T1 w/o contrast wo", "T1 unenhanced"],
    Phase.HEPATOBILIARY: [
        "VIBE HBP 20min", "肝胆期", "T1 hepatobiliär", "phase hépatobiliaire", "LAVA 20 min"],
    Phase.OTHER: [
        "AX T2", "ADC", "DIFF B500", "DWI b800", "SUB arterial", "3-pl Loc", "T2 HASTE arterial", "MIP portal venous", "in_opp phase",
        "t1 transitional 180s", "减影 动脉期", "Lokalisator", "CAREBolus", "FAT: ART LAVA-Flex", "t1_vibe_dixon_art_F", "OutPhase: ART LAVA"],
    None: [
        "", "Sagittal-IR_3DFGRE", "DYN LAVA", "arterial + portal", "LAVA BH 20s", "LAVA 90s", "smart", "t1_vibe_dyn", "parties", "depot",
        # Seconds without a word may be those of the acquisition.
        "eTHRIVE 35 s", "THRIVE 70s", "THRIVE 180 s",
        "1600s", "T1 W/WO", "with and without contrast"],
}


@pytest.mark.parametrize("phase, name", [(phase, name) for phase, names in NAMES.items() for name in names])
def test_names_of_practice(phase: Phase | None, name: str) -> None:
    assert find_phase(name)[0] == phase, find_phase(name)


def test_the_evidence_quotes_the_name() -> None:
    assert find_phase("LAVA DELAYED 180s") == (Phase.DELAYED, "SeriesDescription 'LAVA DELAYED 180s': 'delayed'")
    assert find_phase("art/portal")[1] == "SeriesDescription 'art/portal': ambiguous, names arterial ('art') and portal_venous ('portal')"


def test_the_protocol_is_read_where_the_description_says_nothing() -> None:
    phase, evidence = find_phase("WATER", "LAVA delayed")
    assert phase is Phase.DELAYED and evidence.startswith("ProtocolName")
    assert find_phase("LAVA arterial", "LAVA delayed")[0] is Phase.ARTERIAL
    assert find_phase("ADC", "LAVA delayed")[0] is Phase.OTHER
    assert find_phase("arterial+portal", "LAVA delayed")[0] is None


@pytest.mark.parametrize("seconds, phase", [
    (-60, Phase.PRECONTRAST), (30, Phase.ARTERIAL), (65, Phase.PORTAL_VENOUS), (180, Phase.DELAYED), (1200, None),
    (-4000, None), (45, None), (100, None), (600, None)])
def test_the_clock_tells_where_the_name_does_not(seconds: float, phase: Phase | None) -> None:
    finding, = find_phases([SeriesFacts("DYN", seconds_after_contrast=seconds)]).findings
    assert finding.phase is phase and f"{seconds} s after ContrastBolusStartTime" in finding.evidence


def test_a_name_that_the_clock_contradicts_is_asked() -> None:
    finding, = find_phases([SeriesFacts("LAVA arterial", seconds_after_contrast=180)]).findings
    assert finding.phase is None and finding.candidates == (Phase.ARTERIAL, Phase.DELAYED)
    assert "but acquired 180 s after ContrastBolusStartTime: they contradict each other" in finding.evidence
    assert find_phases([SeriesFacts("arterial+portal", seconds_after_contrast=30)]).findings[0].candidates == (Phase.ARTERIAL, Phase.PORTAL_VENOUS)
    assert find_phases([SeriesFacts("ADC", seconds_after_contrast=30)]).findings[0].phase is Phase.OTHER


def test_the_arterial_time_point_dates_those_of_its_protocol() -> None:
    kind = (256, 256)
    dynamic = [SeriesFacts("DYN arterial", acquired_s=1000, kind=kind), *(SeriesFacts("DYN", acquired_s=1000 + after, kind=kind) for after in (35, 150, 70))]
    other = SeriesFacts("T1", acquired_s=1035, kind=(512, 512))
    findings = find_phases([*dynamic, other]).findings
    assert [finding.phase for finding in findings] == [Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED, None, None]
    assert findings[1].evidence == "acquired 35 s after the arterial 'DYN arterial' with the same protocol"
    twice = find_phases([dynamic[0], dynamic[0], dynamic[1]]).findings
    assert twice[2].phase is None, "which of two arterial time points counts is not guessed"
    early, late = (SeriesFacts(f"DYN {word} arterial", acquired_s=1000 - before, kind=kind) for word, before in (("early", 15), ("late", 0)))
    assert find_phases([early, dynamic[1]]).findings[1].phase is None, "20 s after an early arterial image there may be a late one"
    assert find_phases([early, late, dynamic[1]]).findings[2].phase is Phase.PORTAL_VENOUS


@pytest.mark.parametrize("value, derived", [
    ("ADC", True), ("SUBTRACTION", True), ("MIP", True), ("PROJECTION IMAGE", True), ("T1_MAP", True), ("FAT", True), ("OPP_PHASE", True),
    ("M", False), ("NORM", False), ("DIXON", False), ("WATER", False), ("OTHER", False), ("M_FFE", False)])
def test_derived_images_are_known_by_their_type(value: str, derived: bool) -> None:
    finding, = find_phases([SeriesFacts("LAVA arterial", image_type=("DERIVED", "PRIMARY", value))]).findings
    assert finding.phase is (Phase.OTHER if derived else Phase.ARTERIAL)


def write(folder: Path, text: str) -> Path:
    path = folder / "phases.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_phase_map(tmp_path: Path) -> None:
    path = write(tmp_path, "arterial: {series: 1.2.3, time_point: 1}\nportal_venous: {time_point: 2}\ndelayed: {series: LAVA late}\n")
    assert read_phase_map(path) == PhaseMap({
        Phase.ARTERIAL: PhaseChoice("1.2.3", 1), Phase.PORTAL_VENOUS: PhaseChoice(None, 2), Phase.DELAYED: PhaseChoice("LAVA late", None)})


@pytest.mark.parametrize("text, message", [
    ("", "found nothing"),
    ("{}", "at least one line"),
    ("- delayed", "at least one line"),
    ("delayed: [", "a YAML file"),
    ("delayed:", "a mapping with series, time_point or both, found nothing"),
    ("delayed: {}", "a mapping with series"),
    ("delayed: LAVA", "found 'LAVA'"),
    ("late: {series: a}", "one of precontrast, arterial"),
    ("delayed: {serie: a}", "the keys series and time_point only, found 'serie'"),
    ("delayed: {series: 7}", "in quotation marks if it is a number, found 7"),
    ("delayed: {time_point: -1}", "a whole number from 0, found -1"),
    ("delayed: {time_point: 1.5}", "a whole number from 0, found 1.5"),
    ("delayed: {time_point: true}", "a whole number from 0, found True"),
    ("delayed: {series: a}\ndelayed: {series: b}", "'delayed' stands twice"),
    ("delayed: !!python/object:os.system {}", "a YAML file")])
def test_a_bad_phase_map_is_one_clear_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_phase_map(write(tmp_path, text))
    assert message in str(caught.value) and "phases.yaml" in str(caught.value)


def test_all_problems_of_a_phase_map_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_phase_map(write(tmp_path, "late: {series: a}\ndelayed: {series: 1, time_point: x, other: 3}\n"))
    assert len(caught.value.problems) == 4


def test_an_absent_or_undecodable_phase_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a readable phase map"):
        read_phase_map(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"delayed: {series: Sp\xe4t}")
    with pytest.raises(InputError, match="a YAML file"):
        read_phase_map(tmp_path / "latin.yaml")
