"""`lirads read` put together: what it needs is opened, the server answers until it is stopped, and everything is closed."""
from __future__ import annotations

import logging
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout
from starlette.types import ASGIApp

from lirads_keras.entities import VIRTUAL_COHORT, Category
from lirads_keras.errors import InputError, Problem
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.lirads.steps import OVERRIDE_ORDER
from lirads_keras.provenance import package_versions
from lirads_keras.reader.api import build_app
from lirads_keras.reader.jobs import Jobs
from lirads_keras.reader.journal import Journal
from lirads_keras.reader.labelling import ServiceLabelling
from lirads_keras.reader.mask_upload import MASK_BYTES_MAX
from lirads_keras.reader.monai_label import build_router
from lirads_keras.reader.saving import Saves
from lirads_keras.reader.security import build_access
from lirads_keras.reader.service import ReaderService
from lirads_keras.reader.sources import StudySource
from lirads_keras.reader.studies import OpenStudies
from lirads_keras.reader.worker import serve_jobs

NOTICE = "Research use only. Not for diagnosis."
LOOPBACK = "127.0.0.1"
TOKEN_CHARACTERS_MIN = 16
IMAGE_BYTES_MAX = 1 << 29
"""Of an image that a MONAI Label client sends: 512 × 512 × 300 voxels of four bytes, with room."""

BACKLOG = 128
STOP_S = 5
"""So long a request may go on after the server was told to stop."""


@dataclass(frozen=True)
class ServerOptions:
    """Where and for whom the server answers; `host` is None for this machine alone, `token` for everyone on it. `reader` is the name to begin with."""

    host: str | None
    port: int
    token: str | None
    origins: Sequence[str]
    reader: str | None


def bind_socket(host: str | None, port: int) -> socket.socket:
    """A socket that will listen; port 0 takes a free one.

    Raises:
        InputError: the port is taken, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if host is not None and ":" in host else socket.AF_INET
    # asyncio sends small packets at once only where the protocol is named; each answer would take 40 ms otherwise.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host or LOOPBACK, port))
        # Another program that listens there is told now, not after the networks were loaded.
        bound.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        bound.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(Problem(f"--port {port}" if host is None else f"--host {host}, --port {port}", "an address that is free", reason)) from error
    return bound


def make_token() -> str:
    """A new token, of 256 bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        InputError: the file cannot be read, or holds no line of 16 or more letters, digits, - and _.
    """
    expected = f"one line of {TOKEN_CHARACTERS_MIN} or more letters, digits, - and _"
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"--token-file {path}", expected, getattr(error, "strerror", None) or "other characters")) from error
    if len(token) < TOKEN_CHARACTERS_MIN or not token.replace("-", "").replace("_", "").isalnum():
        raise InputError(Problem(f"--token-file {path}", expected, f"{len(token)} characters" if token else "an empty file"))
    return token


def describe_url(bound: socket.socket, options: ServerOptions, *, with_token: bool) -> str:
    """What to type into a browser."""
    port = bound.getsockname()[1]
    host = options.host or LOOPBACK
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{f'?token={options.token}' if with_token and options.token else ''}"


@contextmanager
def open_application(files: RunFiles, source: StudySource, out: Path, options: ServerOptions) -> Iterator[ASGIApp]:
    """The application with its journal, its cache and its worker process, which are closed at the end.

    Raises:
        InputError: the folder is another server's, or its journal is damaged.
    """
    with ExitStack() as stack:
        lock = FileLock(out / "server.lock")
        out.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            raise InputError(Problem(f"--out {out}", "a folder that no other server uses", "one that another `lirads read` uses")) from None
        journal = Journal(out / "journal.sqlite")
        stack.callback(journal.close)
        studies = OpenStudies(source, out / "cache", files.profile.preprocessing.registration)
        stack.callback(studies.close)
        jobs = Jobs(serve_jobs, files)
        stack.callback(jobs.close)
        service = ReaderService(journal, studies, jobs, Saves(out, source))
        session = build_session(files, options.reader)
        labels = build_router(
            ServiceLabelling(service, source, files.segmentation), segmentation=files.segmentation, version=session["version"], notice=NOTICE,
            folder=_make_folder(out / "cache" / "labels"), image_bytes_max=IMAGE_BYTES_MAX, label_bytes_max=MASK_BYTES_MAX)
        access = build_access(options.host, options.token, options.origins)
        yield build_app(service, session, access, _make_folder(out / "cache" / "bodies"), [labels])


@contextmanager
def until_stopped() -> Iterator[None]:
    """Ctrl-C or SIGTERM within ends it without a word, after everything that was opened is closed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def serve(app: ASGIApp, bound: socket.socket) -> None:
    """Answers until Ctrl-C or SIGTERM, which it hands on."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("lirads_keras.reader").setLevel(logging.INFO)
    # uvicorn's own access log would hold addresses, and with them a token.
    config = uvicorn.Config(app, access_log=False, log_config=None, server_header=False, proxy_headers=False, timeout_graceful_shutdown=STOP_S, ws="none",
                            lifespan="off")
    uvicorn.Server(config).run(sockets=[bound])


def build_session(files: RunFiles, reader: str | None) -> dict[str, Any]:
    """What is the same for all studies."""
    profile = files.profile
    return {
        "notice": NOTICE, "run": files.run.path.absolute().name, "profile": profile.name,
        "networks": files.networks, "segmentation": files.segmentation.name, "variant": files.characterization.name, "rules": profile.characterization.rules,
        "cohort": VIRTUAL_COHORT if files.run.is_virtual else "", "categories": [str(category) for category in Category],
        "overrides": [str(category) for category in OVERRIDE_ORDER if category != Category.LR_TIV], "mask_bytes_max": MASK_BYTES_MAX,
        "reader": reader, "version": package_versions().get("lirads-keras", "unknown")}


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
