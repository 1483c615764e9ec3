"""Two readers of one study, and a server that goes away; some 8 s each."""
from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture
def two(page_server, open_page, reading):
    """Two readers before the same lesions."""
    readers = []
    for name in ("Anna", "Bert"):
        reader = reading(open_page(page_server.url, reader=name, failing=True))
        reader.open("axial")
        readers.append(reader)
    readers[0].run()
    readers[1].lesion("P1").wait_for()
    readers[1].settled()
    return readers


def be_behind(reader) -> None:
    """The page asks for nothing more, so that it does not see what others do."""
    reader.page.route("**/api/studies/*", lambda route: route.abort() if route.request.method == "GET" else route.continue_())


def test_the_second_reader_is_told_and_can_apply_the_edit(page_server, two) -> None:
    anna, bert = two
    anna.page.get_by_text("Also here: Bert").wait_for()
    be_behind(bert)
    anna.switch("capsule", "present")
    anna.category("LR-5")
    bert.switch("washout", "present")
    bert.page.get_by_text("Anna has changed this study meanwhile; your edit is kept").wait_for()
    assert page_server.state("axial")["lesions"][0]["features"]["washout"]["present"] is False
    bert.page.unroute_all()
    bert.page.get_by_role("button", name="Apply mine").click()
    bert.page.wait_for_function("() => document.getElementById('detail-reasons').textContent.startsWith('APHE, washout, capsule')")
    features = page_server.state("axial")["lesions"][0]["features"]
    assert features["washout"]["by"] == features["capsule"]["by"] == "reader"
    assert bert.page.locator("#conflict").is_hidden()
    # Anna's page follows by itself.
    anna.page.wait_for_function("() => document.getElementById('detail-reasons').textContent.startsWith('APHE, washout, capsule')")


def test_a_mask_that_is_late_is_kept_and_can_be_applied_from_the_history(page_server, two) -> None:
    anna, bert = two
    be_behind(bert)
    for reader, height in ((anna, -20), (bert, 20)):
        reader.page.keyboard.press("e")
        reader.drag((-30, height), (30, height))
    anna.page.get_by_role("button", name="Store mask").click()
    anna.page.wait_for_function("() => document.getElementById('strokes').hidden")
    annas = page_server.state("axial")["mask"]["mask_id"]
    bert.page.get_by_role("button", name="Store mask").click()
    bert.page.get_by_text("Anna has changed this study meanwhile; your edit is kept").wait_for()
    bert.page.unroute_all()
    bert.page.get_by_role("button", name="See theirs").click()
    bert.page.wait_for_function("() => document.getElementById('strokes').hidden")
    assert page_server.state("axial")["mask"] == {"mask_id": annas, "by": "Anna"}
    bert.page.get_by_role("button", name="Apply what was set aside").click()
    bert.page.wait_for_function("() => document.querySelector('#history button') === null")
    assert page_server.state("axial")["mask"]["by"] == "Bert" and page_server.state("axial")["mask"]["mask_id"] != annas
    bert.page.keyboard.press("n")
    bert.page.wait_for_function("() => document.getElementById('history').textContent.includes('Next:')")
    assert page_server.state("axial")["stage"] == "characterised"


def test_strokes_stay_when_another_reader_changes_the_mask(page_server, two) -> None:
    anna, bert = two
    bert.page.keyboard.press("p")
    bert.drag((-60, 40), (-30, 40))
    anna.page.keyboard.press("e")
    anna.drag((-30, 0), (30, 0))
    anna.page.keyboard.press("n")
    bert.page.wait_for_function("() => document.getElementById('history').textContent.includes('Next:')")
    assert bert.text("strokes") == "1 stroke not stored"
    bert.page.get_by_role("button", name="Store mask").click()
    bert.page.get_by_text("Anna has changed this study meanwhile; your edit is kept").wait_for()
    bert.page.get_by_role("button", name="Apply mine").click()
    bert.page.wait_for_function("() => document.getElementById('strokes').hidden")
    assert page_server.state("axial")["mask"]["by"] == "Bert"


def test_a_stroke_that_begins_while_a_mask_is_unpacked_is_kept(two) -> None:
    anna, bert = two
    bert.page.evaluate("""async () => {
        const { Strokes } = await import('/web/strokes.js');
        const { decode } = Strokes;
        Strokes.decode = async (nifti) => {
            const image = await decode(nifti);
            await new Promise((release) => { window.release = release; });
            return image;
        };
    }""")
    anna.page.keyboard.press("e")
    anna.drag((-30, 0), (30, 0))
    anna.page.get_by_role("button", name="Store mask").click()
    bert.page.wait_for_function("() => window.release")
    bert.page.keyboard.press("p")
    bert.drag((-60, 40), (-30, 40))
    bert.page.evaluate("() => window.release()")
    bert.settled()
    assert bert.text("strokes") == "1 stroke not stored"
    bert.page.get_by_role("button", name="Store mask").click()
    bert.page.get_by_text("Anna has changed this study meanwhile; your edit is kept").wait_for()


def test_nothing_is_lost_while_the_server_is_away(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One", failing=True)
    reader = reading(page)
    reader.open("axial")
    reader.run()
    page.keyboard.press("e")
    reader.drag((-30, 10), (30, 10))
    page_server.stop()
    page.get_by_text("The server is not reached; trying again. Nothing is lost.").wait_for()
    # An edit that is made meanwhile waits, and so do strokes.
    reader.switch("capsule", "present")
    reader.drag((-30, -10), (30, -10))
    assert reader.text("strokes") == "2 strokes not stored"
    page_server.start()
    reader.category("LR-5")
    assert page.locator("#connection").is_hidden()
    assert page_server.state("axial")["lesions"][0]["features"]["capsule"]["by"] == "reader"
    volume = page_server.state("axial")["lesions"][0]["volume_ml"]
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('history').textContent.includes('Next:')")
    assert page_server.state("axial")["lesions"][0]["volume_ml"] < volume
    # The edit was made once.
    assert [event["kind"] for event in page_server.state("axial")["history"]] == ["run", "edit", "mask", "next"]


def test_a_page_that_is_opened_before_its_server_waits_for_it(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One", failing=True)
    reader = reading(page)
    page.route("**/api/studies/*/volumes/*", lambda route: route.abort())
    page.get_by_role("button", name="axial").click()
    page.get_by_text("The server is not reached; trying again.").first.wait_for()
    page.unroute_all()
    reader.status("axial is open.")
