"""The server without networks: studies made by hand, and jobs that end when the test says so."""
from __future__ import annotations

import gzip
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import numpy as np
import uvicorn

from lirads_keras.config.profile import Profile
from lirads_keras.entities import ENHANCED_PHASES, FeatureProbabilities, Phase, Series, Study, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.nifti import read_nifti, write_nifti
from lirads_keras.lesions import measure_lesions
from lirads_keras.progress import Progress
from lirads_keras.reader.api import build_app
from lirads_keras.reader.findings import FINDINGS, Findings, find_partners, name_lesions, to_measured
from lirads_keras.reader.jobs import Job
from lirads_keras.reader.journal import Journal
from lirads_keras.reader.masks import label_lesions, pack_mask, unpack_mask
from lirads_keras.reader.saving import Saves
from lirads_keras.reader.security import Access, build_access
from lirads_keras.reader.server import bind_socket
from lirads_keras.reader.service import ReaderService
from lirads_keras.reader.sources import StudyEntry
from lirads_keras.reader.studies import OpenStudies

SHAPE, SPACING_MM = (6, 40, 48), (4.0, 2.0, 2.0)
ALPHA, BETA = "a" * 16, "b" * 16
LARGE, SMALL, TINY = (slice(1, 4), slice(5, 18), slice(10, 14)), (slice(4, 5), slice(30, 34), slice(40, 41)), (slice(0, 1), slice(0, 1), slice(0, 2))
"""13 × 4 and 4 × 1 pixels of 2 mm, and two voxels, which are too few for a lesion."""

MINIMUM_VOLUME_MM3 = 48.0
PROBABILITIES = FeatureProbabilities(0.75, 0.25, 0.125)
NOTICE = "Lesions were segmented by hand."
SECRET_NAME = "Doe^Jane"
SESSION = {"notice": "Research use only.", "run": "scripted"}


def make_grid(turned: bool = False) -> Volume:
    """Straight, or oblique with its slices downwards."""
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3] = affine[:3][[2, 1, 0]]
    if turned:
        turn = np.eye(4)
        turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
        affine = turn @ affine
        affine[:3, 0] *= -1
    affine[:3, 3] = (-40, 12.5, 30)
    return Volume(np.broadcast_to(np.uint8(0), SHAPE), SPACING_MM, affine)


def make_mask(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for box in boxes:
        mask[box] = True
    return mask


def to_nifti(mask: np.ndarray, turned: bool = False) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_nifti(Path(folder) / "mask.nii", make_grid(turned).with_array(mask.astype(np.uint8)))
        return (Path(folder) / "mask.nii").read_bytes()


def from_nifti(content: bytes, folder: Path) -> Volume:
    (folder / "answer.nii").write_bytes(content)
    return read_nifti(folder / "answer.nii")


class ScriptedSource:
    """Two studies of NIfTI files, the second oblique and without a phase, `lacking`, which is the arterial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.series_uid = "1.2"
        self.stored: list[str] = []
        self.store_error: InputError | None = None
        self.reads = 0
        self.lacking = Phase.ARTERIAL
        self.age_years: float | None = None

    def list_studies(self) -> list[StudyEntry]:
        return [StudyEntry(ALPHA, "alpha"), StudyEntry(BETA, "beta / ..")]

    def read(self, study_id: str, progress: Progress) -> Study:
        self.reads += 1
        progress(0, "reading the headers")
        series = []
        for number, phase in enumerate(ENHANCED_PHASES):
            if study_id == BETA and phase == self.lacking:
                continue
            path = self.folder / study_id / f"{phase}.nii"
            if not path.exists():
                voxels = np.random.default_rng(number).integers(0, 900, SHAPE).astype(np.int16)
                write_nifti(path, make_grid(study_id == BETA).with_array(voxels))
            series.append(Series(f"{self.series_uid}.{number}", (path,), phase, "by hand"))
        return Study(SECRET_NAME, "1.2.3", self.folder / study_id, tuple(series), age_years=self.age_years)

    def find_study(self, series_uid: str) -> str | None:
        return None

    def store(self, study_id: str, files: Sequence[Path]) -> str | None:
        if self.store_error is not None:
            raise self.store_error
        self.stored += [file.name for file in files]
        return "http://pacs"


class ScriptedJobs:
    """A queue that a test works off by hand; with `at_once`, each job is done when it is submitted."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.jobs: dict[str, Job] = {}
        self.found = make_mask(LARGE, SMALL, TINY)
        self.error: InputError | None = None
        self.threads: list[threading.Thread] = []

    def submit(self, kind, study_id, payload: Mapping[str, Any], on_done=None) -> str:
        job = Job(uuid4().hex[:16], kind, study_id, payload, on_done)
        self.jobs[job.job_id] = job
        if self.at_once:
            self.threads.append(threading.Thread(target=self.work))
            self.threads[-1].start()
        return job.job_id

    def work(self) -> None:
        """Does what is queued."""
        for job in list(self.jobs.values()):
            if job.state == "queued":
                job.state, job.message, job.fraction = "running", "working", 0.5
                if self.error is not None:
                    job.error, job.state = self.error, "failed"
                else:
                    job.result = getattr(self, job.kind)(**job.payload)
                    if job.on_done is not None and not job.cancelled:
                        job.on_done(job.job_id, job.result)
                    job.state = "done"
                job.ended.set()

    def find(self, job_id: str) -> Job | None:
        return self.jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        self.jobs.pop(job_id).cancelled = True

    def wait(self, job_id: str, timeout_s: float | None = None) -> Any:
        return self.jobs[job_id].result

    def close(self) -> None:
        for thread in self.threads:
            thread.join()

    def run(self, study, grid, previous, next_number):
        return {"mask": pack_mask(self.found), "findings": self._read(self.found, study, grid, previous, next_number)}

    def next(self, study, grid, mask, previous, next_number):
        return {"findings": self._read(unpack_mask(mask), study, grid, previous, next_number)}

    def explanation(self, study, grid, mask, lesion_id, first_voxel):
        return b"\x89PNG " + lesion_id.encode()

    def _read(self, mask, study, grid, previous, next_number):
        labels, ignored = label_lesions(mask, MINIMUM_VOLUME_MM3, grid.voxel_mm3)
        phases = tuple(phase for phase in ENHANCED_PHASES if phase in study.phases())
        probabilities = PROBABILITIES if Phase.ARTERIAL in phases else FeatureProbabilities(None, 0.25, 0.125)
        lesions = name_lesions(measure_lesions(labels, grid), find_partners(previous, labels), next_number)
        return FINDINGS.dump_python(Findings(
            tuple(to_measured(lesion, probabilities, grid) for lesion in lesions), ignored, phases, 0.5, "paper", {"made": "by hand"}, (NOTICE,)), mode="json")


class ScriptedSaves(Saves):
    """Saves that write what they were given, without DICOM."""

    def write(self, study_id, opened, reading, mask, observer):
        folder = self._out / "saved"
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir())) + 1
        (folder / str(number)).mkdir()
        (folder / str(number) / "report.json").write_text(observer)
        return {"save_id": str(number), "where": f"saved/{number}", "files": ["report.json"], "stored": None, "store_error": None}


class Scripted:
    """The application over a folder; `jobs`, `source` and `service` can be looked into, `serve` puts it on a port."""

    def __init__(self, folder: Path, profile: Profile, *, at_once: bool = True, access: Access | None = None, saves: type[Saves] = ScriptedSaves) -> None:
        self.folder = folder
        self.source = ScriptedSource(folder / "studies")
        self.jobs = ScriptedJobs(at_once)
        self.journal = Journal(folder / "out" / "journal.sqlite")
        self.studies = OpenStudies(self.source, folder / "out" / "cache", "none")
        self.service = ReaderService(self.journal, self.studies, self.jobs, saves(folder / "out", self.source))
        (folder / "out" / "cache" / "bodies").mkdir()
        self.app = build_app(self.service, SESSION, access or build_access(None, None, ()), folder / "out" / "cache" / "bodies")

    def serve(self) -> str:
        """Starts a server in a thread, and returns its address."""
        self._bound = bind_socket(None, 0)
        self._server = uvicorn.Server(uvicorn.Config(self.app, access_log=False, log_config=None, server_header=False, lifespan="off", ws="none"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._bound]})
        self._thread.start()
        return f"http://127.0.0.1:{self._bound.getsockname()[1]}"

    def close(self) -> None:
        if hasattr(self, "_server"):
            self._server.should_exit = True
            self._thread.join()
            self._bound.close()
        self.jobs.close()
        self.journal.close()
        self.studies.close()


def failed(what: str) -> InputError:
    return InputError(Problem(what, "something else", "this"))


class Reader:
    """A reader with a browser: remembers the revision that was seen last."""

    def __init__(self, url: str, name: str = "Ann", study_id: str = ALPHA) -> None:
        self.http = httpx.Client(base_url=url, headers={"X-Lirads-Reader": quote(name)}, timeout=30)
        self.study = f"/api/studies/{study_id}"
        self.state: dict = {}
        self.look()

    def look(self) -> dict:
        self.state = self.http.get(self.study).raise_for_status().json()
        return self.state

    def post(self, path: str, status: int = 200, **body) -> dict:
        answer = self.http.post(f"{self.study}/{path}", json={"revision": self.state["revision"]} | body)
        assert answer.status_code == status, answer.text
        if status in (200, 202):
            self.state = answer.json().get("state", answer.json())
        return answer.json()

    def edit(self, lesion_id: str | None, field: str, value, status: int = 200) -> dict:
        return self.post("edits", status, lesion_id=lesion_id, field=field, value=value)

    def send_mask(self, mask: np.ndarray, status: int = 200, revision: int | None = None, packed: bool = True, turned: bool = False) -> dict:
        content = to_nifti(mask, turned)
        revision = self.state["revision"] if revision is None else revision
        answer = self.http.post(f"{self.study}/mask", params={"revision": revision}, content=gzip.compress(content) if packed else content)
        assert answer.status_code == status, answer.text
        if status == 200:
            self.state = answer.json()
        return answer.json()

    def do(self, kind: str) -> dict:
        """Runs a job to its end."""
        self.post(kind, 202)
        while self.look()["job"] is not None:
            time.sleep(0.01)
        return self.state

    def lesion(self, lesion_id: str = "P1") -> dict:
        return next(lesion for lesion in self.state["lesions"] if lesion["lesion_id"] == lesion_id)
