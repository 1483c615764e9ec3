"""The page in a real browser, before the real application, whose networks are scripted: both lesions are found, with APHE alone."""
from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from scripted import ScriptedJobs

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.profile import read_profile
from lirads_keras.entities import ENHANCED_PHASES, Phase
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.dicom_writer import Acquisition, write_series
from lirads_keras.reader import server as server_module
from lirads_keras.reader.sources import FolderSource
from lirads_keras.run import RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parents[3] / "experiments" / "profiles" / "smoke.yaml"
CHROMIUM = "/usr/bin/chromium"
SHAPE, SPACING_MM = (16, 64, 64), (5.0, 3.0, 3.0)
BODY, LESION = 300, 900
LESIONS = (((8, 32, 32), 13.0), ((5, 44, 20), 8.0))
"""Centre (z, y, x) and radius in mm: one lesion in the middle of the volume, one beside it."""

SIZE = {"width": 1280, "height": 800}
WAIT_MS = 30_000


def _axes(name: str) -> np.ndarray:
    """Directions of slices, rows and columns in LPS, as columns."""
    # The rows of "turned" run to the front, its columns to the right.
    straight = {"axial": [[0, 0, 1], [0, 1, 0], [1, 0, 0]], "turned": [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]}
    if name in straight:
        return np.array(straight[name], float).T
    angle = np.deg2rad(20)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return tilt @ _axes("axial")


def build_mask() -> np.ndarray:
    """Both lesions (z, y, x)."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return np.any([np.linalg.norm((places - centre) * SPACING_MM, axis=-1) <= radius_mm for centre, radius_mm in LESIONS], axis=0)


def _write_study(folder: Path, name: str, phases: tuple[Phase, ...] = ENHANCED_PHASES) -> None:
    settings = CohortSettings(patients_positive=1, patients_negative=1, matrix_px=64, pixel_spacing_mm=3, slices=16, slice_spacing_mm=5, seed=1)
    plan = build_cohort_table(settings)[0]
    affine = np.eye(4)
    affine[:3, :3] = _axes(name) * SPACING_MM
    affine[:3, 3] = -affine[:3, :3] @ (np.array(SHAPE) / 2)
    voxels = np.where(build_mask(), LESION, np.random.default_rng(3).normal(BODY, 25, SHAPE)).clip(0).astype(np.uint16)
    if name == "turned":
        # As it is stored, so that the lesions lie where they lie in the other studies once it is read upright.
        voxels = voxels[:, ::-1, ::-1].swapaxes(1, 2)
    for number, phase in enumerate(phases):
        write_series(folder / name / phase, plan, Acquisition(phase, 30.0 + 60 * number, voxels), affine, SPACING_MM, name, datetime(2012, 3, 6, 13, 56))


@pytest.fixture(scope="session")
def page_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "studies"
    for name in ("axial", "turned", "oblique"):
        _write_study(folder, name)
    _write_study(folder, "no-delayed", (Phase.ARTERIAL, Phase.PORTAL_VENOUS))
    return folder


class PageServer:
    """The application on a port of its own, which it keeps when it is stopped and started again."""

    def __init__(self, studies: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out, self._studies = folder / "out", studies
        (folder / "run").mkdir()
        (folder / "run" / "inputs.json").write_text(json.dumps({"virtual": True}))
        profile = read_profile(SMOKE)
        self._files = RunFiles(RunFolder(folder / "run"), profile, SEGMENTATION_VARIANTS["delayed"],
                               CHARACTERIZATION_VARIANTS["vgg16-adaptive"], "full", (), (), 0.5, 0.0)
        self.jobs = ScriptedJobs()
        self.jobs.found = build_mask()
        monkeypatch.setattr(server_module, "Jobs", lambda work, files: self.jobs)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._open = ExitStack()
        options = server_module.ServerOptions(None, self.port, None, (), None)
        bound = self._open.enter_context(server_module.bind_socket(None, self.port))
        app = self._open.enter_context(server_module.open_application(self._files, FolderSource(self._studies), self.out, options))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        self._open.close()

    def get(self, path: str) -> Any:
        return httpx.get(self.url + path, timeout=30).raise_for_status()

    def find_study(self, label: str) -> str:
        return next(study["study_id"] for study in self.get("/api/studies").json()["studies"] if study["label"] == label)

    def state(self, label: str) -> dict[str, Any]:
        return self.get(f"/api/studies/{self.find_study(label)}").json()


@pytest.fixture
def page_server(page_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    server = PageServer(page_studies, tmp_path, monkeypatch)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module alone: while it is open, this thread has an event loop, and tests elsewhere start their own."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(url, reader=…, failing=False)`: a page in a browser of its own. At the end none may have asked elsewhere or complained.

    `failing`: requests fail meanwhile, of which browsers complain by themselves.
    """
    complaints: list[str] = []
    contexts = []

    def open_one(url: str, reader: str = "", failing: bool = False) -> Page:
        context = browser.new_context(viewport=SIZE)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", lambda message: None if message.type not in ("error", "warning") or (failing and "Failed to load resource" in message.text)
                or "GPU stall" in message.text else complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: None if request.url.startswith((url.rstrip("/") + "/", "data:")) else complaints.append(f"asked {request.url}"))
        page.add_init_script("document.addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))")
        if reader:
            page.add_init_script(f"localStorage.setItem('lirads-reader-name', {json.dumps(reader)})")
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


class Reading:
    """What a reader does on the page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, label: str) -> None:
        self.page.get_by_role("button", name=label).click()
        self.status(f"{label} is open.")

    def status(self, text: str) -> None:
        self.page.wait_for_function("text => document.getElementById('status').textContent.includes(text)", arg=text)

    def run(self) -> None:
        self.page.get_by_role("button", name="Run R").click()
        self.lesion("P1").wait_for()
        self.settled()

    def settled(self) -> None:
        """Waits for images and mask."""
        self.page.locator("#phases[aria-busy=false]").wait_for()

    def lesion(self, lesion_id: str) -> Any:
        return self.page.locator(f"[data-lesion={lesion_id}]")

    def category(self, category: str) -> None:
        self.page.wait_for_function("text => document.getElementById('detail-category').textContent === text", arg=category)

    def switch(self, feature: str, value: str) -> None:
        self.page.locator(f"[data-feature={feature}]").get_by_role("radio", name=value).check(force=True)

    def canvas(self, phase: str = "delayed") -> Any:
        return self.page.locator(f"[data-phase={phase}] canvas")

    def drag(self, *points: tuple[float, float], phase: str = "delayed", button: Any = "left") -> None:
        """Drags over a canvas; points are in pixels from its centre."""
        box = self.canvas(phase).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x + points[0][0], y + points[0][1])
        self.page.mouse.down(button=button)
        for right, down in points[1:]:
            self.page.mouse.move(x + right, y + down, steps=4)
        self.page.mouse.up(button=button)

    def text(self, element_id: str) -> str:
        return self.page.locator(f"#{element_id}").text_content() or ""


@pytest.fixture(scope="session")
def reading() -> Callable[[Page], Reading]:
    return Reading
