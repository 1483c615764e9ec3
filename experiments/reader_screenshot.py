"""Figure 7's counterpart: a picture of the reading application with a patient of the virtual cohort, after Run and a click on a lesion.

    python experiments/reader_screenshot.py --run runs/cpu --studies data/cohorts/DIGEST/dicom --study VC-0008 --networks fold-1 --out reader.png

`--networks`: such that have not seen the patient. Needs chromium, and playwright of the extra `test`.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lirads_keras.io.atomic import write_bytes

CHROMIUM = "/usr/bin/chromium"
JOB_MS = 600_000
ZOOM_STEPS = 5


@contextmanager
def serve(run: Path, studies: Path, networks: str, out: Path) -> Iterator[str]:
    """`lirads read` on a free port; yields its address."""
    command = [sys.executable, "-m", "lirads_keras", "read", "--run", str(run), "--studies", str(studies), "--networks", networks, "--out", str(out),
               "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


def picture(url: str, study: str) -> bytes:
    """The page at 1280 × 800 as PNG, with the study's first lesion, zoomed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script("localStorage.setItem('lirads-reader-name', 'A. Reader')")
        page.goto(url)
        page.get_by_role("button", name=study).click()
        page.locator("#phases[aria-busy=false]").wait_for()
        page.get_by_role("button", name="Run R").click()
        page.locator("[data-lesion]").first.wait_for(timeout=JOB_MS)
        page.locator("#phases[aria-busy=false]").wait_for()
        for _ in range(ZOOM_STEPS):
            page.keyboard.press("+")
        page.locator("[data-lesion]").first.click()
        page.wait_for_timeout(1000)
        taken = page.screenshot()
        browser.close()
        return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--studies", type=Path, required=True)
    parser.add_argument("--study", required=True, help="name of the study's folder")
    parser.add_argument("--networks", default="full")
    parser.add_argument("--out", type=Path, required=True)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as out, serve(parsed.run, parsed.studies, parsed.networks, Path(out)) as url:
        taken = picture(url, parsed.study)
    write_bytes(parsed.out, lambda file: file.write(taken))


if __name__ == "__main__":
    main()
