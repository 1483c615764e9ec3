"""Pen, eraser, and the three canvases that show one place; some 6 s each."""
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from lirads_keras.io.nifti import read_nifti

pytestmark = [pytest.mark.slow, pytest.mark.alone]

LABELS = ("axial", "turned", "oblique")


def read_mask(server, label: str, tmp_path: Path) -> np.ndarray:
    """The study's present mask (z, y, x) as the server gives it."""
    mask_id = server.state(label)["mask"]["mask_id"]
    path = tmp_path / f"{mask_id}.nii"
    path.write_bytes(server.get(f"/api/studies/{server.find_study(label)}/masks/{mask_id}.nii").content)
    return read_nifti(path).array > 0


def picture(canvas) -> np.ndarray:
    canvas.page.evaluate("""() => new Promise((done) => {
        for (const mark of document.querySelectorAll('.mark')) mark.style.visibility = 'hidden';
        requestAnimationFrame(() => requestAnimationFrame(done));
    })""")
    return imread(io.BytesIO(canvas.screenshot()))[..., :3]


def count_overlay(canvas) -> int:
    """Pixels with the colour of the mask: the images are grey."""
    image = picture(canvas)
    return int(((image[..., 2] - image[..., 0]) > 0.1).sum())


@pytest.mark.parametrize("label", LABELS)
def test_what_is_drawn_arrives_where_it_was_drawn(page_server, open_page, reading, tmp_path, label: str) -> None:
    """On straight and tilted grids, and where rows and columns are stored exchanged and backwards; all files run against the order of the viewer."""
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open(label)
    slider = page.locator("#slice")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    shown = int(slider.input_value()) - 1
    page.keyboard.press("p")
    page.get_by_label("Size").fill("5")
    page.get_by_label("Size").press("Tab")
    # Right of and below the middle, in the canvas of another phase than the mask's.
    box = reader.canvas("arterial").bounding_box()
    step = min(box["width"], box["height"]) / 8
    reader.drag((step, step / 2), (step, step / 2), phase="arterial")
    assert reader.text("strokes") == "1 stroke not stored"
    page.get_by_role("button", name="Store mask").click()
    page.wait_for_function("() => document.getElementById('strokes').hidden")
    mask = read_mask(page_server, label, tmp_path)
    slices, rows, columns = np.nonzero(mask)
    assert mask.sum() == 25 and set(slices) == {shown}
    # In radiological convention with rows from anterior down, right on the screen is right in the array, whose order is upright.
    extent_px = min(box["width"] / 64, box["height"] / 64)
    expected = 32 + step / extent_px, 32 + step / 2 / extent_px
    assert columns.mean() == pytest.approx(expected[0], abs=1.5) and rows.mean() == pytest.approx(expected[1], abs=1.5)


def test_a_part_is_erased_and_next_measures_again(page_server, open_page, reading, tmp_path) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    reader.run()
    whole, before = page_server.state("axial")["lesions"][0], read_mask(page_server, "axial", tmp_path)
    shown = count_overlay(reader.canvas())
    page.keyboard.press("e")
    page.get_by_label("Size").fill("11")
    page.get_by_label("Size").press("Enter")
    reader.drag((-40, -25), (40, -25))
    left = count_overlay(reader.canvas())
    assert left < 0.8 * shown and count_overlay(reader.canvas("arterial")) == pytest.approx(left, rel=0.05)
    old = reader.text("detail-title")
    page.keyboard.press("n")
    page.wait_for_function("old => document.getElementById('detail-title').textContent !== old", arg=old)
    lesion, after = page_server.state("axial")["lesions"][0], read_mask(page_server, "axial", tmp_path)
    assert lesion["lesion_id"] == "P1" and lesion["volume_ml"] < whole["volume_ml"] and lesion["changed"]
    assert (after <= before).all() and set(np.nonzero(before & ~after)[0]) == {8}
    assert reader.text("detail-title") == f"P1: {int(lesion['diameter_mm'] * 10) / 10:.1f} mm, {lesion['volume_ml']:.1f} ml"


def test_strokes_are_taken_back_one_by_one(page_server, open_page, reading, tmp_path) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    reader.run()
    pictures = [count_overlay(reader.canvas())]
    page.keyboard.press("p")
    page.keyboard.press("f")
    for shift in (60, -60):
        reader.drag((shift - 20, -20), (shift + 20, -20), (shift + 20, 20), (shift - 20, 20), (shift - 20, -20))
        pictures.append(count_overlay(reader.canvas()))
    page.keyboard.press("f")
    page.keyboard.press("e")
    reader.drag((0, -20), (0, 20))
    pictures.append(count_overlay(reader.canvas()))
    assert pictures[0] < pictures[1] < pictures[2] > pictures[3]
    # Nothing is there to erase: no stroke.
    reader.drag((-110, -110), (-100, -110))
    assert reader.text("strokes") == "3 strokes not stored"
    page.keyboard.press("PageUp")
    for left in (2, 1, 0):
        page.keyboard.press("Control+z")
        page.wait_for_function("left => Number.parseInt(document.getElementById('strokes').textContent || '0', 10) === left", arg=left)
        assert count_overlay(reader.canvas()) == pictures[left]
    page.keyboard.press("Control+z")
    reader.status("There is no stroke to take back.")
    assert page_server.state("axial")["stage"] == "characterised"


def test_a_stroke_that_leaves_the_canvas_ends_as_any_other(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    page.keyboard.press("p")
    reader.drag((0, 0), (-400, 0))
    assert reader.text("strokes") == "1 stroke not stored"
    drawn = count_overlay(reader.canvas())
    assert drawn > 100 and count_overlay(reader.canvas("arterial")) == pytest.approx(drawn, rel=0.05)


def test_drawing_needs_no_mouse(page_server, open_page, reading, tmp_path) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    page.keyboard.press("p")
    page.keyboard.press("3")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Space", "Shift+ArrowLeft", "Space"):
        page.keyboard.press(key)
    reader.status("Cursor at column")
    page.get_by_role("button", name="Store mask").click()
    page.wait_for_function("() => document.getElementById('strokes').hidden")
    slices, rows, columns = np.nonzero(read_mask(page_server, "axial", tmp_path))
    assert set(slices) == {8} and len(rows) == 2 * 9
    assert sorted(set(columns)) == [22, 23, 24, 32, 33, 34] and len(set(rows)) == 3


def test_the_three_canvases_show_one_place(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    phases = ("arterial", "portal_venous", "delayed")

    def look() -> list[np.ndarray]:
        return [picture(reader.canvas(phase)) for phase in phases]

    def all_changed(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
        # The voxels of the three phases are the same; the canvases may differ by a pixel.
        height, width = np.min([image.shape[:2] for image in after], axis=0)
        assert all(np.abs(after[0][:height, :width] - other[:height, :width]).mean() < 0.03 for other in after[1:])
        return all(np.abs(old - new).mean() > 0.005 for old, new in zip(before, after, strict=True))

    seen = look()
    for act in (
            lambda: (reader.canvas("arterial").hover(), page.mouse.wheel(0, 120)),
            lambda: page.keyboard.press("+"),
            lambda: reader.drag((0, 0), (40, 25), phase="portal_venous"),
            lambda: reader.drag((0, 0), (60, 0), phase="arterial", button="right"),
            lambda: page.keyboard.press("]"),
            lambda: page.get_by_role("button", name="Reset 0").click()):
        act()
        before, seen = seen, look()
        assert all_changed(before, seen)
    assert reader.text("slice-text").startswith("8 / 16") and reader.text("zoom-text") == "100 %"
    page.keyboard.press("2")
    page.keyboard.press("2")
    assert [page.locator(f"[data-phase={phase}]").is_visible() for phase in phases] == [False, True, False]
    page.keyboard.press("2")
    assert all(page.locator(f"[data-phase={phase}]").is_visible() for phase in phases)


def test_leaving_with_strokes_is_warned_of(page_server, open_page, reading) -> None:
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open("axial")
    page.keyboard.press("p")
    reader.drag((0, 0), (20, 0))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("button", name="oblique").click()
    page.get_by_text("1 stroke on the mask not stored yet will be lost").wait_for()
    page.get_by_role("button", name="Cancel").last.click()
    assert reader.text("study-label") == "axial" and reader.text("strokes") == "1 stroke not stored"
    page.reload()
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("label", LABELS)
def test_the_mask_lies_on_the_lesions_that_it_was_made_of(page_server, open_page, reading, label: str) -> None:
    """The lesions are the only bright voxels: with an opaque mask on them nothing bright is left but letters."""
    page = open_page(page_server.url, reader="One")
    reader = reading(page)
    reader.open(label)
    reader.run()
    for lesion_id in ("P1", "P2"):
        reader.lesion(lesion_id).click()
        page.keyboard.press("o")
        bare = picture(reader.canvas("portal_venous"))
        assert count_overlay(reader.canvas("portal_venous")) == 0 and not page.get_by_label("Mask O").is_checked()
        page.keyboard.press("o")
        page.get_by_label("Opacity").fill("100")
        covered = picture(reader.canvas("portal_venous"))
        bright, blue = (bare.min(axis=-1) > 0.7), (covered[..., 2] - covered[..., 0]) > 0.1
        letters = covered.min(axis=-1) > 0.7
        # Linear interpolation blurs the lesion's edge by a part of a voxel, the mask's is sharp.
        assert bright.sum() > 150 and (bright & ~letters & ~blue).sum() == 0 and (letters & bright).sum() < 0.3 * bright.sum()
        assert blue.sum() == pytest.approx((bright & ~letters).sum(), rel=0.35)
