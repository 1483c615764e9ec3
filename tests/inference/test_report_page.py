from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lirads_keras.entities import (
    ENHANCED_PHASES,
    AgentFinding,
    Category,
    ContrastAgent,
    FeatureProbabilities,
    Observation,
    Phase,
    Report,
    ScoredLesion,
    Series,
    Volume,
)
from lirads_keras.inference import report_page
from lirads_keras.inference.report import RESEARCH_USE
from lirads_keras.inference.report_page import write_report_page
from lirads_keras.io import dicom_objects
from lirads_keras.lesions import measure_lesions

SHAPE, SPACING_MM = (6, 80, 96), (4.0, 2.0, 1.8)
LONG = "APHE, washout, capsule, threshold growth, 23 mm: LR-5 (by the reader; it comes before LR-2 and LR-M) " * 4


def make_volume(array: np.ndarray) -> Volume:
    return Volume(array, SPACING_MM, np.array([[0, 0, 1.8, -50], [0, 2.0, 0, -40], [4.0, 0, 0, 10], [0, 0, 0, 1]]))


def make_study(lesions: int, *, shown: tuple[Phase, ...] = ENHANCED_PHASES, reasons: str = "no APHE, washout, 23 mm: LR-4", **report: Any
               ) -> tuple[Report, dict[Phase, Volume], Volume]:
    labels = np.zeros(SHAPE, np.uint16)
    for number in range(lesions):
        row, column = divmod(number, 6)
        labels[number % 6, 4 + 12 * row:12 + 12 * row, 4 + 15 * column:14 + 15 * column] = number + 1
    scored = tuple(
        ScoredLesion(replace(lesion, lesion_id=f"P{number}"), FeatureProbabilities(0.4999996, 0.75, None), Observation(lesion.diameter_mm, False, True, None),
                     list(Category)[number % 8], reasons)
        for number, lesion in enumerate(measure_lesions(labels, make_volume(labels)), start=1))
    assert len(scored) == lesions
    rng = np.random.default_rng(0)
    volumes = {phase: make_volume((rng.normal(300, 40, SHAPE) + 200 * (labels > 0)).astype(np.float32)) for phase in shown}
    return Report(**{"patient_id": "P 7", "study_uid": "1.2.3", "lesions": scored, "versions": {"keras": "3.15"}} | report), volumes, make_volume(labels)


class Page(HTMLParser):
    """The text of a page, its elements, and what it would load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.alternatives: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "background")]
        self.alternatives += [value or "" for name, value in attrs if name == "alt"]

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def write(path: Path, lesions: int = 2, *, observer: str | None = None, changed: tuple[str, ...] = (), **options: Any) -> Page:
    report, volumes, mask = make_study(lesions, **options)
    write_report_page(path, report, volumes, mask, observer=observer, changed=changed)
    return Page(path)


def test_the_page_says_everything(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html", 2, observer="Anna Müller", changed=("P2",))
    assert page.text.count(RESEARCH_USE) == 2 and "LI-RADS report: 2 lesions" in page.text
    assert "Patient P 7 · study 1.2.3" in page.text and "Reader: Anna Müller, with lirads_keras" in page.text
    # 10 columns and 8 rows of 1.8 and 2 mm in one slice of 4 mm.
    assert "P1: LR-TIV 22.1 mm, 1.2 ml, slice 0 (from 0). APHE absent (0.49), washout present (0.75), capsule not assessed." in page.text
    assert page.text.count("no APHE, washout, 23 mm: LR-4") == 2 and page.text.count("Changed by the reader.") == 1
    assert page.text.index("P2:") < page.text.index("Changed by the reader.") and "keras 3.15" in page.text
    assert page.tags.count("img") == 2 and all(shown.endswith("arterial, portal venous, delayed") for shown in page.alternatives)


def test_how_the_result_came_about_is_told(tmp_path: Path) -> None:
    assert "Segmented by <hand>. On paper." in write(tmp_path / "r.html", notices=("Segmented by <hand>.", "On paper.")).text


def test_whom_lirads_is_for_is_told(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html", tumor_in_vein=True)
    assert "adults at high risk" in page.text and "treated or proven lesions are another algorithm" in page.text
    assert "conditional on high risk and no treatment" in page.text and "age is unknown" in page.text and "tumor in vein" in page.text


def test_the_notice_is_that_of_every_other_result() -> None:
    assert dicom_objects.RESEARCH_USE == report_page.RESEARCH_USE == RESEARCH_USE


def test_without_a_reader_the_page_says_so(tmp_path: Path) -> None:
    assert "Made by lirads_keras alone; no reader has edited it" in write(tmp_path / "r.html").text


def test_no_lesion(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html", 0)
    assert "0 lesions" in page.text and "No lesion was found." in page.text and not {"img", "table"} & set(page.tags)


def test_what_the_reader_gave_is_named(tmp_path: Path) -> None:
    report, volumes, mask = make_study(1)
    observation = replace(report.lesions[0].observation, threshold_growth=True, ancillary_malignant=True, ancillary_benign=True,
                          overrides=(Category.LR_2, Category.LR_M), tie=(Category.LR_4, Category.LR_5))
    report = replace(report, lesions=(replace(report.lesions[0], observation=observation),))
    write_report_page(tmp_path / "r.html", report, volumes, mask, observer="A")
    assert ("Given by the reader: threshold growth, ancillary features of malignancy, ancillary features of benignity, LR-2, LR-M, tie between LR-4 and "
            "LR-5.") in Page(tmp_path / "r.html").text


def test_signs_that_mean_something_in_html_are_only_signs(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=alert(1)>&amp;\' {{ 7 * 7 }} {% raw %}'
    page = write(tmp_path / "r.html", 7, observer=evil, patient_id=evil, study_uid=evil, reasons=evil, versions={evil: evil}, changed=(evil,))
    assert not {"script", "img"} & set(page.tags) and page.loads == []
    assert page.text.count("<script>") >= 5 and page.text.count("{{ 7 * 7 }}") >= 5
    page = write(tmp_path / "r.html", 1, observer=evil, patient_id=evil, reasons=evil)
    assert page.tags.count("img") == 1 and "script" not in page.tags


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    for lesions in (3, 12):
        page = write(tmp_path / "r.html", lesions)
        assert all(value.startswith("data:image/png;base64,") for value in page.loads)
        assert "default-src 'none'" in page.html and not re.search(r"https?:|url\(|@import|<link|<script", page.html)


@pytest.mark.parametrize("lesions, listed, pictures", [(6, 6, 6), (7, 7, 0), (20, 20, 0), (23, 20, 0)])
def test_many_lesions_stand_in_a_table(tmp_path: Path, lesions: int, listed: int, pictures: int) -> None:
    page = write(tmp_path / "r.html", lesions, changed=("P3",))
    assert f"LI-RADS report: {lesions} lesions" in page.text and page.tags.count("img") == pictures
    assert sum(f"P{number}" in re.findall(r"P\d+", page.text) for number in range(1, lesions + 1)) == listed
    assert ("3 more lesions are in report.json." in page.text) == (lesions == 23)
    assert pictures or "* changed by the reader" in page.text


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html", 1, reasons=LONG, versions={f"package-{number}": "1.2.3" for number in range(99)} | {"weights sha256 a": "f" * 64})
    assert LONG[:250] in page.text and page.text.count("…") == 2 and "f" * 64 not in page.html


@pytest.mark.parametrize("phases", [(Phase.DELAYED,), (Phase.ARTERIAL, Phase.DELAYED)])
def test_phases_that_a_study_lacks_have_no_picture(tmp_path: Path, phases: tuple[Phase, ...]) -> None:
    page = write(tmp_path / "r.html", 1, shown=phases)
    (shown,) = page.alternatives
    assert shown.endswith("wide: " + ", ".join(phases)) and f"width: {44 * len(phases):.1f}mm; height: 44.0mm" in page.html


def test_constant_images_and_masks_that_fill_a_slice_are_drawn(tmp_path: Path) -> None:
    labels = np.ones(SHAPE, np.uint16)
    (lesion,) = measure_lesions(labels, make_volume(labels))
    scored = ScoredLesion(lesion, FeatureProbabilities(None, None, None), Observation(lesion.diameter_mm, None, None, None), Category.LR_NC, "none")
    write_report_page(tmp_path / "r.html", Report("P", "1", (scored,)), {Phase.DELAYED: make_volume(np.zeros(SHAPE, np.float32))}, make_volume(labels),
                      observer=None)
    assert Page(tmp_path / "r.html").tags.count("img") == 1


@pytest.fixture(scope="module")
def print_page() -> Iterator[Callable[[Path], tuple[int, list[str]]]]:
    """Prints a page with Debian's chromium: the number of sheets, and what it asked the network for."""
    from playwright.sync_api import sync_playwright

    executable = Path("/usr/bin/chromium")
    if not executable.exists():
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            def print_one(path: Path) -> tuple[int, list[str]]:
                page = browser.new_page()
                requests: list[str] = []
                page.on("request", lambda request: requests.append(request.url))
                page.goto(path.as_uri())
                assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
                pdf = page.pdf(format="A4", print_background=True)
                page.close()
                return len(re.findall(rb"/Type\s*/Page\b", pdf)), [url for url in requests if not url.startswith("data:")]

            yield print_one
        finally:
            browser.close()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("lesions", [0, 1, 2, 3, 4, 5, 6, 7, 13, 20, 31])
def test_the_page_prints_on_one_sheet(tmp_path: Path, print_page: Callable[[Path], tuple[int, list[str]]], lesions: int) -> None:
    """With the longest texts, too; about 15 s for all."""
    path = tmp_path / "r.html"
    series = tuple(Series("1." * 31 + str(number), (Path("a"),), phase, "SeriesDescription 'W': " + "W" * 99, "W" * 64, 7, (), 999999, 1e5, 1e4)
                   for number, phase in enumerate(ENHANCED_PHASES))
    write(path, lesions, phases=series, left_out=("W" * 99 + ": " + "W " * 99,) * 9, reasons=LONG.upper(), patient_id="W" * 64,
          study_uid="1." * 31 + "1", observer="W" * 64, changed=("P1",),
          contrast_agent=AgentFinding(ContrastAgent.GADOXETATE, "W" * 300),
          notices=("This study lacks 2 of the phases that the variant three-phase reads; it was trained with one missing at most.",) * 4,
          versions={f"package-{number}": "1.2.3.4.5" for number in range(99)})
    sheets, requests = print_page(path)
    assert sheets == 1 and requests == [path.as_uri()]
