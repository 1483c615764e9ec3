"""A reading with real networks, from Run to DICOM on disk, through a server that is killed in its middle; about 40 s."""
from __future__ import annotations

import socket

import numpy as np
import pytest

from lirads_keras.entities import Category
from lirads_keras.io.dicom import read_study
from lirads_keras.io.dicom_seg import read_segmentation
from lirads_keras.io.dicom_sr import read_structured_report
from lirads_keras.lesions import measure_lesions
from lirads_keras.preprocessing.study import read_aligned_phases

pytestmark = [pytest.mark.slow, pytest.mark.alone]
JOB_MS = 180_000


def test_from_run_to_dicom(start_reader, reader_studies, open_page, reading) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_reader("--port", str(port))
    page = open_page(server.url, reader="Dr. Real", failing=True)
    reader = reading(page)
    reader.open("one-lesion")
    page.get_by_role("button", name="Run R").click()
    reader.lesion("P1").wait_for(timeout=JOB_MS)
    reader.category("LR-4")
    whole = reader.text("detail-title")
    assert page.locator("#cohort").text_content() == "virtual cohort"

    # A part is erased with the server gone; Next sends it once it is back.
    page.keyboard.press("e")
    page.get_by_label("Size").fill("9")
    page.get_by_label("Size").press("Enter")
    mark = page.locator("[data-phase=delayed] .mark").bounding_box()
    box = reader.canvas().bounding_box()
    x, y = mark["x"] - box["x"] - box["width"] / 2, mark["y"] - box["y"] - box["height"] / 2
    server.kill()
    reader.drag((x - 60, y + 20), (x + 10, y + 20), (x - 60, y + 28), (x + 10, y + 28))
    assert reader.text("strokes") == "1 stroke not stored"
    page.keyboard.press("n")
    page.get_by_text("The server is not reached; trying again. Nothing is lost.").wait_for()
    server.start()
    page.wait_for_function("old => !document.getElementById('detail-title').textContent.includes(old) && document.getElementById('job').hidden", arg=whole,
                           timeout=JOB_MS)
    shown = reader.text("detail-title")
    assert shown.startswith("P1: ") and shown != whole

    for feature in ("aphe", "washout", "capsule"):
        reader.switch(feature, "present" if feature == "aphe" else "absent")
    reader.category("LR-4")
    reader.switch("washout", "present")
    reader.category("LR-5")
    reasons = reader.text("detail-reasons")
    assert reasons.startswith("APHE, washout, ") and "LR-4" in reader.text("detail-before")
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("img", name="Class-activation maps of lesion P1").wait_for(timeout=JOB_MS)
    assert page.locator("#explanation-box img").evaluate("image => image.complete ? image.naturalWidth : image.decode().then(() => image.naturalWidth)") > 200
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Save S").click()
    reader.status("Saved in ")

    # What lies on the disk is what the page showed.
    with server.client() as client:
        state = client.get(f"/api/studies/{server.find_study('one-lesion')}").json()
    folder = server.out / state["saved"][0]["where"]
    grid = read_aligned_phases(read_study(reader_studies / "one-lesion").phases())["delayed"]
    labels = read_segmentation(folder / "seg.dcm", grid)
    lesions = measure_lesions(labels, grid)
    said = read_structured_report(folder / "sr.dcm")
    assert len(lesions) == len(said) == len(state["lesions"]) and np.count_nonzero(labels) > 0
    lesion, row = lesions[0], said[0]
    assert shown == f"P1: {int(lesion.diameter_mm * 10) / 10:.1f} mm, {lesion.volume_ml:.{1 if lesion.volume_ml >= 1 else 2}f} ml"
    assert row.lesion_id == "P1" and row.category == Category.LR_5 and row.observer == "Dr. Real"
    assert (row.aphe, row.washout, row.capsule) == (True, True, False)
    assert row.diameter_mm == pytest.approx(lesion.diameter_mm, abs=0.01)
