"""Early and late arterial series of one study: which is used is said, and what an early one alone cannot show."""
from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from lirads_keras.entities import ArterialTiming, Phase
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_study
from lirads_keras.io.index import index_folder

EARLY, LATE = "LAVA early arterial", "LAVA late arterial"
OTHERS = ("LAVA portal venous", "LAVA delayed")
Write = Callable[..., Path]


@pytest.fixture()
def write(tmp_path: Path, write_series: Callable[..., list[Path]]) -> Write:
    def write_study(*names: str) -> Path:
        for number, name in enumerate((*names, *OTHERS), start=1):
            write_series(tmp_path / "in" / str(number), description=name, series=number, first_value=10 * number)
        return tmp_path / "in"

    return write_study


def test_of_both_the_late_one_is_used(write: Write) -> None:
    study = read_study(write(EARLY, LATE))
    arterial = study.phases()[Phase.ARTERIAL]
    assert arterial.description == LATE and arterial.arterial_timing is ArterialTiming.LATE and not study.has_early_arterial_only
    assert f"The arterial phase is series '{LATE}', and not the early arterial '{EARLY}'." in study.notices


@pytest.mark.parametrize("names, is_early", [((EARLY,), True), ((LATE,), False), (("LAVA arterial",), False), ((), False)])
def test_an_early_one_alone_is_used_and_said(write: Write, names: tuple[str, ...], is_early: bool) -> None:
    study = read_study(write(*names))
    assert study.has_early_arterial_only is is_early
    assert any("is an early one: APHE that it does not show is not assessed" in notice for notice in study.notices) is is_early


def test_a_phase_map_may_name_the_early_one(write: Write, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(f"arterial: {{series: {EARLY}}}\n")
    study = read_study(write(EARLY, LATE), tmp_path / "map.yaml")
    assert study.phases()[Phase.ARTERIAL].description == EARLY and study.has_early_arterial_only


@pytest.mark.parametrize("names", [(LATE, "LAVA artériel tardif"), (EARLY, "LAVA artériel précoce"), (EARLY, "LAVA arterial")])
def test_two_that_claim_the_phase_are_asked(write: Write, names: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        read_study(write(*names))
    assert all(name in str(caught.value) for name in names)


def test_the_index_uses_the_late_one_and_names_patients_who_have_but_an_early_one(write: Write, tmp_path: Path) -> None:
    def index(*names: str) -> tuple[dict[str, str], dict[str, str], str]:
        summary = index_folder(write(*names), tmp_path / "out", None, cohort="here")
        with (tmp_path / "out" / "series.csv").open(newline="") as file:
            evidence = {row["phase"]: row["phase_evidence"] for row in csv.DictReader(file)}
        with (tmp_path / "out" / "set_aside.csv").open(newline="") as file:
            return evidence, {row["description"]: row["reason"] for row in csv.DictReader(file)}, "\n".join(summary.notices)

    evidence, left_out, notices = index(EARLY)
    assert "'early' and 'arterial'" in evidence["arterial"] and "early arterial phase alone" in notices
    evidence, left_out, notices = index(EARLY, LATE)
    assert LATE in evidence["arterial"] and left_out[EARLY].endswith("the late arterial phase is used instead") and "early arterial" not in notices
