"""Legible, reachable and in place at 1280 × 800; some 6 s each."""
from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CONTRAST_AT_LEAST, CONTRAST_OF_LARGE_TEXT = 4.5, 3.0
"""WCAG 2.2, 1.4.3 (AA)."""

FIND_PALE_TEXT = """([least, large]) => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (let n = node; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); if (c[3] > 0) return c; } };
  const found = [];
  let seen = 0;
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own && !node.matches('input[type=text], input[type=number]')) continue;
    if (!node.checkVisibility() || node.closest('[aria-disabled=true], :disabled, .unseen')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [luminance(parse(style.color)), luminance(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    seen += 1;
    if (contrast < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? large : least)) found.push(`${node.textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return { seen, found };
}"""

FIND_MISPLACED = """() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollHeight > innerHeight || root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} × ${root.scrollHeight}`);
  const name = (node) => node.id || node.textContent.trim().slice(0, 30);
  for (const bar of document.querySelectorAll('header, .bar, .checks, .feature, #lesions-box, #messages > *')) {
    if (!bar.checkVisibility()) continue;
    const outer = bar.getBoundingClientRect();
    const shown = [...bar.children].filter((child) => child.checkVisibility() && !child.matches('.grow'));
    const parts = shown.map((child) => [child, child.getBoundingClientRect()]);
    for (const [child, box] of parts) {
      if (box.left < outer.left - 0.5 || box.right > outer.right + 0.5 || box.bottom > outer.bottom + 0.5) found.push(`${name(child)} leaves ${name(bar)}`);
      for (const [other, place] of parts) {
        if (child !== other && box.left < place.right - 0.5 && place.left < box.right - 0.5 && box.top < place.bottom - 0.5 && place.top < box.bottom - 0.5) {
          found.push(`${name(child)} lies on ${name(other)}`);
        }
      }
    }
  }
  for (const node of document.querySelectorAll('button, label > span, h2, figcaption')) {
    if (node.checkVisibility() && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).textOverflow !== 'ellipsis' && !node.matches('.unseen')) {
      found.push(`${name(node)} is cut off`);
    }
  }
  return found;
}"""


def check(page) -> None:
    pale = page.evaluate(FIND_PALE_TEXT, [CONTRAST_AT_LEAST, CONTRAST_OF_LARGE_TEXT])
    assert pale["seen"] > 40 and pale["found"] == []
    assert page.evaluate(FIND_MISPLACED) == []
    assert page.locator("#notice").is_visible() and page.locator("#notice").text_content() == "Research use only. Not for diagnosis."
    unnamed = [node["role"]["value"] for node in page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
               if not node["ignored"] and node["role"]["value"] in NAMED_ROLES and not node.get("name", {}).get("value")]
    assert unnamed == []


NAMED_ROLES = {"button", "textbox", "spinbutton", "checkbox", "radio", "slider", "combobox", "link", "application", "dialog", "alertdialog", "radiogroup",
               "progressbar", "navigation"}


def test_it_fits_and_is_legible_in_every_step(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="A Reader with a Long Name")
    reader = reading(page)
    page.get_by_role("button", name="axial").wait_for()
    check(page)
    assert page.locator("#cohort").text_content() == "virtual cohort"
    reader.open("axial")
    check(page)
    page_server.jobs.at_once = False
    page.keyboard.press("r")
    page.get_by_text("waiting for its turn").first.wait_for()
    check(page)
    page_server.jobs.work()
    reader.lesion("P1").wait_for()
    reader.switch("washout", "absent")
    page.get_by_label("Ancillary: malignant").check()
    page.wait_for_function("() => document.getElementById('detail-reasons').textContent.includes('not counted')")
    page.keyboard.press("p")
    reader.drag((0, 0), (30, 30))
    check(page)
    page.locator("#identity-toggle").click()
    page.locator("#identity").wait_for()
    check(page)
    page.get_by_text("Patient and study").click()
    page.get_by_text("Earlier size").click()
    check(page)
    for category in ("LR-NC", "LR-TIV", "LR-1", "LR-2", "LR-M"):
        page.evaluate("category => { const badge = document.getElementById('detail-category'); badge.textContent = category;"
                      " badge.className = `category ${category.toLowerCase()}`; }", category)
        assert page.evaluate(FIND_PALE_TEXT, [CONTRAST_AT_LEAST, CONTRAST_OF_LARGE_TEXT])["found"] == []
    page.evaluate("for (const id of ['connection', 'conflict', 'error']) document.getElementById(id).hidden = false;"
                  "for (const id of ['conflict-text', 'error-text']) document.getElementById(id).textContent = 'one thing, found another. '.repeat(20)")
    check(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    check(page)
    assert page.locator("#help-keys tr").count() > 15


def test_larger_and_smaller_windows_keep_everything_in_reach(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    reader.run()
    for width, height in ((1280, 720), (1920, 1080), (2560, 1440)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert page.evaluate(FIND_MISPLACED) == []
        box = reader.canvas().bounding_box()
        assert box["width"] > 250 and box["height"] > 250
        assert page.evaluate("document.querySelector('[data-phase=delayed] canvas').width") == pytest.approx(box["width"], abs=1)


def test_a_whole_reading_needs_no_mouse(page_server, open_page) -> None:
    page = open_page(page_server.url)
    press = page.keyboard.press

    def focus(selector: str, *, most: int = 60) -> None:
        """Goes on with Tab until the focus is there, and sees that it can be seen."""
        for _ in range(most):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                seen = page.evaluate("""() => { const at = document.activeElement; const shown = at.matches('.segments input') ? at.nextElementSibling : at;
                    return getComputedStyle(shown).outlineStyle !== 'none'; }""")
                assert seen, f"no focus is seen on {selector}"
                return
            press("Tab")
        raise AssertionError(f"{selector} is not reached")

    page.get_by_role("button", name="axial").wait_for()
    focus("#studies button")
    press("Enter")
    page.wait_for_function("() => document.getElementById('status').textContent.includes('axial is open')")
    press("r")
    page.wait_for_function("() => document.getElementById('name-dialog').open")
    page.keyboard.type("Key Board")
    press("Enter")
    page.locator("[data-lesion=P2]").wait_for()
    focus("[data-lesion=P2]")
    press("Enter")
    page.wait_for_function("() => document.getElementById('slice').value === '6'")
    press("Shift+Tab")
    focus("[data-lesion=P1]")
    press("Enter")
    focus("[name=washout]:checked")
    press("ArrowRight")
    page.wait_for_function("() => document.getElementById('detail-category').textContent === 'LR-5'")
    assert page.evaluate("document.activeElement.name") == "washout", "the focus stays where it was"
    for key in ("e", "3", "ArrowUp", "Space", "n"):
        press(key)
    page.wait_for_function("() => document.getElementById('history').textContent.includes('Next:')")
    press("s")
    page.wait_for_function("() => document.getElementById('status').textContent.includes('Saved in')")
    state = page_server.state("axial")
    assert [event["kind"] for event in state["history"]] == ["run", "edit", "mask", "next", "save"]
    assert {event["who"] for event in state["history"]} == {"Key Board"} and state["lesions"][0]["category"] == "LR-5"


def test_letters_typed_into_a_field_are_no_shortcuts(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    page.get_by_label("Reader", exact=True).fill("")
    page.get_by_label("Reader", exact=True).press_sequentially("pern?")
    assert page.get_by_label("Reader", exact=True).input_value() == "pern?" and page_server.state("axial")["stage"] == "new"
    assert page.locator("[name=tool]:checked").input_value() == "move" and page.locator("#help-dialog").is_hidden()
    page.locator("#help-open").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("p")
    assert page.locator("[name=tool]:checked").input_value() == "move"
