"""The steps of a reading, before the real application with scripted networks; some 6 s each."""
from __future__ import annotations

import json

import pytest

from lirads_keras.errors import InputError, Problem

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_a_reader_is_asked_for_a_name_before_the_first_change_and_not_again(page_server, open_page, reading) -> None:
    page = open_page(page_server.url)
    reader = reading(page)
    reader.open("axial")
    page.get_by_role("button", name="Run R").click()
    page.get_by_role("button", name="Cancel").click()
    assert page_server.state("axial")["stage"] == "new"
    page.get_by_role("button", name="Run R").click()
    page.get_by_label("Your name").fill("Řehoř Müller, 放射線科")
    page.keyboard.press("Enter")
    reader.lesion("P1").wait_for()
    assert page_server.state("axial")["history"][-1]["who"] == "Řehoř Müller, 放射線科"
    page.reload()
    reader.lesion("P1").wait_for()
    reader.switch("washout", "present")
    reader.category("LR-5")
    assert page_server.state("axial")["history"][-1]["who"] == "Řehoř Müller, 放射線科"


def test_features_rules_and_reader_steps_change_the_category_at_once_with_reasons(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    reader.run()
    reader.category("LR-4")
    assert reader.text("detail-title").startswith("P1: 2") and "no additional major feature" in reader.text("detail-reasons")
    assert page.locator("[data-feature=aphe]").inner_text().split() == ["APHE", "0.75", "network", "present", "absent", "present,", "by", "the", "network"]
    reader.switch("washout", "present")
    reader.category("LR-5")
    assert reader.text("detail-reasons").startswith("APHE, washout, 2") and reader.text("detail-reasons").endswith("LR-5")
    assert reader.text("detail-before") == "was LR-4 · the machine's: LR-4"
    assert "present, by the reader" in page.locator("[data-feature=washout]").inner_text()
    assert "changed" in reader.lesion("P1").inner_text()
    reader.status("P1: LR-4 to LR-5")

    page.get_by_label("LR-M", exact=True).check()
    page.wait_for_function("() => document.getElementById('detail-reasons').textContent.includes('not counted by Table 3')")
    reader.category("LR-5")
    page.get_by_label("Rules").select_option("v2018")
    reader.category("LR-M")
    page.get_by_label("LR-M", exact=True).uncheck()
    reader.category("LR-5")
    page.get_by_label("Undecided between").select_option("LR-5|LR-M")
    reader.category("LR-M")
    page.get_by_label("Undecided between").select_option("")
    reader.switch("washout", "network")
    reader.category("LR-4")
    page.get_by_label("Threshold growth").check()
    reader.category("LR-5")
    values = page_server.state("axial")["lesions"][0]
    assert values["threshold_growth"] and values["tie"] is None and values["overrides"] == [] and values["features"]["washout"]["by"] == "network"

    undo = page.locator("#undo")
    for _ in range(8):
        before = page_server.state("axial")["revision"]
        words = undo.text_content()
        undo.click()
        page.wait_for_function("words => document.getElementById('undo').textContent !== words", arg=words)
        assert page_server.state("axial")["revision"] > before
    assert undo.get_attribute("aria-disabled") == "true" and not page_server.state("axial")["can_undo"]
    assert page.locator("#history .undone").count() == 8
    reader.category("LR-4")


def test_what_belongs_to_the_study_rim_aphe_and_an_earlier_size(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    assert "conditional on high risk and no treatment" in reader.text("population-note")
    assert any("adults at high risk" in text for text in page.locator("#notices li").all_inner_texts())
    reader.run()
    page.get_by_label("Rules").select_option("v2018")
    page.get_by_text("Patient and study").click()
    page.get_by_label("High risk of HCC").select_option("no")
    reader.category("withheld")
    assert "LR-" not in reader.text("detail-reasons") and "not at high risk" in reader.text("population-note")
    page.get_by_label("High risk of HCC").select_option("yes")
    reader.category("LR-4")
    page.get_by_label("Lesions untreated").select_option("yes")
    page.get_by_label("LR-TIV: tumor in vein").check()
    page.wait_for_function("() => document.getElementById('population-note').textContent.includes('belongs to the study')")
    reader.category("LR-4")

    page.get_by_label("Rim APHE").check()
    reader.category("LR-3")
    assert "LR-M is proposed" in reader.text("detail-reasons") and "absent, by the reader" in page.locator("[data-feature=aphe]").inner_text()
    page.get_by_label("Rim APHE").uncheck()
    reader.category("LR-4")

    page.get_by_text("Earlier size").click()
    page.locator("#prior-diameter").fill("12.5")
    page.locator("#prior-days").fill("90")
    page.get_by_label("Same lesion, untreated").check()
    page.get_by_role("button", name="Take").click()
    page.wait_for_function("() => document.getElementById('prior-growth').textContent.includes('proposed, not counted')")
    reader.category("LR-4")
    assert "threshold growth is proposed and not counted" in reader.text("detail-reasons")
    state = page_server.state("axial")
    assert state["lesions"][0]["prior"] == {"diameter_mm": 12.5, "days": 90, "modality": "MR", "same_untreated": True, "by": "reader"}
    assert state["tumor_in_vein"] and state["high_risk"] and state["untreated"] and not state["despite_age"]
    page.get_by_role("button", name="Drop").click()
    page.wait_for_function("() => !document.getElementById('prior').open")


def test_choosing_a_lesion_goes_to_its_largest_slice(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    reader.run()
    reader.lesion("P2").click()
    page.wait_for_function("() => document.getElementById('slice').value === '6'")
    assert reader.text("detail-title").startswith("P2")
    reader.lesion("P1").press("Enter")
    page.wait_for_function("() => document.getElementById('slice').value === '9'")
    assert page.locator(".mark:visible").all_inner_texts() == ["P1"] * 3
    page.keyboard.press("PageDown")
    page.wait_for_function("() => document.getElementById('slice-text').textContent.startsWith('8 / 16')")


def test_what_is_saved_is_named_and_can_be_fetched(page_server, open_page, reading, tmp_path) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    assert page.locator("#save").get_attribute("aria-disabled") == "true"
    reader.run()
    page.keyboard.press("s")
    reader.status("Saved in ")
    names = page.locator("#saved a").all_inner_texts()
    assert sorted(names) == ["report.html", "report.json", "seg.dcm", "sr.dcm"]
    for name in names:
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        download.value.save_as(tmp_path / name)
        written = page_server.out / page_server.state("axial")["saved"][0]["where"] / name
        assert (tmp_path / name).read_bytes() == written.read_bytes()
    assert json.loads((tmp_path / "report.json").read_text())["lesions"][0]["category"] == "LR-4"


def test_what_goes_wrong_is_told_in_words(page_server, page_studies, open_page, reading) -> None:
    page_server.jobs.error = InputError(Problem("the series", "images", "a disk on fire"))
    page = open_page(page_server.url, reader="One", failing=True)
    reader = reading(page)
    reader.open("axial")
    page.get_by_role("button", name="Run R").click()
    page.wait_for_function("() => document.getElementById('error-text').textContent.includes('a disk on fire')")
    page.get_by_role("button", name="Dismiss").click()
    page.wait_for_function("() => document.getElementById('error').hidden")
    page_server.jobs.error = None
    reader.run()
    # The images are gone, so that nothing can be saved.
    study = page_studies / "axial"
    study.rename(page_studies.parent / "axial")
    try:
        page.get_by_role("button", name="Save").click()
        page.wait_for_function("() => document.getElementById('error-text').textContent.length > 20")
        assert "expected" in reader.text("error-text")
    finally:
        (page_studies.parent / "axial").rename(study)


def test_a_job_shows_its_progress_and_can_be_cancelled(page_server, open_page, reading) -> None:
    page_server.jobs.at_once = False
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    page.keyboard.press("r")
    page.get_by_role("button", name="Cancel").wait_for()
    job = next(iter(page_server.jobs.jobs.values()))
    job.state, job.message, job.fraction = "running", "segmenting the delayed phase", 0.3
    page.get_by_text("segmenting the delayed phase").first.wait_for()
    assert page.locator("#job-progress").evaluate("bar => bar.value") == pytest.approx(0.3)
    assert {name: page.locator(f"#{name}").get_attribute("aria-disabled") for name in ("run", "next", "save")} == dict.fromkeys(("run", "next", "save"), "true")
    # The images can be read meanwhile.
    page.keyboard.press("PageUp")
    page.wait_for_function("() => document.getElementById('slice').value === '10'")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_function("() => document.getElementById('job').hidden")
    page_server.jobs.at_once = True
    assert page_server.state("axial")["stage"] == "new"
    reader.run()


def test_a_study_without_a_delayed_phase_is_shown_read_and_drawn(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("no-delayed")
    reader.run()
    assert page.locator("#notices li").all_text_contents()[:2] == ["Lesions were segmented by hand.", "This study has no delayed phase."]
    page.keyboard.press("p")
    reader.drag((30, 30), (60, 30), phase="portal_venous")
    page.get_by_role("button", name="Store mask").click()
    page.wait_for_function("() => document.getElementById('strokes').hidden")
    assert page_server.state("no-delayed")["stage"] == "mask_edited"


def test_identity_is_shown_only_when_asked_for(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    name = page_server.get(f"/api/studies/{page_server.find_study('axial')}/identity").json()["patient_name"]
    assert name and name not in page.content()
    asked = page.locator("#identity-toggle")
    asked.click()
    page.locator("#identity").wait_for()
    assert name in reader.text("identity") and asked.get_attribute("aria-expanded") == "true"
    asked.click()
    assert name not in page.content()
    asked.click()
    page.locator("#identity").wait_for()
    reader.open("oblique")
    assert name not in page.content()


def test_a_study_stays_the_one_of_the_address(page_server, open_page, reading) -> None:
    page = open_page(page_server.url)
    reader = reading(page)
    reader.open("turned")
    assert page.url.endswith(f"#{page_server.find_study('turned')}")
    page.reload()
    reader.status("turned is open.")
    page.goto(page_server.url + "/#0123456789abcdef")
    page.reload()
    reader.status("Choose a study.")
