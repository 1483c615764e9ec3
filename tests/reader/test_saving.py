"""Where saves go, and that none is ever lost, doubled or half written; what the files say is tested with real networks in test_server.py."""
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from scripted import ALPHA, BETA, LARGE, NOTICE, SMALL, Reader, failed

from lirads_keras.entities import Category, Feature
from lirads_keras.io import dicom_results
from lirads_keras.reader.case import replay
from lirads_keras.reader.errors import NotFound
from lirads_keras.reader.saving import Saves


@pytest.fixture
def given(monkeypatch):
    """What the writers of DICOM and of the page were given; they leave small files."""
    seen = SimpleNamespace(dicom=[], page=[], said=[], error=None)

    def write_dicom(folder, study, grid, report, observer=None, *, by_reader, statements):
        scored, versions, tumor_in_vein = report.lesions, report.versions, report.tumor_in_vein
        if seen.error is not None:
            raise seen.error
        seen.dicom.append((study, grid, scored, versions, observer, by_reader))
        seen.said.append((statements, tumor_in_vein))
        paths = [folder / "seg.dcm", folder / "sr.dcm"]
        for path in paths:
            path.write_bytes(path.name.encode())
        return SimpleNamespace(segmentation=paths[0], report=paths[1])

    def write_page(path, report, volumes, mask, *, observer, changed=()):
        seen.page.append((report, volumes, mask, observer, changed))
        path.write_text("page")

    monkeypatch.setattr(dicom_results, "write_dicom_results", write_dicom)
    monkeypatch.setattr("lirads_keras.inference.report_page.write_report_page", write_page)
    return seen


@pytest.fixture
def served(scripted):
    application = scripted(saves=Saves)
    application.url = application.serve()
    return application


def test_what_is_written_is_what_the_page_showed(served, given):
    ann = Reader(served.url, "Änn")
    ann.do("run")
    ann.edit("P2", "overrides", ["LR-M"])
    ann.edit(None, "rules", "v2018")
    ann.edit("P1", "washout", True)
    saved = ann.post("save")["saved"]
    assert (saved["where"], saved["save_id"], saved["files"]) == ("alpha-aaaaaaaa/1", "1", ["report.html", "report.json", "seg.dcm", "sr.dcm"])
    assert saved["stored"] == "http://pacs" and served.source.stored == ["seg.dcm", "sr.dcm"]
    study, grid, scored, versions, observer, by_reader = given.dicom[0]
    assert by_reader == {"P1": [Feature.WASHOUT], "P2": []}
    assert observer == "Änn" and versions["rules"] == "v2018" and study.patient_id == "alpha"
    assert [(lesion.lesion.lesion_id, lesion.category, lesion.reasons) for lesion in scored] == [
        (row["lesion_id"], row["category"], row["reasons"]) for row in ann.state["lesions"]]
    assert scored[1].category == Category.LR_M and scored[0].lesion.diameter_mm == ann.lesion("P1")["diameter_mm"]
    mask = np.zeros(grid.shape, bool)
    for lesion in scored:
        mask[lesion.lesion.bounding_box] |= lesion.lesion.mask
    expected = np.zeros(grid.shape, bool)
    expected[LARGE] = expected[SMALL] = True
    assert np.array_equal(mask, expected), "what is too small for a lesion is not written"
    report, volumes, shown, _, changed = given.page[0]
    assert np.array_equal(shown.array, expected) and set(volumes) == {"arterial", "portal_venous", "delayed"} and changed == ["P1", "P2"]
    content = json.loads((served.folder / "out" / saved["where"] / "report.json").read_text())
    assert (content["observer"], content["rules"], content["patient_id"], content["components_ignored"]) == ("Änn", "v2018", "alpha", 1)
    assert content["notices"] == [NOTICE] and report.notices == (NOTICE,)
    assert given.said == [(tuple(content["population"]), False)] and "conditional on high risk and no treatment" in " ".join(content["population"])
    rows = content["lesions"]
    assert rows[1]["overrides"] == ["LR-M"] and rows[1]["machine_category"] == "LR-3" and rows[0]["features"]["washout"] == {
        "probability": 0.25, "present": True, "by": "reader"} and "overlay" not in rows[0]


def test_what_belongs_to_the_study_is_saved(served, given):
    ann = Reader(served.url)
    ann.do("run")
    ann.edit(None, "rules", "v2018")
    ann.edit(None, "tumor_in_vein", True)
    ann.edit(None, "high_risk", True)
    ann.edit("P1", "rim_aphe", True)
    ann.edit("P2", "prior", {"diameter_mm": 3, "days": 100, "modality": "MR", "same_untreated": True})
    content = json.loads((served.folder / "out" / ann.post("save")["saved"]["where"] / "report.json").read_text())
    assert content["tumor_in_vein"] and content["applicability"] == {"adult": None, "high_risk": True, "untreated": None, "despite_age": False}
    assert given.said[0][1] and given.said[0][0] == tuple(content["population"]) and content["population"][0].startswith("LR-TIV")
    first, second = content["lesions"]
    assert first["rim_aphe"] and first["features"]["aphe"] == {"probability": 0.75, "present": False, "by": "reader"}
    assert second["growth"] == "proposed" and second["prior"]["by"] == "reader" and given.dicom[0][5]["P1"] == [Feature.APHE]


def test_every_save_has_a_number_of_its_own(served, given):
    ann = Reader(served.url)
    ann.do("run")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ann.http.post(f"{ann.study}/save", json={"revision": ann.state["revision"]}), range(8)))
    assert sorted(answer.json()["saved"]["save_id"] for answer in answers) == list("12345678")
    folder = served.folder / "out" / "alpha-aaaaaaaa"
    assert sorted(path.name for path in folder.iterdir()) == list("12345678") and all(len(list(path.iterdir())) == 4 for path in folder.iterdir())
    assert len(ann.look()["saved"]) == 8 and len(replay(served.journal.read_events(ALPHA)).saved) == 8


def test_a_number_that_someone_else_made_is_left_alone(served, given):
    ann = Reader(served.url)
    ann.do("run")
    other = served.folder / "out" / "alpha-aaaaaaaa" / "7"
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("mine")
    assert ann.post("save")["saved"]["save_id"] == "8" and (other / "mine.txt").read_text() == "mine"


def test_a_label_never_leads_out_of_the_folder(served, given):
    beta = Reader(served.url, study_id=BETA)
    beta.do("run")
    saved = beta.post("save")["saved"]
    assert saved["where"] == "beta _ ..-bbbbbbbb/1" and (served.folder / "out" / saved["where"] / "sr.dcm").is_file()


def test_objects_that_cannot_be_made_leave_nothing(served, given):
    ann = Reader(served.url)
    ann.do("run")
    given.error = failed("the delayed phase's files")
    assert "the delayed phase" in ann.post("save", 422)["error"]["message"]
    assert not list((served.folder / "out" / "alpha-aaaaaaaa").iterdir()) and ann.look()["saved"] == []
    given.error = None
    assert ann.post("save")["saved"]["save_id"] == "1"


def test_a_pacs_that_refuses_is_told_and_the_files_stay(served, given):
    served.source.store_error = failed("STOW")
    ann = Reader(served.url)
    ann.do("run")
    saved = ann.post("save")["saved"]
    assert saved["stored"] is None and saved["store_error"] == "STOW: expected something else, found this"
    assert (served.folder / "out" / saved["where"] / "seg.dcm").is_file() and ann.look()["saved"] == [saved]


def test_a_saved_file_that_was_taken_away(served, given):
    ann = Reader(served.url)
    ann.do("run")
    saved = ann.post("save")["saved"]
    (served.folder / "out" / saved["where"] / "sr.dcm").unlink()
    assert ann.http.get(f"{ann.study}/saved/1/sr.dcm").status_code == 404
    with pytest.raises(NotFound):
        served.service.read_saved(ALPHA, "1", "sr.dcm")
