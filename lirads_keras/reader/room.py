"""One study in the server's memory: its case, the job that works on it, who looks at it, and the lock under which it changes."""
from __future__ import annotations

import threading
import time
from typing import Any

from lirads_keras.reader.case import Case, replay
from lirads_keras.reader.jobs import Job, JobQueue
from lirads_keras.reader.journal import Event, Journal

PRESENT_S = 60.0
"""A reader who asked within this time is looking at the study."""

BLOCKING = ("run", "next")
"""Jobs during which a study cannot be edited: their result would replace the edit."""


class Room:
    """The state of one study; whoever changes it, or builds an answer from more than one part of it, holds `lock`."""

    def __init__(self, study_id: str, journal: Journal) -> None:
        self.study_id = study_id
        self.lock = threading.RLock()
        self.case: Case = replay(journal.read_events(study_id))
        self.job_by = ""
        self._journal = journal
        self._job_id: str | None = None
        self._seen: dict[str, float] = {}

    def append(self, who: str, kind: str, *, before: Any = None, after: Any = None, payload: Any = None, blobs: tuple[bytes, ...] = ()) -> Event:
        """Stores an event, then takes it into the case.

        Raises:
            NotStored: the case is as before.
        """
        event = self._journal.append(self.study_id, who, kind, before=before, after=after, payload=payload, blobs=blobs)
        self.case.apply(event)
        return event

    def note_reader(self, who: str | None) -> list[str]:
        """Notes who asks, and names all who asked lately."""
        now = time.monotonic()
        if who:
            self._seen[who] = now
        self._seen = {name: at for name, at in self._seen.items() if now - at <= PRESENT_S}
        return sorted(self._seen)

    def take_job(self, job_id: str, who: str) -> None:
        self._job_id, self.job_by = job_id, who

    def drop_job(self) -> None:
        self._job_id = None

    def find_job(self, jobs: JobQueue) -> Job | None:
        """The job that is queued, works, or has failed; one that is done is over."""
        job = None if self._job_id is None else jobs.find(self._job_id)
        return None if job is None or job.state == "done" else job

    def is_job(self, job_id: str) -> bool:
        return self._job_id == job_id
