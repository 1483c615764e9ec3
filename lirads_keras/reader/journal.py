"""What readers and networks did, in the order in which they did it: an append-only journal in SQLite.

An event is on the disk before its request is answered (WAL mode, synchronous=FULL), so that a server that is killed loses nothing that it had accepted.
Nothing is ever changed or taken out: triggers refuse it. Large contents (masks, pictures) lie beside the events under their SHA-256.
"""
from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lirads_keras.errors import InputError, Problem

VERSION = 1
"""Of the journal's layout, as SQLite's user_version."""

_LAYOUT = """
CREATE TABLE events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT, study_id TEXT NOT NULL, moment TEXT NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX events_of_study ON events (study_id, event_id);
CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER blobs_stay BEFORE UPDATE ON blobs BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER blobs_remain BEFORE DELETE ON blobs BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


@dataclass(frozen=True)
class Event:
    """One thing that happened to a study. `moment` is UTC in ISO 8601; `before`, `after` and `payload` are JSON values."""

    event_id: int
    study_id: str
    moment: str
    who: str
    kind: str
    before: Any
    after: Any
    payload: Any


class NotStored(InputError):
    """The disk did not take an event: it is full, say."""


class Journal:
    """The journal in one file; its methods may be called from any thread.

    Raises:
        InputError: the file cannot be written, is damaged, or is no journal of this version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except sqlite3.Error as error:
            raise InputError(Problem(str(path), "the journal of a reading application", f"{error}")) from error
        except _OtherVersion as error:
            raise InputError(Problem(str(path), f"a journal of version {VERSION}", f"{error}")) from error

    def append(self, study_id: str, who: str, kind: str, *, before: Any = None, after: Any = None, payload: Any = None,
               blobs: Sequence[bytes] = ()) -> Event:
        """Stores an event together with the blobs that it names; when this returns, it is on the disk.

        Raises:
            NotStored: it could not be stored, and nothing of it was.
        """
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        texts = [json.dumps(value, allow_nan=False) for value in (before, after, payload)]
        contents = [(compute_blob_id(content), content) for content in blobs]
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", contents)
                cursor = self._connection.execute(
                    "INSERT INTO events (study_id, moment, who, kind, before, after, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (study_id, moment, who, kind, *texts))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise NotStored(Problem("the journal", "a disk that takes it", f"{error}")) from error
        assert cursor.lastrowid is not None
        return Event(cursor.lastrowid, study_id, moment, who, kind, *(json.loads(text) for text in texts))

    def read_events(self, study_id: str) -> list[Event]:
        """Everything that happened to a study, oldest first."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM events WHERE study_id = ? ORDER BY event_id", (study_id,)).fetchall()
        return [Event(*row[:5], *(json.loads(text) for text in row[5:])) for row in rows]

    def read_blob(self, blob_id: str) -> bytes:
        """The content with this SHA-256.

        Raises:
            KeyError: the journal has none.
        """
        with self._lock:
            row = self._connection.execute("SELECT content FROM blobs WHERE sha256 = ?", (blob_id,)).fetchone()
        if row is None:
            raise KeyError(blob_id)
        return bytes(row[0])

    def close(self) -> None:
        """Ends the connection; what was appended stays."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        version, = self._connection.execute("PRAGMA user_version").fetchone()
        tables, = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_LAYOUT} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise _OtherVersion(f"version {version}")
        verdict, = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)


class _OtherVersion(Exception):
    pass


def compute_blob_id(content: bytes) -> str:
    """Hex SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()
