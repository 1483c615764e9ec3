"""The page's requests, over a real connection, with jobs that a test ends by hand."""
from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from scripted import ALPHA, BETA, LARGE, NOTICE, SECRET_NAME, SHAPE, SMALL, TINY, Reader, failed, from_nifti, make_grid, make_mask

from lirads_keras.io.grids import same_grid, turn_upright
from lirads_keras.io.nifti import write_nifti
from lirads_keras.progress import ignore_progress


@pytest.fixture
def served(scripted):
    application = scripted()
    application.url = application.serve()
    return application


def test_a_study_before_anything(served):
    ann = Reader(served.url)
    assert ann.state["stage"] == "new" and ann.state["revision"] == 0 and ann.state["mask"] is None and not ann.state["can_undo"]
    assert ann.state["phases"] == ["arterial", "portal_venous", "delayed"] and ann.state["grid"] == {"shape_zyx": list(SHAPE), "spacing_zyx_mm": [4, 2, 2]}
    rows = ann.http.get("/api/studies").json()["studies"]
    assert [(row["study_id"], row["label"], row["stage"], row["lesions"], row["updated"], row["opening"]) for row in rows] == [
        (ALPHA, "alpha", "new", 0, None, None), (BETA, "beta / ..", "new", 0, None, None)]
    assert ann.http.get("/api/session").json()["run"] == "scripted"
    beta = Reader(served.url, study_id=BETA).state
    assert beta["phases"] == ["portal_venous", "delayed"]
    assert beta["notices"] == ["This study has no arterial phase.", "Without an arterial phase APHE cannot be assessed."]


def test_volumes_and_masks_lie_on_the_delayed_grid_upright_and_exactly(served, tmp_path):
    for study_id, turned in ((ALPHA, False), (BETA, True)):
        reader = Reader(served.url, study_id=study_id)
        for number, phase in enumerate(("arterial", "portal_venous", "delayed")):
            answer = reader.http.get(f"{reader.study}/volumes/{phase}.nii")
            if phase not in reader.state["phases"]:
                assert answer.status_code == 404
                continue
            volume, stored = from_nifti(answer.content, tmp_path), np.random.default_rng(number).integers(0, 900, SHAPE)
            assert volume.array.dtype == np.int16 and volume.affine[2, 0] > 0
            # Slices that were stored downwards come upwards, each where it was.
            assert same_grid(volume, turn_upright(make_grid(turned))) and np.array_equal(volume.array, stored[::-1] if turned else stored)
        reader.do("run")
        mask = from_nifti(reader.http.get(f"{reader.study}/masks/{reader.state['mask']['mask_id']}.nii").content, tmp_path)
        assert mask.array.dtype == np.uint8 and same_grid(mask, turn_upright(make_grid(turned)))
        assert np.array_equal(mask.array > 0, make_mask(LARGE, SMALL, TINY))
        other = BETA if study_id == ALPHA else ALPHA
        assert reader.http.get(f"/api/studies/{other}/masks/{'0' * 64}.nii").status_code == 404


def test_a_mask_is_only_given_to_its_own_study(served):
    ann, beta = Reader(served.url), Reader(served.url, study_id=BETA)
    ann.send_mask(make_mask(SMALL))
    assert beta.http.get(f"{beta.study}/masks/{ann.state['mask']['mask_id']}.nii").status_code == 404


def test_run_edit_next_switch_undo(served):
    ann = Reader(served.url)
    ann.do("run")
    assert ann.state["stage"] == "characterised" and ann.state["components_ignored"] == 1 and ann.state["mask"]["by"] == "network"
    assert any("1 part(s) of the mask are too small" in notice for notice in ann.state["notices"])
    assert ann.state["notices"][0] == NOTICE
    large, small = ann.state["lesions"]
    assert (large["lesion_id"], small["lesion_id"], large["largest_slice"], small["largest_slice"]) == ("P1", "P2", 1, 4)
    assert large["diameter_mm"] == pytest.approx(2 * np.hypot(12, 3) + 0.8) and large["centroid_zyx"] == [2.0, 11.0, 11.5]
    assert large["features"]["washout"] == {"probability": 0.25, "present": False, "by": "network"}
    assert (large["category"], large["machine_category"], large["reasons"]) == ("LR-4", "LR-4", "APHE, no additional major feature, 25.5 mm: LR-4")

    ann.edit("P1", "washout", True)
    large = ann.lesion()
    assert (large["category"], large["machine_category"], large["reasons"]) == ("LR-5", "LR-4", "APHE, washout, 25.5 mm: LR-5")
    assert large["features"]["washout"] == {"probability": 0.25, "present": True, "by": "reader"} and large["changed"] and not ann.lesion("P2")["changed"]

    halved = make_mask((slice(1, 4), slice(5, 11), slice(10, 14)))
    ann.send_mask(halved)
    assert ann.state["stage"] == "mask_edited" and ann.state["mask"]["by"] == "Ann" and len(ann.state["lesions"]) == 2
    ann.do("next")
    assert [lesion["lesion_id"] for lesion in ann.state["lesions"]] == ["P1"]
    assert ann.lesion()["diameter_mm"] == pytest.approx(2 * np.hypot(5, 3) + 0.8) and ann.lesion()["reasons"] == "APHE, washout, 12.4 mm: LR-5"

    summaries = []
    while ann.state["can_undo"]:
        summaries.append(ann.state["undo_summary"])
        ann.post("undo")
    assert [summary.split(":")[0] for summary in summaries] == ["Next", "Mask edited", "P1 washout"]
    assert ann.state["mask"]["by"] == "network" and len(ann.state["lesions"]) == 2 and ann.lesion()["category"] == "LR-4"
    assert [entry["undone"] for entry in ann.state["history"]] == [False, True, True, True, False, False, False]
    assert "undo: expected a step after" in ann.post("undo", 422)["error"]["message"]
    entry = ann.state["history"][1]
    assert (entry["who"], entry["kind"], entry["before"], entry["after"]) == ("Ann", "edit", None, True) and entry["when"].endswith("Z")


def test_every_field_can_be_switched_and_reasons_follow(served):
    ann = Reader(served.url)
    ann.do("run")
    ann.edit(None, "rules", "v2018")
    assert ann.state["rules"] == "v2018"
    for field, value, category in (("threshold_growth", True, "LR-5"), ("threshold_growth", False, "LR-4"), ("ancillary_benign", True, "LR-3"),
                                   ("ancillary_malignant", True, "LR-4"), ("tie", ["LR-4", "LR-M"], "LR-M"), ("tie", None, "LR-4"),
                                   ("overrides", ["LR-M", "LR-TIV"], "LR-TIV"), ("overrides", [], "LR-4"), ("aphe", False, "LR-3"), ("aphe", None, "LR-4")):
        ann.edit("P1", field, value)
        assert ann.lesion()["category"] == category and category in ann.lesion()["reasons"], (field, value)
    # Benign and malignant ancillary features still stand against each other.
    assert ann.lesion()["ancillary_benign"] and ann.lesion()["ancillary_malignant"] and ann.lesion()["machine_category"] == "LR-4"
    assert "tie: expected one of" in ann.edit("P1", "tie", ["LR-1", "LR-5"], 422)["error"]["message"]
    assert ann.edit("P9", "aphe", True, 404)["error"]["problems"]


def test_what_belongs_to_the_study_is_answered_once_for_all_lesions(served):
    ann = Reader(served.url)
    assert any("conditional on high risk and no treatment" in sentence for sentence in ann.state["population"])
    ann.edit(None, "high_risk", True)
    ann.do("run")
    ann.edit(None, "rules", "v2018")
    ann.edit(None, "untreated", False)
    assert [lesion["category"] for lesion in ann.state["lesions"]] == ["withheld"] * 2 and "LR-" not in ann.lesion()["reasons"]
    assert ann.lesion()["machine_category"] == "withheld" and ann.state["high_risk"] is True, "an answer stays when the network runs"
    # No message tells a withheld category either.
    assert "LR-4, the present" not in str(ann.edit("P1", "tie", ["LR-3", "LR-4"], 422))
    ann.edit(None, "untreated", True)
    ann.edit(None, "tumor_in_vein", True)
    assert ann.lesion()["category"] == "LR-4" and ann.state["tumor_in_vein"] and ann.state["population"][0].startswith("LR-TIV")
    assert [entry["summary"] for entry in ann.state["history"][-2:]] == ["untreated lesions: no → yes", "tumor in vein: absent → present"]
    ann.post("undo")
    assert not ann.state["tumor_in_vein"]
    ann.edit("P2", "overrides", ["LR-TIV"])
    assert ann.state["population"][0].startswith("LR-TIV") and ann.lesion("P2")["category"] == "LR-TIV" and "instead of" in ann.lesion("P2")["reasons"]


def test_a_child_gets_categories_only_if_the_reader_wants_them(served):
    served.source.age_years = 12.0
    ann = Reader(served.url)
    ann.do("run")
    assert ann.state["adult"] is False and {lesion["category"] for lesion in ann.state["lesions"]} == {"withheld"}
    ann.edit(None, "despite_age", True)
    assert ann.lesion()["category"] == "LR-4" and any("under 18; categories are given" in sentence for sentence in ann.state["population"])
    ann.post("undo")
    assert ann.lesion()["category"] == "withheld"


def test_an_earlier_size_counts_where_a_reader_measured_now_too(served):
    ann = Reader(served.url)
    ann.do("run")
    ann.edit(None, "rules", "v2018")
    prior = {"diameter_mm": 8, "days": 100, "modality": "MR", "same_untreated": True}
    ann.edit("P1", "prior", prior)
    assert ann.lesion()["growth"] == "proposed" and ann.lesion()["category"] == "LR-4" and ann.lesion()["prior"] == {**prior, "by": "reader"}
    assert ann.state["history"][-1]["summary"] == "P1 earlier size: none → 8 mm, MR 100 days before, the same untreated lesion"
    # A reader's outline, 12.4 mm.
    ann.send_mask(make_mask((slice(1, 4), slice(5, 11), slice(10, 14))))
    ann.do("next")
    assert ann.lesion()["growth"] == "present" and ann.lesion()["reasons"] == "APHE, threshold growth, 12.4 mm: LR-5"
    ann.edit("P1", "prior", None)
    assert ann.lesion()["growth"] is None and ann.lesion()["category"] == "LR-3"
    assert ann.state["history"][-1]["before"] == {**prior, "by": "reader"}


def test_a_tie_holds_the_present_category(served):
    ann = Reader(served.url)
    ann.do("run")
    ann.edit(None, "rules", "v2018")
    refused = ann.edit("P1", "tie", ["LR-2", "LR-3"], 422)["error"]["message"]
    assert "a tie between LR-4, the present category, and another" in refused and ann.lesion()["tie"] is None
    ann.edit("P1", "tie", ["LR-3", "LR-4"])
    assert ann.lesion()["category"] == "LR-3" and "without the tie LR-4" in ann.lesion()["reasons"]
    # It may stop to hold it.
    ann.edit("P1", "washout", True)
    assert ann.lesion()["category"] == "LR-5" and "is not counted" in ann.lesion()["reasons"]


def test_two_readers_the_second_is_told_and_nothing_is_lost(served):
    ann, bob = Reader(served.url, "Ann"), Reader(served.url, "Bob")
    ann.do("run")
    bob.look()
    assert sorted(bob.state["readers"]) == ["Ann", "Bob"]
    ann.edit("P1", "washout", True)
    refused = bob.edit("P1", "capsule", True, 409)
    assert refused["by"] == "Ann" and refused["state"]["revision"] == ann.state["revision"] and refused["state"]["set_aside"] == [refused["set_aside"]]
    assert refused["state"]["lesions"][0]["features"]["capsule"]["present"] is False and "changed since" in refused["error"]["message"]
    kept = refused["state"]["history"][-1]
    assert (kept["kind"], kept["who"], kept["event_id"]) == ("set_aside", "Bob", refused["set_aside"]) and "P1 capsule" in kept["summary"]
    # Setting aside does not make Ann's view stale.
    ann.edit("P2", "aphe", False)
    # Bob's own view still is.
    again = bob.post(f"set-aside/{refused['set_aside']}/apply", 409)
    assert again["set_aside"] == refused["set_aside"]
    bob.look()
    bob.post(f"set-aside/{refused['set_aside']}/apply")
    features = bob.lesion()["features"]
    assert features["capsule"] == {"probability": 0.125, "present": True, "by": "reader"} and features["washout"]["present"] is True
    assert bob.state["set_aside"] == [] and bob.state["history"][-1]["who"] == "Bob"
    assert bob.post(f"set-aside/{refused['set_aside']}/apply", 404)["error"]


def test_a_stale_mask_is_kept_and_can_be_seen_and_applied(served, tmp_path):
    ann, bob = Reader(served.url, "Ann"), Reader(served.url, "Bob")
    ann.do("run")
    bob.look()
    ann.edit("P1", "washout", True)
    refused = bob.send_mask(make_mask(SMALL), 409)
    mask_id = refused["state"]["history"][-1]["after"]
    content = bob.http.get(f"{bob.study}/masks/{mask_id}.nii").content
    assert np.array_equal(from_nifti(content, tmp_path).array > 0, make_mask(SMALL)) and refused["state"]["mask"]["mask_id"] != mask_id
    bob.look()
    bob.post(f"set-aside/{refused['set_aside']}/apply")
    assert bob.state["mask"] == {"mask_id": mask_id, "by": "Bob"} and bob.state["stage"] == "mask_edited"
    bob.do("next")
    assert [lesion["lesion_id"] for lesion in bob.state["lesions"]] == ["P2"], "the small lesion keeps its name"


def test_while_a_job_works_edits_are_set_aside(scripted):
    served = scripted(at_once=False)
    url = served.serve()
    ann, bob = Reader(url, "Ann"), Reader(url, "Bob")
    ann.post("run", 202)
    assert ann.state["job"]["state"] == "queued" and ann.state["job"]["kind"] == "run"
    for path in ("run", "next", "undo", "save"):
        refused = bob.post(path, 409)
        assert refused["set_aside"] is None and refused["by"] == "Ann" and "a job works" in refused["error"]["message"]
    refused = bob.send_mask(make_mask(SMALL), 409)
    served.jobs.work()
    bob.look()
    assert bob.state["job"] is None and bob.state["stage"] == "characterised" and bob.state["set_aside"] == [refused["set_aside"]]
    ann.look()
    ann.edit("P1", "washout", True)
    ann.post("next", 202)
    assert ann.edit("P1", "washout", False, 409)["set_aside"]
    served.jobs.work()
    assert ann.look()["lesions"][0]["features"]["washout"]["present"] is True


def test_a_job_can_be_cancelled_and_its_result_is_dropped(scripted):
    served = scripted(at_once=False)
    ann = Reader(served.serve())
    ann.post("run", 202)
    job = next(iter(served.jobs.jobs.values()))
    assert ann.http.delete(f"{ann.study}/job").json()["job"] is None
    assert job.cancelled and ann.look()["stage"] == "new"
    # The result had been on its way.
    job.on_done(job.job_id, served.jobs.run(**job.payload))
    assert ann.look()["stage"] == "new" and ann.state["history"] == []
    assert ann.http.delete(f"{ann.study}/job").status_code == 200, "nothing to cancel is no error"


def test_a_job_that_failed_is_told_until_it_is_put_away(served):
    served.jobs.error = failed("the arterial phase")
    ann = Reader(served.url)
    ann.post("run", 202)
    while ann.look()["job"]["state"] != "failed":
        time.sleep(0.01)
    assert ann.state["job"]["error"] == "the arterial phase: expected something else, found this" and ann.state["stage"] == "new"
    served.jobs.error = None
    ann.do("run")
    assert ann.state["stage"] == "characterised"
    served.jobs.error = failed("again")
    ann.post("next", 202)
    while ann.look()["job"]["state"] != "failed":
        time.sleep(0.01)
    ann.edit("P1", "washout", True)
    assert ann.http.delete(f"{ann.study}/job").json()["job"] is None


def test_an_explanation_is_made_once_and_changes_nothing(served):
    ann = Reader(served.url)
    ann.do("run")
    assert ann.http.get(f"{ann.study}/lesions/P1/explanation").status_code == 404 and not ann.lesion()["explanation"]
    revision = ann.state["revision"]
    ann.do("lesions/P1/explanation")
    assert ann.state["revision"] == revision and ann.lesion()["explanation"] and not ann.lesion("P2")["explanation"]
    answer = ann.http.get(f"{ann.study}/lesions/P1/explanation")
    assert answer.headers["content-type"] == "image/png" and answer.content == b"\x89PNG P1"
    assert ann.post("lesions/P9/explanation", 404)["error"]


def test_a_mask_can_be_drawn_before_the_first_run(served):
    ann = Reader(served.url, study_id=BETA)
    ann.send_mask(make_mask(LARGE), turned=True)
    ann.do("next")
    assert ann.lesion()["category"] == "LR-NC" and ann.lesion()["features"]["aphe"] == {"probability": None, "present": None, "by": "network"}
    assert ann.lesion()["changed"] and ann.state["can_undo"]


def test_what_cannot_be_done_yet(served):
    ann = Reader(served.url)
    assert "Run" in ann.post("next", 422)["error"]["message"]
    assert "rules" in ann.edit(None, "rules", "v2018", 422)["error"]["message"]
    assert ann.post("save", 422)["error"]
    ann.do("run")
    ann.send_mask(make_mask(SMALL))
    assert "Next" in ann.post("save", 422)["error"]["message"]


def test_a_save_is_listed_and_given_back(served):
    ann = Reader(served.url, "Änn")
    ann.do("run")
    saved = ann.post("save")["saved"]
    assert saved["save_id"] == "1" and saved["who"] == "Änn" and ann.state["saved"] == [saved]
    answer = ann.http.get(f"{ann.study}/saved/1/report.json")
    assert answer.text == "Änn" and "attachment" in answer.headers["content-disposition"]
    for path in ("saved/2/report.json", "saved/1/other.json", "saved/1/..%2fjournal.sqlite"):
        assert ann.http.get(f"{ann.study}/{path}").status_code == 404
    assert Reader(served.url, study_id=BETA).http.get(f"/api/studies/{BETA}/saved/1/report.json").status_code == 404


def test_after_a_restart_all_is_as_it_was(scripted):
    first = scripted()
    ann = Reader(first.serve())
    ann.do("run")
    ann.edit("P1", "washout", True)
    ann.send_mask(make_mask(SMALL))
    before = ann.look()
    first.close()
    again = Reader(scripted().serve())
    assert {**again.state, "readers": None} == {**before, "readers": None}
    again.post("undo")
    assert again.lesion()["features"]["washout"]["present"] is True


def test_a_study_whose_images_were_exchanged_is_refused(scripted):
    first = scripted()
    ann = Reader(first.serve())
    ann.do("run")
    first.close()
    for change in ("series", "grid"):
        second = scripted()
        if change == "series":
            second.source.series_uid = "9.9"
        else:
            second.source.series_uid = "1.2"
            path = second.folder / "studies" / ALPHA / "delayed.nii"
            write_nifti(path, make_grid(True).with_array(np.ones(SHAPE, np.int16)))
        client = httpx.Client(base_url=second.serve(), headers={"X-Lirads-Reader": "Ann"})
        for answer in (client.get(f"/api/studies/{ALPHA}"), client.post(f"/api/studies/{ALPHA}/undo", json={"revision": ann.state["revision"]})):
            assert answer.status_code == 422 and "the images that its journal is about" in answer.json()["error"]["message"]
        assert client.get(f"/api/studies/{BETA}").status_code == 200
        second.close()


def test_a_study_without_a_mask_may_change(scripted):
    first = scripted()
    Reader(first.serve())
    first.close()
    second = scripted()
    second.source.series_uid = "9.9"
    assert Reader(second.serve()).do("run")["stage"] == "characterised"


def test_a_study_is_read_once_for_all_who_open_it(served):
    with ThreadPoolExecutor(12) as pool:
        states = list(pool.map(lambda _: httpx.get(f"{served.url}/api/studies/{ALPHA}").json(), range(24)))
    assert served.source.reads == 1 and all(state == states[0] for state in states)


def test_who_waits_too_long_for_a_study_is_told(served, monkeypatch):
    monkeypatch.setattr("lirads_keras.reader.studies.WAIT_S", 0.05)
    begun, go_on = threading.Event(), threading.Event()
    read = served.source.read

    def read_slowly(study_id, progress):
        progress(0.04, "12 of 300 files")
        begun.set()
        go_on.wait(20)
        return read(study_id, ignore_progress)

    monkeypatch.setattr(served.source, "read", read_slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.get, f"{served.url}/api/studies/{ALPHA}")
        begun.wait(20)
        answer = httpx.get(f"{served.url}/api/studies/{ALPHA}")
        assert answer.status_code == 503 and "12 of 300 files" in answer.json()["error"]["message"]
        assert httpx.get(f"{served.url}/api/studies").json()["studies"][0]["opening"] == "12 of 300 files"
        go_on.set()
        assert first.result().status_code == 200
    assert httpx.get(f"{served.url}/api/studies").json()["studies"][0]["opening"] is None


def test_logs_hold_no_name_no_label_and_no_id(served, caplog):
    with caplog.at_level(logging.DEBUG):
        ann = Reader(served.url, "Dr. Secretive")
        ann.do("run")
        ann.http.get(f"{ann.study}/identity")
        ann.http.get("/api/studies/0000000000000000?token=topsecret")
        ann.http.get("/nothing/alpha")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("lirads_keras", "uvicorn.error"))]
    text = "\n".join(ours)
    assert "POST /api/studies/{study_id}/run 202" in text and "GET - 404" in text
    for word in ("alpha", ALPHA, "Secretive", SECRET_NAME, "Doe", "topsecret", "127.0.0.1"):
        assert word not in text, word


def test_a_defect_is_answered_and_logged_without_its_words(served, caplog, monkeypatch):
    monkeypatch.setattr(served.service, "list_studies", lambda: 1 / 0)
    monkeypatch.setattr(served.service, "read_state", lambda study_id, who: {}[SECRET_NAME])
    for path in ("/api/studies", f"/api/studies/{ALPHA}"):
        answer = httpx.get(f"{served.url}{path}")
        assert answer.status_code == 500 and answer.json()["error"]["problems"][0]["found"] in ("ZeroDivisionError", "KeyError")
    assert SECRET_NAME not in caplog.text and "test_api.py" in caplog.text
    assert httpx.get(f"{served.url}/api/session").status_code == 200


def test_a_full_disk_is_told(served):
    ann = Reader(served.url)
    ann.do("run")
    pages, = served.journal._connection.execute("PRAGMA page_count").fetchone()
    served.journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    noise = np.random.default_rng(0).random(SHAPE) > 0.5
    assert "the journal" in ann.send_mask(noise, 507)["error"]["message"]
    served.journal._connection.execute("PRAGMA max_page_count = 1000000")
    assert ann.look()["mask"]["by"] == "network"
    ann.send_mask(noise)
