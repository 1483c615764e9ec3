"""Images that a plug-in uploaded to have them segmented, kept for an hour."""
from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lirads_keras.reader.errors import NotFound

SESSIONS_MAX = 8
"""The one that was used least recently leaves for a new one."""

EXPIRY_S = 3600


@dataclass
class _Session:
    path: Path
    created: int
    used: float
    expiry_s: int
    users: int = 0


class Sessions:
    """Uploaded images by ids that cannot be guessed; the files lie in `folder` under other names, which no client learns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def add(self, write: Callable[[Path], None], *, expiry_s: int = 0) -> dict[str, Any]:
        """Lets `write` make the file of a new session; the answer of PUT /session/. An `expiry_s` of 0 or above an hour is an hour."""
        path = self._folder / f"{secrets.token_hex(16)}.nii"
        try:
            write(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        session_id = secrets.token_hex(16)
        with self._lock:
            self._expire(keep=SESSIONS_MAX - 1)
            self._sessions[session_id] = _Session(path, int(time.time()), time.monotonic(), min(expiry_s or EXPIRY_S, EXPIRY_S))
            return {"session_id": session_id, "session_info": self._describe(session_id)}

    def describe(self, session_id: str, *, touch: bool = False) -> dict[str, Any]:
        """The answer of GET /session/{id}.

        Raises:
            NotFound: no such session, or one that has expired; as all methods do.
        """
        with self._lock:
            session = self._find(session_id)
            session.used = time.monotonic() if touch else session.used
            return self._describe(session_id)

    @contextmanager
    def opening(self, session_id: str) -> Iterator[Path]:
        """The session's file, which stays while it is used."""
        with self._lock:
            session = self._find(session_id)
            session.used = time.monotonic()
            session.users += 1
        try:
            yield session.path
        finally:
            with self._lock:
                session.users -= 1
                if session not in self._sessions.values() and not session.users:
                    session.path.unlink(missing_ok=True)

    def remove(self, session_id: str) -> dict[str, Any]:
        """Ends a session."""
        with self._lock:
            self._find(session_id)
            description = self._describe(session_id)
            self._drop(session_id)
            return description

    def _find(self, session_id: str) -> _Session:
        self._expire(keep=SESSIONS_MAX)
        if session_id not in self._sessions:
            raise NotFound("a session (it may have expired)")
        return self._sessions[session_id]

    def _describe(self, session_id: str) -> dict[str, Any]:
        session = self._sessions[session_id]
        return {"name": session_id, "path": "", "image": "image.nii", "meta": {}, "create_ts": session.created,
                "last_access_ts": int(time.time() - (time.monotonic() - session.used)), "expiry": session.expiry_s}

    def _expire(self, keep: int) -> None:
        now = time.monotonic()
        for session_id in [key for key, session in self._sessions.items() if now - session.used > session.expiry_s]:
            self._drop(session_id)
        for session_id in sorted(self._sessions, key=lambda key: self._sessions[key].used)[:max(len(self._sessions) - keep, 0)]:
            self._drop(session_id)

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id)
        if not session.users:
            session.path.unlink(missing_ok=True)
